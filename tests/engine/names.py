# SPDX-License-Identifier: Apache-2.0
"""Names and forms that other software relies on: topics, group, Redis keys and fields, offline rows."""
import io
import json

import fastavro

from nodes import weir
from until import until
from world import BY_SHOP, NOW, Case, await_online, events, shared, totals

SINCE = NOW - 3_600_000


def decoder(case):
    """Decodes a row's value with the schema that its fingerprint names in <prefix>.schemas."""
    schemas = {m.key().decode(): json.loads(m.value()) for m in case.kafka.read(f"{case.prefix}.schemas")}

    def decode(value):
        head, body = value[:10], io.BytesIO(value[10:])
        assert head[:2] == b"\xc3\x01", head
        row = fastavro.schemaless_reader(body, schemas[f"{int.from_bytes(head[2:], 'little'):016x}"])
        assert not body.read()
        return row

    return decode


def offline_rows(case, view, version=1):
    """[(key, decoded value)]"""
    decode = decoder(case)
    return [(m.key().decode(), decode(m.value())) for m in case.offline(view, version)]


def with_node(case, topic_events):
    case.produce(topic_events)
    case.deploy()
    node = case.node().start()
    try:
        case.await_consumed(node=node)
        await_online(case, totals(topic_events), node=node)
    finally:
        node.stops()
    return case


def test_topics_with_their_settings_and_the_group():
    case = with_node(Case(shared(), 3, BY_SHOP), events(30, since=SINCE))
    p, kinds = case.prefix, {}
    for t in case.kafka.topics():
        if t.startswith(p + "."):
            config = case.kafka.config(t)
            assert config["message.timestamp.type"] == "LogAppendTime", t
            kinds[t[len(p) + 1:]] = config
    changelogs = [t for t in kinds if t.endswith(".changelog")]
    assert len(changelogs) == 2 and all(t.startswith("j.") for t in changelogs), kinds.keys()
    assert set(kinds) - set(changelogs) == {"jobs", "schemas", "by_user.v1", "by_user_shop.v1",
                                            "j.events.by.shop", "j.late", "j.dead"}
    for t in "jobs", "schemas", "by_user.v1", "by_user_shop.v1":
        assert kinds[t]["cleanup.policy"] == "compact", t
    for t in changelogs:  # the engine deletes from them what a snapshot replaced, nobody else
        assert kinds[t]["cleanup.policy"] == "delete", t
        assert kinds[t]["retention.ms"] == kinds[t]["retention.bytes"] == "-1", t
    for view in "by_user.v1", "by_user_shop.v1":
        assert float(kinds[view]["min.cleanable.dirty.ratio"]) == 0.9
        assert kinds[view]["min.compaction.lag.ms"] == "86400000"
    assert kinds["j.events.by.shop"]["cleanup.policy"] == "delete"
    assert kinds["j.events.by.shop"]["retention.ms"] == "-1"
    assert len(case.kafka.partitions(f"{p}.by_user.v1")) == 3
    assert len(case.kafka.partitions(f"{p}.j.events.by.shop")) == 12
    assert f"{p}.j" in case.kafka.groups()


FORMS = """job: j
sources:
  events: {{ topic: {topic}, format: json, schema: event.avsc, time: at, lateness: 10m }}
views:
  forms:
    entity: [user, shop]
    from: events
    features:
      count: count()
      mean: avg(amount)
      third: count / 3
      top_n: top(n, 2)
      last_at: last(at)
      total: sum(n)
      big: total > 5
"""


def forms_case():
    case = Case(shared(), 1, view="forms")
    case.file = case.write(FORMS.format(topic=case.topic))
    case.kafka.produce(case.topic, [{"value": json.dumps(e)} for e in [
        {"user": "a:b|c%d", "shop": "s", "at": SINCE, "n": 7, "amount": 0.1},
        {"user": "Zoë", "shop": "", "at": SINCE + 1, "n": 1},
        {"user": "a:b|c%d", "shop": "s", "at": SINCE - 5, "n": 7, "amount": 0.2}]])
    case.deploy()
    with case.node() as node:
        case.await_consumed(node=node)
        until(lambda: case.row("a%3Ab%7Cc%25d:s").get("count") == "2", 20,
              lambda: (case.redis.keys(case.prefix + "*"), node.log()[-2000:]))
        until(lambda: case.row("Zoë:"), 20, lambda: case.redis.keys(case.prefix + "*"))
        node.stop()
    return case


def test_redis_keys_and_fields():
    case = forms_case()
    row = case.row("a%3Ab%7Cc%25d:s")
    assert int(row.pop("_k")) >= NOW - 60_000 and row.pop("_v"), row
    assert json.loads(row.pop("top_n"))[:1] == [7], row
    third = row.pop("third")
    assert third == repr(2 / 3), third
    assert abs(float(row.pop("mean")) - 0.15) < 1e-12
    assert row == {"count": "2", "total": "14", "big": "1", "last_at": str(SINCE), "_t": str(SINCE)}, row
    other = case.row("Zoë:")
    assert "mean" not in other and other["big"] == "0", other
    assert case.redis.get(f"{case.prefix}:forms") == b"1"
    got = weir("get", "forms", "a%3Ab%7Cc%25d:s", "--redis", case.servers.redis, "--prefix", case.prefix,
               "--format", "json")
    assert got.returncode == 0 and '"14"' in got.stdout, got
    check_offline(case)


def check_offline(case):
    rows = offline_rows(case, "forms")
    assert [k for k, _ in rows] == [f"a%3Ab%7Cc%25d:s|{SINCE}|0:0", f"Zoë:|{SINCE + 1}|0:1",
                                    f"a%3Ab%7Cc%25d:s|{SINCE}|0:2"], rows
    last = rows[2][1]
    ms = {k: int(last[k].timestamp() * 1000) if hasattr(last[k], "timestamp") else last[k]
          for k in ("event_time", "known_at")}
    assert ms["event_time"] == SINCE and ms["known_at"] >= NOW - 60_000, last
    assert (last["user"], last["shop"], last["source_partition"], last["source_offset"]) == ("a:b|c%d", "s", 0, 2)
    assert last["count"] == 2 and last["total"] == 14 and rows[1][1]["mean"] is None, rows


def test_expiry_rows_have_an_x_and_no_source():
    case = Case(shared(), 1)
    case.produce([{"user": "u1", "at": SINCE, "n": 1}, {"user": "u2", "at": SINCE + 3 * 3_600_000, "n": 1}])
    case.deploy()
    with case.node() as node:
        case.await_consumed(node=node)
        until(lambda: len(case.offline()) == 3, 20, lambda: [m.key() for m in case.offline()])
        until(lambda: case.row("u1").get("total_1h") == "0", 20, lambda: case.row("u1"))
    key, row = next((k, r) for k, r in offline_rows(case, "by_user") if k.endswith("|x"))
    instant = int(key.split("|")[1])
    assert key == f"u1|{instant}|x" and SINCE + 3_600_000 < instant <= SINCE + 3_900_000, key
    assert row["source_partition"] is None and row["source_offset"] is None and row["total"] == 1, row
    assert case.row("u1")["_t"] == str(instant) and case.row("u1")["n"] == "1"


def everything(case):
    """All that a prefix has: end offsets of its topics, its Redis keys with their values."""
    topics = {t: case.kafka.ends(t) for t in case.kafka.topics() if t.startswith(case.prefix + ".")}
    keys = {k: case.redis.dump(k) for k in case.redis.keys(case.prefix + ":*")}
    return topics, keys


def test_two_prefixes_side_by_side_do_not_touch():
    list_of_events = events(60, since=SINCE)
    one = with_node(Case(shared(), 2, BY_SHOP), list_of_events)
    before = everything(one)
    two = Case(shared(), 2, BY_SHOP, topic=one.topic)
    two.deploy()
    with two.node() as node:
        two.await_consumed(node=node)
        await_online(two, totals(list_of_events), node=node)
        node.stops()
    assert everything(one) == before
    assert one.sequences() == two.sequences()
