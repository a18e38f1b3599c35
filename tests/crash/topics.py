# SPDX-License-Identifier: Apache-2.0
"""Topics read once, a piece at a time: committed records in order, up to the high watermark."""
import time

from confluent_kafka import Consumer, TopicPartition

from kafka_topics import QUICK


def reader(brokers, isolation="read_committed", reset="error"):
    return Consumer({"bootstrap.servers": brokers, "group.id": "crash", "log_level": 0, **QUICK,
                     "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": reset,
                     "isolation.level": isolation, "fetch.wait.max.ms": 10})


def high_watermarks(brokers, topic):
    c = reader(brokers, "read_uncommitted")  # read committed it would be the last stable offset
    try:
        parts = c.list_topics(topic, timeout=20).topics[topic].partitions
        return {p: c.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in parts}
    finally:
        c.close()


class Tail:
    """What came to a topic since the last call of more()."""

    def __init__(self, brokers, topic):
        self.brokers, self.topic, self.at = brokers, topic, {}

    def more(self, seconds=60):
        ends = high_watermarks(self.brokers, self.topic)
        c, out, end = reader(self.brokers), [], time.monotonic() + seconds
        try:
            left = {p for p, e in ends.items() if self.at.get(p, 0) < e}
            if left:
                c.assign([TopicPartition(self.topic, p, self.at.get(p, 0)) for p in left])
            while left:
                assert time.monotonic() < end, f"{self.topic} {sorted(left)}: not to be read to its end {ends} ({self.at})"
                for m in c.consume(10000, 0.05):
                    if m.error() is None:
                        out.append(m)
                        self.at[m.partition()] = m.offset() + 1
                    elif m.error().name() == "_PARTITION_EOF":
                        # Before the high watermark it is the end of what is stable so far.
                        self.at[m.partition()] = max(self.at.get(m.partition(), 0), m.offset())
                        if m.offset() >= ends[m.partition()]:
                            left.discard(m.partition())
                    else:
                        raise AssertionError(m.error())
        finally:
            c.close()
        return sorted(out, key=lambda m: (m.partition(), m.offset()))
