# SPDX-License-Identifier: Apache-2.0
"""What must be in the offline topics and in Redis, computed from the input topic alone.

by_user is computed where its topic is read: its rows are known to the last one, in order. by_shop comes
through a repartition topic, which takes source partitions in any order: each row must be the next one of its
source partition, and the values those of the rows before it. So a row that is lost, doubled, late, early or
wrong is seen at that row. Everything is kept going: each check takes in what is new.
"""
import hashlib
import json
import re
from collections import deque

from rows import Decoder

from stream import BASE, WINDOW_MS
from topics import Tail

FRAME = 10
BLOCK_KEY = re.compile(rb"(x|\d+:\d+)\|\d{13}\.\d+\.\d+")


class Wrong(AssertionError):
    """The engine's output is not what it must be."""


def zigzag(data, at):
    """Avro's long: (the number, where the next thing begins)."""
    shift, n = 0, 0
    while True:
        n |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return (n >> 1) ^ -(n & 1), at


def block_parts(data):
    """Each row's bytes: the array's blocks are of one item and have its size."""
    count, at = zigzag(data, FRAME)
    while count:
        size, at = zigzag(data, at)
        if count != -1 or at + size > len(data):
            raise Wrong(f"a block of rows that cannot be stepped over: {count} items, {size} bytes")
        yield data[at:at + size]
        count, at = zigzag(data, at + size)
    if at != len(data):
        raise Wrong(f"a block of rows with {len(data) - at} bytes after it")


class User:
    """A user's values, and the rows that are due."""

    def __init__(self, name):
        self.name, self.n, self.total, self.last_id, self.kinds = name, 0, 0, None, set()
        self.window, self.ids, self.first = None, 0, None
        self.clock, self.known_at = None, 0
        self.due = deque()

    def row(self, time, partition, offset):
        return {"user": self.name, "event_time": time, "known_at": self.known_at, "source_partition": partition,
                "source_offset": offset, "n": self.n, "total": self.total, "last_id": self.last_id,
                "kinds": len(self.kinds), "n_10s": self.ids, "ids_10s": self.ids, "first_10s": self.first}

    def expire(self, stream_time):
        """The window empties once time is there; its row comes before the user's next event."""
        if self.window is None or self.window + WINDOW_MS > stream_time:
            return
        instant = self.window + WINDOW_MS
        self.window, self.ids, self.first, self.clock = None, 0, None, instant
        self.known_at = max(self.known_at, instant)
        self.due.append(self.row(instant, None, None))

    def add(self, m, event):
        at = event["at"]
        self.expire(at)
        if self.window is None:
            self.window, self.first = at - at % WINDOW_MS, event["id"]
        self.n, self.total, self.last_id, self.ids = self.n + 1, self.total + event["n"], event["id"], self.ids + 1
        self.kinds.add(event["n"])
        self.clock = at
        self.known_at = max(self.known_at, m.timestamp()[1])
        self.due.append(self.row(at, m.partition(), m.offset()))


class Shop:
    def __init__(self, name):
        self.name, self.n, self.total, self.last_id, self.kinds = name, 0, 0, None, set()
        self.last_at, self.clock, self.known_at = -1, BASE, 0
        self.due = {}  # by source partition: (offset, event, Kafka's time)

    def take(self, partition, offset):
        """The values after the record that the row says it comes from; it must be that partition's next."""
        queue = self.due.get(partition)
        if not queue or queue[0][0] != offset:
            raise Wrong(f"by_shop {self.name}: a row of {partition}:{offset}, due was "
                        f"{queue[0][0] if queue else 'none'}")
        _, event, timestamp = queue.popleft()
        self.n, self.total = self.n + 1, self.total + event["n"]
        self.kinds.add(event["n"])
        if event["at"] >= self.last_at:
            self.last_at, self.last_id = event["at"], event["id"]
        self.clock = max(self.clock, event["at"])
        self.known_at = max(self.known_at, timestamp)
        return {"shop": self.name, "event_time": self.clock, "known_at": self.known_at, "source_partition": partition,
                "source_offset": offset, "n": self.n, "total": self.total, "last_id": self.last_id,
                "kinds": len(self.kinds)}


class Oracle:
    def __init__(self, brokers, prefix, topic):
        self.brokers, self.prefix = brokers, prefix
        self.input = Tail(brokers, topic)
        self.offline = {v: Tail(brokers, f"{prefix}.{v}.v1") for v in ("by_user", "by_shop")}
        self.decoder = None
        self.users, self.shops, self.stream_time = {}, {}, {}
        self.last = {"by_user": {}, "by_shop": {}}  # the last row seen of each entity
        self.sent = {}                              # its bytes
        self.ids, self.rows, self.expiries = 0, 0, 0
        self.block_keys = set()
        self.chain = {}                             # per entity and view, over the bytes of its rows

    def take_input(self):
        """Every id once, in order, in the input itself: else the harness would be wrong."""
        for m in self.input.more():
            event = json.loads(m.value())
            user = self.users.setdefault(event["user"], User(event["user"]))
            user.add(m, event)
            self.stream_time[m.partition()] = event["at"]
            shop = self.shops.setdefault(event["shop"], Shop(event["shop"]))
            shop.due.setdefault(m.partition(), deque()).append((m.offset(), event, m.timestamp()[1]))
            self.ids += 1

    def expire(self, partitions):
        for name, user in self.users.items():
            at = self.stream_time.get(int(name[1:]) % partitions)
            if at is not None:
                user.expire(at)

    def decode(self, value):
        if self.decoder is None or value[:FRAME] not in self.decoder.schemas:
            self.decoder = Decoder(self.brokers, self.prefix)
        return self.decoder.decode(value)

    def rows_of(self, m):
        """(row, its bytes): a record is one, or a block of them. A block's key never comes again."""
        one = self.decode(m.value())
        if list(one) != ["rows"]:
            return [(one, m.value())]
        at = m.topic(), m.partition(), m.key()
        if at in self.block_keys or not BLOCK_KEY.fullmatch(m.key()):
            raise Wrong(f"{m.topic()}[{m.partition()}]@{m.offset()}: a block's key {m.key()}")
        self.block_keys.add(at)
        return list(zip(one["rows"], block_parts(m.value()), strict=True))

    def link(self, view, entity, key, sent):
        was = self.chain.get((view, entity), b"")
        self.chain[view, entity] = hashlib.blake2b(was + key + sent, digest_size=8).digest()

    def take_user_row(self, m, row):
        user = self.users.get(row["user"])
        if not user or not user.due:
            raise Wrong(f"by_user[{m.partition()}]@{m.offset()}: a row more than there are: {row}")
        want = user.due.popleft()
        if row != want:
            raise Wrong(f"by_user[{m.partition()}]@{m.offset()}: {row}, not {want}")
        tail = "x" if want["source_offset"] is None else f"{want['source_partition']}:{want['source_offset']}"
        key = f"{row['user']}|{row['event_time']}|{tail}".encode()
        if m.key() != key:
            raise Wrong(f"by_user[{m.partition()}]@{m.offset()}: key {m.key()}, not {key}")
        self.expiries += want["source_offset"] is None
        return row["user"], row

    def take_shop_row(self, m, row):
        shop = self.shops.get(row["shop"])
        if not shop:
            raise Wrong(f"by_shop[{m.partition()}]@{m.offset()}: of no shop: {row}")
        want = shop.take(row["source_partition"], row["source_offset"])
        if row != want:
            raise Wrong(f"by_shop[{m.partition()}]@{m.offset()}: {row}, not {want}")
        return row["shop"], row

    def take_output(self):
        for view, take in (("by_user", self.take_user_row), ("by_shop", self.take_shop_row)):
            for m in self.offline[view].more():
                for row, sent in self.rows_of(m):
                    entity, row = take(m, row)
                    self.last[view][entity] = row
                    self.sent[view, entity] = sent
                    self.link(view, entity, m.key(), sent)
                    self.rows += 1

    def missing(self):
        """How many rows are still to come."""
        return (sum(len(u.due) for u in self.users.values())
                + sum(len(q) for s in self.shops.values() for q in s.due.values()))

    def missing_say(self):
        some = [(u.name, u.due[0]) for u in self.users.values() if u.due][:3]
        some += [(s.name, p, q[0][0]) for s in self.shops.values() for p, q in s.due.items() if q][:3]
        return f"{self.missing()} rows did not come, among them {some}"

    # -- Redis --

    @staticmethod
    def online_of(view, row):
        """The hash of a row as it must be, but for the version."""
        out = {k: str(v) for k, v in row.items()
               if v is not None and k not in ("user", "shop", "event_time", "known_at", "source_partition",
                                              "source_offset")}
        return {**out, "_t": str(row["event_time"]), "_k": str(row["known_at"])}

    def online_wrong(self, redis):
        """The first few that differ."""
        wrong = []
        for view, rows in self.last.items():
            names = list(rows)
            pipe = redis.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(f"{self.prefix}:{view}:1:{name}")
            for name, raw in zip(names, pipe.execute()):
                got = {k.decode(): v.decode() for k, v in raw.items()}
                version = got.pop("_v", "")
                want = self.online_of(view, rows[name])
                if got != want or len(version) != 34 or not version.isdigit():
                    wrong.append((view, name, got, want, version))
        return wrong
