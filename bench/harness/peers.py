# SPDX-License-Identifier: Apache-2.0
"""The benchmark's queries on Kafka Streams and on Flink (bench/peers): started, watched, checked as weir is."""
import os
import struct
import subprocess
import time

import measure
import oracle
from bench import PARTITIONS
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from measure import Failed

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What Flink needs of a JVM of 17: the options of its own start scripts.
OPENS = [f"--add-opens=java.base/java.{p}=ALL-UNNAMED" for p in ("util", "lang", "nio", "time", "net", "util.concurrent")]
KINDS = {  # label: module, class, commit interval in ms, of the JVM
    "Kafka Streams, commit every 100 ms": ("streams", "weir.bench.StreamsBench", 100, ["-Xmx2g"]),
    "Kafka Streams, commit every 10 s": ("streams", "weir.bench.StreamsBench", 10_000, ["-Xmx2g"]),
    "Flink, checkpoint every 10 s": ("flink", "weir.bench.FlinkBench", 10_000, ["-Xmx1g", *OPENS]),
}
HOP_EVENTS = 2_000_000   # hop: 13 results an event
# Like weir's offline topics: compacted, but nothing within a day of its writing. (A day by the broker's clock: Kafka
# Streams gives its rows the time of the event, and they would be old enough at once.)
TOPIC = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact", "min.compaction.lag.ms": "86400000",
         "min.cleanable.dirty.ratio": "0.9"}


class Jvm:
    """One of the peers as a process, pinned to a core."""

    def __init__(self, bench, label, query, topic, out, folder):
        module, main, commit, options = KINDS[label]
        self.bench, self.topic, self.group = bench, topic, out
        self.progress, self.log_path = os.path.join(folder, "progress"), os.path.join(folder, "log")
        jars = f"{bench.peers}/{module}/{module}-1.jar:{bench.peers}/{module}/lib/*"
        self.command = ["taskset", "-c", "0", "java", *options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                        f"-Djava.io.tmpdir={folder}", "-cp", jars,
                        main, bench.servers.brokers, query, topic, out, os.path.join(folder, "state"), str(commit),
                        self.progress]
        self.admin = AdminClient({"bootstrap.servers": bench.servers.brokers})

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pids = [self.process.pid]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()[-3000:]

    def taken(self):
        try:
            with open(self.progress, "rb") as f:
                return struct.unpack("<q", f.read(8))[0]
        except (OSError, struct.error):
            return 0

    def committed(self):
        """Whether the group's offsets are at the end of the topic; behind the last record is its commit's mark."""
        parts = [TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        asked = [ConsumerGroupTopicPartitions(self.group, parts)]
        found = self.admin.list_consumer_group_offsets(asked)[self.group].result().topic_partitions
        return all(p.offset >= self.bench.end_of(self.topic, p.partition) - 1 for p in found)

    def settled(self, end):
        """Waits until all is committed. The CPU until then."""
        while time.monotonic() < end:
            if not self.alive():
                raise Failed(f"the engine ended:\n{self.log()}")
            cpu = measure.cpu_seconds(self.pids)
            if self.committed():
                return cpu
            time.sleep(measure.EVERY)
        raise Failed(f"it does not commit the last events:\n{self.log()}")


class Repartitioned(Jvm):
    """What was read may still be in the repartition topic: all is done when the rows stop coming."""

    def __init__(self, *args):
        super().__init__(*args)
        self.rows = args[4]

    def settled(self, end):
        super().settled(end)
        last, since, cpu = None, 0.0, 0.0
        while time.monotonic() < end:
            now = [self.bench.end_of(self.rows, p) for p in range(PARTITIONS)]
            if now != last:
                last, since, cpu = now, time.monotonic(), measure.cpu_seconds(self.pids)
            elif time.monotonic() - since > 12:     # more than a commit interval
                return cpu
            time.sleep(measure.EVERY)
        raise Failed(f"it does not come to rest:\n{self.log()}")


def rows_expected(label, query, n):
    """None where the engine's cache leaves out what is soon replaced."""
    windowed = query.name in ("tumble", "hop")
    if windowed and "Streams" in label:
        return None
    return n * 13 if query.name == "hop" else n


def versions(bench):
    jars = sorted(name for module in ("streams", "flink") for name in os.listdir(f"{bench.peers}/{module}/lib")
                  if name.startswith(("kafka-streams-", "rocksdbjni-", "flink-core-2", "flink-connector-kafka-", "frocksdbjni-")))
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[0]
    return [f"{', '.join(name.removesuffix('.jar') for name in jars)}; {java}."]


def run(bench, label, query, stream):
    """One run, measured and checked."""
    figures = measure.Figures()
    prefix, folder = bench.scratch()
    out = f"{prefix}.rows"
    admin = AdminClient({"bootstrap.servers": bench.servers.brokers})
    for future in admin.create_topics([NewTopic(out, PARTITIONS, 1, config=TOPIC)]).values():
        future.result()
    kind = Repartitioned if query.entity != "user_id" else Jvm
    with kind(bench, label, query.name, stream.topic, out, folder) as engine:
        measure.watch(engine, stream.n, stream.warm, figures)
        figures.peak = measure.peak_bytes(engine.pids)
        figures.sent = measure.bytes_sent(engine.pids, bench.servers.brokers)
        figures.state = measure.folder_bytes(os.path.join(folder, "state"))
    figures.right, figures.check = oracle.check_peer(bench.reader(), bench.servers.brokers, out, query,
                                                     stream.sample(query), rows_expected(label, query, stream.n))
    bench.drop(prefix, folder)
    return figures
