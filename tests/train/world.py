# SPDX-License-Identifier: Apache-2.0
"""An export and a spine without a server: rows as views emit them, written as weir export lays files
out, and the point-in-time join done row by row."""
import datetime as dt
import json
import os

import duckdb

T0 = 1356998400000  # 2013-01-01, ms
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
UTC = dt.timezone.utc
HEAD = [("event_time", "TIMESTAMPTZ"), ("known_at", "TIMESTAMPTZ"), ("source_partition", "INTEGER"),
        ("source_offset", "BIGINT")]


def connect():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


class View:
    """entity and features: (name, DuckDB type). rows: dicts with times in ms."""

    def __init__(self, name, entity, features, ttl_ms=None, version=1):
        self.name, self.entity, self.features = name, entity, features
        self.ttl_ms, self.version, self.rows = ttl_ms, version, []

    def folder(self, data):
        return f"{data}/{self.name}/v{self.version}"

    def columns(self):
        return self.entity + HEAD + self.features

    def relation(self, con, rows):
        names = [n for n, _ in self.columns()] + ["_n"]
        types = [(n, "BIGINT" if n in ("event_time", "known_at") else t) for n, t in self.columns()]
        con.execute("CREATE OR REPLACE TABLE r(" + ", ".join(f'"{n}" {t}' for n, t in types) + ", _n BIGINT)")
        if rows:
            con.executemany("INSERT INTO r VALUES (" + ",".join("?" * len(names)) + ")",
                            [[r[n] for n in names] for r in rows])

    def export(self, data, parts=2):
        """The rows into files: a partition's offsets in parts batches, a file per day and batch."""
        con, folder = connect(), self.folder(data)
        partitions = {}
        for row in self.rows:
            partitions.setdefault(row["_p"], []).append(row)
        for p in partitions.values():
            for n, row in enumerate(p):
                row["_n"] = n
        n = max(partitions, default=-1) + 1
        manifest = {"format": 1, "view": self.name, "version": self.version,
                    "topic": f"weir.{self.name}.v{self.version}", "topic_id": "ab" * 16,
                    "ttl_ms": self.ttl_ms, "source_topic": "events",
                    "partitions": [], "pending": None}
        for p in range(n):
            rows = partitions.get(p, [])
            files, size = [], max(1, -(-len(rows) // parts))
            for first in range(0, len(rows), size):
                files += self.batch(con, folder, p, rows[first:first + size])
            manifest["partitions"].append({"partition": p, "next": len(rows), "files": files})
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/_export.json", "w", encoding="utf-8") as f:
            json.dump(manifest, f)
        con.close()

    def batch(self, con, folder, partition, rows):
        files, days = [], {}
        for row in rows:
            days.setdefault(row["event_time"] // DAY, []).append(row)
        for day, some in sorted(days.items()):
            name = dt.datetime.fromtimestamp(day * 86400, UTC).strftime("dt=%Y-%m-%d")
            first, last = min(r["_n"] for r in some), max(r["_n"] for r in some)
            path = f"{name}/part-{partition}-{first}-{last}.parquet"
            os.makedirs(f"{folder}/{name}", exist_ok=True)
            self.relation(con, some)
            con.execute(f"COPY (SELECT * EXCLUDE (_n) REPLACE (make_timestamptz(event_time * 1000) AS event_time, "
                        f"make_timestamptz(known_at * 1000) AS known_at) FROM r ORDER BY ALL) "
                        f"TO '{folder}/{path}' (FORMAT parquet, COMPRESSION zstd)")
            files.append({"path": path, "first": first, "last": last, "rows": len(some),
                          "bytes": os.path.getsize(f"{folder}/{path}")})
        return files


def order(row):
    """Larger is better: of equal event times the last emitted, an expiry row before the others."""
    none = row["source_offset"] is None
    return (row["event_time"], row["known_at"], -1 if none else row["source_offset"],
            -1 if none else row["source_partition"])


def as_of(rows, t_us, ttl_ms, exclusive=False, known=False):
    """The rules of DESIGN, one row after the other. rows: of one entity."""
    best = None
    for row in rows:
        event = row["event_time"] * 1000
        if event > t_us or (exclusive and event == t_us) or (known and row["known_at"] * 1000 > t_us):
            continue
        if best is None or order(row) > order(best):
            best = row
    if best is None or (ttl_ms and t_us - best["event_time"] * 1000 > ttl_ms * 1000):
        return None
    return best
