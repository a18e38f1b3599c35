# SPDX-License-Identifier: Apache-2.0
"""Checks what a benchmark's query made of the stream W, for the sampled entities of bench_generate.

What is right is computed here from the events alone. An engine that writes one row an event is replayed: each row
of a sampled entity must have the values at the entity's clock, over the events so far; an expiry row (emit) must come
at the instants when a tile leaves a window, and no instant may be left out. An engine that writes the content of fixed
windows must end with the right content of each. Doubles to 1e-9 relative.
"""
import collections
import io
import json
import math
import os
import struct
import subprocess
import tempfile

import fastavro
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from measure import Failed

SHOWN = 3     # entities that differ
MOST = 1500   # rows of an entity above which only the first count
SLACK = 30_000  # ms before the stream's end in which an expiry may still be due
LATENESS = 5_000  # ms, of the queries' source
END = 1735689600000 + 26 * 3_600_000


def read_all(brokers, topic):
    """Every committed record of a small topic."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench-check", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    parts = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in parts])
    open_parts = set(parts)
    while open_parts:
        for record in consumer.consume(10_000, timeout=1):
            if not record.error():
                yield record
            elif record.error().code() == KafkaError._PARTITION_EOF:
                open_parts.discard(record.partition())
            else:
                raise KafkaException(record.error())
    consumer.close()


class Rows:
    """The rows of the wanted entities, as bench_rows finds them; the counts are there when all are read."""

    def __init__(self, program, brokers, topic, wanted, *options):
        self.total = self.of_events = self.entities = self.doubled = 0
        self.wanted, self.command, self.env = wanted, [program, *options, topic], os.environ | {"WEIR_BROKERS": brokers}

    def __iter__(self):
        """(entity, whether it is a row of a block, its bytes)"""
        with tempfile.NamedTemporaryFile("w", suffix=".entities") as names:
            names.writelines(f"{entity}\n" for entity in self.wanted)
            names.flush()
            with subprocess.Popen([*self.command, names.name], env=self.env, stdout=subprocess.PIPE) as process:
                yield from self.frames(process.stdout)
        if process.returncode:
            raise Failed("the rows could not be read")

    def frames(self, out):
        while (kind := out.read(1)) in (b"r", b"b"):
            entity = out.read(struct.unpack("<I", out.read(4))[0]).decode()
            yield entity, kind == b"b", out.read(struct.unpack("<I", out.read(4))[0])
        if kind == b"e":
            self.total, self.of_events, self.entities, self.doubled = struct.unpack("<4Q", out.read(32))


def load_sample(path, entity):
    """entity -> source partition -> its events there, in order: (time, amount)."""
    events = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path, encoding="utf-8") as file:
        for line in file:
            partition, text = line.split("\t", 1)
            event = json.loads(text)
            events[event[entity]][int(partition)].append((event["ts"], event["amount"]))
    return events


def aggregate(name, amounts):
    if name == "count":
        return len(amounts)
    if name == "sum":
        return math.fsum(amounts)
    if not amounts:
        return None
    return math.fsum(amounts) / len(amounts) if name == "avg" else max(amounts)


def features_at(query, taken, clock):
    row = {}
    for w in query.windows:
        first = w.first(clock)
        found = [amount for time, amount in taken if first <= time <= clock]
        for a in query.aggregates:
            row[f"{a}_{w.label}"] = aggregate(a, found)
    return row


def near(a, b):
    if a is None or b is None:
        return a is b
    return math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-9)


def same(want, got):
    return all(near(value, got[name]) for name, value in want.items())


class Replay:
    """One entity's rows against its events, in the order in which the rows say they were taken."""

    def __init__(self, query, events):
        self.query, self.clock, self.taken = query, -math.inf, []
        self.queues = {p: collections.deque(list_) for p, list_ in events.items()}
        self.due = set()
        self.keep = max(w.width + w.hop for w in query.windows) + 60_000

    def take(self, partition):
        time, amount = self.queues[partition].popleft()
        missed = [t for t in self.due if self.clock < t <= time]
        self.taken.append((time, amount))
        if time > self.clock:
            self.clock = time
            if self.taken[0][0] < self.clock - 2 * self.keep:
                self.taken = [pair for pair in self.taken if pair[0] >= self.clock - self.keep]
        if self.query.emit:
            self.due |= {w.leaves(time) for w in self.query.windows}
            self.due = {t for t in self.due if t > self.clock}
        return f"no row for the expiry at {min(missed)}" if missed else None

    def expire(self, instant):
        if instant != min((t for t in self.due if t > self.clock), default=None):
            return f"an expiry row at {instant}, when none is due"
        self.clock = instant
        self.due.discard(instant)
        return None

    def row(self, partition, event_time, got):
        """What is wrong with the next row; None when nothing is."""
        if partition is not None and not self.queues.get(partition):
            return f"a row more than events of partition {partition}"
        before = self.clock
        wrong = self.expire(event_time) if partition is None else self.take(partition)
        if wrong:
            return wrong
        want = features_at(self.query, self.taken, self.clock)
        if event_time != self.clock or not same(want, got):
            if partition is not None and self.forgotten(before, event_time, got):
                return None
            return f"want {self.clock} {want}, got {event_time} {dict(got)}"
        return None

    def forgotten(self, before, event_time, got):
        """Whether the row is that of an entity that began anew with the last event. An entity is dropped when its last
        tile has left and stream time - lateness is past its clock; stream time, which other entities move, is at most
        the event's and lateness, or the event would be late."""
        time, _ = self.taken[-1]
        left = max(w.leaves(t) for w in self.query.windows for t, _ in self.taken[:-1]) if self.taken[:-1] else math.inf
        if max(left, before + LATENESS + 1) > time + LATENESS or event_time != time:
            return False
        if not same(features_at(self.query, self.taken[-1:], time), got):
            return False
        self.taken, self.clock = self.taken[-1:], time
        return True

    def end(self):
        if any(self.queues.values()):
            return f"{sum(map(len, self.queues.values()))} events have no row"
        left = [t for t in self.due if self.clock < t <= END - SLACK]
        return f"no row for the expiry at {min(left)}" if left else None


class Verdict:
    def __init__(self):
        self.wrong, self.rows, self.lines = 0, 0, []

    def add(self, entity, why):
        if not why:
            return
        self.wrong += 1
        if self.wrong <= SHOWN:
            self.lines.append(f"{entity}: {why}")


def replayed(query, events, rows, verdict):
    """Rows of each entity: (source partition, event time, values)."""
    for entity, parts in sorted(events.items()):
        replay, why, got = Replay(query, parts), None, rows[entity]
        for row in got[:MOST]:
            why = why or replay.row(*row)
        verdict.rows += min(len(got), MOST)
        if not why and len(got) <= MOST:
            why = replay.end()
        verdict.add(entity, why)


# ---- weir ----

def schema_reader(brokers, prefix):
    schemas = {r.key().decode(): fastavro.parse_schema(json.loads(r.value()))
               for r in read_all(brokers, f"{prefix}.schemas") if r.value()}

    def read(value):  # single-object encoding: c3 01, fingerprint
        fingerprint = int.from_bytes(value[2:10], "little")
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), schemas[f"{fingerprint:016x}"])
    return read


def varint(data, at):
    shift = result = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return (result >> 1) ^ -(result & 1), at


def row_reader(brokers, prefix, query):
    """The rows of blocks, which have no frame of their own, by the schema inside the blocks'."""
    row, = (fastavro.parse_schema(s["fields"][0]["type"]["items"])
            for s in (json.loads(r.value()) for r in read_all(brokers, f"{prefix}.schemas") if r.value())
            if s["name"] == f"weir.{query.view}.v1Block")
    return lambda data: fastavro.schemaless_reader(io.BytesIO(data), row)


def millis(time):
    return round(time.timestamp() * 1000)


def online_differs(store, prefix, query, entity, last):
    row = collections.defaultdict(lambda: None, store.hgetall(f"{prefix}:{query.view}:1:{entity}"))
    return None if same({f: last[2][f] for f in query.fields()}, row) else f"online {dict(row)}, last row {last}"


def check_weir(program, servers, prefix, query, sample, n):
    """(right?, text, entities)"""
    events = load_sample(sample, query.entity)
    rows, verdict, read_row = collections.defaultdict(list), Verdict(), None
    read = schema_reader(servers.brokers, prefix)
    found = Rows(program, servers.brokers, f"{prefix}.{query.view}.v1", events)
    for entity, of_block, data in found:
        if of_block:
            read_row = read_row or row_reader(servers.brokers, prefix, query)
        row = read_row(data) if of_block else read(data)
        rows[entity].append((row["source_partition"], millis(row["event_time"]), row))
    replayed(query, events, rows, verdict)
    if found.of_events != n:
        verdict.add("all", f"{found.of_events} rows of events, there are {n} events")
    if found.doubled:
        verdict.add("all", f"{found.doubled} keys of blocks stand twice: compaction would lose rows")
    if servers.redis:
        store = redis.Redis(*servers.redis.split(":"), decode_responses=True)
        for entity in events:
            if rows[entity]:
                verdict.add(entity, online_differs(store, prefix, query, entity, rows[entity][-1]))
    text = (f"{found.of_events:,} rows of {found.entities:,} entities; all rows of {len(events)} of them ({verdict.rows:,})"
            f"{' and their online rows' if servers.redis else ''} computed again: {verdict.wrong} wrong")
    return verdict.wrong == 0, "\n".join([*verdict.lines, text]), found.entities


# ---- the other engines ----

def peer_row(query, value):
    """Avro binary: a long (event time, or a window's end), then the features: counts long, the others double."""
    numbers = []
    first, at = varint(value, 0)
    for field in query.fields():
        if field.startswith("count"):
            number, at = varint(value, at)
            numbers.append(number)
        else:
            numbers.append(struct.unpack_from("<d", value, at)[0])
            at += 8
    return first, dict(zip(query.fields(), numbers))


def windows_of(query, events):
    """(start, end) -> amounts, for an entity's events of all partitions."""
    found = collections.defaultdict(list)
    for list_ in events.values():
        for time, amount in list_:
            for span in query.windows[0].spans(time):
                found[span].append(amount)
    return found


def check_windows(query, events, last, verdict):
    label = query.windows[0].label
    for entity, parts in sorted(events.items()):
        why = None
        for (_, end), amounts in windows_of(query, parts).items():
            want = {f"{a}_{label}": aggregate(a, amounts) for a in query.aggregates}
            got = last.pop((entity, end), None)
            verdict.rows += 1
            if not why and (got is None or not same(want, got)):
                why = f"window to {end}: want {want}, got {got}"
        verdict.add(entity, why)
    for entity, end in last:
        verdict.add(entity, f"a window to {end} without events")


def check_last(query, events, rows, verdict):
    """Repartitioned: what came in between depends on the order of arrival, the last row does not."""
    for entity, parts in sorted(events.items()):
        taken = [pair for list_ in parts.values() for pair in list_]
        clock = max(time for time, _ in taken)
        want, got = features_at(query, taken, clock), rows[entity]
        verdict.rows += 1
        if len(got) != len(taken) or got[-1][1] != clock or not same(want, got[-1][2]):
            verdict.add(entity, f"{len(got)} rows of {len(taken)}; want {clock} {want}, got {got[-1:]}")


def check_peer(program, brokers, topic, query, sample, n):
    """n: how many rows there must be, None when the engine may leave some out. (right?, text)"""
    events = load_sample(sample, query.entity)
    windowed = len(query.windows) == 1
    rows, last, verdict = collections.defaultdict(list), {}, Verdict()
    found = Rows(program, brokers, topic, events, "--records")
    for entity, _, data in found:
        at, values = peer_row(query, data)
        if windowed:
            last[entity, at] = values
        else:
            rows[entity].append((next(iter(events[entity])), at, values))
    if windowed:
        check_windows(query, events, last, verdict)
    elif query.entity == "user_id":
        replayed(query, events, rows, verdict)
    else:
        check_last(query, events, rows, verdict)
    if n is not None and found.total != n:
        verdict.add("all", f"{found.total} rows, there must be {n}")
    text = f"{found.total:,} rows; {verdict.rows:,} of {len(events)} entities computed again: {verdict.wrong} wrong"
    return verdict.wrong == 0, "\n".join([*verdict.lines, text])
