# SPDX-License-Identifier: Apache-2.0
"""The broker's log cleaner: made to work without a pause on a run's compacted topics, and asked how far it has come.

What it has cleaned is read from its own checkpoint, what it took away from the broker's log: a compaction that did
not happen is not taken for one.
"""
import os
import re

from kafka_topics import Kafka
from until import until

CHECKPOINT = "kafka/data/cleaner-offset-checkpoint"
BACKOFF = "log.cleaner.backoff.ms=20"  # of the broker: for how long it rests when there is nothing to clean
# A segment is cleaned once it is not written to any more and all of its transactions have ended. It is written to for
# less than this, and what was cleaned is merged, and cleaned again with what comes.
SEGMENT_MS = 400
EAGER = {"segment.ms": SEGMENT_MS, "min.cleanable.dirty.ratio": 0, "min.compaction.lag.ms": 0,
         "max.compaction.lag.ms": 1000, "delete.retention.ms": 0, "file.delete.delay.ms": 1000}
FEWER = re.compile(r"Log cleaner thread \d+ cleaned log (\S+) \(dirty section = \[(\d+), (\d+)\]\)"
                   r".*?Start size: [^(]*\(([\d,]+) messages\)\s+End size: [^(]*\(([\d,]+) messages\)", re.S)


class Cleaner:
    def __init__(self, w):
        self.w = w
        self.offline = [f"{w.prefix}.{view}.v1" for view in ("by_user", "by_shop")]
        self.control = f"{w.prefix}.jobs"
        self.topics = [*self.offline, self.control, f"{w.prefix}.schemas"]

    def hurry(self):
        """From now on there is always something that it may clean."""
        kafka = Kafka(self.w.box.brokers)
        for topic in self.topics:
            assert kafka.config(topic)["cleanup.policy"] == "compact", topic
            kafka.alter(topic, EAGER)

    def cleaned(self):
        """{(topic, partition): up to where}, of this run's topics."""
        if not os.path.exists(os.path.join(self.w.box.folder, CHECKPOINT)):
            return {}
        rows = (line.split() for line in self.w.box.read(CHECKPOINT).splitlines()[2:])  # after a version and a count
        return {(topic, int(partition)): int(at) for topic, partition, at in rows if topic in self.topics}

    def ends(self):
        """Of the offline topics: {(topic, partition): high watermark}"""
        return {(t, p): end for t in self.offline for p, end in self.w.kafka.ends(t).items()}

    def await_past(self, ends, seconds=60):
        """With the stream running: until all before these has been cleaned."""
        assert ends and all(ends.values()), f"partitions without a record: {ends}"
        until(lambda: all(self.cleaned().get(at, 0) >= end for at, end in ends.items()), seconds,
              lambda: ("nothing was compacted", ends, self.cleaned(), self.w.say_nodes()))

    def await_more(self, seconds=60):
        """Until it has come further in each topic: it is at work now."""
        def now():
            done = self.cleaned()
            return {t: sum(at for (topic, _), at in done.items() if topic == t) for t in self.offline}
        before = now()
        until(lambda: all(at > before[t] for t, at in now().items()), seconds,
              lambda: ("compaction stands still", before, now(), self.w.say_nodes()))

    def figures(self):
        """How often it cleaned these topics, and how many records it took away, by its own word."""
        runs, fewer = dict.fromkeys(self.topics, 0), dict.fromkeys(self.topics, 0)
        for log, _, _, start, end in FEWER.findall(self.w.box.read("log/kafka.log")):
            topic = log.rsplit("-", 1)[0]
            if topic in runs:
                runs[topic] += 1
                fewer[topic] += int(start.replace(",", "")) - int(end.replace(",", ""))
        return {"runs": runs, "fewer": fewer}
