#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weir train against the ASOF joins of DuckDB and pandas, over any export: every feature of every row, its age too.

    WEIR_BIN=build/release/weir tests/train/asof.py --data build/flights/parquet --spine build/flights/model/labels.parquet

--data is what weir export wrote, --spine has the entity columns under their own names and a column of times
(--time, event_time by default). --views A,B takes these alone; --rules plain,exclusive,known,both these ways to join.
Exit 1 when anything differs.

How both tools do it: a row is usable from its event time on (exclusive: from a microsecond later), where only what was
known counts not before its known_at. An entity's rows rise in both, so the last usable one in the order of emission is
the one; the ttl looks at its event time. Neither shares a line with weir's join.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import duckdb
import pandas as pd

RULES = {"plain": (), "exclusive": ("--exclusive",), "known": ("--known-at",), "both": ("--exclusive", "--known-at")}
ORDER = ["_usable", "event_time", "known_at", "source_offset", "source_partition"]
HEAD = ("event_time", "known_at", "source_partition", "source_offset")


def connect():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


class View:
    """A view of an export: its newest version's files, entity columns, features, ttl."""

    def __init__(self, data, name):
        version = max(int(v[1:]) for v in os.listdir(os.path.join(data, name)))
        self.name, self.folder = name, os.path.join(data, name, f"v{version}")
        with open(os.path.join(self.folder, "_export.json"), encoding="utf-8") as file:
            self.ttl_ms = json.load(file).get("ttl_ms")
        self.files = f"read_parquet('{self.folder}/*/*.parquet', hive_partitioning = false)"
        columns = [c[0] for c in connect().execute(f"DESCRIBE FROM {self.files}").fetchall()]
        at = columns.index(HEAD[0])
        self.entity, self.features = columns[:at], columns[at + len(HEAD):]

    def columns(self):
        return [f"{self.name}__{f}" for f in self.features]


def trained(weir, spine, at, data, views, flags, out):
    words = [weir, "train", "--spine", spine, "--time", at, "--data", data, "--out", out, "--memory", "1G", *flags]
    done = subprocess.run(words + ["--features", ",".join(f"{v.name}:*" for v in views)], capture_output=True, text=True,
                          check=False, env={k: v for k, v in os.environ.items() if not k.startswith("WEIR_")})
    if done.returncode:
        raise SystemExit(f"weir train ended with {done.returncode}: {done.stderr[-2000:]}")


def with_duckdb(view, spine, at, rule, out):
    """Rows of the spine that differ from DuckDB's join."""
    usable = "event_time" + (" + INTERVAL 1 MICROSECOND" if rule in ("exclusive", "both") else "")
    if rule in ("known", "both"):
        usable = f"greatest({usable}, known_at)"
    keys = ", ".join(f'"{k}"' for k in view.entity)
    kept = "f.event_time IS NOT NULL" + (f" AND epoch_us(s.t) - epoch_us(f.event_time) <= {view.ttl_ms * 1000}" if view.ttl_ms else "")
    values = ", ".join(f'CASE WHEN {kept} THEN f."{c}" END AS "{view.name}__{c}"' for c in view.features)
    differ = " OR ".join(f'want."{c}" IS DISTINCT FROM got."{c}"' for c in [*view.columns(), f"{view.name}___age_ms"])
    return connect().execute(f"""WITH f AS (SELECT *, {usable} AS _usable FROM {view.files} QUALIFY row_number() OVER (
            PARTITION BY {keys}, _usable ORDER BY event_time DESC, known_at DESC, source_offset DESC NULLS LAST,
            source_partition DESC NULLS LAST) = 1),
        s AS (SELECT *, file_row_number AS n, CAST("{at}" AS TIMESTAMPTZ) AS t
            FROM read_parquet('{spine}', file_row_number = true)),
        want AS (SELECT s.n, {values},
                CASE WHEN {kept} THEN CAST(floor((epoch_us(s.t) - epoch_us(f.event_time)) / 1000) AS BIGINT) END AS "{view.name}___age_ms"
            FROM s ASOF LEFT JOIN f ON {' AND '.join(f's."{k}" = f."{k}"' for k in view.entity)} AND s.t >= f._usable)
        SELECT count(*) FILTER (WHERE want.n IS NULL OR got.n IS NULL OR {differ}) FROM want FULL JOIN (
            SELECT *, file_row_number AS n FROM read_parquet('{out}', file_row_number = true)) got ON want.n = got.n""").fetchone()[0]


def with_pandas(view, spine, at, rule, out):
    """The same from pandas' join; list columns are left to DuckDB."""
    rows = pd.read_parquet(view.folder)
    rows["event_time"], rows["known_at"] = (rows[c].dt.as_unit("us") for c in ("event_time", "known_at"))
    rows["_usable"] = rows["event_time"] + pd.Timedelta(1 if rule in ("exclusive", "both") else 0, unit="us")
    if rule in ("known", "both"):
        rows["_usable"] = rows[["_usable", "known_at"]].max(axis=1)
    rows = rows.sort_values(ORDER, na_position="first", kind="stable")
    got = pd.read_parquet(out, columns=[*view.columns(), f"{view.name}___age_ms"])
    features = [f for f in view.features if not got[f"{view.name}__{f}"].map(lambda v: hasattr(v, "__len__") and not isinstance(v, str)).any()]
    labels = pd.read_parquet(spine, columns=[*view.entity, at])
    labels["_n"], labels[at] = range(len(labels)), labels[at].dt.as_unit("us")
    labels = labels.dropna(subset=view.entity).sort_values(at, kind="stable").astype(rows.dtypes[view.entity].to_dict())
    rows = rows[[*view.entity, "event_time", "_usable", *features]].rename(columns={f: f"{view.name}__{f}" for f in features} | {"event_time": "_e"})
    want = pd.merge_asof(labels, rows, left_on=at, right_on="_usable", by=view.entity)
    age = want[at] - want["_e"]
    if view.ttl_ms:
        want.loc[age > pd.Timedelta(view.ttl_ms, unit="ms"), [f"{view.name}__{f}" for f in features]] = None
        age = age.where(~(age > pd.Timedelta(view.ttl_ms, unit="ms")))
    want[f"{view.name}___age_ms"] = age // pd.Timedelta(1, unit="ms")
    want = want.set_index("_n").reindex(range(len(got)))
    wrong = pd.Series(False, index=got.index)
    for column in [f"{view.name}__{f}" for f in features] + [f"{view.name}___age_ms"]:
        a, b = want[column], got[column]
        wrong |= ~((a.isna() & b.isna()) | (a == b).fillna(False).astype(bool))
    return int(wrong.sum())


TOOLS = {"DuckDB": with_duckdb, "pandas": with_pandas}


def compare(weir, data, spine, at, names, rules=tuple(RULES)):
    """Yields (rule, tool, view, rows of the spine, how many differ)."""
    views = [View(data, name) for name in names]
    count = connect().execute(f"SELECT count(*) FROM '{spine}'").fetchone()[0]
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_TMP")) as folder:
        for rule in rules:
            out = os.path.join(folder, f"{rule}.parquet")
            trained(weir, spine, at, data, views, RULES[rule], out)
            for tool, run in TOOLS.items():
                for view in views:
                    yield rule, tool, view.name, count, run(view, spine, at, rule, out)


def main():
    parser = argparse.ArgumentParser(description="weir train beside DuckDB's and pandas' ASOF joins.")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--spine", required=True, metavar="FILE")
    parser.add_argument("--time", default="event_time", metavar="COLUMN")
    parser.add_argument("--views", type=lambda t: t.split(","), metavar="A,B")
    parser.add_argument("--rules", type=lambda t: t.split(","), default=tuple(RULES), metavar="A,B")
    args = parser.parse_args()
    names = args.views or sorted(d for d in os.listdir(args.data) if os.path.isdir(os.path.join(args.data, d)))
    total, since = 0, time.monotonic()
    for rule, tool, view, rows, wrong in compare(os.environ["WEIR_BIN"], args.data, args.spine, args.time, names, args.rules):
        print(f"{rule:10} {tool:7} {view:20} {rows:,} rows, {wrong} mismatches", flush=True)
        total += wrong
    print(f"{total} mismatches in all ({time.monotonic() - since:.0f} s)")
    return total != 0


if __name__ == "__main__":
    sys.exit(main())
