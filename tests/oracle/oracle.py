#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An independent oracle: every offline row that a job must write for given records.

    oracle.py JOB --events FILE                      counts per source and view
    oracle.py JOB --events FILE --rows FILE          compare with rows as `weir try` prints them
    oracle.py JOB --events FILE --repartition FILE   a view that is not keyed like its topic takes the
                                                     records of its repartition topic in their order
    oracle.py JOB --events FILE --out FILE           write the expected rows (entity by entity)

Events are JSON lines {source, partition, offset, timestamp, key, value}, as for `weir try`, in offset
order per partition. Repartition records are JSON lines {source, by, partition, offset, entity, columns,
event_time, known_at, source_partition, source_offset, source_stream_time}: `by` lists the entity
columns and `entity` their values. Online rows (--online) are JSON lines {view, entity, fields}: entity
in its Redis form, fields the hash.

It needs Python 3.9 and PyYAML. Exit 0: equal, 1: not, 2: wrong use.
"""
import argparse
import collections
import gc
import json
import multiprocessing
import os
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare as comparing  # noqa: E402
import job as jobs  # noqa: E402
from expr import ExprError  # noqa: E402
from semantics import Moved, Record, ViewRun, read_moved, read_source  # noqa: E402


def read_events(path, job):
    """{source: [Record]}; what a line leaves out is the one source, partition 0, the next offset."""
    found = {name: [] for name in job.sources}
    only = next(iter(job.sources)) if len(job.sources) == 1 else None
    offsets = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            event = json.loads(line)
            source = event.get("source", only)
            if source not in found:
                raise ExprError(f"{path}:{number}: no source {source!r} in the job")
            partition = event.get("partition", 0)
            offset = event.get("offset", offsets[source, partition])
            offsets[source, partition] = offset + 1
            found[source].append(Record(partition, offset, event.get("timestamp"), event["value"]))
    return found


def read_repartition(path):
    """{(source, columns): [Moved]} in file order; records of a partition must be in offset order."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                columns = {**row["columns"], **dict(zip(row["by"], row["entity"]))}
                found[row["source"], tuple(row["by"])].append(Moved(
                    row["partition"], row["offset"], tuple(row["entity"]), columns, row["event_time"],
                    row["known_at"], row["source_partition"], row["source_offset"], row["source_stream_time"]))
    for records in found.values():
        records.sort(key=lambda r: (r.partition, r.offset))
    return found


def runs_of(job, sources, moved, share):
    """A ViewRun per view, over the input that the view reads."""
    sharing = collections.Counter((view.source, tuple(view.entity)) if (view.source, tuple(view.entity)) in moved
                                  else view.source for view in job.views.values())
    runs = {}
    for view in job.views.values():
        source, partitions = job.sources[view.source], sources[view.source]
        by = (view.source, tuple(view.entity))
        in_place = source.key in view.entity or len(partitions) <= 1
        if by in moved and not (source.key in view.entity):
            runs[view.name] = ViewRun(view, source, read_moved(moved[by]))
            tasks = sharing[by]
        elif in_place:
            runs[view.name] = ViewRun(view, source, partitions)
            tasks = sharing[view.source]
        else:
            raise ExprError(f"view {view.name} is repartitioned by {', '.join(view.entity)}: give --repartition")
        # The limit of due rows per record may be shared by the views of a task, and a sample sees only its
        # part of the rows in line: assume the slowest.
        run = runs[view.name]
        run.burst = max(1, run.burst // max(1, tasks) // (2 * share if share > 1 else 1))
        run.wanted = lambda entity: sampled(entity, share)
    return runs


def check_moved(view, source, partitions, records, report):
    """Every event that a repartitioned view takes must be in the repartition topic once, unchanged and in order."""
    wanted = {}
    for part in partitions.values():
        for event in part.events:
            entity = tuple([event.columns[name] for name in view.entity])
            if None not in entity and view.where(event.columns) is True:
                wanted[event.partition, event.offset] = (event, entity)
    home, last = {}, {}
    for record in records:
        position = record.source_partition, record.source_offset
        if home.setdefault(record.entity, record.partition) != record.partition:
            report(view, "repartition", f"{record.entity} is in two partitions")
        lane = record.partition, record.source_partition
        if record.source_offset <= last.get(lane, -1):
            report(view, "repartition", f"{position} is out of order or there twice")
        last[lane] = record.source_offset
        event, entity = wanted.pop(position, (None, None))
        if event is None:
            continue
        if (record.event_time, record.known_at, record.entity) != (event.time, event.known_at, entity) or \
                any(not comparing.same_value(event.columns[name], record.columns.get(name)) for name in view.used):
            report(view, "repartition", f"{position} was changed: {record}")
    for position in wanted:
        report(view, "repartition", f"{position} is missing")


def sampled(entity, share):
    """The same entities every time: about one in `share`."""
    return share <= 1 or zlib.crc32(comparing.value_of(entity).encode()) % share == 0


def as_line(view, entity, row):
    values = {feature.name: value for feature, value in zip(view.features, row.values)}
    return json.dumps({"view": view.name, **dict(zip(view.entity, entity)), "event_time": row.event_time,
                       "known_at": row.known_at, "source_partition": row.partition, "source_offset": row.offset,
                       **values}, ensure_ascii=False)


def last_rows(rows):
    """The rows that can be the last written: the last sure one and every due one after it."""
    sure = max((i for i, row in enumerate(rows) if row.due is None), default=0)
    return rows[sure:]


def run_view(run, comparer, actual, online, out):
    view, seen = run.view, set()
    for entity, partition, rows in run.rows():
        comparer.counts[view.name, "expected rows"] += len(rows)
        comparer.counts[view.name, "expiry rows"] += sum(row.partition is None for row in rows)
        if out:
            out.writelines(as_line(view, entity, row) + "\n" for row in rows)
        if actual:
            if entity in seen:
                comparer.report(view, "entity in two partitions", f"{entity}")
            comparer.entity(view, entity, partition, rows, actual.rows(view, entity))
        if online is not None:
            comparer.online(view, entity, list(reversed(last_rows(rows))),
                            online.get((view.name, comparing.value_of(entity))))
        seen.add(entity)
    if actual:
        for entity in actual.entities(view):
            if entity not in seen and run.wanted(entity):
                comparer.report(view, "unexpected entity", f"{entity}")
        drained = {number: run.drained_at(number) for number in run.partitions}
        comparer.settle(view, drained)


def side_by_side(function, items, processes):
    """function(item) for every item, in `processes` forked copies of this one."""
    if processes <= 1:
        yield from map(function, items)
        return
    global IN_CHILDREN
    IN_CHILDREN = function
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(in_child, items, chunksize=1)


def in_child(item):
    return IN_CHILDREN(item)


def summary(job, sources, comparer, file):
    for name in job.sources:
        parts = sources[name].values()
        dead = collections.Counter(d.reason for p in parts for _, d in p.dead)
        print(f"source {name}: {sum(p.records for p in parts)} records, {sum(len(p.events) for p in parts)} on time, "
              f"{sum(len(p.late) for p in parts)} late, {sum(dead.values())} dead "
              f"{dict(sorted(dead.items())) or ''}", file=file)
    for name in job.views:
        print(f"view {name}: {comparer.counts[name, 'expected rows']} rows "
              f"({comparer.counts[name, 'expiry rows']} expiry), {comparer.counts[name, 'null entities']} null entities, "
              f"{comparer.counts[name, 'still due']} still due", file=file)


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Independent oracle of weir jobs.")
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--events", required=True, metavar="FILE")
    parser.add_argument("--rows", metavar="FILE", help="actual rows, as `weir try` prints them")
    parser.add_argument("--online", metavar="FILE", help="actual Redis hashes")
    parser.add_argument("--repartition", metavar="FILE", help="records of the repartition topics")
    parser.add_argument("--out", metavar="FILE", help="write the expected rows")
    parser.add_argument("--view", action="append", metavar="NAME", help="only this view (can be repeated)")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="only about one entity in N")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="views side by side (not with --out)")
    parser.add_argument("--once", action="store_true", help="no key may stand twice, whatever is expected")
    parser.add_argument("--hll-error", type=float, default=0.02, help="standard error of approx_distinct")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="how many mismatches to print")
    return parser.parse_args(argv)


def load_online(path):
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return {(row["view"], row["entity"]): row["fields"] for row in rows}


def main(argv=None):
    args = parse_arguments(argv)
    gc.disable()        # millions of small objects, hardly a cycle: half the time would go into looking for them
    try:
        job = jobs.load(args.job)
        unknown = set(args.view or ()) - set(job.views)
        if unknown:
            raise ExprError(f"no view {', '.join(sorted(unknown))} in the job")
        if args.view:
            job.views = {name: job.views[name] for name in job.views if name in args.view}
        sources = {name: read_source(job.sources[name], records)
                   for name, records in read_events(args.events, job).items()}
        moved = read_repartition(args.repartition) if args.repartition else {}
        runs = runs_of(job, sources, moved, args.sample)
    except (ExprError, OSError, KeyError) as error:
        print(f"oracle.py: {error}", file=sys.stderr)
        return 2
    actual = comparing.ActualRows(args.rows, job.views) if args.rows else None
    online = load_online(args.online)

    def one_view(name, out=None):
        comparer = comparing.Comparer(hll_error=args.hll_error, limit=args.show, once=args.once)
        run = runs[name]
        by = (run.view.source, tuple(run.view.entity))
        if by in moved and run.partitions is not sources[run.view.source]:
            check_moved(run.view, run.source, sources[run.view.source], moved[by], comparer.report)
        run_view(run, comparer, actual, online, out)
        comparer.counts[name, "null entities"] = run.null_entities
        return comparer

    comparer = comparing.Comparer(hll_error=args.hll_error, limit=args.show)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            for name in job.views:
                comparer.absorb(one_view(name, out))
    else:
        for part in side_by_side(one_view, list(job.views), args.processes):
            comparer.absorb(part)
    if actual and actual.strangers and not args.view:
        print(f"{actual.strangers} rows of views that the job does not have", file=sys.stderr)
    summary(job, sources, comparer, sys.stderr)
    for line in comparer.shown:
        print(line)
    for (view, kind), count in sorted(comparer.mismatches.items()):
        print(f"{view}: {count} x {kind}")
    if actual or online is not None:
        print(f"{comparer.total()} mismatches")
    return 1 if comparer.total() else 0


if __name__ == "__main__":
    sys.exit(main())
