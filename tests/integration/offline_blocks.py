# SPDX-License-Identifier: Apache-2.0
"""The same views twice in a job, with a record a row and in blocks, through a kill -9: their exports are the same
rows, and so are training sets made of them. One pair is computed where its source is read, one is repartitioned.
"""
import collections
import csv
import json
import os
import random
import tempfile
import time

import duckdb
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from nodes import DONE, Node, exits
from servers import Servers
from until import until

SERVERS = Servers(os.environ["WEIR_BROKERS"], os.environ["WEIR_REDIS"])
PREFIX = f"ob{os.getpid()}-{int(time.time()) % 100000}"
TOPIC = f"{PREFIX}-events"
TMP = tempfile.mkdtemp(prefix="blocks.", dir=os.environ.get("WEIR_TMP"))
T0 = 1356998400000 - 3600_000  # an hour before 2013-01-01
EVENTS, USERS, SHOPS = 30_000, 300, 40

VIEW = """  {name}:
    entity: [{entity}]
    from: events
    offline: {layout}
    features:
      n: count() over 1h
      total: sum(amount) over 30m
      shops: top(shop, 2) over 1h
      last: last(note)
"""
PAIRS = {"user": ("users", "users_packed"), "shop": ("shops", "shops_packed")}


def job():
    schema = {"type": "record", "name": "event", "fields": [
        {"name": "user", "type": "string"}, {"name": "shop", "type": "string"}, {"name": "amount", "type": "double"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
    views = "".join(VIEW.format(name=name, entity=entity, layout=layout)
                    for entity, pair in PAIRS.items() for name, layout in zip(pair, ("rows", "{layout: blocks}")))
    path = f"{TMP}/job.yaml"
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"job: blocks\nsources:\n  events: {{topic: {TOPIC}, format: json, schema: {json.dumps(schema)}, time: at, "
                f"key: user, lateness: 1m}}\nviews:\n{views}")
    return path


def produce(first, end):
    luck = random.Random(first)
    producer = Producer({"bootstrap.servers": SERVERS.brokers, "enable.idempotence": True})
    for i in range(first, end):
        user = luck.randrange(USERS)
        event = {"user": f"u|{user}", "shop": f"s:{luck.randrange(SHOPS)}", "amount": luck.random() * 100,
                 "at": T0 + i * 300 - luck.randrange(20_000)}
        if i % 3:
            event["note"] = "x" * luck.choice((0, 1, 60, 300, 9000 if i % 500 == 1 else 5))
        producer.produce(TOPIC, json.dumps(event), key=event["user"], partition=user % 2)
        if i % 10_000 == 0:
            producer.flush(30)
    assert producer.flush(30) == 0


def records(topic):
    """Committed records: (partition, key, bytes)."""
    consumer = Consumer({"bootstrap.servers": SERVERS.brokers, "group.id": f"{PREFIX}-look", "enable.partition.eof": True,
                         "isolation.level": "read_committed"})
    n = len(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(n)])
    out, ended = [], set()
    while len(ended) < n:
        r = consumer.poll(20)
        assert r is not None, f"{topic} gives no answer"
        if r.error():
            ended.add(r.partition())
        else:
            out.append((r.partition(), r.key(), len(r.value())))
    consumer.close()
    return out


def engine(path):
    """A node that is killed on its way, over half of the events; then all of them. What comes after the kill has rows
    in every view, so that counters, which begin anew, say when all is taken."""
    produce(0, EVENTS // 2)
    with Node(SERVERS, PREFIX, f"{TMP}/state", "--memory", "128M", "--commit-interval", "50ms", command=("run", path)) as node:
        until(lambda: (node.metric("weir_rows_total", view="users_packed") or 0) > 0, 60, node.log)
        node.kill()
        produce(EVENTS // 2, EVENTS)
        node.start()
        seen = {"n": None, "since": 0.0}

        def settled():
            lag = node.metric("weir_lag_records") if node.ready() else None
            n = [node.metric("weir_rows_total", view=v) for pair in PAIRS.values() for v in pair]
            if n != seen["n"] or not all(n) or lag:
                seen.update(n=n, since=time.monotonic())
            return time.monotonic() - seen["since"] > 3
        until(settled, 120, node.log)
        assert node.stop(60) == 0, node.log()[-3000:]


def exported(view, to):
    exits(DONE, "export", view, "--to", to, "--brokers", SERVERS.brokers, "--prefix", PREFIX)
    query = duckdb.connect().execute(f"SELECT * EXCLUDE (event_time, known_at), epoch_ms(event_time), epoch_ms(known_at) "
                                     f"FROM '{to}/{view}/v1/*/*.parquet' ORDER BY ALL")
    return query.fetchall()


def check_records(plain, packed):
    rows, blocks = records(f"{PREFIX}.{plain}.v1"), records(f"{PREFIX}.{packed}.v1")
    keys = collections.Counter((p, k) for p, k, _ in blocks)
    assert all(k.count(b"|") == 1 for _, k, _ in blocks) and all(k.count(b"|") == 2 for _, k, _ in rows)
    assert max(keys.values()) == 1, keys.most_common(3)
    assert len(blocks) * 5 < len(rows), (len(blocks), len(rows))
    assert max(size for _, _, size in blocks) < (64 << 10) + 100
    print(f"{packed}: {len(rows):,} rows in {len(blocks):,} blocks")


def check_trained(entity, plain, packed, to):
    luck = random.Random(8)
    with open(f"{TMP}/labels.csv", "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow([entity, "at"])
        for _ in range(2000):
            name = f"u|{luck.randrange(USERS)}" if entity == "user" else f"s:{luck.randrange(SHOPS)}"
            out.writerow([name, T0 + luck.randrange(EVENTS * 300)])
    tables = []
    for view in plain, packed:
        file = f"{TMP}/{view}.parquet"
        exits(DONE, "train", "--spine", f"{TMP}/labels.csv", "--time", "at", "--features", f"{view}:*", "--data", to, "--out", file)
        tables.append(duckdb.connect().execute(f"SELECT * FROM '{file}'").fetchall())
        why = json.loads(exits(DONE, "train", "--spine", f"{TMP}/labels.csv", "--time", "at", "--features", f"{view}:*",
                               "--data", to, "--explain", "1999", "--format", "json").stdout)
        del why["explained"][0]["file"]    # offsets are in its name
        tables.append(json.loads(json.dumps(why).replace(packed, plain)))
    assert tables[0] == tables[2] and tables[1] == tables[3], (tables[1], tables[3])
    assert sum(row[3] is not None for row in tables[0]) > 1000


def explained(view, entity, feature):
    text = exits(DONE, "explain", view, entity, feature, "--brokers", SERVERS.brokers, "--redis", SERVERS.redis, "--prefix", PREFIX,
                 "--format", "json").stdout
    answer = json.loads(text)
    del answer["offline"]
    return json.loads(json.dumps(answer).replace(view, "view"))


def main():
    admin = AdminClient({"bootstrap.servers": SERVERS.brokers})
    for f in admin.create_topics([NewTopic(TOPIC, 2, 1)]).values():
        f.result(20)
    path = job()
    engine(path)
    exits(DONE, "deploy", path, "--brokers", SERVERS.brokers, "--prefix", PREFIX)
    for entity, (plain, packed) in PAIRS.items():
        check_records(plain, packed)
        want, got = (exported(view, f"{TMP}/features") for view in (plain, packed))
        assert len(want) > EVENTS
        assert want == got, (len(want), len(got), [pair for pair in zip(want, got) if pair[0] != pair[1]][:2])
        check_trained(entity, plain, packed, f"{TMP}/features")
        name = "u%7C7" if entity == "user" else "s%3A7"
        one, other = (explained(view, name, "last") for view in (plain, packed))
        assert one == other and one["online"] == "same", (one, other)


main()
