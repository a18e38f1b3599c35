# SPDX-License-Identifier: Apache-2.0
"""What every benchmark needs: the servers, the streams in their topics, scratch folders, the table of results."""
import datetime
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import redis
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from measure import Failed
from servers import ROOT, Sandbox

PARTITIONS = 4
KEPT = 1_000_000    # events below which a table is only printed


def say(text):
    print(text, file=sys.stderr, flush=True)


def cache():
    """Where .ci/deps puts things."""
    return os.environ.get("WEIR_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "weir")


class Stream:
    """A topic with the stream W in it, made when it is first needed."""

    def __init__(self, bench, topic, n, warm, *options):
        self.bench, self.topic, self.n, self.warm, self.options = bench, topic, n, warm, options
        self.samples = {}
        say(f"producing {n:,} events into {topic}")
        bench.generate("--topic", topic, "--partitions", str(PARTITIONS), *options, str(n))

    def sample(self, query):
        """The file of the sampled entities' events."""
        kind = query.entity
        if kind not in self.samples:
            path = os.path.join(self.bench.dir, f"{self.topic}.{kind}.tsv")
            with open(path, "w", encoding="utf-8") as f:
                self.bench.generate("--partitions", str(PARTITIONS), *(["--items"] if kind == "item_id" else []),
                                    *self.options, str(self.n), stdout=f)
            self.samples[kind] = path
        return self.samples[kind]


class Bench:
    def __init__(self, args, build):
        self.args, self.build = args, build
        self.peers = f"{cache()}/peers"
        self.dir = tempfile.mkdtemp(prefix="weir-bench-")
        self.runs, self.streams, self.looker = 0, {}, None
        self.load = os.getloadavg()[0]
        say("starting Kafka and Redis")
        self.servers = Sandbox(os.path.join(self.dir, "sandbox"))
        self.env = os.environ | {"WEIR_BROKERS": self.servers.brokers}

    def close(self):
        if self.looker:
            self.looker.close()
        self.servers.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def generate(self, *args, stdout=None):
        done = subprocess.run(["taskset", "-c", "0", f"{self.build}/bench/bench_generate", *args], env=self.env,
                              stdout=stdout, check=False)
        if done.returncode:
            raise Failed("the events could not be produced")

    def stream(self, avro=False, n=None, warm=None, options=(), name=""):
        n = n or self.args.events
        topic = f"bench.{name}{'avro' if avro else 'json'}.{n}"
        if topic not in self.streams:
            options = [*options, *(["--avro"] if avro else [])]
            self.streams[topic] = Stream(self, topic, n, self.args.warm if warm is None else warm, *options)
        return self.streams[topic]

    def reader(self):
        """The program that finds the rows to be checked: the tree's, for a build from before there was one."""
        own = f"{self.build}/bench/bench_rows"
        return own if os.path.exists(own) else f"{ROOT}/build/release/bench/bench_rows"

    def scratch(self):
        """A prefix and a folder for one run."""
        self.runs += 1
        folder = os.path.join(self.dir, f"run{self.runs}")
        os.mkdir(folder)
        return f"b{self.runs}", folder

    def end_of(self, topic, partition):
        """The high watermark, asked of the broker."""
        if not self.looker:
            self.looker = Consumer({"bootstrap.servers": self.servers.brokers, "group.id": "bench-look"})
        return self.looker.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)[1]

    def drop(self, prefix, folder):
        """What a run has left: topics, online rows, state."""
        admin = AdminClient({"bootstrap.servers": self.servers.brokers})
        topics = [t for t in admin.list_topics(timeout=20).topics if t.startswith(prefix + ".")]
        for future in admin.delete_topics(topics).values() if topics else ():
            future.result()
        redis.Redis(*self.servers.redis.split(":")).flushall()
        shutil.rmtree(folder)

    def again(self, what, once):
        """The figures of --runs runs, in order of their CPU, so that the middle one is the median."""
        found = []
        for i in range(self.args.runs):
            say(f"{what}: run {i + 1} of {self.args.runs}")
            figures = once()
            say(f"  {figures.cpu:.2f} CPU s per million, {figures.rate:,.0f} events/s; {figures.check}")
            found.append(figures)
        return sorted(found, key=lambda f: f.cpu)

    # ---- the table ----

    def machine(self):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = (re.search(r"^model name\s*: (.*)$", f.read(), re.M) or [0, os.uname().machine])[1]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        def version(name):
            return max((os.path.basename(p).split("-")[1] for p in glob.glob(f"{cache()}/{name}-[0-9]*")), default="?")
        kafka = os.environ.get("WEIR_SANDBOX_KAFKA") or version("kafka")
        redis_version = redis.Redis(*self.servers.redis.split(":")).info()["redis_version"]
        weir = subprocess.run([f"{self.build}/weir", "--version"], capture_output=True, text=True, check=True).stdout
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                                check=False).stdout.strip()
        return [f"Machine: {os.cpu_count()} cores, {cpu}, {memory:.0f} GB, Linux {os.uname().release}. "
                f"weir {weir.split()[1] if len(weir.split()) > 1 else weir} ({commit}), Kafka {kafka}, "
                f"Redis {redis_version}, librdkafka {version('librdkafka')}. Load when it began: {self.load:.1f}."]

    def keep(self, name, title, lines, n):
        """Prints the table; keeps it when it is of enough events to mean something."""
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        text = "\n".join([f"# {today}: {title}", "", *self.machine(), "", *lines, ""])
        print(text)
        if n < KEPT:
            say(f"not kept: {'a choice of queries' if not n else f'fewer than {KEPT:,} events'}")
            return
        os.makedirs(f"{ROOT}/bench/results", exist_ok=True)
        with open(f"{ROOT}/bench/results/{name}{today}.md", "w", encoding="utf-8") as f:
            f.write(text)


def median(figures):
    return figures[len(figures) // 2]
