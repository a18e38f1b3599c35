# SPDX-License-Identifier: Apache-2.0
"""docs/guide/training-data.md: its commands, SQL and Python over generated rows, against the rules of the
point-in-time join done row by row. Blocks for pandas and Polars run where those are installed, Spark's where it is.
"""
import csv
import datetime as dt
import glob
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import tempfile

import duckdb

import spark

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TMP = tempfile.mkdtemp(prefix="guide.", dir=os.environ.get("WEIR_TMP"))
UTC = dt.timezone.utc
T0 = 1356998400000  # ms
SECOND, MINUTE, DAY = 1000, 60_000, 86_400_000
TTL = 30 * DAY
FEATURES = ["flights_24h", "mean_arr_delay_24h"]


def blocks(language, word):
    """The fenced blocks whose first line is the comment -- word or # word."""
    with open(os.path.join(ROOT, "docs/guide/training-data.md")) as f:
        found = re.findall(rf"```{language}\n(?:--|#) ([^\n]*)\n(.*?)```", f.read(), re.S)
    return [text for first, text in found if first == word]


def make_rows(rnd):
    """Rows as a view emits them: an entity's event_time and known_at never go back."""
    rows, offset = [], 0
    for entity in range(40):
        clock = T0 + rnd.randrange(0, 20) * DAY
        known = clock
        for i in range(rnd.randrange(0, 60)):
            if rnd.random() > 0.3:  # else a restatement at the same clock
                clock += rnd.choice([1, SECOND, MINUTE, 5 * MINUTE, DAY, 3 * DAY, 31 * DAY])
            known = max(known, clock + rnd.choice([0, 0, SECOND, 10 * MINUTE, 2 * DAY]))
            expiry = rnd.random() < 0.1
            offset += 1
            rows.append({"tailnum": f"N{entity}", "event_time": clock, "known_at": known,
                         "source_partition": None if expiry else 0,
                         "source_offset": None if expiry else offset, "flights_24h": offset,
                         "mean_arr_delay_24h": rnd.choice([None, i / 8])})
            if expiry:  # at most one per instant and entity, and first among its equals
                clock += SECOND
                rows[-1]["event_time"] = clock
                rows[-1]["known_at"] = known = max(known, clock)
    return rows


def make_labels(rnd, rows):
    labels = []
    for i in range(3000):
        r = rnd.choice(rows)
        at = rnd.choice([r["event_time"], r["known_at"], r["event_time"] + TTL])
        at += rnd.choice([0, 0, -SECOND, SECOND, MINUTE, 7 * DAY])
        at -= at % SECOND
        labels.append({"flight": i, "tailnum": r["tailnum"] if i % 50 else "N999", "at": at,
                       "late": i % 3 == 0})
    return labels


def write(rows, labels):
    os.makedirs(f"{TMP}/features/aircraft/v1")
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("CREATE TABLE r(tailnum VARCHAR, event_time BIGINT, known_at BIGINT, "
                "source_partition INTEGER, source_offset BIGINT, flights_24h BIGINT, "
                "mean_arr_delay_24h DOUBLE)")
    con.executemany("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?, ?)", [list(r.values()) for r in rows])
    con.execute(f"COPY (SELECT * REPLACE (to_timestamp(event_time / 1000.0) AS event_time, "
                f"to_timestamp(known_at / 1000.0) AS known_at), "
                f"strftime(to_timestamp(event_time / 1000.0), '%Y-%m-%d') AS dt FROM r "
                f"ORDER BY random()) TO '{TMP}/features/aircraft/v1' "
                f"(FORMAT parquet, PARTITION_BY (dt), OVERWRITE_OR_IGNORE)")
    con.close()
    with open(f"{TMP}/labels.csv", "w", newline="") as f:
        w = csv.DictWriter(f, ["flight", "tailnum", "at", "late"])
        w.writeheader()
        for label in labels:
            at = dt.datetime.fromtimestamp(label["at"] / 1000, UTC)
            w.writerow({**label, "at": at.strftime("%Y-%m-%d %H:%M:%SZ"),
                        "late": str(label["late"]).lower()})


def milliseconds():
    """DuckDB alone writes instants in microseconds; exports have milliseconds."""
    if not importlib.util.find_spec("pyarrow"):
        return
    import pyarrow
    import pyarrow.parquet
    for path in glob.glob(f"{TMP}/features/aircraft/v1/*/*.parquet"):
        t = pyarrow.parquet.ParquetFile(path).read()
        for name in "event_time", "known_at":
            ms = t[name].cast(pyarrow.timestamp("ms", "UTC"))
            t = t.set_column(t.schema.get_field_index(name), name, ms)
        pyarrow.parquet.write_table(t, path)


def manifest():
    """As weir export leaves it: its names, and _export.json."""
    top, files = f"{TMP}/features/aircraft/v1", []
    con = duckdb.connect()
    for n, path in enumerate(sorted(glob.glob(f"{top}/*/*.parquet"))):
        name = f"{os.path.basename(os.path.dirname(path))}/part-0-{n}-{n}.parquet"
        os.rename(path, f"{top}/{name}")
        count = con.execute(f"SELECT count(*) FROM '{top}/{name}'").fetchone()[0]
        files.append({"path": name, "first": n, "last": n, "rows": count, "bytes": os.path.getsize(f"{top}/{name}")})
    with open(f"{top}/_export.json", "w", encoding="utf-8") as f:
        json.dump({"format": 1, "view": "aircraft", "version": 1, "topic": "weir.aircraft.v1", "topic_id": "0" * 32,
                   "ttl_ms": TTL, "source_topic": "arrivals", "partitions": [
                       {"partition": 0, "next": len(files), "files": files}], "pending": None}, f)


def commands():
    """The guide's weir train lines, one after the other."""
    with open(os.path.join(ROOT, "docs/guide/training-data.md"), encoding="utf-8") as f:
        texts = re.findall(r"```sh\n(weir train .*?)```", f.read(), re.S)
    assert len(texts) == 3, texts
    path = os.path.dirname(os.path.abspath(os.environ["WEIR_BIN"])) + ":" + os.environ["PATH"]
    for text in texts:
        subprocess.run(["bash", "-ec", text], check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL)
    with open("train.parquet", "rb") as a, open("train-again.parquet", "rb") as b:
        assert a.read() == b.read()
    return sql("SELECT l.* FROM 'train.parquet' l")


def as_of(rows, label, exclusive=False, known=False):
    """The rules, one by one."""
    best = None
    for r in rows.get(label["tailnum"], []):
        if r["event_time"] > label["at"] or exclusive and r["event_time"] == label["at"]:
            continue
        if known and r["known_at"] > label["at"]:
            continue
        key = (r["event_time"], r["known_at"],
               -1 if r["source_offset"] is None else r["source_offset"])
        if best is None or key > best[0]:
            best = key, r
    if best is None or label["at"] - best[1]["event_time"] > TTL:
        return None, None
    return tuple(best[1][f] for f in FEATURES)


def expected(rows, labels, **rules):
    by_entity = {}
    for r in rows:
        by_entity.setdefault(r["tailnum"], []).append(r)
    return {label["flight"]: as_of(by_entity, label, **rules) for label in labels}


def sql(text):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    cursor = con.execute('SELECT * EXCLUDE ("at") '
                         f" FROM ({text.strip().rstrip(';')})"
                         if "l.*" in text else text)
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, r)) for r in cursor.fetchall()]


def values(rows):
    def plain(v):
        return None if v is None or v != v else v
    return {r["flight"]: tuple(plain(r[f"aircraft__{f}"]) for f in FEATURES) for r in rows}


def python(texts):
    """One block after the other, in one namespace; the rows of train."""
    space = {}
    for text in texts:
        exec(compile(text, "training-data.md", "exec"), space)
    train = space["train"]
    return train.to_dicts() if hasattr(train, "to_dicts") else train.to_dict("records")


def checks(rows, labels):
    plain, known = expected(rows, labels), expected(rows, labels, known=True)
    exclusive = expected(rows, labels, exclusive=True)
    assert len({str(x) for x in (plain, known, exclusive)}) == 3  # the data tell them apart
    if os.environ.get("WEIR_BIN"):
        yield "weir train", lambda: values(commands()) == plain
    else:
        print("WEIR_BIN is not set: weir train is not run")
    (text,) = blocks("sql", "rows")
    yield "rows per day", lambda: sum(r["rows"] for r in sql(text)) == len(rows)
    (asof,) = blocks("sql", "asof")
    yield "DuckDB", lambda: values(sql(asof)) == plain
    other = asof.replace("l.at >= f.event_time", "l.at > f.event_time")
    assert other != asof
    yield "DuckDB, exclusive", lambda: values(sql(other)) == exclusive
    (asof_known,) = blocks("sql", "asof known")
    yield "DuckDB, known", lambda: values(sql(asof_known)) == known
    for name in "pandas", "polars":
        texts = blocks("python", name)
        assert len(texts) == 2, name
        needed = [name, "pyarrow"] if name == "pandas" else [name]
        if not all(importlib.util.find_spec(n) for n in needed):
            print(f"{name} is not installed: not run")
            continue
        yield name, lambda: values(python(texts)) == plain
    if spark.there():
        yield "spark", lambda: spark_rows(*blocks("python", "spark")) == sorted((tuple(r.values()) for r in rows), key=str)


def spark_rows(text):
    """The block's rows as they were written, times in milliseconds."""
    space = {}
    spark.session(TMP)  # which the block then gets
    exec(compile(text, "training-data.md", "exec"), space)
    assert dict(space["rows"].dtypes)["event_time"] == "timestamp", space["rows"].dtypes
    found = space["rows"].selectExpr("tailnum", "unix_millis(event_time)", "unix_millis(known_at)", "source_partition",
                                     "source_offset", "flights_24h", "mean_arr_delay_24h").collect()
    spark.end(space["spark"])
    return sorted(map(tuple, found), key=str)


def main():
    rnd = random.Random(11)
    rows = make_rows(rnd)
    labels = make_labels(rnd, rows)
    write(rows, labels)
    milliseconds()
    manifest()
    os.chdir(TMP)
    passed = failed = 0
    for name, check in checks(rows, labels):
        ok = check()
        passed, failed = passed + ok, failed + (not ok)
        print("ok    " if ok else "FAILED", name)
    print(f"suite: {passed} passed, {failed} failed")
    return failed != 0


try:
    raise SystemExit(main())
finally:
    os.chdir("/")
    shutil.rmtree(TMP, ignore_errors=True)
