# SPDX-License-Identifier: Apache-2.0
"""bench/recovery's work: starts, kills and watches nodes; prints a table."""
import argparse
import datetime
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from nodes import Node, weir
from servers import Sandbox
from until import until

PARTITIONS = 4
TOPIC = "bench.w"
OFFLINE = "weir.users.v1"
HZ = os.sysconf("SC_CLK_TCK")
ARGS = argparse.ArgumentParser(prog="bench/recovery")
ARGS.add_argument("--entities", type=int, default=1_000_000)
ARGS.add_argument("--runs", type=int, default=5)
ARGS.add_argument("--memory", default="1G")
ARGS.add_argument("--build")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Rows:
    """What is committed in the offline topic, as a read-committed consumer sees it come."""

    def __init__(self, brokers):
        self.consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench-recovery", "enable.auto.commit": False,
                                  "isolation.level": "read_committed", "fetch.wait.max.ms": 5})
        self.latest = 0.0
        parts = [TopicPartition(OFFLINE, p) for p in range(PARTITIONS)]
        for p in parts:
            p.offset = self.consumer.get_watermark_offsets(p, timeout=20)[1]
        self.consumer.assign(parts)
        self.stopping = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stopping:
            if self.consumer.consume(500, 0.02):
                self.latest = time.monotonic()

    def after(self, moment, seconds=120):
        """When the first row was seen after a moment, in seconds since it."""
        until(lambda: self.latest > moment, seconds)
        return self.latest - moment

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


def quartet(values):
    values = sorted(values)
    return f"{statistics.median(values):.2f} (max {values[-1]:.2f})"


class Bench:
    def __init__(self, args):
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="weir-recovery-")
        self.servers = Sandbox(os.path.join(self.dir, "sandbox"), only="kafka")
        self.lines = []

    def close(self):
        self.servers.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def node(self, state, *more):
        return Node(self.servers, "weir", os.path.join(self.dir, state), "--memory", self.args.memory,
                    "--commit-interval", "100ms", "--log-level", "warn", *more)

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
            for _ in range(self.args.runs):
                time.sleep(1.5)
                node.kill()
                start = time.monotonic()
                node.start()
                first.append(self.rows.after(start))
                caught_up(node)
                level.append(time.monotonic() - start)
            assert node.stop(60) == 0
        self.line("(a) kill -9, state there: first new row, s", quartet(first))
        self.line("(a) to no lag, s", quartet(level))

    def lost(self):
        shutil.rmtree(os.path.join(self.dir, "one"))
        with self.node("one", "--static-member") as node:
            start = time.monotonic()
            first = self.rows.after(start, 900)
            caught_up(node)
            restored, spent = node.metric("weir_restored_rows_total") or 0, cpu(node.process.pid)
            self.line("(b) state folder gone: first new row, s", f"{first:.2f}")
            self.line("(b) rows restored; CPU seconds of the process; million rows per CPU second",
                      f"{restored:,.0f}; {spent:.2f}; {restored / spent / 1e6:.2f}")
            assert node.stop(60) == 0

    def takeover(self, standbys):
        shutil.rmtree(os.path.join(self.dir, "two"), ignore_errors=True)
        more = ("--standbys", "1") if standbys else ()
        times, restored = [], []
        for _ in range(max(1, self.args.runs // 2)):
            with self.node("one", *more) as one, self.node("two", *more) as two:
                until(lambda: len(tasks(one)) == 2 and len(tasks(two)) == 2, 900, lambda: (one.log()[-500:], two.log()[-500:]))
                if standbys:
                    two.await_copies("bench", 600)
                caught_up(two)
                time.sleep(8)
                before = two.metric("weir_restored_rows_total") or 0
                mine = [t["partition"] for t in tasks(two)]
                one.kill()
                start = time.monotonic()
                until(lambda: len(tasks(two)) == PARTITIONS, 900, lambda: two.log()[-1000:])
                times.append(time.monotonic() - start)
                restored.append((two.metric("weir_restored_rows_total") or 0) - before)
                assert len(mine) == 2 and two.stop(60) == 0
        what = "with a standby" if standbys else "without"
        self.line(f"(c) another node takes over, {what}: all tasks run, s (session time-out 10)", quartet(times))
        self.line(f"(c) rows restored, {what}", f"{statistics.median(restored):,.0f}")

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
                      f"--memory {args.memory}, {args.runs} runs.", "", "| | |", "|-|-|", *bench.lines, ""])
    with open(f"bench/results/recovery-{today}.md", "w") as f:
        f.write(text)
    print(text)


main()
