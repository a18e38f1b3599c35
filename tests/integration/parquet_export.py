# SPDX-License-Identifier: Apache-2.0
"""weir export, from a real engine's offline topics: every row of the topic is in the files, with the
types that docs/reference/parquet.md promises; again changes nothing; kills leave nothing torn.

pandas, pyarrow and Polars are looked at where they are installed, Spark where it is.
"""
import base64
import datetime as dt
import decimal
import functools
import glob
import hashlib
import importlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import duckdb
import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import spark

BIN, BROKERS = os.environ["WEIR_BIN"], os.environ["WEIR_BROKERS"]
PREFIX = f"pq{os.getpid()}-{int(time.time()) % 100000}"
TOPIC, VIEW, SHOPS, LATER = f"{PREFIX}-events", "typed", "shops", "zlater"
TMP = tempfile.mkdtemp(prefix="parquet.", dir=os.environ.get("WEIR_TMP"))
T0 = 1356998400000 - 3600_000  # an hour before 2013-01-01
UTC = dt.timezone.utc
ENV = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
ENV.update(WEIR_BROKERS=BROKERS, WEIR_PREFIX=PREFIX, WEIR_REDIS=os.environ.get("WEIR_REDIS", ""))

COLUMNS = {  # name: Avro type, value of the i-th event
    "a_bool": ("boolean", lambda i: i % 2 == 0),
    "a_int": ("int", lambda i: 2**31 - 1 - i),
    "a_long": ("long", lambda i: -2**53 + i),
    "a_float": ("float", lambda i: i / 8),
    "a_double": ("double", lambda i: i / 10),
    "a_dec": ({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
              lambda i: f"{i - 50}.{i % 100:02}"),
    "a_text": ("string", lambda i: f"naïve “{i}”" if i % 5 else ""),
    "a_bytes": ("bytes", lambda i: base64.b64encode(bytes([0, 255, i % 256])).decode()),
    "a_enum": ({"type": "enum", "name": "state", "symbols": ["ON_TIME", "LATE"]},
               lambda i: ["ON_TIME", "LATE"][i % 2]),
    "a_date": ({"type": "int", "logicalType": "date"}, lambda i: f"2013-02-{i % 28 + 1:02}"),
    "a_us": ({"type": "long", "logicalType": "timestamp-micros"},
             lambda i: f"2013-01-01T00:00:00.{i:06}Z"),
}
DUCKDB = {"tailnum": "VARCHAR", "event_time": "TIMESTAMP WITH TIME ZONE",
          "known_at": "TIMESTAMP WITH TIME ZONE", "source_partition": "INTEGER",
          "source_offset": "BIGINT", "n": "BIGINT", "mean": "DOUBLE", "a_bool": "BOOLEAN",
          "a_int": "INTEGER", "a_long": "BIGINT", "a_float": "FLOAT", "a_double": "DOUBLE",
          "a_dec": "DECIMAL(10,2)", "a_text": "VARCHAR", "a_bytes": "BLOB", "a_enum": "VARCHAR",
          "a_date": "DATE", "a_us": "TIMESTAMP WITH TIME ZONE",
          "at": "TIMESTAMP WITH TIME ZONE", "texts": "VARCHAR[]", "dt": "DATE"}
ARROW = {"tailnum": "string", "event_time": "timestamp[ms, tz=UTC]",
         "known_at": "timestamp[ms, tz=UTC]", "source_partition": "int32",
         "source_offset": "int64", "n": "int64", "mean": "double", "a_bool": "bool",
         "a_int": "int32", "a_long": "int64", "a_float": "float", "a_double": "double",
         "a_dec": "decimal128(10, 2)", "a_text": "string", "a_bytes": "binary",
         "a_enum": "string", "a_date": "date32[day]", "a_us": "timestamp[us, tz=UTC]",
         "at": "timestamp[ms, tz=UTC]", "texts": "list<element: string>"}


SPARK = {"tailnum": "string", "event_time": "timestamp", "known_at": "timestamp", "source_partition": "int",
         "source_offset": "bigint", "n": "bigint", "mean": "double", "a_bool": "boolean", "a_int": "int",
         "a_long": "bigint", "a_float": "float", "a_double": "double", "a_dec": "decimal(10,2)",
         "a_text": "string", "a_bytes": "binary", "a_enum": "string", "a_date": "date",
         "a_us": "timestamp", "at": "timestamp", "texts": "array<string>", "dt": "date"}


def job():
    fields = [{"name": "tailnum", "type": "string"},
              {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]
    fields += [{"name": n, "type": ["null", t], "default": None} for n, (t, _) in COLUMNS.items()]
    with open(f"{TMP}/event.avsc", "w") as f:
        json.dump({"type": "record", "name": "event", "fields": fields}, f)
    last = "".join(f"      {n}: last({n})\n" for n in COLUMNS)
    with open(f"{TMP}/job.yaml", "w") as f:
        f.write(f"""job: parquet
sources:
  events: {{ topic: {TOPIC}, format: json, schema: event.avsc, time: at, key: tailnum }}
views:
  {VIEW}:
    entity: [tailnum]
    from: events
    ttl: 30d
    features:
      n: count() over 1h
      mean: avg(a_double) over 1h
{last}      at: last(at)
      texts: top(a_text, 2) over 1h
  {SHOPS}:
    entity: [a_enum]
    from: events
    expiry: none
    features:
      n: count() over 1h
""")


def weir(*args, code=0, **more):
    r = subprocess.run([BIN, *args], env=ENV, cwd=TMP, capture_output=True, text=True,
                       timeout=120, **more)
    assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
    return r


@functools.cache
def admin():
    return AdminClient({"bootstrap.servers": BROKERS})


def produce(first, n):
    p = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True})
    for i in range(first, first + n):
        event = {"tailnum": f"N{i % 7}", "at": T0 + i * 600_000}
        if i % 4:
            event.update({name: value(i) for name, (_, value) in COLUMNS.items()})
        p.produce(TOPIC, json.dumps(event), key=event["tailnum"], partition=i % 7 % 2)
    assert p.flush(30) == 0


def records(topic):
    c = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{PREFIX}-look",
                  "enable.partition.eof": True, "isolation.level": "read_committed"})
    n = len(admin().list_topics(topic, timeout=20).topics[topic].partitions)
    c.assign([TopicPartition(topic, p, 0) for p in range(n)])
    out, ended = [], set()
    while len(ended) < n:
        r = c.poll(20)
        assert r is not None, f"{topic} gives no answer"
        ended.add(r.partition()) if r.error() else out.append(r)
    c.close()
    return out


def await_(what, seconds=60):
    until = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
    return answer


def event_rows(topic):
    """Rows in the topic that an event caused."""
    if topic not in admin().list_topics(timeout=20).topics:
        return 0
    return sum(not r.key().endswith(b"|x") for r in records(topic))


def engine(events):
    """A node until every event has its row in both views."""
    log = open(f"{TMP}/engine.log", "a")
    node = subprocess.Popen([BIN, "run", f"{TMP}/job.yaml", "--http", "127.0.0.1:0", "--state",
                             f"{TMP}/state", "--memory", "128M"], env=ENV, cwd=TMP, stdout=log,
                            stderr=log, stdin=subprocess.DEVNULL)
    try:
        await_(lambda: node.poll() is not None or event_rows(f"{PREFIX}.{VIEW}.v1") == events and
               event_rows(f"{PREFIX}.{SHOPS}.v1") == events - (events + 3) // 4)
        node.send_signal(signal.SIGTERM)
        code = node.wait(30)
        assert code == 0, (code, open(f"{TMP}/engine.log").read()[-3000:])
    finally:
        node.kill()
        node.wait()


def topic_rows(view):
    """The topic as a consumer with nothing but fastavro sees it; of a key, the last."""
    schemas = {int(r.key(), 16): fastavro.parse_schema(json.loads(r.value()))
               for r in records(f"{PREFIX}.schemas")}
    rows = {}
    for r in records(f"{PREFIX}.{view}.v1"):
        b = r.value()
        assert b[:2] == b"\xc3\x01"
        schema = schemas[int.from_bytes(b[2:10], "little")]
        rows[r.key()] = fastavro.schemaless_reader(io.BytesIO(b[10:]), schema)
    return sorted(rows.values(), key=order)


def order(row):
    return (str(row.get("tailnum", row.get("a_enum"))), row["event_time"], row["known_at"],
            row["source_partition"] is not None, row["source_offset"] or 0)


def file_rows(to, view):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    files = f"'{to}/{view}/v1/*/*.parquet'"
    # As numbers: for instants DuckDB's Python client wants pytz.
    instants = [r[0] for r in con.execute(f"DESCRIBE FROM {files}").fetchall() if "ZONE" in r[1]]
    numbers = ", ".join(f"epoch_us(\"{n}\") AS \"{n}\"" for n in instants)
    cursor = con.execute(f"SELECT * REPLACE ({numbers}, CAST(dt AS VARCHAR) AS dt), "
                         f"strftime(event_time, '%Y-%m-%d') AS day FROM {files}")
    names = [d[0] for d in cursor.description]
    rows = [dict(zip(names, r)) for r in cursor.fetchall()]
    for r in rows:
        assert r.pop("dt") == r.pop("day")
        for n in instants:
            if r[n] is not None:
                r[n] = dt.datetime.fromtimestamp(0, UTC) + dt.timedelta(microseconds=r[n])
    return sorted(rows, key=order)


def listing(to):
    return {p: (os.stat(p).st_ino, os.stat(p).st_mtime_ns)
            for p in glob.glob(f"{to}/**/*", recursive=True, include_hidden=True)
            if os.path.isfile(p)}


def same_rows(to, view):
    want, got = topic_rows(view), file_rows(to, view)
    assert len(want) == len(got), (len(want), len(got))
    for w, g in zip(want, got):
        assert w == g, (w, g)
    return len(got)


def check_types(to):
    con = duckdb.connect()
    types = {r[0]: r[1] for r in
             con.execute(f"DESCRIBE FROM '{to}/{VIEW}/v1/*/*.parquet'").fetchall()}
    assert types == DUCKDB, types
    one = sorted(glob.glob(f"{to}/{VIEW}/v1/*/*.parquet"))[0]
    units = dict(con.execute(f"SELECT name, logical_type FROM parquet_schema('{one}') WHERE "
                             f"logical_type LIKE 'Timestamp%'").fetchall())
    assert all("isAdjustedToUTC=1" in t for t in units.values()), units
    assert {n for n, t in units.items() if "MILLIS=Milli" in t} == {"event_time", "known_at", "at"}
    codecs = con.execute(f"SELECT DISTINCT compression FROM parquet_metadata('{one}')").fetchall()
    assert codecs == [("ZSTD",)], codecs


def check_sorted_and_named(to):
    """Offsets of the name are the rows' own: the key's offset is in the topic's record."""
    where = {}
    for r in records(f"{PREFIX}.{VIEW}.v1"):
        where[r.key()] = (r.partition(), r.offset())
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for path in glob.glob(f"{to}/{VIEW}/v1/*/*.parquet"):
        rows = con.execute(f"SELECT tailnum, epoch_ms(event_time), source_partition, source_offset "
                           f"FROM '{path}'").fetchall()
        assert rows == sorted(rows, key=lambda r: r[:2]), path
        at = [where[(f"{t}|{ms}|" + ("x" if p is None else f"{p}:{o}")).encode()]
              for t, ms, p, o in rows]
        partition, first, last = map(int, os.path.basename(path)[5:-8].split("-"))
        assert {p for p, _ in at} == {partition}, path
        assert (min(o for _, o in at), max(o for _, o in at)) == (first, last), path


def installed(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: not looked at")
        return None


def check_arrow(to):
    if not installed("pyarrow"):
        return
    import pyarrow.dataset
    data = pyarrow.dataset.dataset(f"{to}/{VIEW}/v1", format="parquet", partitioning="hive")
    types = {f.name: str(f.type) for f in data.schema if f.name != "dt"}
    types["texts"] = types["texts"].replace("list<item:", "list<element:")
    assert types == ARROW, types
    assert data.to_table().num_rows == len(file_rows(to, VIEW))


def check_pandas(to):
    pandas = installed("pandas")
    if not pandas or not installed("pyarrow"):
        return
    df = pandas.read_parquet(f"{to}/{VIEW}/v1")
    assert len(df) == len(file_rows(to, VIEW))
    assert str(df.event_time.dtype) == "datetime64[ms, UTC]", df.event_time.dtype
    assert isinstance(df.a_dec.dropna().iloc[0], decimal.Decimal)


def check_polars(to):
    polars = installed("polars")
    if not polars:
        return
    df = polars.read_parquet(f"{to}/{VIEW}/v1/**/*.parquet")
    assert len(df) == len(file_rows(to, VIEW))
    assert df.schema["event_time"] == polars.Datetime("ms", "UTC"), df.schema
    assert df.schema["texts"] == polars.List(polars.String)
    assert df.schema["a_dec"] == polars.Decimal(10, 2)


def check_spark(to):
    if not spark.there():
        return
    session = spark.session(TMP)
    try:
        rows = session.read.parquet(f"{to}/{VIEW}/v1")
        assert dict(rows.dtypes) == SPARK, rows.dtypes
        got = rows.selectExpr("count(*)", "sum(unix_millis(event_time))", "sum(unix_micros(a_us))", "sum(a_long)",
                              "sum(a_dec)", "sum(a_double)", "sum(length(a_text))", "count(source_offset)").collect()
        with duckdb.connect() as con:
            want = con.execute(
                "SELECT count(*), sum(epoch_ms(event_time)), sum(epoch_us(a_us)), sum(a_long), sum(a_dec), "
                "sum(a_double), sum(length(a_text)), count(source_offset) "
                f"FROM '{to}/{VIEW}/v1/*/*.parquet'").fetchone()
        for g, w in zip(got[0], want):
            assert abs(float(g) - float(w)) <= 1e-9 * abs(float(w)), (got, want)
        print("Spark reads the same rows")
    finally:
        spark.end(session)


def check_kills(to):
    """Killed at random moments; what is visible is whole, and a last run makes it complete: the same files, byte for
    byte, as those of an export that nobody disturbed."""
    rnd, died = random.Random(7), 0
    for _ in range(12):
        p = subprocess.Popen([BIN, "export", VIEW, "--to", to, "--memory", "64M"], env=ENV, cwd=TMP,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(rnd.uniform(0.05, 0.6))
        except subprocess.TimeoutExpired:
            p.kill()
        died += p.wait() == -signal.SIGKILL
        if glob.glob(f"{to}/{VIEW}/v1/*/*.parquet"):
            rows = [tuple(order(r)) for r in file_rows(to, VIEW)]
            assert len(rows) == len(set(rows))
        if rnd.random() < 0.5:
            shutil.rmtree(to, ignore_errors=True)
    assert died, "no run was killed"
    weir("export", VIEW, "--to", to)
    same_rows(to, VIEW)
    assert not [p for p in listing(to) if p.endswith(".tmp")]
    weir("export", VIEW, "--to", f"{to}.calm")
    assert digests(to) == digests(f"{to}.calm")


def digests(to):
    found = {}
    for path in listing(to):
        with open(path, "rb") as f:
            found[os.path.relpath(path, to)] = hashlib.sha256(f.read()).hexdigest()
    return found


def manifest(to, view):
    with open(f"{to}/{view}/v1/_export.json", encoding="utf-8") as f:
        return json.load(f)


def check_all(to):
    """Every deployed view in one call; what the definition says goes along."""
    assert "no view is deployed" in weir("export", "--all", "--to", to, code=2).stderr
    weir("deploy", f"{TMP}/job.yaml")
    said = [json.loads(line) for line in weir("export", "--all", "--to", to, "--format", "json").stdout.splitlines()]
    assert sorted(s["view"] for s in said) == [SHOPS, VIEW], said
    for view, ttl in ((VIEW, 30 * 86400_000), (SHOPS, None)):
        same_rows(to, view)
        m = manifest(to, view)
        assert (m["ttl_ms"], m["source_topic"]) == (ttl, TOPIC), m


def second_job():
    """A job with one more view, whose topic no node has made yet."""
    with open(f"{TMP}/job.yaml", encoding="utf-8") as f:
        head, views = f.read().split("views:\n")
    with open(f"{TMP}/later.yaml", "w", encoding="utf-8") as f:
        f.write(head.replace("job: parquet", "job: zlater") + "views:\n" +
                f"  {LATER}:\n" + views.split(f"  {SHOPS}:\n")[1])
    weir("deploy", f"{TMP}/later.yaml")


def check_later(to, service):
    """A view that is deployed while the service runs is exported too, once its topic is there, while another view's
    topic is held by a transaction."""
    for f in admin().create_topics([NewTopic(f"{PREFIX}.{LATER}.v1", 1, 1)]).values():
        f.result(20)
    held = Producer({"bootstrap.servers": BROKERS, "transactional.id": f"{PREFIX}-held"})
    held.init_transactions(20)
    held.begin_transaction()
    for view in SHOPS, VIEW:
        r = records(f"{PREFIX}.{view}.v1")[0]
        held.produce(f"{PREFIX}.{view}.v1", r.value(), key=r.key(), partition=r.partition())
    assert held.flush(20) == 0
    r = records(f"{PREFIX}.{SHOPS}.v1")[0]
    p = Producer({"bootstrap.servers": BROKERS})
    p.produce(f"{PREFIX}.{LATER}.v1", r.value(), key=r.key())
    assert p.flush(20) == 0
    await_(lambda: glob.glob(f"{to}/{LATER}/v1/*/*.parquet") or service.poll() is not None, 60)
    assert service.poll() is None
    held.abort_transaction(20)


def check_follow(to):
    """A service: what comes is there soon; SIGTERM ends it cleanly."""
    log = f"{TMP}/follow.log"
    with open(log, "w", encoding="utf-8") as f:
        p = subprocess.Popen([BIN, "export", "--all", "--to", to, "--follow", "--every", "200ms"], env=ENV, cwd=TMP,
                             stdout=f, stderr=f)

    def said():
        with open(log, encoding="utf-8") as f:
            return f.read()
    try:
        before = len(file_rows(to, VIEW))
        produce(260, 40)
        engine(300)
        want = len(topic_rows(VIEW))
        assert want > before
        await_(lambda: len(file_rows(to, VIEW)) == want, 30)
        second_job()
        await_(lambda: f"there is no topic {PREFIX}.{LATER}.v1 yet; it goes on trying" in said(), 30)
        check_later(to, p)
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0, said()
        assert "is open for longer than 10 s" in said(), said()
    finally:
        p.kill()
    same_rows(to, VIEW)


def check_compact(to):
    weir("remove", "zlater")
    before = len(glob.glob(f"{to}/{VIEW}/v1/*/*.parquet"))
    assert " files became " in weir("export", "--all", "--to", to, "--compact").stdout
    assert len(glob.glob(f"{to}/{VIEW}/v1/*/*.parquet")) < before
    same_rows(to, VIEW)
    check_types(to)
    check_sorted_and_named(to)
    assert weir("export", VIEW, "--to", to, "--compact").stdout == f"{VIEW} v1: nothing to merge\n"
    assert weir("export", VIEW, "--to", to).stdout == f"{VIEW} v1: no new rows\n"


def check_train(to):
    """From a real engine's rows: the last row of an entity is what an ASOF join finds."""
    con = duckdb.connect()
    con.execute(f"COPY (SELECT 'N' || mod(i, 8) AS tailnum, make_timestamptz({T0 * 1000} + i * 1800000000) AS event_time "
                f"FROM range(200) r(i)) TO '{TMP}/spine.parquet'")
    weir("train", "--spine", f"{TMP}/spine.parquet", "--data", to, "--features", f"{VIEW}:n,{VIEW}:mean", "--out", f"{TMP}/t.parquet")
    wrong = con.execute(f"""WITH f AS (SELECT * FROM '{to}/{VIEW}/v1/*/*.parquet' QUALIFY row_number() OVER (PARTITION BY tailnum,
        event_time ORDER BY known_at DESC, source_offset DESC NULLS LAST) = 1)
        SELECT count(*) FROM (SELECT s.tailnum, s.event_time, f.n, f.mean FROM '{TMP}/spine.parquet' s ASOF LEFT JOIN f
        ON s.tailnum = f.tailnum AND s.event_time >= f.event_time EXCEPT ALL
        SELECT tailnum, event_time, {VIEW}__n, {VIEW}__mean FROM '{TMP}/t.parquet')""").fetchone()[0]
    assert wrong == 0, wrong


def main():
    job()
    for f in admin().create_topics([NewTopic(TOPIC, 2, 1)]).values():
        f.result(20)
    produce(0, 200)
    engine(200)
    to = f"{TMP}/out"
    r = weir("export", VIEW, "--to", to, "--format", "json")
    said = json.loads(r.stdout)
    n = same_rows(to, VIEW)
    assert said["rows"] == n and said["view"] == VIEW and said["version"] == 1, (said, n)
    weir("export", SHOPS, "--to", to)
    same_rows(to, SHOPS)
    check_types(to)
    check_sorted_and_named(to)

    before = listing(to)
    assert weir("export", VIEW, "--to", to).stdout == f"{VIEW} v1: no new rows\n"
    assert listing(to) == before
    produce(200, 60)
    engine(260)
    assert json.loads(weir("export", VIEW, "--to", to, "--format", "json").stdout)["rows"] > 0
    after = listing(to)
    changed = {p for p in before if after[p] != before[p]}
    assert changed == {f"{to}/{VIEW}/v1/_export.json"}, changed
    same_rows(to, VIEW)
    check_sorted_and_named(to)
    check_arrow(to)
    check_pandas(to)
    check_polars(to)
    check_spark(to)
    check_kills(f"{TMP}/killed")
    check_all(f"{TMP}/all")
    check_follow(f"{TMP}/all")
    check_compact(f"{TMP}/all")
    check_train(f"{TMP}/all")

    assert "did you mean typed?" in weir("export", "tyepd", "--to", to, code=2).stderr
    assert "--to" in weir("export", VIEW, code=2).stderr
    assert "which view?" in weir("export", "--to", to, code=2).stderr
    assert "which of the two?" in weir("export", VIEW, "--all", "--to", to, code=2).stderr
    assert "has no export of" in weir("export", "nowhere", "--to", to, "--compact", code=2).stderr
    assert "there is no topic" in weir("export", VIEW, "--to", to, "--view-version", "9",
                                       code=2).stderr
    weir("export", VIEW, "--to", "/proc/nowhere", code=3)
    print(f"{n} rows at first")


try:
    main()
finally:
    shutil.rmtree(TMP, ignore_errors=True)
