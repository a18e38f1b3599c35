# SPDX-License-Identifier: Apache-2.0
"""A node on real Kafka and Redis: topics, keys, records, headers, hashes, HTTP, commands."""
import functools
import http.client
import io
import json
import os
import re
import signal
import subprocess

import fastavro
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from weir import (BIN, DONE, NO, TMP, USAGE, await_, clean_env, cleanup, exits, job_file,
                  weir, write)

BROKERS, REDIS = os.environ.get("WEIR_BROKERS"), os.environ.get("WEIR_REDIS")
PREFIX = f"ct{os.getpid()}"
TOPIC = f"{PREFIX}-events"
VIEW = f"by{os.getpid()}"
USER, SHOP = f"{VIEW}_user", f"{VIEW}_shop"
T = 1357000000000
nodes = []


def env(**more):
    return clean_env(WEIR_BROKERS=BROKERS, WEIR_REDIS=REDIS, WEIR_PREFIX=PREFIX, **more)


def cmd(want, *args, **more):
    return exits(want, *args, env=env(), **more)


@functools.cache
def admin():
    return AdminClient({"bootstrap.servers": BROKERS})


def configs(topic):
    (answer,) = admin().describe_configs([ConfigResource("topic", topic)]).values()
    return {k: v.value for k, v in answer.result(20).items()}


def partitions(topic):
    return len(admin().list_topics(topic, timeout=20).topics[topic].partitions)


def ends(topics):
    c = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{PREFIX}-look"})
    out = {(t, p): c.get_watermark_offsets(TopicPartition(t, p), timeout=20)[1]
           for t in topics for p in range(partitions(t))}
    c.close()
    return out


def records(topic):
    node()
    c = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{PREFIX}-read",
                  "enable.partition.eof": True, "isolation.level": "read_committed"})
    n = partitions(topic)
    c.assign([TopicPartition(topic, p, 0) for p in range(n)])
    out, ended = [], set()
    while len(ended) < n:
        r = c.poll(20)
        assert r is not None, f"{topic} gives no answer"
        if r.error():
            ended.add(r.partition())
        else:
            out.append(r)
    c.close()
    return out


def store():
    host, port = REDIS.split(":")
    return redis.Redis(host, int(port), decode_responses=True)


class Node:
    def __init__(self, *args):
        self.log = os.path.join(TMP, f"node{len(nodes)}.log")
        self.err = open(self.log, "w")
        self.p = subprocess.Popen(
            [BIN, *args, "--http", "127.0.0.1:0", "--state", self.log + ".state",
             "--commit-interval", "100ms"],
            env=env(), cwd=TMP, stderr=self.err, stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL)
        nodes.append(self)
        self.http = await_(self.address)

    def address(self):
        assert self.p.poll() is None, open(self.log).read()
        m = re.search(r"http://(\S+:\d+)/", open(self.log).read())
        return m and m.group(1)

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection(self.http, timeout=20)
        c.request(method, path, body)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, (json.loads(text) if "json" in r.getheader("Content-Type", "") else text)

    def stop(self, how=signal.SIGTERM):
        self.p.send_signal(how)
        return self.p.wait(90)


@functools.cache
def job():
    return job_file(topic=TOPIC, view=VIEW)


def produce(rows):
    p = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True})
    for partition, key, value in rows:
        p.produce(TOPIC, value, key, partition)
    assert p.flush(20) == 0


def event(user, at, shop="s", **more):
    return json.dumps({"user": user, "shop": shop, "at": at, "amount": 1.5, "paid": True, **more})


@functools.cache
def node():
    """A node with the job, and its first rows online."""
    for f in admin().create_topics([NewTopic(TOPIC, 2, 1)]).values():
        f.result(20)
    cmd(DONE, "deploy", job())
    produce([(0, "a", event("a", T)), (0, "a", event("a", T + 1000, "x:y|z%")),
             (0, "a", event("a", T + 7200000)),
             (1, "b%", event("b%", T)),
             (0, "a", event("a", T)),                       # late
             (0, "a", event("a", T + 7200000, amount="much")),  # dead
             (0, "a", b"\xff\x00")])                        # dead
    n = Node("engine")
    await_(lambda: store().hgetall(f"{PREFIX}:{USER}:1:a").get("_t") == str(T + 7200000)
           and store().exists(f"{PREFIX}:{SHOP}:1:x%3Ay%7Cz%25:1"))
    return n


def end():
    for n in nodes:
        if n.p.poll() is None:
            n.p.kill()
            n.p.wait()
    cleanup()


def test_servers_are_there():
    assert BROKERS and REDIS
    node()


# -- names of topics, their settings --

def test_topics():
    names = set(admin().list_topics(timeout=20).topics)
    ours = {n for n in names if n.startswith(f"{PREFIX}.")}
    assert ours == {f"{PREFIX}.{n}" for n in (
        "jobs", "schemas", f"{USER}.v1", f"{SHOP}.v1", "contract.late", "contract.dead",
        "contract.events.changelog", "contract.events.by.shop-paid",
        "contract.events.by.shop-paid.changelog")}, ours


def test_topics_partitions():
    for name, n in (("jobs", 1), (f"{USER}.v1", 2), (f"{SHOP}.v1", 12), ("contract.late", 1),
                    ("contract.events.changelog", 2), ("contract.events.by.shop-paid", 12),
                    ("contract.events.by.shop-paid.changelog", 12)):
        assert partitions(f"{PREFIX}.{name}") == n, name


def test_topics_settings():
    for name in ("jobs", "schemas", f"{USER}.v1"):
        c = configs(f"{PREFIX}.{name}")
        assert c["cleanup.policy"] == "compact", name
    c = configs(f"{PREFIX}.{USER}.v1")
    assert float(c["min.cleanable.dirty.ratio"]) == 0.9
    assert c["min.compaction.lag.ms"] == "86400000"
    for name in ("contract.events.by.shop-paid", "contract.events.changelog"):
        c = configs(f"{PREFIX}.{name}")
        assert c["cleanup.policy"] == "delete", name
        assert c["retention.ms"] == c["retention.bytes"] == "-1", name
    for name in admin().list_topics(timeout=20).topics:
        if name.startswith(f"{PREFIX}."):
            assert configs(name)["message.timestamp.type"] == "LogAppendTime", name


# -- the group --

def test_group_and_client_id():
    g = admin().describe_consumer_groups([f"{PREFIX}.contract"])[f"{PREFIX}.contract"].result(20)
    assert g.members
    for m in g.members:
        assert re.fullmatch(r"[0-9a-f]+\.\d+@" + re.escape(node().http), m.client_id), m.client_id
    assert g.partition_assignor == "cooperative-sticky"


# -- records --

def test_jobs_record():
    r = [x for x in records(f"{PREFIX}.jobs") if x.key() == b"contract"][-1]
    assert r.value().startswith(b'{"format":1,')
    v = json.loads(r.value())
    assert v["job"] == "contract" and v["paused"] is False
    assert "event.avsc" not in v["yaml"] and '"amount"' in v["yaml"]  # self-contained


def schemas():
    return {r.key().decode(): json.loads(r.value()) for r in records(f"{PREFIX}.schemas")}


def rows(view):
    """(key, partition, the value, the schema) of each record of a view's offline topic: a row, or a block of rows."""
    found = records(f"{PREFIX}.{view}.v1")
    known, out = schemas(), []    # they are written before the records that name them
    for r in found:
        raw = r.value()
        assert raw[:2] == b"\xc3\x01"  # Avro single-object encoding
        fingerprint = raw[2:10][::-1].hex()
        schema = fastavro.parse_schema(known[fingerprint])
        out.append((r.key().decode(), r.partition(),
                    fastavro.schemaless_reader(io.BytesIO(raw[10:]), schema), known[fingerprint]))
    return out


def test_offline_keys():
    keys = [k for k, _, _, _ in rows(USER)]
    assert [k for k in keys if k.startswith("a|")] == [
        f"a|{T}|0:0", f"a|{T + 1000}|0:1", "a|1357003800000|x", f"a|{T + 7200000}|0:2"], keys
    assert f"b%25|{T}|1:0" in keys


def test_offline_value_and_partition():
    user = [r for r in rows(USER) if r[0].startswith("a|")]
    assert [f["name"] for f in user[0][3]["fields"]] == [
        "user", "event_time", "known_at", "source_partition", "source_offset",
        "n_1h", "sum_1h", "share", "last_at", "last_paid", "shops"]
    assert {p for _, p, _, _ in user} == {0}
    by_key = {k: v for k, _, v, _ in user}
    first = by_key[f"a|{T}|0:0"]
    assert (first["user"], first["source_partition"], first["source_offset"]) == ("a", 0, 0)
    assert first["n_1h"] == 1 and first["event_time"].timestamp() * 1000 == T
    expiry = by_key["a|1357003800000|x"]
    assert expiry["source_partition"] is None and expiry["source_offset"] is None
    assert expiry["n_1h"] == 0


def test_offline_of_a_repartitioned_view_keeps_the_source_position():
    values = {k: v for k, _, v, _ in rows(SHOP)}
    key = f"x%3Ay%7Cz%25:1|{T + 1000}|0:1"
    assert key in values, values.keys()
    assert (values[key]["source_partition"], values[key]["source_offset"]) == (0, 1)


HEADERS = ["reason", "detail", "source_topic", "source_partition", "source_offset",
           "source_timestamp", "job_version"]


def test_dead_letters():
    letters = records(f"{PREFIX}.contract.dead")
    assert [dict(r.headers())["reason"] for r in letters] == [b"wrong_type", b"invalid_record"]
    for r, offset in zip(letters, (4, 5)):
        assert sorted(n for n, _ in r.headers()) == sorted(HEADERS)
        h = {n: v.decode() for n, v in r.headers()}
        assert (h["source_topic"], h["source_partition"], h["source_offset"]) == (
            TOPIC, "0", str(offset))
        assert int(h["source_timestamp"]) > 10**12 and r.key() == b"a"
    assert "amount" in dict(letters[0].headers())["detail"].decode()
    assert letters[1].value() == b"\xff\x00"


def test_late_records():
    (r,) = records(f"{PREFIX}.contract.late")
    h = {n: v.decode() for n, v in r.headers()}
    assert h["reason"] == "late" and h["source_offset"] == "3" and sorted(h) == sorted(HEADERS)
    assert json.loads(r.value())["at"] == T


# -- Redis --

def test_online_row():
    h = store().hgetall(f"{PREFIX}:{USER}:1:a")
    assert set(h) == {"n_1h", "sum_1h", "share", "last_at", "last_paid", "shops", "_t", "_k", "_v"}
    assert h["n_1h"] == "1" and h["sum_1h"] == "1.5" and h["share"] == "1.5"
    assert h["last_at"] == str(T + 7200000) and h["last_paid"] == "1"
    assert json.loads(h["shops"]) == ["s"]
    assert h["_t"] == str(T + 7200000) and int(h["_k"]) > 10**12


def test_online_null_is_absent():
    produce([(0, "nulls", event("nulls", T + 7200000, amount=None))])
    h = await_(lambda: store().hgetall(f"{PREFIX}:{USER}:1:nulls"))
    assert h["sum_1h"] == "0" and "share" in h and h["n_1h"] == "1"


def test_live_version():
    assert store().get(f"{PREFIX}:{USER}") == "1"


def test_keys_begin_with_the_prefix():
    assert all(k.startswith((f"{PREFIX}:",)) for k in store().scan_iter(f"*{PREFIX}*", 1000))


# -- HTTP --

def test_http_answers():
    n = node()
    for path in "/healthz", "/readyz", "/metrics", "/version", "/jobs", "/jobs/contract", \
            "/jobs/contract/tasks", "/jobs/contract/drift", "/":
        assert n.ask("GET", path)[0] == 200, path
    status, text = n.ask("GET", "/metrics")
    names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert names and all(x.startswith("weir_") for x in names)
    assert "entity=" not in text


def test_http_tasks():
    status, answer = node().ask("GET", "/jobs/contract/tasks")
    t = answer["tasks"][0]
    assert {"name", "lag_records", "watermark_ms", "state_bytes", "last_commit_ms",
            "last_error", "inputs"} <= set(t)
    assert {"topic", "partition", "offset"} <= set(t["inputs"][0])


def test_http_events():
    c = http.client.HTTPConnection(node().http, timeout=20)
    c.request("GET", "/events")
    r = c.getresponse()
    assert r.status == 200 and r.getheader("Content-Type").startswith("text/event-stream")
    assert r.read(6)
    c.close()


def test_http_errors():
    n = node()
    for status, method, path in ((404, "GET", "/nothing"), (404, "GET", "/jobs/nothing"),
                                 (405, "POST", "/metrics"), (404, "DELETE", "/jobs/nothing"),
                                 (400, "PUT", "/jobs/contract")):
        got, answer = n.ask(method, path, "job: [" if method == "PUT" else None)
        assert got == status, (method, path, got)
        assert {"code", "message", "where"} <= set(answer["error"]), (path, answer)


def test_http_put_says_what_check_says():
    text = job_file("bad.yaml", topic=TOPIC, view=VIEW,
                    change=lambda s: s.replace("sum(amount)", "sum(amuont)"))
    inline = json.loads(records(f"{PREFIX}.jobs")[0].value())["yaml"]
    status, answer = node().ask("PUT", "/jobs/contract", inline.replace("sum(amount)", "sum(amuont)"))
    assert status == 400
    (one,) = answer["error"]["diagnostics"]
    want = json.loads(exits(NO, "check", text, "--format", "json").stdout)["diagnostics"][0]
    assert (one["message"], one["suggestion"]) == (want["message"], want["suggestion"])


def test_http_put_of_another_plan_is_a_conflict():
    inline = json.loads(records(f"{PREFIX}.jobs")[0].value())["yaml"]
    status, answer = node().ask("PUT", "/jobs/contract", inline.replace("sum(amount)", "max(amount)"))
    assert status == 409, answer
    status, _ = node().ask("PUT", "/jobs/contract", inline)
    assert status == 200


# -- commands --

def test_deploy_again_changes_nothing():
    assert "already" in cmd(DONE, "deploy", job()).stdout
    assert len([r for r in records(f"{PREFIX}.jobs") if r.key() == b"contract"]) == 1


def test_deploy_of_another_plan_is_refused_with_the_difference():
    other = job_file("other.yaml", topic=TOPIC, view=VIEW,
                     change=lambda s: s.replace("sum(amount)", "max(amount)"))
    r = cmd(NO, "deploy", other)
    assert re.search(r"^-.*sum\(amount\)", r.stderr, re.M), r.stderr
    assert re.search(r"^\+.*max\(amount\)", r.stderr, re.M), r.stderr


def test_deploy_of_another_layout_is_refused_with_the_difference():
    other = job_file("other.yaml", topic=TOPIC, view=VIEW,
                     change=lambda s: s.replace("    owner: them\n", "    offline: blocks\n"))
    r = cmd(NO, "deploy", other)
    assert re.search(r"^\+.*offline\.layout: blocks", r.stderr, re.M), r.stderr


def test_deploy_may_change_owner_description_freshness():
    other = job_file("owner.yaml", topic=TOPIC, view=VIEW, change=lambda s: s.replace(
        "owner: them", "owner: others\n    description: words\n    freshness: 10m"))
    assert "deployed" in cmd(DONE, "deploy", other).stdout
    cmd(DONE, "deploy", job())


def test_deploy_of_a_view_of_another_job_is_refused():
    other = job_file("second.yaml", job="second", topic=TOPIC, view=VIEW)
    assert USER in cmd(NO, "deploy", other).stderr


def test_list():
    assert re.search(r"^contract +active +2 ", cmd(DONE, "list").stdout, re.M)
    (one,) = json.loads(cmd(DONE, "list", "--format", "json").stdout)["jobs"]
    assert one["name"] == "contract" and one["paused"] is False
    assert one["views"] == [{"name": USER, "version": 1}, {"name": SHOP, "version": 1}]


def test_status():
    # The deploys before have started the job anew.
    await_(lambda: "events:0" in cmd(DONE, "status", "contract").stdout)
    text = cmd(DONE, "status").stdout
    assert re.search(rf"^contract +\w+ +{re.escape(node().http)} ", text, re.M), text
    answer = json.loads(cmd(DONE, "status", "contract", "--format", "json").stdout)
    (one,) = answer["nodes"]
    assert one["http"] == node().http and one["status"]["name"] == "contract"
    assert "events:0" in exits(DONE, "status", "contract", "--http", node().http).stdout
    cmd(NO, "status", "nothing")
    exits(NO, "status", "nothing", "--http", node().http)


def test_get():
    text = cmd(DONE, "get", USER, "a").stdout
    assert re.search(r"^n_1h +1$", text, re.M)
    answer = json.loads(cmd(DONE, "get", USER, "a", "--format", "json").stdout)
    assert answer["version"] == 1 and answer["entity"] == "a"
    assert answer["event_time"] == T + 7200000 and answer["features"]["n_1h"] == "1"
    assert not any(k.startswith("_") for k in answer["features"])
    cmd(DONE, "get", SHOP, "x%3Ay%7Cz%25:1")


def test_get_without_a_row_exits_1():
    cmd(NO, "get", USER, "nobody")
    cmd(NO, "get", "no_view", "a")


def test_explain():
    answer = json.loads(cmd(DONE, "explain", USER, "a", "sum_1h", "--format", "json").stdout)
    assert answer["value"] == 1.5 and answer["definition"] == "sum(amount) over 1h"
    assert answer["source"] == {"topic": TOPIC, "partition": 0, "offset": 2}
    assert answer["version"] == 1 and answer["event_time"] == T + 7200000
    assert answer["online"] == "same" and answer["known_at"] > 10**12
    text = cmd(DONE, "explain", USER, "a", "sum_1h").stdout
    assert f"{TOPIC}[0]@2" in text and "sum(amount) over 1h" in text
    for line in ([USER, "a", "sum_1hh"], ["no_view", "a", "n"], [USER, "nobody", "sum_1h"]):
        cmd(NO, "explain", *line)


def test_dead_list():
    lines = [json.loads(x) for x in
             cmd(DONE, "dead", "list", "contract", "--format", "json").stdout.splitlines()]
    assert [x["reason"] for x in lines] == ["invalid_record", "wrong_type", "late"]
    assert lines[0]["value_base64"] == "/wA=" and lines[0]["source_offset"] == 5
    assert lines[1]["key"] == "a" and "much" in lines[1]["value"]
    text = cmd(DONE, "dead", "list", "contract", "--reason", "wrong_type").stdout
    assert f"{TOPIC}[0]@4" in text and "amount" in text and len(text.splitlines()) == 2


def test_check_brokers():
    exits(DONE, "check", job(), "--brokers", BROKERS)
    wrong = job_file("key.yaml", topic=TOPIC, view=VIEW,
                     change=lambda s: s.replace("key: user", "key: shop"))
    r = exits(NO, "check", wrong, "--brokers", BROKERS)
    assert "two partitions" in r.stderr
    gone = job_file("gone.yaml", topic="no-such-topic", view=VIEW)
    assert "no-such-topic" in exits(NO, "check", gone, "--brokers", BROKERS).stderr


def test_idle_node_appends_nothing():
    node()
    ours = [t for t in admin().list_topics(timeout=20).topics if t.startswith(f"{PREFIX}.")]
    ours.append("__consumer_offsets")
    state = {"seen": ends(ours), "same": 0}

    def quiet():  # three looks in a row, each longer than a commit interval
        now = ends(ours)
        state["same"] = state["same"] + 1 if now == state["seen"] else 0
        state["seen"] = now
        return state["same"] >= 3
    await_(quiet)


def test_pause_and_resume():
    cmd(DONE, "pause", "contract")
    assert "already" in cmd(DONE, "pause", "contract").stdout
    assert json.loads(records(f"{PREFIX}.jobs")[-1].value())["paused"] is True
    group = f"{PREFIX}.contract"
    await_(lambda: not admin().describe_consumer_groups([group])[group].result(20).members)
    produce([(0, "late-comer", event("late-comer", T + 7200000))])
    assert not store().exists(f"{PREFIX}:{USER}:1:late-comer")
    cmd(DONE, "resume", "contract")
    await_(lambda: store().exists(f"{PREFIX}:{USER}:1:late-comer"))
    for name in "pause", "resume", "remove":
        cmd(NO, name, "nothing")


def test_signals_end_a_node_with_0():
    for how in signal.SIGTERM, signal.SIGINT:
        assert Node("engine").stop(how) == 0, how


def test_run_is_a_node_with_one_job():
    other = job_file("front.yaml", job="front", topic=TOPIC, view=f"{VIEW}f")
    n = Node("run", other)
    await_(lambda: store().exists(f"{PREFIX}:{VIEW}f_user:1:a"))
    await_(lambda: n.ask("GET", "/jobs/front")[0] == 200)
    assert n.ask("DELETE", "/jobs/front")[0] == 409
    assert n.stop(signal.SIGINT) == 0


def position(row):
    p = row["source_partition"]
    return "x" if p is None else f"{p}:{row['source_offset']}"


def test_offline_blocks():
    view = f"{VIEW}p"
    n = Node("run", job_file("packed.yaml", job="packed", topic=TOPIC, view=view,
                             change=lambda s: s.replace("    from: events\n", "    from: events\n    offline: blocks\n")))
    topic = f"{PREFIX}.{view}_user.v1"
    await_(lambda: topic in admin().list_topics(timeout=20).topics)
    await_(lambda: sum(len(v["rows"]) for _, _, v, _ in rows(f"{view}_user")) == len(rows(USER)))
    await_(lambda: store().exists(f"{PREFIX}:{view}_shop:1:x%3Ay%7Cz%25:1"))
    assert n.stop() == 0
    keys, found = set(), {}
    for key, partition, value, schema in rows(f"{view}_user"):
        assert schema["name"] == f"weir.{view}_user.v1Block"
        assert [f["name"] for f in schema["fields"]] == ["rows"]
        assert [f["name"] for f in schema["fields"][0]["type"]["items"]["fields"]][:5] == [
            "user", "event_time", "known_at", "source_partition", "source_offset"]
        first = next((at for at in map(position, value["rows"]) if at != "x"), "x")
        assert re.fullmatch(re.escape(first) + r"\|\d{13}\.\d+\.\d+", key), (key, first)
        assert (partition, key) not in keys
        keys.add((partition, key))
        for row in value["rows"]:
            name = row["user"].replace("%", "%25")
            found.setdefault((name, partition), []).append((round(row["event_time"].timestamp() * 1000), position(row), row))
    want = {}
    for key, partition, row, _ in rows(USER):
        entity, at, where = key.split("|")
        want.setdefault((entity, partition), []).append((int(at), where, row))
    assert want == found    # the rows of each entity, in their order
    shop = [row for _, _, value, _ in rows(f"{view}_shop") for row in value["rows"]]
    assert any((r["shop"], r["paid"], position(r)) == ("x:y|z%", True, "0:1") for r in shop)


def test_offline_blocks_are_explained_and_exported():
    view = f"{VIEW}p_user"
    cmd(DONE, "deploy", f"{TMP}/packed.yaml")
    answer = json.loads(cmd(DONE, "explain", view, "a", "sum_1h", "--format", "json").stdout)
    assert answer["value"] == 1.5 and answer["source"] == {"topic": TOPIC, "partition": 0, "offset": 2}
    assert answer["online"] == "same"
    cmd(NO, "explain", view, "nobody", "sum_1h")
    cmd(NO, "explain", view, "%zz", "sum_1h")
    assert any(key.startswith("0:1|") for key, *_ in rows(f"{VIEW}p_shop"))
    cmd(NO, "explain", f"{VIEW}p_shop", "0:1", "n_5m")    # whose rows' keys would begin as that block's
    said = json.loads(cmd(DONE, "export", view, "--to", f"{TMP}/packed", "--format", "json").stdout)
    assert said["rows"] == len({key for key, _, _, _ in rows(USER)})
    cmd(DONE, "remove", "packed")


def test_two_nodes_do_not_share_a_state_folder():
    r = weir("engine", "--http", "127.0.0.1:0", "--state", nodes[0].log + ".state", env=env())
    assert r.returncode == USAGE, (r.returncode, r.stderr)


def test_remove_leaves_topics_and_rows():
    cmd(DONE, "remove", "contract")
    assert records(f"{PREFIX}.jobs")[-1].value() is None
    assert "contract" not in cmd(DONE, "list").stdout
    assert f"{PREFIX}.{USER}.v1" in admin().list_topics(timeout=20).topics
    cmd(DONE, "get", USER, "a")
    group = f"{PREFIX}.contract"
    await_(lambda: not admin().describe_consumer_groups([group])[group].result(20).members)


def test_remove_purge_takes_the_online_rows():
    cmd(DONE, "deploy", job())
    await_(lambda: node().ask("GET", "/jobs/contract")[0] == 200)
    cmd(DONE, "remove", "contract", "--purge")
    cmd(NO, "get", USER, "a")
    assert not list(store().scan_iter(f"{PREFIX}:{USER}:1:*", 1000))
