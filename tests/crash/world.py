# SPDX-License-Identifier: Apache-2.0
"""One run's world: servers of its own, the stream, the job, its nodes, and the check of everything."""
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

import redis
from confluent_kafka import KafkaException

from kafka_topics import Kafka
from nodes import DONE, Node, clean_env, exits
from oracle import Oracle, Wrong
from servers import Sandbox
from stream import JOB, PARTITIONS, SCHEMA, SHARDS, Stream
from until import until
from watch import Watch

SESSION_MS = 3000
# A short session, so that takeovers take seconds. All else is what users get.
PROPERTIES = f"session.timeout.ms={SESSION_MS}\nheartbeat.interval.ms=500\nsocket.timeout.ms=5000\n"
OPTIONS = ("--commit-interval", "50ms", "--memory", "64M")
LOG = ("--log-level", os.environ.get("WEIR_CRASH_LOG", "info"))
DRAIN_SECONDS = 90
DROPPED = "dropping the local copy"  # what a node says when it restores all of a partition
FOLD = os.path.join(os.environ["WEIR_BUILD"], "crash", "crash_fold")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


class World:
    _living = []
    options = OPTIONS

    @classmethod
    def living(cls):
        """Those of this thread that were not closed."""
        return [w for w in cls._living if w.thread == threading.get_ident()]

    def __init__(self, seed, rate=2500, box=None, label="run", job=JOB):
        """box: servers that are there; None: its own."""
        self.seed, self.rng, self.label = seed, random.Random(f"{label}{seed}"), label
        self.thread = threading.get_ident()
        self.stream = self.watch = None
        self.nodes = {}
        World._living.append(self)
        self.folder = tempfile.mkdtemp(prefix=f"crash-{label}.", dir=os.environ.get("WEIR_TMP"))
        self.box, self.own = box or Sandbox(os.path.join(self.folder, "sandbox")), box is None
        self.prefix = f"c{os.urandom(4).hex()}"
        self.kafka = Kafka(self.box.brokers)
        self.topic = self.kafka.make(f"{self.prefix}-events", PARTITIONS)
        self.redis = self.store()
        write(os.path.join(self.folder, "event.avsc"), SCHEMA)
        self.properties = write(os.path.join(self.folder, "client.properties"), PROPERTIES)
        self.job = write(os.path.join(self.folder, "job.yaml"), job.format(topic=self.topic, shards=SHARDS))
        exits(0, "deploy", self.job, "--brokers", self.box.brokers, "--prefix", self.prefix)
        self.wipes_called_for, self.checks, self.states = 0, 0, 0
        self.stream = Stream(self.box.brokers, self.topic, self.rng, rate)
        self.oracle, self.online_seconds = None, DRAIN_SECONDS
        self.found = {}  # figures of a fault's own
        self.lost = 0  # runs of the same before it whose end markers Kafka lost
        self.watch = Watch(self.store, self.prefix, self.rng)

    def store(self):
        host, port = self.box.redis.split(":")
        return redis.Redis(host, int(port), socket_timeout=10)

    def state(self, name):
        return os.path.join(self.folder, name)

    # -- nodes --

    def node(self, name="a", *more, static=True, brokers=None, **env):
        servers = self.box if brokers is None else type("Via", (), {"brokers": brokers, "redis": self.box.redis})
        n = Node(servers, self.prefix, self.state(name), *self.options, *LOG, "--kafka-config", self.properties,
                 *more, *(["--static-member"] if static else []))
        n.log_path = self.state(name) + ".log"  # of all its lives
        self.nodes[name] = n.start(**env)
        return n

    def end_nodes(self):
        for n in self.nodes.values():
            if n.process.poll() is None:
                n.process.kill()
                n.process.wait()

    def logs(self):
        out = ""
        for name in self.nodes:
            with open(self.state(name) + ".log", errors="replace") as f:
                out += f.read()
        return out

    def wipes(self):
        """Full restores: local copies that a node did not trust."""
        return self.logs().count(DROPPED)

    def say_nodes(self):
        return {name: (n.process.poll(), n.request("/jobs/j/tasks")[1][:6000], n.log()[-1500:])
                for name, n in self.nodes.items()}

    # -- progress --

    def rows(self):
        """High watermarks of the offline topics, together: they grow while the engine works. -1: not known now."""
        try:
            return sum(sum(self.kafka.ends(f"{self.prefix}.{v}.v1").values()) for v in ("by_user", "by_shop"))
        except KafkaException:
            return -1

    def await_topics(self, seconds=60):
        until(lambda: {f"{self.prefix}.by_user.v1", f"{self.prefix}.by_shop.v1"} <= self.kafka.topics(), seconds,
              self.say_nodes)
        if not self.oracle:
            self.oracle = Oracle(self.box.brokers, self.prefix, self.topic)

    def await_work(self, seconds=60):
        """Until something new has been committed."""
        self.await_topics(seconds)
        until(lambda: self.rows() >= 0, seconds, self.say_nodes)
        before = self.rows()
        until(lambda: self.rows() > before >= 0, seconds, self.say_nodes)

    # -- the check --

    def check_online(self):
        end = time.monotonic() + self.online_seconds
        while wrong := self.oracle.online_wrong(self.redis):
            if time.monotonic() > end:
                raise Wrong(f"online: {wrong[:3]}, {self.say_nodes()}")
            time.sleep(0.1)

    def drained(self):
        self.oracle.take_input()
        self.oracle.expire(PARTITIONS)
        self.oracle.take_output()
        return self.oracle.missing() == 0

    def check(self, seconds=DRAIN_SECONDS):
        """With the nodes running and the stream paused: all of it, to the last byte."""
        self.checks += 1
        self.await_topics(seconds)
        until(self.drained, seconds, lambda: (self.oracle.missing_say(), self.say_nodes()))
        self.check_online()
        self.drained()  # nothing may come after that
        if self.watch.fallen:
            raise Wrong(f"versions fell: {self.watch.fallen[:3]}")
        wipes = self.wipes()
        if wipes > self.wipes_called_for:
            raise Wrong(f"{wipes} full restores, {self.wipes_called_for} called for")
        dead = [n for n in self.kafka.topics() if n == f"{self.prefix}.j.dead"]
        for topic in dead + [f"{self.prefix}.j.late"]:
            if sum(self.kafka.ends(topic).values()):
                raise Wrong(f"{topic} has records")

    # -- the state --

    def fold(self, *store):
        """The rows of the job's state (fold.c), {(view, entity): the rest of the line}."""
        r = subprocess.run([FOLD, self.box.brokers, self.prefix, self.job, *store], env=clean_env(),
                           capture_output=True, text=True, timeout=120)
        assert r.returncode == 0, (r.returncode, r.stderr[-2000:])
        lines = (line.split("\t") for line in r.stdout.splitlines())
        return {(view, entity): rest for view, entity, *rest in lines}

    def check_state(self):
        """After a check, without nodes: the changelog's fold is the oracle's, and each node's store, with what the
        changelog has after it, is the same to the bit."""
        want = self.fold()
        for view, rows in self.oracle.last.items():
            for entity, row in rows.items():
                got = want.get((view, entity))
                if not got:
                    raise Wrong(f"the changelog has no {view} {entity}")
                time_, known_at, features, _ = got
                sent = self.oracle.sent[view, entity]
                if (int(time_), int(known_at)) != (row["event_time"], row["known_at"]) or not sent.hex().endswith(features):
                    raise Wrong(f"the changelog's {view} {entity}: {got}, the row is {row}")
        if len(want) != sum(map(len, self.oracle.last.values())):
            raise Wrong("the changelog has entities without a row")
        for name in self.nodes:
            copy = os.path.join(self.folder, "copy")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(os.path.join(self.state(name), "db"), copy)
            got = self.fold(copy)
            wrong = [k for k in want.keys() | got.keys() if want.get(k) != got.get(k)]
            if wrong:
                raise Wrong(f"{name}'s store: {len(wrong)} rows differ, {wrong[0]}: {got.get(wrong[0])}, not {want.get(wrong[0])}")
        self.states += 1

    def figures(self):
        o = self.oracle
        return {"events": o.ids if o else 0, "rows": o.rows if o else 0, "expiry rows": o.expiries if o else 0,
                **({"runs before in which Kafka lost end markers": self.lost} if self.lost else {}),
                "checks": self.checks, "checks of the state": self.states, "looks at Redis": self.watch.looks, **self.found}

    def close(self, keep=False):
        World._living.remove(self)
        for thread in (self.stream, self.watch):
            if thread:      # it had come so far
                thread.close()
        self.end_nodes()
        if self.own:
            self.box.close()
        if not keep:
            subprocess.run(["rm", "-rf", self.folder], check=False)


def finish(w, alive=()):
    """All of it, then clean stops; the nodes named are still there to be stopped."""
    w.stream.pause()
    w.check()
    for name in alive:
        assert w.nodes[name].process.poll() is None, w.nodes[name].log()[-2000:]
    for n in w.nodes.values():
        if n.process.poll() is None:
            assert n.stop() == DONE, n.log()[-2000:]
    w.check_state()
    return w
