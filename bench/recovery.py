# SPDX-License-Identifier: Apache-2.0
"""bench/recovery's work: starts, kills and watches nodes; prints a table."""
import argparse
import datetime
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from nodes import Node, weir
from servers import Sandbox
from until import until

PARTITIONS = 4
TOPIC = "bench.w"
OFFLINE = "weir.users.v1"
ASSIGNED = r" kafka: \S+: _ASSIGN_PARTITIONS of [1-9]"  # of a node's log
RUNNING = r" takeover: .* running from offset "
HZ = os.sysconf("SC_CLK_TCK")
ARGS = argparse.ArgumentParser(prog="bench/recovery")
ARGS.add_argument("--entities", type=int, default=1_000_000)
ARGS.add_argument("--kills", type=int, default=20)
ARGS.add_argument("--restores", type=int, default=2)
ARGS.add_argument("--takeovers", type=int, default=4)
ARGS.add_argument("--memory", default="1G")
ARGS.add_argument("--build")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Rows:
    """What is committed in the offline topic, as a read-committed consumer sees it come."""

    def __init__(self, brokers):
        self.consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench-recovery", "enable.auto.commit": False,
                                  "isolation.level": "read_committed", "fetch.wait.max.ms": 5})
        self.first = {}  # of each partition since the last watch_for()
        self.lock = threading.Lock()
        parts = [TopicPartition(OFFLINE, p) for p in range(PARTITIONS)]
        for p in parts:
            p.offset = self.consumer.get_watermark_offsets(p, timeout=20)[1]
        self.consumer.assign(parts)
        self.stopping = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stopping:
            came = {m.partition() for m in self.consumer.consume(500, 0.02) if not m.error()}
            with self.lock:
                for p in came:
                    self.first.setdefault(p, time.time())

    def watch_for(self):
        """What comes from now on is new."""
        with self.lock:
            self.first = {}

    def wait(self, partitions=(), seconds=120):
        """When there was a new row in each of these partitions; in any of them, if none is named."""
        def seen():
            with self.lock:
                return self.first.keys() >= set(partitions) if partitions else self.first
        until(seen, seconds)
        return max(self.first[p] for p in partitions) if partitions else min(self.first.values())

    def close(self):
        self.stopping = True
        self.thread.join()
        self.consumer.close()


class Trickle:
    """A few hundred events a second to all partitions, so that there is always something new."""

    def __init__(self, brokers, first):
        self.producer = Producer({"bootstrap.servers": brokers, "linger.ms": 1})
        self.n, self.stopping = first, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        at = 1735689600000 + 26 * 3600 * 1000
        while not self.stopping:
            for p in range(PARTITIONS):
                self.n += 1
                user = f"t{self.n % 100}-{p}"
                self.producer.produce(TOPIC, partition=p, key=user, value=(
                    f'{{"event_id":"e{self.n}","user_id":"{user}","item_id":"i1","type":"view","amount":1.5,"ts":{at},'
                    '"country":"DE","session":"0000000000000000-0000000000000000"}'))
            self.producer.poll(0)
            time.sleep(0.01)

    def close(self):
        self.stopping = True
        self.thread.join()
        self.producer.flush(10)


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def lag(node):
    return node.metric("weir_lag_records")


def tasks(node):
    return [t for t in node.json("/jobs/bench").get("tasks", []) if t["state"] == "running"]


def caught_up(node, seconds=600):
    until(lambda: node.json("/jobs/bench").get("state") == "running" and (lag(node) or 0) < 2000, seconds,
          lambda: (node.request("/jobs/bench")[1][:500], node.log()[-2000:]))


def said(node, what, after):
    """The moments, in seconds since 1970, at which a node's log has a line like that, after one such."""
    moments = (datetime.datetime.fromisoformat(line[:23] + "+00:00").timestamp()
               for line in node.log().splitlines() if re.search(what, line))
    return [m for m in moments if m > after]


def quantiles(values):
    values = sorted(values)
    return f"{statistics.median(values):.2f} (p99 {values[min(len(values) - 1, int(len(values) * 0.99))]:.2f}, of {len(values)})"


class Bench:
    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="weir-recovery-")
        self.servers = Sandbox(os.path.join(self.dir, "sandbox"), only="kafka")
        self.admin = AdminClient({"bootstrap.servers": self.servers.brokers})
        self.lines = []

    def close(self):
        self.servers.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def node(self, state, *more):
        return Node(self.servers, "weir", os.path.join(self.dir, state), "--memory", self.args.memory,
                    "--commit-interval", "100ms", *(() if "--log-level" in more else ("--log-level", "warn")), *more)

    def line(self, what, value):
        self.lines.append(f"| {what} | {value} |")
        say(f"{what}: {value}")

    def fill(self):
        say(f"producing {self.args.entities} events, a user each")
        subprocess.run([os.path.join(os.environ["WEIR_BUILD"], "bench/bench_generate"), "--topic", TOPIC,
                        "--partitions", str(PARTITIONS), "--each", "0", str(self.args.entities)], check=True, env=os.environ | {"WEIR_BROKERS": self.servers.brokers})
        weir("deploy", "bench/queries/multi.yaml", "--brokers", self.servers.brokers)
        with self.node("one", "--static-member") as node:
            start = time.monotonic()
            caught_up(node, 3600)
            took = time.monotonic() - start
            self.line("making the state, events a second", f"{self.args.entities / took:,.0f}")
            assert node.stop(120) == 0

    def kills(self):
        first, level = [], []
        with self.node("one", "--static-member") as node:
            caught_up(node)
            for _ in range(self.args.kills):
                time.sleep(1.5)  # work between two
                node.kill()
                time.sleep(0.2)  # what it had committed has been seen
                self.rows.watch_for()
                start = time.time()
                node.start()
                first.append(self.rows.wait() - start)
                caught_up(node)
                level.append(time.time() - start)
            assert node.stop(60) == 0
        self.line("(a) kill -9, state there: first new row, s", quantiles(first))
        self.line("(a) to no lag, s", quantiles(level))

    def lost(self):
        """A node that begins with an empty folder is another member: nobody's session is waited for here."""
        rates, per_cpu, first, level = [], [], [], []
        for _ in range(self.args.restores):
            until(lambda: not self.members(), 60)
            shutil.rmtree(os.path.join(self.dir, "one"))
            self.rows.watch_for()
            start = time.time()
            with self.node("one", "--log-level", "debug") as node:
                first.append(self.rows.wait(seconds=900) - start)
                caught_up(node)
                level.append(time.time() - start)
                assigned, running = said(node, ASSIGNED, start), said(node, RUNNING, start)
                restored, spent = node.metric("weir_restored_rows_total") or 0, cpu(node.process.pid)
                rates.append(restored / (running[-1] - assigned[0]))
                per_cpu.append(restored / spent)
                assert node.stop(60) == 0
        self.line("(b) state folder gone: first new row, s", quantiles(first))
        self.line("(b) to no lag, s", quantiles(level))
        self.line("(b) rows restored", f"{restored:,.0f}")
        self.line("(b) million rows a second, from the assignment to all tasks running", quantiles([r / 1e6 for r in rates]))
        self.line("(b) million rows per CPU second of the whole process, its start and flushes among it",
                  quantiles([r / 1e6 for r in per_cpu]))

    def members(self):
        group = "weir.bench"
        return self.admin.describe_consumer_groups([group])[group].result(20).members

    def takeover(self, standbys):
        """One of two nodes is killed, and started again when the other one has taken over, and so on."""
        shutil.rmtree(os.path.join(self.dir, "two"), ignore_errors=True)
        more = ("--log-level", "debug", *(("--standbys", "1") if standbys else ()))
        noticed, running, rows, restored = [], [], [], []
        with self.node("one", *more) as one, self.node("two", *more) as two:
            for i in range(self.args.takeovers):
                dies, stays = (one, two) if i % 2 else (two, one)
                until(lambda: len(tasks(one)) == 2 and len(tasks(two)) == 2, 300, lambda: (one.log()[-500:], two.log()[-500:]))
                if standbys:
                    stays.await_copies("bench", 600)
                caught_up(stays)
                caught_up(dies)
                taken = [t["partition"] for t in tasks(dies)]
                before = stays.metric("weir_restored_rows_total") or 0
                dies.kill()
                start = time.time()
                time.sleep(0.2)  # what it had committed has been seen
                self.rows.watch_for()
                until(lambda: len(said(stays, RUNNING, start)) >= len(taken), 300, lambda: stays.log()[-1000:])
                came = self.rows.wait(taken)
                assigned, run = said(stays, ASSIGNED, start)[0], said(stays, RUNNING, start)[-1]
                noticed.append(assigned - start)
                running.append(run - assigned)
                rows.append(came - assigned)
                until(lambda: len(tasks(stays)) == PARTITIONS, 60)
                restored.append((stays.metric("weir_restored_rows_total") or 0) - before)
                if i + 1 < self.args.takeovers:
                    dies.start()
            assert stays.stop(60) == 0
        what = "with a standby" if standbys else "without"
        self.line(f"(c) {what}: from the kill to the assignment, s (session time-out 10)", quantiles(noticed))
        self.line(f"(c) {what}: from the assignment to all its tasks running, s", quantiles(running))
        self.line(f"(c) {what}: from the assignment to new rows of all its partitions, s", quantiles(rows))
        self.line(f"(c) {what}: rows restored", f"{statistics.median(restored):,.0f}")

    def run(self):
        self.fill()
        self.rows = Rows(self.servers.brokers)
        trickle = Trickle(self.servers.brokers, 0)
        try:
            self.kills()
            self.lost()
            self.takeover(False)
            self.takeover(True)
        finally:
            trickle.close()
            self.rows.close()


def main():
    args = ARGS.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the clean-up below
    bench = Bench(args)
    try:
        bench.run()
    finally:
        bench.close()
    today = datetime.date.today().isoformat()
    text = "\n".join([f"# {today}: recovery, {args.entities:,} entities", "",
                      f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}; {PARTITIONS} partitions, commit every 100 ms, "
                      f"--memory {args.memory}.", "", "| | |", "|-|-|", *bench.lines, ""])
    with open(f"bench/results/recovery-{today}.md", "w") as f:
        f.write(text)
    print(text)


main()
