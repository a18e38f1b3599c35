# SPDX-License-Identifier: Apache-2.0
"""weir train: the join, its bad input, its bytes. See `run`."""
import hashlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import asof  # noqa: E402
from world import DAY, HOUR, MINUTE, SECOND, T0, View, as_of, connect, order  # noqa: E402

BIN = os.environ["WEIR_BIN"]
TMP = tempfile.mkdtemp(prefix="train.", dir=os.environ.get("WEIR_TMP"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
ROWS = 10_000


def weir(*args, code=0, cwd=TMP):
    r = subprocess.run([BIN, "train", *map(str, args)], env=ENV, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
    return r


def installed(*names):
    return all(importlib.util.find_spec(n) for n in names)


# ---------------------------------------------------------------- the world

def emit(rnd, view, key, features, n):
    """Rows as a view emits them: an entity's clock and known_at never go back; restatements at the same
    clock; expiry rows, first of their instant and without a source position."""
    clock = known = T0 + rnd.randrange(0, 20) * DAY
    for i in range(n):
        expiry = rnd.random() < 0.15
        if expiry or rnd.random() > 0.35:
            clock += rnd.choice([1, SECOND, MINUTE, 5 * MINUTE, HOUR, DAY, 3 * DAY, 31 * DAY])
        known = max(known, clock + (0 if expiry else rnd.choice([0, 0, 1, SECOND, 10 * MINUTE, 2 * DAY])))
        view.rows.append({**key, **features(i), "event_time": clock, "known_at": known,
                          "source_partition": None if expiry else 0,
                          "source_offset": None if expiry else len(view.rows), "_p": rnd.randrange(2) if key["_p"] is None else key["_p"]})


def make_views(rnd):
    plane = View("plane", [("tailnum", "VARCHAR")],
                 [("flights", "BIGINT"), ("mean", "DOUBLE"), ("last_dest", "VARCHAR"), ("top", "VARCHAR[]"),
                  ("ok", "BOOLEAN"), ("cost", "DECIMAL(10,2)")], ttl_ms=30 * DAY)
    route = View("route", [("carrier", "VARCHAR"), ("number", "INTEGER")], [("late", "BIGINT"), ("since", "TIMESTAMPTZ")])
    for e in range(60):
        emit(rnd, plane, {"tailnum": f"N{e}", "_p": e % 3}, lambda i: {
            "flights": i, "mean": rnd.choice([None, i / 8]), "last_dest": rnd.choice([None, "", "JFK", f"a long name of an airport {i}"]),
            "top": rnd.choice([None, [], ["x"], ["y", "ein längerer Text als zwölf"]]), "ok": rnd.choice([None, True, False]),
            "cost": rnd.choice([None, f"{i}.25"])}, rnd.randrange(0, 60))
    for e in range(25):
        emit(rnd, route, {"carrier": "UAB"[e % 3], "number": e // 3, "_p": 0}, lambda i: {
            "late": i, "since": f"2013-01-01 00:00:{i % 60:02}+00"}, rnd.randrange(0, 30))
    return plane, route


def make_spine(rnd, views):
    """At every edge: at a row's times, at its ttl, a moment before and after; unknown and null keys."""
    rows = []
    for i in range(ROWS):
        view = rnd.choice(views)
        r = rnd.choice(view.rows)
        t = rnd.choice([r["event_time"], r["known_at"], r["event_time"] + 30 * DAY, r["known_at"] + 30 * DAY]) * 1000
        t += rnd.choice([0, 0, 0, 1, -1, 1000, -1000, 500, SECOND * 1000, -DAY * 1000, 7 * DAY * 1000])
        other = rnd.choice(views[1].rows)
        key = r if view is views[1] else other
        rows.append({"id": i, "tailnum": rnd.choice([r.get("tailnum", f"N{i % 60}"), None, "N999"] if i % 9 == 0 else [r.get("tailnum", f"N{i % 60}")]),
                     "carrier": key["carrier"], "number": None if i % 31 == 0 else key["number"], "t": t, "label": i % 3 == 0})
    return rows


def write_spine(rows, path, names="id, tailnum, carrier, number, make_timestamptz(t) AS happened, label"):
    con = connect()
    con.execute("CREATE TABLE s(id BIGINT, tailnum VARCHAR, carrier VARCHAR, number INTEGER, t BIGINT, label BOOLEAN)")
    con.executemany("INSERT INTO s VALUES (?, ?, ?, ?, ?, ?)", [list(r.values()) for r in rows])
    con.execute(f"COPY (SELECT {names} FROM s ORDER BY rowid) TO '{path}'" + (" (FORMAT csv, HEADER)" if path.endswith("csv") else " (FORMAT parquet)"))


def entities(view):
    names, found = [n for n, _ in view.entity], {}
    for r in view.rows:
        found.setdefault(tuple(r[n] for n in names), []).append(r)
    return names, found


def expected(view, spine, **rules):
    names, found = entities(view)
    ttl = rules.pop("ttl", view.ttl_ms)
    out = []
    for s in spine:
        key = tuple(s[n] for n in names)
        out.append(as_of(found.get(key, []), s["t"], ttl, **rules) if None not in key else None)
    return out


def output(path, view):
    """Of each row: its features as texts, and the age; None: all null."""
    con = connect()
    names = ", ".join(f'CAST("{view.name}__{n}" AS VARCHAR)' for n, _ in view.features)
    return con.execute(f"SELECT id, {names}, \"{view.name}___age_ms\" FROM '{path}'").fetchall()


def texts(view):
    """A row's features as DuckDB prints them."""
    con = connect()
    for n, r in enumerate(view.rows):
        r["_n"] = n
    view.relation(con, view.rows)
    names = ", ".join(f'CAST("{n}" AS VARCHAR)' for n, _ in view.features)
    for r, t in zip(view.rows, con.execute(f"SELECT {names} FROM r ORDER BY _n").fetchall()):
        r["_texts"] = t


def mismatches(path, view, spine, want):
    got = output(path, view)
    assert [g[0] for g in got] == [s["id"] for s in spine], "rows are not the spine's, in order"
    wrong = 0
    for g, s, w in zip(got, spine, want):
        row = (*w["_texts"], (s["t"] - w["event_time"] * 1000) // 1000) if w else (None,) * (len(view.features) + 1)
        wrong += g[1:] != row
    return wrong


# ---------------------------------------------------------------- the join

def check_rules(world):
    """Every spine row under every rule, both views at once, against the rules one by one."""
    views, spine = world
    seen = set()
    for args, rules in (((), {}), (("--exclusive",), {"exclusive": True}), (("--known-at",), {"known": True}),
                        (("--exclusive", "--known-at"), {"exclusive": True, "known": True}),
                        (("--ttl", "plane=none", "--ttl", "route=7d"), {"ttl": "other"})):
        weir("--spine", "spine.parquet", "--data", "data", "--features", "plane:*,route:*", "--out", "rules.parquet", *args)
        for view in views:
            mine = dict(rules)
            if mine.get("ttl"):
                mine["ttl"] = None if view.name == "plane" else 7 * DAY
            want = expected(view, spine, **mine)
            seen.add(str([w and w["event_time"] for w in want]))
            n = mismatches(f"{TMP}/rules.parquet", view, spine, want)
            assert n == 0, f"{n} of {len(spine)} differ: {view.name} {args}"
    assert len(seen) == 10, "the rules do not differ on these rows: they test nothing"


def check_csv(world):
    """From CSV: keys stay text, times are parsed; the same values."""
    views, spine = world
    weir("--spine", "spine.csv", "--data", "data", "--features", "plane:*", "--features", "route:late", "--time", "happened",
         "--out", "csv.parquet")
    assert mismatches(f"{TMP}/csv.parquet", views[0], spine, expected(views[0], spine)) == 0


def check_duckdb_and_pandas(world):
    """Their own ASOF joins over the same files, under every rule: no code in common with weir or with world.as_of."""
    views, spine = world
    said = list(asof.compare(BIN, f"{TMP}/data", f"{TMP}/spine.parquet", "happened", [v.name for v in views]))
    assert len(said) == 4 * 2 * len(views), said
    for rule, tool, view, rows, wrong in said:
        assert (rows, wrong) == (len(spine), 0), f"{wrong} of {rows} differ from {tool}: {view}, {rule}"


def check_types(_world):
    """Columns keep their types; the output opens in pandas and Polars."""
    weir("--spine", "spine.parquet", "--data", "data", "--features", "plane:*,route:*", "--out", "types.parquet")
    con = connect()
    got = [(r[0], r[1]) for r in con.execute(f"DESCRIBE FROM '{TMP}/types.parquet'").fetchall()]
    tz = "TIMESTAMP WITH TIME ZONE"
    assert got == [("id", "BIGINT"), ("tailnum", "VARCHAR"), ("carrier", "VARCHAR"), ("number", "INTEGER"), ("happened", tz),
                   ("label", "BOOLEAN"), ("plane__flights", "BIGINT"), ("plane__mean", "DOUBLE"), ("plane__last_dest", "VARCHAR"),
                   ("plane__top", "VARCHAR[]"), ("plane__ok", "BOOLEAN"), ("plane__cost", "DECIMAL(10,2)"), ("plane___age_ms", "BIGINT"),
                   ("route__late", "BIGINT"), ("route__since", tz), ("route___age_ms", "BIGINT")], got
    if installed("pandas", "pyarrow"):
        import pandas as pd
        assert len(pd.read_parquet(f"{TMP}/types.parquet")) == ROWS
    if installed("polars"):
        import polars as pl
        t = pl.read_parquet(f"{TMP}/types.parquet")
        assert t.schema["plane__top"] == pl.List(pl.String) and t.schema["happened"] == pl.Datetime("us", "UTC")


def check_explain(world):
    views, spine = world
    want = expected(views[0], spine)
    for i in (next(i for i, w in enumerate(want) if w and w["source_offset"] is not None),
              next(i for i, w in enumerate(want) if w and w["source_offset"] is None),
              next(i for i, w in enumerate(want) if not w and spine[i]["tailnum"])):
        (o,) = json.loads(weir("--spine", "spine.parquet", "--data", "data", "--features", "plane:flights", "--explain", i,
                               "--format", "json").stdout)["explained"]
        w = want[i]
        if not w:
            assert o["state"] in ("none", "expired"), o
            continue
        assert (o["state"], o["entity"], o["event_time"], o["known_at"], o["source_offset"], o["topic"], o["source_topic"]) == (
            "found", w["tailnum"], w["event_time"], w["known_at"], w["source_offset"], "weir.plane.v1", "events"), (o, w)
        assert o["expiry"] == (w["source_offset"] is None)
    text = weir("--spine", "spine.parquet", "--data", "data", "--features", "plane:flights", "--explain", i).stdout
    assert text.startswith(f"row {i} of the spine"), text
    assert "has no row 10000" in weir("--spine", "spine.parquet", "--data", "data", "--features", "plane:flights",
                                      "--explain", ROWS, code=2).stderr


# ---------------------------------------------------------------- leaks

def check_leaks(_world):
    """A feature that is the label's own event, one that is named like it, and values known after T."""
    data, view = f"{TMP}/leaky", View("v", [("k", "VARCHAR")], [("late", "BOOLEAN"), ("delay", "DOUBLE"), ("noise", "DOUBLE")])
    rnd, spine = random.Random(5), []
    for i in range(400):
        t, delay = T0 + i * MINUTE, rnd.uniform(-30, 60)
        view.rows.append({"k": "a", "event_time": t, "known_at": t + (SECOND if i % 4 == 0 else 0), "source_partition": 0,
                          "source_offset": i, "late": delay > 15, "delay": delay, "noise": rnd.random(), "_p": 0})
        spine.append((t * 1000, "a", int(delay > 15), delay))
    view.export(data)
    con = connect()
    con.execute("CREATE TABLE s(t BIGINT, k VARCHAR, late INTEGER, minutes DOUBLE)")
    con.executemany("INSERT INTO s VALUES (?, ?, ?, ?)", spine)
    con.execute(f"COPY (SELECT make_timestamptz(t) AS event_time, k, late, minutes FROM s) TO '{TMP}/leaky.parquet'")

    def run(*args):
        return json.loads(weir("--spine", "leaky.parquet", "--data", data, "--features", "v:*", "--out", "leak.parquet", *args,
                               "--format", "json").stdout)
    r = run("--label", "late")
    assert [(s["column"], s["test"]) for s in r["suspects"]] == [("v__late", "named"), ("v__late", "equal"), ("v__delay", "auc")], r
    assert r["suspects"][2]["value"] == 1
    assert (r["views"][0]["known_after"], r["views"][0]["known_after_ms_max"]) == (100, 1000), r
    r = run("--label", "minutes")
    assert [(s["column"], s["test"]) for s in r["suspects"]] == [("v__delay", "equal")], r
    r = run("--label", "late", "--exclusive")
    assert [(s["column"], s["test"]) for s in r["suspects"]] == [("v__late", "named")], r
    assert run("--known-at")["views"][0]["known_after"] == 0
    with open(f"{TMP}/leak.parquet.manifest.json", encoding="utf-8") as f:
        assert json.load(f)["views"][0]["known_after"] == 0
    text = weir("--spine", "leaky.parquet", "--data", data, "--features", "v:*", "--out", "leak.parquet", "--label", "late").stdout
    assert "v__delay alone tells the label: AUC 1.000" in text and "100 values (25.0 %) were known only after T" in text, text


# ---------------------------------------------------------------- bytes

def manifest(path):
    with open(f"{TMP}/{path}.manifest.json", encoding="utf-8") as f:
        return json.load(f)


def check_same_bytes(_world):
    """Memory and threads do not show, not even when it takes many passes."""
    con = connect()
    con.execute(f"COPY (SELECT i AS id, 'N' || mod(i * 7, 60) AS tailnum, make_timestamptz({T0 * 1000} + mod(i * 7919, 90 * 86400) * 1000000)"
                f" AS event_time, 'a text that takes room in memory ' || i AS note FROM range(400000) r(i)) TO '{TMP}/big.parquet'")
    hashes = set()
    for memory, threads in (("64M", 1), ("64M", 2), ("512M", 1), ("1G", 3)):
        weir("--spine", "big.parquet", "--data", "data", "--features", "plane:*", "--out", "big_out.parquet", "--memory", memory,
             "--threads", threads)
        hashes.add(manifest("big_out.parquet")["out"]["hash"])
    assert len(hashes) == 1, hashes
    got = con.execute(f"SELECT count(*), sum(CASE WHEN id = n THEN 0 ELSE 1 END), count(plane__flights) FROM (SELECT *, row_number() OVER () - 1 AS n "
                      f"FROM '{TMP}/big_out.parquet')").fetchone()
    assert got[:2] == (400000, 0) and got[2] > 0, got
    assert not [f for f in os.listdir(TMP) if "spill" in f or f.endswith(".tmp")]


def check_again(_world):
    """From the manifest: the same bytes though the export has grown; or what has changed."""
    rnd = random.Random(3)
    data, view = f"{TMP}/grows", View("v", [("k", "VARCHAR")], [("n", "BIGINT")])
    emit(rnd, view, {"k": "a", "_p": 0}, lambda i: {"n": i}, 40)
    view.export(data)
    con = connect()
    con.execute(f"COPY (SELECT 'a' AS k, make_timestamptz({T0 * 1000} + i * 3600000000 * 12) AS event_time FROM range(100) r(i)) TO '{TMP}/g.parquet'")
    weir("--spine", "g.parquet", "--data", data, "--features", "v:n", "--out", "g1.parquet")
    first = open(f"{TMP}/g1.parquet", "rb").read()
    assert weir("--again", "g1.parquet.manifest.json", "--out", "g2.parquet").stdout.endswith("the same bytes as before\n")
    assert open(f"{TMP}/g2.parquet", "rb").read() == first

    with open(f"{data}/v/v1/_export.json", encoding="utf-8") as f:
        old = json.load(f)
    last = len(view.rows)
    emit(rnd, view, {"k": "a", "_p": 0}, lambda i: {"n": 1000 + i}, 10)  # earlier and later ones
    for n, row in enumerate(view.rows):
        row["_n"] = n
    part = old["partitions"][0]
    more = view.batch(con, view.folder(data), 0, view.rows[last:])
    grown = {**old, "partitions": [{**part, "next": last + 10, "files": part["files"] + more}]}
    with open(f"{data}/v/v1/_export.json", "w", encoding="utf-8") as f:
        json.dump(grown, f)
    weir("--again", "g1.parquet.manifest.json", "--out", "g3.parquet")
    assert open(f"{TMP}/g3.parquet", "rb").read() == first
    weir("--spine", "g.parquet", "--data", data, "--features", "v:n", "--out", "g4.parquet")
    assert open(f"{TMP}/g4.parquet", "rb").read() != first

    before = os.stat(f"{TMP}/g1.parquet").st_mtime_ns
    fewer = {**old, "partitions": [{**part, "files": part["files"][1:]}]}
    for changed, word in ((fewer, "files were merged with newer rows, or deleted"),
                          ({**grown, "topic_id": "cd" * 16}, "deleted and made again"),
                          ({**old, "partitions": [{**part, "next": last - 1}]}, "only, it had it up to")):
        with open(f"{data}/v/v1/_export.json", "w", encoding="utf-8") as f:
            json.dump(changed, f)
        out = weir("--again", "g1.parquet.manifest.json", code=1).stdout
        assert word in out and "changed: " in out, (word, out)
    with open(f"{data}/v/v1/_export.json", "w", encoding="utf-8") as f:
        json.dump(grown, f)
    con.execute(f"COPY (SELECT 'a' AS k, make_timestamptz({T0 * 1000}) AS event_time) TO '{TMP}/other.parquet'")
    assert "the spine other.parquet is another" in weir("--again", "g1.parquet.manifest.json", "--spine", "other.parquet", code=1).stdout
    assert os.stat(f"{TMP}/g1.parquet").st_mtime_ns == before, "it wrote though it said no"


def check_wide(_world):
    """So many columns that a row group is larger than the writer's usual part of the memory."""
    names = [f"f{i}" for i in range(110)]
    view = View("wide", [("k", "VARCHAR")], [(n, "DOUBLE") for n in names])
    view.rows = [{"k": "a", "event_time": T0 + i * HOUR, "known_at": T0 + i * HOUR, "source_partition": 0, "source_offset": i, "_p": 0,
                  **{n: (i + 1) / (j + 1) for j, n in enumerate(names)}} for i in range(50)]
    view.export(f"{TMP}/widedata")
    con = connect()
    con.execute(f"COPY (SELECT i AS id, 'a' AS k, make_timestamptz({T0 * 1000} + mod(i, 50) * 3600000000) AS event_time "
                f"FROM range(130000) r(i)) TO '{TMP}/wide.parquet'")
    weir("--spine", "wide.parquet", "--data", "widedata", "--features", "wide:*", "--out", "w.parquet")
    wrong = con.execute(f"SELECT count(*) FILTER (WHERE wide__f0 <> mod(id, 50) + 1 OR wide__f109 <> (mod(id, 50) + 1) / 110), "
                        f"count(wide__f109) FROM '{TMP}/w.parquet'").fetchone()
    assert wrong == (0, 130000), wrong


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def check_kills(_world):
    """Killed at random moments, in the first pass or a later one: the output is whole at any time, and the same at the
    end; nothing of what it wrote beside is left."""
    rnd, died = random.Random(11), 0
    # More rows than so little memory holds at a time.
    connect().execute(f"COPY (SELECT i AS id, 'N' || mod(i * 7, 60) AS tailnum, make_timestamptz({T0 * 1000} + "
                      f"mod(i * 7919, 90 * 86400) * 1000000) AS event_time FROM range(150000) r(i)) TO '{TMP}/killed_spine.parquet'")
    args = ["--spine", "killed_spine.parquet", "--data", "data", "--features", "plane:*", "--memory", "64M", "--out", "killed.parquet"]
    since = time.monotonic()
    weir(*args)
    took = time.monotonic() - since
    want = digest(f"{TMP}/killed.parquet")
    for _ in range(8):
        p = subprocess.Popen([BIN, "train", *args], env=ENV, cwd=TMP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(rnd.uniform(0.02, took))
        except subprocess.TimeoutExpired:
            p.kill()
        died += p.wait() == -signal.SIGKILL
        assert not os.path.exists(f"{TMP}/killed.parquet") or digest(f"{TMP}/killed.parquet") == want
        if rnd.random() < 0.5 and os.path.exists(f"{TMP}/killed.parquet"):
            os.unlink(f"{TMP}/killed.parquet")
    assert died, "no run was killed"
    weir(*args)
    assert digest(f"{TMP}/killed.parquet") == want
    assert not [f for f in os.listdir(TMP) if f.endswith(".tmp") or "spill" in f], os.listdir(TMP)


# ---------------------------------------------------------------- bad input

def check_bad_input(_world):
    con = connect()
    spines = {"no_key": "1 AS id, now() AS event_time", "no_time": "'N1' AS tailnum, 1 AS id",
              "two_times": "'N1' AS tailnum, now() AS a, now() AS b", "double_time": "'N1' AS tailnum, 1.5::DOUBLE AS event_time",
              "null_time": "'N1' AS tailnum, NULL::TIMESTAMPTZ AS event_time",
              "bad_text": "'N1' AS tailnum, 'yesterday' AS event_time", "clash": "'N1' AS tailnum, now() AS event_time, 1 AS plane__flights",
              "wrong_key": "true AS tailnum, now() AS event_time", "text_key": "'U' AS carrier, 'seven' AS number, now() AS event_time",
              "empty": "'N1' AS tailnum, now() AS event_time WHERE false"}
    for name, sql in spines.items():
        con.execute(f"COPY (SELECT {sql}) TO '{TMP}/bad_{name}.parquet'")
    with open(f"{TMP}/bad_row.csv", "w", encoding="utf-8") as f:
        f.write("tailnum,event_time,n\nN1,2013-01-02T10:00:00Z,1\nN2,soon,2\n")
    os.makedirs(f"{TMP}/not/plane/v1", exist_ok=True)
    good = ("--spine", "spine.parquet", "--data", "data", "--out", "bad.parquet")
    plane = ("--features", "plane:flights", "--data", "data", "--out", "bad.parquet")
    for args, words in (
            ((*good, "--features", "plane:fligths"), "view plane v1 has no feature fligths; did you mean flights?"),
            ((*good, "--features", "plan:flights"), "did you mean plane?"),
            ((*good, "--features", "plane"), "write view:feature"),
            ((*good, "--features", "plane.v7:flights"), "v7 has no _export.json"),
            ((*good, "--features", ","), "--features names none"),
            (good, "--features VIEW:FEATURE,... is missing"),
            (("--spine", "nowhere.parquet", *plane), "--spine nowhere.parquet cannot be read"),
            (("--spine", "spine.json", *plane), "a .parquet or a .csv file"),
            (("--spine", "bad_no_key.parquet", *plane), "no column tailnum, which view plane is keyed by"),
            (("--spine", "bad_no_key.parquet", *plane), "--entity plane:tailnum=COLUMN"),
            (("--spine", "bad_no_time.parquet", *plane), "name it with --time COLUMN"),
            (("--spine", "bad_two_times.parquet", *plane), "more than one column of times"),
            (("--spine", "spine.parquet", *plane, "--time", "happend"), "did you mean happened?"),
            (("--spine", "bad_double_time.parquet", *plane), "event_time of the spine is DOUBLE"),
            (("--spine", "bad_null_time.parquet", *plane), "row 0 of the spine (from 0) has no event_time"),
            (("--spine", "bad_bad_text.parquet", *plane), "row 0 of the spine (from 0): its event_time is missing or no time"),
            (("--spine", "bad_row.csv", *plane), "row 1 of the spine (from 0): its event_time is missing or no time"),
            (("--spine", "bad_clash.parquet", *plane), "two columns would be called plane__flights"),
            (("--spine", "bad_wrong_key.parquet", *plane), "tailnum of the spine is BOOLEAN, but tailnum of view plane is VARCHAR"),
            (("--spine", "bad_text_key.parquet", "--features", "route:late", "--data", "data", "--out", "bad.parquet"), "number of the spine is VARCHAR"),
            ((*good, "--features", "plane:flights", "--entity", "tailnun=x"), "no view has the entity column tailnun"),
            ((*good, "--features", "plane:flights", "--entity", "tailnum=tialnum"), "did you mean tailnum?"),
            ((*good, "--features", "plane:flights", "--ttl", "plane=soon"), "is no duration"),
            ((*good, "--features", "plane:flights", "--ttl", "plan=7d"), "did you mean plane?"),
            ((*good, "--features", "plane:flights", "--label", "lable"), "did you mean label?"),
            (("--spine", "spine.parquet", "--features", "plane:flights", "--data", "not", "--out", "bad.parquet"), "has no _export.json"),
            (("--spine", "spine.parquet", "--features", "plane:flights", "--data", "nowhere", "--out", "bad.parquet"), "--data nowhere cannot be read"),
            (("--spine", "spine.parquet", "--features", "plane:flights", "--data", "data"), "--out FILE is missing"),
            (("--again", "spine.csv"), "is no training set's manifest"),
            (("--again", "x.json", "--exclusive"), "the manifest decides that")):
        err = weir(*args, code=2).stderr
        assert words in err, (args, words, err)
        assert not os.path.exists(f"{TMP}/bad.parquet"), args
    weir("--spine", "bad_empty.parquet", *plane)
    assert con.execute(f"SELECT count(*) FROM '{TMP}/bad.parquet'").fetchone() == (0,)
    weir("--spine", "spine.parquet", "--features", "plane:flights", "--data", "data", "--out", "/proc/nowhere/x.parquet", code=3)


def check_defined(world):
    """Duplicates stay, integers are milliseconds, text is ISO-8601, names may differ, null keys are counted."""
    views, _ = world
    r = views[0].rows[len(views[0].rows) // 2]
    con, t = connect(), r["event_time"]
    want = as_of([x for x in views[0].rows if x["tailnum"] == r["tailnum"]], t * 1000, 30 * DAY)["flights"]
    spines = {"ms": f"{t} AS event_time, '{r['tailnum']}' AS tailnum",
              "text": f"strftime(make_timestamp({t * 1000}), '%Y-%m-%dT%H:%M:%S.%gZ') AS event_time, '{r['tailnum']}' AS tailnum",
              "zone": f"strftime(make_timestamp({(t + 2 * HOUR) * 1000}), '%Y-%m-%dT%H:%M:%S.%g+02:00') AS event_time, '{r['tailnum']}' AS tailnum",
              "naive": f"make_timestamp({t * 1000}) AS event_time, '{r['tailnum']}' AS tailnum",
              "ns": f"make_timestamp_ns({t * 1000000}) AS event_time, '{r['tailnum']}' AS tailnum",
              "named": f"make_timestamptz({t * 1000}) AS timestamp, '{r['tailnum']}' AS aircraft"}
    for name, sql in spines.items():
        con.execute(f"COPY (SELECT {sql} FROM range(3)) TO '{TMP}/ok_{name}.parquet'")
        more = ("--entity", "plane:tailnum=aircraft") if name == "named" else ()
        weir("--spine", f"ok_{name}.parquet", "--features", "plane:flights", "--data", "data", "--out", "ok.parquet", *more)
        got = [v for (v,) in con.execute(f"SELECT plane__flights FROM '{TMP}/ok.parquet'").fetchall()]
        assert got == [want] * 3, (name, got, want)
    said = json.loads(weir("--spine", "spine.parquet", "--features", "plane:flights", "--data", "data", "--out", "ok.parquet",
                           "--format", "json").stdout)["views"][0]
    spine = world[1]
    assert said["no_entity"] == sum(s["tailnum"] is None for s in spine) > 0
    assert said["found"] == sum(w is not None for w in expected(views[0], spine))
    assert said["found"] + said["none"] + said["expired"] + said["no_entity"] == ROWS


def main():
    rnd = random.Random(20130101)
    views = make_views(rnd)
    for view in views:
        view.export(f"{TMP}/data", parts=3)
        texts(view)
    spine = make_spine(rnd, views)
    rnd.shuffle(spine)
    write_spine(spine, f"{TMP}/spine.parquet")
    write_spine(spine, f"{TMP}/spine.csv", "id, tailnum, carrier, number, strftime(make_timestamp(t), '%Y-%m-%dT%H:%M:%S.%fZ') AS happened, label")
    passed = failed = 0
    checks = (check_rules, check_csv, check_duckdb_and_pandas, check_types, check_explain, check_leaks, check_same_bytes,
              check_again, check_wide, check_kills, check_bad_input, check_defined)
    for check in checks:
        if sys.argv[1:] and not any(word in check.__name__ for word in sys.argv[1:]):
            continue
        try:
            check((views, spine))
            passed += 1
            print("ok    ", check.__name__, flush=True)
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print("FAILED", check.__name__, flush=True)
    print(f"suite: {passed} passed, {failed} failed")
    return failed != 0


assert order({"event_time": 1, "known_at": 1, "source_offset": None, "source_partition": None}) < order(
    {"event_time": 1, "known_at": 1, "source_offset": 0, "source_partition": 0})
try:
    raise SystemExit(main())
finally:
    shutil.rmtree(TMP, ignore_errors=True)
