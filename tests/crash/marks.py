# SPDX-License-Identifier: Apache-2.0
"""What a job's changelogs say of themselves while it runs: every marker that was committed, with the rolling snapshot
in it, and how far Kafka has deleted them. So a test knows when a snapshot is under way, and what became of it."""
import struct
import threading
import time
from collections import namedtuple

from confluent_kafka import TopicPartition

from oracle import zigzag
from topics import reader

FORMAT = 3  # engine/run/marker.c
LOOK_SECONDS = 0.1  # from one look at where the changelogs begin to the next
# offset, at (Kafka's time, ms): of the record. floor: -1 while no snapshot runs. log: bytes of rows that count
Mark = namedtuple("Mark", "offset at node floor log")


def mark(m):
    """Of a marker's record."""
    data = m.value()
    assert data[0] == FORMAT, f"a marker of format {data[0]}"
    _, at = zigzag(data, 1)              # incarnation
    _, at = zigzag(data, at)             # epoch
    inputs, at = zigzag(data, at + 8)    # behind the plan's hash
    for _ in range(inputs):
        for _ in range(4):
            _, at = zigzag(data, at)
        _, at = zigzag(data, at + 16)    # behind the topic's id
    floor, at = zigzag(data, at)
    log, at = zigzag(data, at)
    for _ in range(4):
        _, at = zigzag(data, at)
    size, at = zigzag(data, at)          # the cursor
    size, at = zigzag(data, at + size)   # <group>.<node>.<worker>
    return Mark(m.offset(), m.timestamp()[1], data[at:at + size].decode().rsplit(".", 2)[1], floor, log)


class Change(namedtuple("Change", "had before after")):
    """Of a partition's owner, while a snapshot is under way: the marks between, and the last one that the new owner
    had written there before (None: never)."""

    def with_less(self):
        """Than the floor: its store is no further than the end of the transaction of that mark."""
        return not self.had or self.had.offset + 2 < self.before.floor

    def went_on(self):
        return self.after.floor == self.before.floor or finished(self.before, self.after)


def finished(before, after):
    """Then what lies before its floor does not count any more."""
    return after.floor < 0 and after.log < before.log


class Marks(threading.Thread):
    def __init__(self, brokers, topics):
        """topics: {changelog: its partitions}"""
        super().__init__(daemon=True)
        self.c = reader(brokers, reset="earliest")  # what is deleted before it was read was the past
        self.parts = [(t, p) for t, n in topics.items() for p in range(n)]
        self.seen = {part: [] for part in self.parts}
        self.begins = {part: [(0, 0)] for part in self.parts}  # of each look (when, where the changelog begins)
        self.looked, self.failed, self.closed = 0, None, False
        self.start()

    def look(self):
        now = time.time()
        for part in self.parts:
            begin, _ = self.c.get_watermark_offsets(TopicPartition(*part), timeout=20)
            self.begins[part].append((now, begin))
        self.looked = now

    def run(self):
        try:
            self.c.assign([TopicPartition(*part, 0) for part in self.parts])
            while not self.closed:
                for m in self.c.consume(1000, 0.02):
                    if not m.error() and m.key() == b"M":
                        self.seen[m.topic(), m.partition()].append(mark(m))
                if time.time() > self.looked + LOOK_SECONDS:
                    self.look()
        except Exception as e:  # for whoever asks
            self.failed = e
        self.c.close()

    def close(self):
        self.closed = True
        self.join()

    # -- now --

    def last(self):
        """{partition: its last mark}"""
        assert not self.failed, self.failed
        return {part: marks[-1] for part, marks in self.seen.items() if marks}

    def under_way(self, node):
        """{partition: its floor} of the snapshots that this node has begun or gone on with."""
        return {part: m.floor for part, m in self.last().items() if m.floor >= 0 and m.node == node}

    def begin(self, part):
        assert not self.failed, self.failed
        return self.begins[part][-1][1]

    # -- all the time --

    def begin_at(self, part, when):
        """As seen next after that time."""
        return next((begin for at, begin in self.begins[part] if at >= when), self.begin(part))

    def written_by(self, part, node, before=float("inf")):
        """The last mark of this node before a time."""
        return next((m for m in reversed(self.seen[part]) if m.node == node and m.at < before * 1000), None)

    def changes(self):
        out = []
        for marks in self.seen.values():
            had = {}
            for before, after in zip(marks, marks[1:]):
                had[before.node] = before
                if before.node != after.node and before.floor >= 0:
                    out.append(Change(had.get(after.node), before, after))
        return out

    def snapshots(self):
        """How many were finished."""
        return sum(finished(*two) for marks in self.seen.values() for two in zip(marks, marks[1:]))

    def trims(self):
        """How often Kafka was seen to have deleted more."""
        return sum(len({begin for _, begin in looks}) - 1 for looks in self.begins.values())
