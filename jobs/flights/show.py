#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What jobs/flights/run shows: its steps that talk to Kafka, to the engine's HTTP and to Redis.

    show.py views | produce | wait | report | where     (see main; `run` calls them in this order)

Brokers and Redis come from WEIR_BROKERS and WEIR_REDIS, like weir's own options. It starts and stops
nothing, and prints no number that it did not ask for. Plain text when standard output is no terminal.
"""
import argparse
import collections
import datetime
import json
import os
import subprocess
import sys
import time
import urllib.request

import redis
import yaml

import produce

HERE = os.path.dirname(os.path.abspath(__file__))
AIRCRAFT = ("N14228", "N328AA", "N725MQ", "N713EV")
COLUMNS = (("flights_30d", "flights 30d"), ("late_share_30d", "late share"), ("mean_arr_delay_30d", "mean delay"),
           ("p90_arr_delay_30d", "p90 delay"), ("minutes_flown_7d", "minutes 7d"), ("airports_30d", "airports"),
           ("last_dest", "last"))
WAIT_SECONDS = 600
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
TERMINAL = sys.stdout.isatty()


def bold(text):
    return f"\x1b[1m{text}\x1b[0m" if COLOUR else text


def dim(text):
    return f"\x1b[2m{text}\x1b[0m" if COLOUR else text


def section(text):
    print(f"\n{bold(text)}")


def line(name, text):
    print(f"  {name:16} {text}", flush=True)


def table(rows):
    """Rows of text; the first is the heading. Numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [all(row[i][:1].isdigit() or row[i][:1] in "-" for row in rows[1:]) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right)]
        text = "  " + "  ".join(cells).rstrip()
        print(dim(text) if number == 0 else text)


def utc(ms):
    return datetime.datetime.fromtimestamp(int(ms) / 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def brief(text):
    """A Redis field for a table: doubles to two decimals."""
    if text is None:
        return "-"
    try:
        return f"{float(text):.2f}" if "." in text or "e" in text else text
    except ValueError:
        return text


def job_spec():
    with open(os.path.join(HERE, "job.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


def get(http, path):
    with urllib.request.urlopen(f"http://{http}{path}", timeout=10) as answer:
        return json.load(answer)


# ---------------------------------------------------------------- produce

def produce_events(args):
    config = {"bootstrap.servers": os.environ["WEIR_BROKERS"],
              **produce.properties(os.environ.get("WEIR_KAFKA_CONFIG"))}
    spec = job_spec()["sources"]
    topics = {source: spec[source]["topic"] for source in produce.SOURCES}
    total = sum(1 for _ in open(args.events, "rb"))
    partitions, there = produce.make_topics(config, topics, dict(zip(produce.SOURCES, (4, 4, 2))))
    shape = " · ".join(f"{source} ({partitions[source]} partitions)" for source in topics)
    if sum(there.values()) == total:
        line("produced", f"{total:,} events are in the topics already: {shape}")
        return 0
    if any(there.values()):
        raise RuntimeError("the topics " + ", ".join(topics.values()) + " have other records already; delete them first")
    since = time.monotonic()
    counts = produce.produce(config, args.events, topics, partitions, total, not TERMINAL)
    took = time.monotonic() - since
    line("produced", f"{sum(counts.values()):,} events " + dim(f"({took:.1f} s)"))
    for source, count in counts.items():
        encoding = "Avro" if source == "weather" else "JSON"
        line("", f"{count:>9,} {source}, {encoding}, {partitions[source]} partitions")
    return 0


# ---------------------------------------------------------------- wait

class Progress:
    """Source events done of those there are, and what is still on its way through repartition topics."""

    def __init__(self, sources):
        self.topics = {spec["topic"] for spec in sources.values()}
        self.shown = 0

    def read(self, job):
        inputs = [i for task in job["tasks"] for i in task["inputs"] if None not in (i["offset"], i["end"])]
        source = [i for i in inputs if i["topic"] in self.topics]
        self.done, self.total = sum(i["offset"] for i in source), sum(i["end"] for i in source)
        self.behind = max(0, (job["lag_records"] or 0) - (self.total - self.done))
        return all(task["state"] == "running" and task["lag_records"] == 0 for task in job["tasks"])

    def bar(self, job, expected):
        if not TERMINAL:
            return
        # A record that waits in a repartition topic is about half done.
        part = (self.done - min(self.behind / 3, self.done) / 2) / max(1, expected)
        self.shown = max(self.shown, min(1, part))
        full = int(30 * self.shown)
        rate = job.get("records_per_s") or 0
        sys.stdout.write(f"\r  {'━' * full}{'─' * (30 - full)} {100 * self.shown:3.0f} %  {self.done:,} events, "
                         f"{job['rows']:,} rows, {rate:,.0f} records/s \x1b[K")
        sys.stdout.flush()

    @staticmethod
    def end():
        if TERMINAL:
            sys.stdout.write("\r\x1b[K")


def wait(args):
    sources, since, deadline = job_spec()["sources"], time.monotonic(), time.monotonic() + WAIT_SECONDS
    progress, last_rows, caught_up_at, job = Progress(sources), -1, None, None
    while time.monotonic() < deadline:
        try:
            os.kill(args.engine, 0)
        except ProcessLookupError:
            progress.end()
            raise RuntimeError("weir engine has ended") from None
        try:
            job = get(args.http, "/jobs/flights")
        except OSError:
            job = None
        if job and job["state"] == "failed":
            progress.end()
            raise RuntimeError(f"the job failed: {job['error']}")
        if job and job["tasks"]:
            now = progress.read(job)
            progress.bar(job, args.events or progress.total)
            if now and progress.total >= args.events:
                # Once nothing comes in, rows that time made due still go out.
                caught_up_at = caught_up_at or time.monotonic()
                if job["rows"] == last_rows:
                    break
            else:
                caught_up_at = None
            last_rows = job["rows"]
        time.sleep(0.25 if not caught_up_at else 1.1)      # the engine's picture is a second old at most
    else:
        raise RuntimeError(f"not caught up after {WAIT_SECONDS} s")
    progress.end()
    took = max(0.1, caught_up_at - since)
    events, rows = progress.done, job["rows"]
    if not rows:
        line("processed", "nothing new: an earlier run has taken everything in (counts below are of this one)")
        return 0
    line("processed", f"{events:,} events into {rows:,} feature rows " + dim(f"({took:.1f} s from deploy to caught up)"))
    line("", bold(f"{events / took:,.0f} events/s, {rows / took:,.0f} rows/s")
         + ", each committed exactly once, by one worker thread")
    return 0


# ---------------------------------------------------------------- report

def redis_client():
    address = os.environ["WEIR_REDIS"]
    password = os.environ.get("WEIR_REDIS_PASSWORD")
    if "://" in address:
        return redis.Redis.from_url(address, password=password, decode_responses=True)
    if address.startswith("/"):
        return redis.Redis(unix_socket_path=address, password=password, decode_responses=True)
    host, _, port = address.rpartition(":")
    return redis.Redis(host=host or address, port=int(port or 6379), password=password, decode_responses=True)


def show_redis(prefix):
    section("The latest row of a few aircraft, in Redis")
    client = redis_client()
    rows = [("aircraft", "as of (UTC)") + tuple(title for _, title in COLUMNS)]
    for tail in AIRCRAFT:
        row = client.hgetall(f"{prefix}:aircraft:1:{tail}")
        if row:
            rows.append((tail, utc(row["_t"])) + tuple(brief(row.get(name)) for name, _ in COLUMNS))
    if len(rows) == 1:
        raise RuntimeError(f"Redis has no hash {prefix}:aircraft:1:{AIRCRAFT[0]}")
    table(rows)
    print(dim(f"  HGETALL {prefix}:aircraft:1:{rows[1][0]} is what a model server reads: a hash per entity, a field per feature"))


def indented(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    for text in done.stdout.rstrip().split("\n"):
        print("  " + text)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}")


def show_explained(weir):
    section("One value explained")
    command = ["explain", "carrier", "UA", "late_share_7d"]
    print(dim("  weir " + " ".join(command)))
    indented([weir, *command])


def online_counts(prefix):
    """Rows in Redis per view."""
    counts = collections.Counter(key.split(":")[1] for key in redis_client().scan_iter(f"{prefix}:*:*:*", count=5000))
    return counts


def show_counts(job, prefix, weir):
    section("Counts")
    online = online_counts(prefix)
    rows = [("view", "per", "rows", "in Redis", "without entity")]
    for view in job["views"]:
        rows.append((view["name"], ", ".join(view["entity"]), f"{view['rows']:,}", f"{online[view['name']]:,}",
                     f"{view['null_entities']:,}"))
    table(rows)
    print()
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(job["dead_by_reason"].items()))
    line("late records", f"{job['late']:,}, kept in {prefix}.flights.late")
    line("dead letters", f"{job['dead']:,}, kept in {prefix}.flights.dead: {reasons or 'none'}")
    print(dim("  data.py has made the dead ones up, out of real records; the newest of each:"))
    indented([weir, "dead", "list", "flights", "--limit", "1"])


def folder_size(path):
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return len(files), sum(os.path.getsize(f) for f in files)


def show_parquet(path):
    files, size = folder_size(path)
    line("Parquet", f"{path}/<view>/v1/dt=YYYY-MM-DD/ " + dim(f"({files:,} files, {size / 1e6:.0f} MB)"))


def report(args):
    job = get(args.http, "/jobs/flights")
    prefix = os.environ.get("WEIR_PREFIX", "weir")
    show_redis(prefix)
    show_explained(args.weir)
    show_counts(job, prefix, args.weir)
    return 0


def where(args):
    prefix = os.environ.get("WEIR_PREFIX", "weir")
    section("Where it is")
    line("status page", f"http://{args.http}/")
    show_parquet(args.parquet)
    line("in Kafka", f"{prefix}.<view>.v1, a compacted topic per view; weir export reads it")
    section("What to try next")
    weir = os.path.relpath(args.weir)
    hints = ((f"{weir} get aircraft N14228", "a row as it is served"),
             (f"{weir} explain destination LAX p90_arr_delay_24h", "where a value comes from"),
             (f"{weir} status flights", "every task: lag, watermark, state"),
             (f"{weir} dead list flights --late --limit 3", "what came too late"),
             (f"{weir} check jobs/flights/job.yaml --plan", "windows, tiles, topics"),
             (f"{weir} check jobs/flights/monitor.yaml --plan", "what watches the model"))
    width = max(len(command) for command, _ in hints)
    for command, why in hints:
        print(f"  {command:{width}}  {dim(why)}")
    return 0


def main(argv=None):
    parser = argparse.ArgumentParser(description="The talking part of jobs/flights/run.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("views")
    part = commands.add_parser("produce")
    part.add_argument("--events", required=True)
    part = commands.add_parser("wait")
    part.add_argument("--http", required=True)
    part.add_argument("--engine", type=int, required=True, help="its process id")
    part.add_argument("--events", type=int, default=0, help="how many there are")
    for command in ("report", "where"):
        part = commands.add_parser(command)
        for name in ("http", "weir", "parquet"):
            part.add_argument("--" + name, required=True)
    args = parser.parse_args(argv)
    try:
        if args.command == "views":
            print("\n".join(job_spec()["views"]))
            return 0
        return {"produce": produce_events, "wait": wait, "report": report, "where": where}[args.command](args)
    except (OSError, RuntimeError, KeyError, redis.RedisError, produce.KafkaException) as error:
        print(f"  {type(error).__name__ if isinstance(error, KeyError) else 'failed'}: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
