# SPDX-License-Identifier: Apache-2.0
"""weir's topics as they stand in Kafka, and what is in them: rows, repartition records, online rows.

Committed records only, in the order of their partition. Rows in the form of `weir try`, repartition
records and online rows in that of tests/oracle.
"""
import io
import json
import re
import time

import fastavro
from confluent_kafka import Consumer, TopicPartition

HEAD = ("_event_time", "_known_at", "_source_partition", "_source_offset", "_stream_time")
READ_SECONDS = 120
FRAME = 10       # bytes of the single-object encoding before the record


def high_watermarks(brokers, topic, partitions):
    """By a reader of its own: under read_committed a client gives the last stable offset instead."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "log_level": 0,
                         "isolation.level": "read_uncommitted"})
    try:
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in partitions}
    finally:
        consumer.close()


def committed(brokers, topic):
    """{partition: [(offset, timestamp, key, value)]}"""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "log_level": 0, "enable.auto.commit": False,
                         "enable.partition.eof": True, "auto.offset.reset": "error", "fetch.wait.max.ms": 10,
                         "isolation.level": "read_committed", "queued.max.messages.kbytes": 131072})
    try:
        found = {p: [] for p in consumer.list_topics(topic, timeout=20).topics[topic].partitions}
        assert found, f"there is no topic {topic}"
        ends = high_watermarks(brokers, topic, found)
        # From 0, not from the first that is left: these topics must be whole.
        consumer.assign([TopicPartition(topic, p, 0) for p in found])
        left, end = set(found), time.monotonic() + READ_SECONDS
        while left:
            assert time.monotonic() < end, f"{topic} could not be read to its end"
            for m in consumer.consume(10_000, 0.1):      # it waits for that many or that long
                if m.error() is None:
                    found[m.partition()].append((m.offset(), m.timestamp()[1], m.key(), m.value()))
                elif m.error().name() == "_PARTITION_EOF":
                    # Before the high watermark it is only the end of what is stable so far.
                    if m.offset() >= ends[m.partition()]:
                        left.discard(m.partition())
                else:
                    raise AssertionError(f"{topic}[{m.partition()}]: {m.error()}")
        return found
    finally:
        consumer.close()


def plain(schema):
    """The schema without logical types, so that times come as they are stored."""
    if isinstance(schema, dict):
        return {k: plain(v) for k, v in schema.items() if k != "logicalType"}
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


class Decoder:
    """Avro single objects by the schemas in <prefix>.schemas."""

    def __init__(self, brokers, prefix):
        self.schemas = {}
        for _, _, key, value in committed(brokers, f"{prefix}.schemas")[0]:
            head = b"\xc3\x01" + int(key, 16).to_bytes(8, "little")
            self.schemas[head] = fastavro.parse_schema(plain(json.loads(value)))

    def decode(self, value):
        return fastavro.schemaless_reader(io.BytesIO(value[FRAME:]), self.schemas[value[:FRAME]], None)


def offline_lines(decoder, view, partitions):
    for records in partitions.values():
        for _, _, _, value in records:
            yield json.dumps({"view": view, **decoder.decode(value)}) + "\n"


def moved_lines(decoder, source, by, partitions):
    """Repartition records, as oracle.py --repartition takes them."""
    for partition, records in sorted(partitions.items()):
        for offset, _, _, value in records:
            row = decoder.decode(value)
            yield {"source": source, "by": by, "partition": partition, "offset": offset,
                   "entity": [row[name] for name in by],
                   "columns": {k: v for k, v in row.items() if k not in HEAD and k not in by},
                   "event_time": row["_event_time"], "known_at": row["_known_at"],
                   "source_partition": row["_source_partition"], "source_offset": row["_source_offset"],
                   "source_stream_time": row["_stream_time"]}


def merged(lines):
    """The same records in the order in which they reached the source: by Kafka timestamp, partition, offset."""
    by_partition = {}
    for row in lines:
        by_partition.setdefault((row["source"], *row["by"], row["partition"]), []).append(row)
    for rows in by_partition.values():
        rows.sort(key=lambda r: (r["known_at"], r["source_partition"], r["source_offset"]))
        for offset, row in enumerate(rows):
            yield {**row, "offset": offset}


def source_lines(source, schema, partitions):
    """Records of a source topic as events; Avro values become JSON."""
    parsed = fastavro.parse_schema(plain(schema))
    for partition, records in sorted(partitions.items()):
        for offset, timestamp, key, value in records:
            if value is None:
                text = "null"
            elif value[:2] == b"\xc3\x01":
                text = json.dumps(fastavro.schemaless_reader(io.BytesIO(value[FRAME:]), parsed, None))
            else:
                text = value.decode()
            yield (f'{{"source":"{source}","partition":{partition},"offset":{offset},"timestamp":{timestamp},'
                   f'"key":{json.dumps(key.decode() if key is not None else None)},"value":{text}}}\n')


def online(client, prefix, views):
    """{(view, entity): {field: text}} of the views' version 1."""
    keys = [k for k in client.scan_iter(f"{prefix}:*:1:*", count=5000)]
    pipe, found = client.pipeline(transaction=False), {}
    for key in keys:
        pipe.hgetall(key)
    for key, fields in zip(keys, pipe.execute()):
        view, entity = re.fullmatch(re.escape(prefix) + r":([^:]+):1:(.*)", key).groups()
        if view in views:
            found[view, entity] = fields
    return found
