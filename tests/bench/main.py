# SPDX-License-Identifier: Apache-2.0
"""The benchmark's queries and its oracle: see run."""
import collections
import copy
import io
import json
import os
import struct
import subprocess
import sys
import tempfile

import flame
import measure
import oracle
from queries import QUERIES

EVENTS = 12_000     # of 26 hours, of which the sample is a seventh
COUNT = collections.Counter()


def check(name, right):
    COUNT["passed" if right else "failed"] += 1
    print(f"{'ok    ' if right else 'FAILED'} {name}")


def sample(folder, query):
    path = os.path.join(folder, f"{query.entity}.tsv")
    with open(path, "w", encoding="utf-8") as f:
        subprocess.run([os.environ["WEIR_BUILD"] + "/bench/bench_generate", *(["--items"] if query.entity == "item_id" else []),
                        str(EVENTS)], stdout=f, check=True)
    return path


def tried(query, path, folder):
    """entity -> its rows: (source partition, event time, values)."""
    events = os.path.join(folder, "events.jsonl")
    with open(path, encoding="utf-8") as lines, open(events, "w", encoding="utf-8") as f:
        for line in lines:
            partition, text = line.split("\t", 1)
            f.write(json.dumps({"partition": int(partition), "value": json.loads(text)}) + "\n")
    out = subprocess.run([os.environ["WEIR_BIN"], "try", f"bench/queries/{query.name}.yaml", "--events", events],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    rows = collections.defaultdict(list)
    for row in map(json.loads, out.splitlines()):
        rows[row[query.entity]].append((row["source_partition"], row["event_time"], row))
    return rows


def stream_end(events):
    """The stream time that every partition has reached; nothing fires at the end of the file."""
    ends = collections.defaultdict(int)
    for parts in events.values():
        for partition, list_ in parts.items():
            ends[partition] = max(ends[partition], max(time for time, _ in list_))
    return min(ends.values())


def wrong(query, events, rows):
    verdict = oracle.Verdict()
    oracle.replayed(query, events, rows, verdict)
    return verdict.wrong


def in_windows(query, events, rows):
    """The last row of each window, as an engine with fixed windows would have it."""
    last = {}
    for entity, list_ in rows.items():
        for _, time, row in list_:
            first_end = next(query.windows[0].spans(time))[1]
            last[entity, first_end] = {f: row[f] for f in query.fields()}
    return {key: last[key] for key in last if key[0] in events}


def queries(folder):
    for query in QUERIES.values():
        path = sample(folder, query)
        events, rows = oracle.load_sample(path, query.entity), tried(query, path, folder)
        oracle.END = stream_end(events)
        check(f"{query.name}: weir's rows are right by the oracle", len(events) > 5 and wrong(query, events, rows) == 0)
        entity = sorted(rows, key=lambda e: len(rows[e]))[len(rows) // 2]
        one, mine = {entity: events[entity]}, rows[entity]
        found = [wrong(query, one, {entity: mine[1:]})]
        for field in query.fields():
            other = copy.deepcopy(mine)
            other[-1][2][field] = (other[-1][2][field] or 0) + 0.001
            found.append(wrong(query, one, {entity: other}))
        check(f"{query.name}: a missing row is found, and each wrong feature", set(found) == {1})
        if query.name == "tumble":
            verdict = oracle.Verdict()
            oracle.check_windows(query, events, in_windows(query, events, rows), verdict)
            check("tumble: so are its windows' contents, as the other engines have them", verdict.wrong == 0)


def forgetting():
    """290 s and 299.4 s of one period; between them other users' time may have passed 300 s, never before 291 s."""
    row = {"count_5m": 1, "sum_5m": 2.0, "max_5m": 2.0}
    for second, verdict in ((299_400, 0), (291_000, 1)):
        events = {"u": {0: [(290_000, 1.0), (second, 2.0)]}}
        rows = {"u": [(0, 290_000, {"count_5m": 1, "sum_5m": 1.0, "max_5m": 1.0}), (0, second, row)]}
        check(f"tumble: a user dropped before {second} is {'wrong' if verdict else 'right'}",
              wrong(QUERIES["tumble"], events, rows) == verdict)


def flames():
    lines = ["node 7\n", "\t4004f0 inner\n", "\t400500 outer\n", "\n", "node 7\n", "\t400500 outer\n", "\n"]
    top = flame.fold(lines)
    outer = top.calls["node"].calls["outer"]
    check("flame: a stack is folded from the outside in", (top.samples, outer.samples, outer.calls["inner"].samples) == (2, 2, 1))
    check("flame: and drawn", "".join(flame.svg(top, "t")).count("<rect") == 4)


def frames():
    """What bench_rows prints, read."""
    rows = oracle.Rows("bench_rows", "", "topic", {})
    said = b"r\1\0\0\0u\2\0\0\0ab" + b"b\2\0\0\0vw\0\0\0\0" + b"e" + struct.pack("<4Q", 5, 4, 3, 2)
    found = list(rows.frames(io.BytesIO(said)))
    check("oracle: rows of records and of blocks are told apart", found == [("u", False, b"ab"), ("vw", True, b"")])
    check("oracle: and counted", (rows.total, rows.of_events, rows.entities, rows.doubled) == (5, 4, 3, 2))


def looks():
    samples = [(0, 0, 0), (1, 1, 0), (2, 2, 0), (4, 4, 100), (5, 5, 100), (8, 8, 200)]
    check("measure: an engine that counts when it commits is measured between its commits",
          [measure.crossing(samples, n) for n in (50, 150, 200)] == [(2, 2), (6, 6), (8, 8)])


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_TMP")) as folder:
        queries(folder)
    forgetting()
    flames()
    frames()
    looks()
    print(f"suite: {COUNT['passed']} passed, {COUNT['failed']} failed")
    return COUNT["failed"] > 0


sys.exit(main())
