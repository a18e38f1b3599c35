# SPDX-License-Identifier: Apache-2.0
"""weir train beside DuckDB's and Polars' own ASOF joins, on the same files.

    python bench/train.py [--weir BIN] [--dir D] [--rows N] [--spine N] [--features N] [--memory BYTES]
                          [--rounds N] [--only NAME,...]

The files are an export's: 10,000,000 offline rows of 5,000 entities over 100 days, 50 features, a file a
day sorted by entity and time; the spine has 1,000,000 rows in time order. Each contender runs as a process
of its own, in turns, --rounds times: wall, CPU (user + system) and peak memory (of its process) are the
best of its rounds. All write Parquet with zstd, and the three answers are compared value by value.

The contenders are given what weir has to find out: rows of equal (entity, event_time) do not occur in the
files, so neither needs the tie rule, and there is no ttl. DuckDB gets the same memory limit, and may spill.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

DAYS, ENTITIES = 100, 5000
T0_US = 1356998400000000


def generate(d, rows, spine, features):
    import duckdb
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    view, per_day = f"{d}/data/v/v1", rows // DAYS
    step = 86_400_000_000 // max(1, per_day // ENTITIES + 1)
    columns = ", ".join(
        f"hash(i * 64 + {k}) % {10 ** (2 + k % 4)}" + (" / 8.0" if k % 2 else "") + f" AS f{k}" for k in range(features))
    files = []
    for day in range(DAYS):
        folder = time.strftime("dt=%Y-%m-%d", time.gmtime(T0_US // 1_000_000 + day * 86400))
        os.makedirs(f"{view}/{folder}", exist_ok=True)
        first = day * per_day
        path = f"{folder}/part-0-{first}-{first + per_day - 1}.parquet"
        con.execute(f"""COPY (SELECT tailnum, make_timestamptz(t::BIGINT) AS event_time, make_timestamptz(t::BIGINT + 500000) AS known_at,
            0::INTEGER AS source_partition, i AS source_offset, {columns}
            FROM (SELECT i, 'N' || lpad((i % {ENTITIES})::VARCHAR, 5, '0') AS tailnum,
                  {T0_US + day * 86_400_000_000} + (i - {first}) // {ENTITIES} * {step} + (hash(i) % 1000 * 1000)::BIGINT AS t
                  FROM range({first}, {first + per_day}) r(i))
            ORDER BY tailnum, event_time) TO '{view}/{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)""")
        files.append({"path": path, "first": first, "last": first + per_day - 1, "rows": per_day,
                      "bytes": os.path.getsize(f"{view}/{path}")})
    with open(f"{view}/_export.json", "w", encoding="utf-8") as f:
        json.dump({"format": 1, "view": "v", "version": 1, "topic": "weir.v.v1", "topic_id": "0" * 32, "ttl_ms": None,
                   "partitions": [{"partition": 0, "next": rows, "files": files}], "pending": None}, f)
    con.execute(f"""COPY (SELECT i AS id, 'N' || lpad((hash(i + 7) % {ENTITIES})::VARCHAR, 5, '0') AS tailnum,
        make_timestamptz({T0_US} + i * {DAYS * 86_400_000_000 // spine}) AS event_time, hash(i) % 2 = 0 AS late
        FROM range({spine}) r(i)) TO '{d}/spine.parquet' (FORMAT parquet, COMPRESSION zstd)""")


def run_duckdb(d, features, memory):
    import duckdb
    con = duckdb.connect()
    con.execute(f"SET memory_limit = '{memory}B'; SET temp_directory = '{d}/spill'; SET TimeZone = 'UTC'")
    names = ", ".join(f"f.f{k} AS v__f{k}" for k in range(features))
    con.execute(f"""COPY (SELECT s.*, {names} FROM '{d}/spine.parquet' s ASOF LEFT JOIN
        (SELECT * FROM read_parquet('{d}/data/v/v1/*/*.parquet', hive_partitioning = false)) f
        ON s.tailnum = f.tailnum AND s.event_time >= f.event_time ORDER BY s.id)
        TO '{d}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd)""")


def run_polars(d, features, _memory):
    import polars as pl
    names = [f"f{k}" for k in range(features)]
    rows = pl.read_parquet(f"{d}/data/v/v1/*/*.parquet", columns=["tailnum", "event_time", *names],
                           hive_partitioning=False).sort("event_time")
    rows = rows.rename({n: f"v__{n}" for n in names})
    spine = pl.read_parquet(f"{d}/spine.parquet").sort("event_time")
    spine.join_asof(rows, on="event_time", by="tailnum", check_sortedness=False).sort("id").write_parquet(f"{d}/polars.parquet", compression="zstd")


def command(name, a, d):
    if name == "weir":
        return [a.weir, "train", "--spine", f"{d}/spine.parquet", "--features", "v:*", "--data", f"{d}/data",
                "--out", f"{d}/weir.parquet", "--memory", str(a.memory)]
    return [sys.executable, __file__, "--run", name, "--dir", d, "--features", str(a.features), "--memory", str(a.memory)]


def measure(argv):
    """Wall and CPU seconds, peak MB."""
    before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    if status:
        raise RuntimeError(f"{argv[0]} {argv[1]} ended with {os.waitstatus_to_exitcode(status)}")
    del before
    return time.monotonic() - since, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(d, features, names):
    import duckdb
    con = duckdb.connect()
    con.execute("SET memory_limit = '4GB'")
    columns = "id, " + ", ".join(f"v__f{k}" for k in range(features))
    first = names[0]
    for other in names[1:]:
        n = con.execute(f"SELECT count(*) FROM (SELECT {columns} FROM '{d}/{first}.parquet' EXCEPT ALL "
                        f"SELECT {columns} FROM '{d}/{other}.parquet')").fetchone()[0]
        rows = con.execute(f"SELECT count(*) FROM '{d}/{other}.parquet'").fetchone()[0]
        print(f"{first} and {other}: {n} of {rows:,} rows differ")
        if n:
            return 1
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weir", default="build/release/weir")
    p.add_argument("--dir")
    p.add_argument("--rows", type=int, default=10_000_000)
    p.add_argument("--spine", type=int, default=1_000_000)
    p.add_argument("--features", type=int, default=50)
    p.add_argument("--memory", type=int, default=1 << 30)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", default="weir,duckdb,polars")
    p.add_argument("--run", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.run:
        {"duckdb": run_duckdb, "polars": run_polars}[a.run](a.dir, a.features, a.memory)
        return 0
    d = a.dir or tempfile.mkdtemp(prefix="weir-bench-train.")
    if not os.path.exists(f"{d}/spine.parquet"):
        print(f"making {a.rows:,} offline rows with {a.features} features, {a.spine:,} spine rows")
        generate(d, a.rows, a.spine, a.features)
    best, names = {}, a.only.split(",")
    for _ in range(a.rounds):
        for name in names:
            now = measure(command(name, a, d))
            best[name] = [min(x) for x in zip(best.get(name, now), now)]
            print(f"{name:8} {now[0]:7.2f} s wall  {now[1]:7.2f} s CPU  {now[2]:7.0f} MB", flush=True)
    print(f"\n| | wall | CPU | peak memory |\n|-|-|-|-|")
    for name in names:
        print("| {} | {:.1f} s | {:.1f} s | {:.0f} MB |".format(name, *best[name]))
    return compare(d, a.features, names)


if __name__ == "__main__":
    sys.exit(main())
