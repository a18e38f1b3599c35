#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The second half of jobs/flights/run: what the features are for. Labels join them as of each departure, a model is
trained on the first half of the year, the second half is scored as a stream, and a monitor watches that stream.

    watch.py --labels FILE --parquet DIR --http HOST:PORT --weir FILE [--split DATE] [--monitor FILE]

--labels is what model.py spine wrote, --parquet what weir export did, --http the engine that is to run monitor.yaml.
What is made on the way lies beside the baseline that monitor.yaml names. Brokers come from WEIR_BROKERS, as for weir
itself, which does the work: its commands are shown as they are run. It starts and stops no server, and prints no number
that it did not ask for.
"""
import argparse
import datetime
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import yaml
from confluent_kafka import Consumer, TopicPartition

import model
import produce
import show
from show import bold, dim, line, section, table

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = {"predictions": 2, "outcomes": 2}
SHOWN = ("id", "late", "dep_delay", "aircraft__late_share_30d", "destination__mean_arr_delay_3h",
         "origin__mean_dep_delay_1h", "airport_weather__temp_now")
HEAD_FROM, HEAD_ROWS = 20_000, 5       # the first ones know little: the year begins with them
WAIT_SECONDS = 600


class Watch:
    """Where everything is."""

    def __init__(self, args):
        self.args = args
        with open(args.monitor, encoding="utf-8") as file:
            self.job = yaml.safe_load(file)
        self.name, self.spec = one_monitor(self.job, "columns")
        self.skew_name, self.skew_spec = one_monitor(self.job, "skew")
        self.baseline = os.path.normpath(os.path.join(os.path.dirname(args.monitor), self.spec["baseline"]))
        self.folder = os.path.dirname(self.baseline)
        self.topics = {source: self.job["sources"][source]["topic"] for source in PARTITIONS}
        self.config = {"bootstrap.servers": os.environ["WEIR_BROKERS"],
                       **produce.properties(os.environ.get("WEIR_KAFKA_CONFIG"))}
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def weir(self, *args, allowed=(0,)):
        """Runs it as shown; its standard output."""
        done = subprocess.run([self.args.weir, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode not in allowed:
            raise RuntimeError(f"weir {args[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def query(self, sql):
        return model.connect().execute(sql).fetchall()


def one_monitor(job, key):
    """The monitor that has the key, and its name."""
    (found,) = [(name, spec) for name, spec in job["monitors"].items() if key in spec]
    return found


def took(since):
    return dim(f"({time.monotonic() - since:.1f} s)")


def near(path):
    """As short as it goes."""
    return min(path, os.path.relpath(path), key=len)


def command(*words):
    """A command as it is shown: too long a word is cut."""
    print(dim("  weir " + " ".join(w if len(w) <= 60 else w[:57] + "..." for w in words)), flush=True)


# ---------------------------------------------------------------- the training set

def make_training_set(w):
    section("A training set: each flight's features as of its departure")
    shutil.copyfile(w.args.labels, w.path("labels.parquet"))
    ((rows,),) = w.query(f"SELECT count(*) FROM '{w.path('labels.parquet')}'")
    line("labels", f"{rows:,} flights that left, at their departure: late by {model.LATE_MINUTES} minutes or not")
    words = ("train", "--spine", near(w.path("labels.parquet")), "--label", "late", "--known-at", "--features",
             model.feature_list(), "--data", near(w.args.parquet), "--out", near(w.path("train.parquet")))
    command(*words)
    since = time.monotonic()
    said = json.loads(w.weir(*words, "--format", "json"))
    line("joined", f"{said['rows']:,} rows, {len(model.SERVED)} features of {len(said['views'])} views as they were served then "
         + took(since))
    after, suspects = sum(v["known_after"] for v in said["views"]), said["suspects"]
    line("leaks", f"{after:,} values were known only after the departure, {len(suspects)} features tell the label alone")
    print()
    rows = w.query(f"""SELECT strftime(event_time, '%Y-%m-%d %H:%M'), {', '.join(SHOWN)}
        FROM '{w.path("train.parquet")}' ORDER BY event_time, id LIMIT {HEAD_ROWS} OFFSET {HEAD_FROM}""")
    table([("departure (UTC)", *(name.rpartition("__")[2] for name in SHOWN))] + [tuple(map(cell, row)) for row in rows])
    print(dim(f"  rows {HEAD_FROM:,} to {HEAD_FROM + HEAD_ROWS - 1:,} of {said['rows']:,}, {len(SHOWN) + 1} of {said['columns']} columns; "
              "weir train --explain 20000 says where a row's values come from"))


def cell(value):
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value).lower() \
        if isinstance(value, bool) else str(value)


# ---------------------------------------------------------------- the model

def make_model(w):
    section(f"A model: trained on flights before {w.args.split}, measured on those from then on")
    since = time.monotonic()
    model.fit(w.path("train.parquet"), w.args.split, w.folder)
    with open(w.path("skill.json"), encoding="utf-8") as file:
        skill = json.load(file)
    line("trained", f"gradient-boosted trees (scikit-learn) on {skill['trained_on']:,} flights, nothing tuned " + took(since))
    line("measured", f"on {skill['measured_on']:,} later flights: {100 * skill['rate_measured']:.1f} % were late, "
         f"its mean score is {100 * skill['mean_score']:.1f} %")
    rows = [("it knows", "AUC", "log-loss", "Brier score")]
    rows += [(m["model"], f"{m['auc']:.3f}", f"{m['log_loss']:.3f}", f"{m['brier']:.4f}") for m in skill["models"]]
    print()
    table(rows)


# ---------------------------------------------------------------- the stream

def logged(w):
    """(source, key, value, timestamp), in the order of time: a prediction at departure, what came of it at arrival.

    A prediction has the features as they were served, the score, the model's version and an id.
    """
    path = w.path("predictions.parquet")
    con = model.connect()
    names = [c[0] for c in con.execute(f"DESCRIBE FROM '{path}'").fetchall() if c[0] not in ("late", "arrived_at", "flight")]
    fields = ", ".join(f"{n} := " + (f'epoch_ms("{n}")' if n == "at" else f'"{n}"') for n in names)
    con.execute(f"""SELECT source, id, value, ms FROM (
        SELECT 'predictions' AS source, id, CAST(to_json(struct_pack({fields})) AS VARCHAR) AS value, epoch_ms("at") AS ms
        FROM '{path}' UNION ALL
        SELECT 'outcomes', id, CAST(to_json(struct_pack("at" := epoch_ms(arrived_at), id := id, late := late)) AS VARCHAR),
            epoch_ms(arrived_at) FROM '{path}' WHERE late IS NOT NULL AND arrived_at IS NOT NULL)
        ORDER BY ms, source, id""")
    while rows := con.fetchmany(10_000):
        yield from rows


def produce_predictions(w):
    counts = dict(zip(("predictions", "outcomes"), w.query(
        f"SELECT count(*), count(*) FILTER (WHERE late IS NOT NULL AND arrived_at IS NOT NULL) FROM '{w.path('predictions.parquet')}'")[0]))
    _, held = produce.make_topics(w.config, w.topics, PARTITIONS)
    if held == counts:
        line("produced", f"{sum(counts.values()):,} predictions and outcomes are in the topics already")
        return
    if any(held.values()):
        raise RuntimeError("the topics " + ", ".join(w.topics.values()) + " have other records already; delete them first")
    since, failures, done = time.monotonic(), produce.Failures(), 0
    producer, bar = produce.producer_open(w.config, failures), produce.Bar(sum(counts.values()), not show.TERMINAL)
    for source, key, value, ms in logged(w):
        produce.send(producer, w.topics[source], value, key, timestamp=ms)
        done += 1
        if done % produce.TICK == 0:
            producer.poll(0)
            bar.show(done)
            if failures.count:
                break
    produce.finish(producer, failures, bar)
    line("produced", f"{counts['predictions']:,} predictions to {w.topics['predictions']}, {counts['outcomes']:,} outcomes, hours "
         f"later, to {w.topics['outcomes']} " + took(since))


def last_window(w):
    """The end of the last window that closes: the watermark is what the slowest partition has reached."""
    topic, newest = w.topics["predictions"], []
    consumer = Consumer({**w.config, "group.id": "unused"})
    try:
        for p in range(len(consumer.list_topics(topic, timeout=15).topics[topic].partitions)):
            _, high = consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=15)
            consumer.assign([TopicPartition(topic, p, high - 1)])
            record = consumer.poll(15)
            if record is None or record.error():
                raise RuntimeError(f"{topic}[{p}] cannot be read")
            newest.append(json.loads(record.value())["at"])
    finally:
        consumer.close()
    length, lateness = span(w.spec["window"]), span(w.job["sources"]["predictions"]["lateness"])
    return (min(newest) - lateness) // length * length


def span(text):
    return int(text[:-1]) * {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[text[-1]]


def wait(w, end):
    """What the monitors have found, once every record is taken in and it changes no more."""
    deadline, before = time.monotonic() + WAIT_SECONDS, None
    columns = {(w.name, c) for c in (*w.spec["columns"], "_error")}
    columns |= {(w.skew_name, c) for c in w.skew_spec["skew"]["features"]}
    while time.monotonic() < deadline:
        job = look(w, "")
        if job and job["state"] == "failed":
            raise RuntimeError(f"the job {w.job['job']} failed: {job['error']}")
        found = look(w, "/drift") if job and job["tasks"] and all(
            t["state"] == "running" and t["lag_records"] == 0 for t in job["tasks"]) else None
        if found and found == before and {(s["monitor"], s["column"]) for s in found["series"] if s["windows"] and
                                          s["windows"][-1]["window_end"] == end} == columns:
            return found
        before = found
        time.sleep(1.2)                                    # the engine's picture is a second old at most
    raise RuntimeError(f"the monitors are not done after {WAIT_SECONDS} s")


def look(w, what):
    try:
        return show.get(w.args.http, f"/jobs/{w.job['job']}{what}")
    except OSError:
        return None


def watch_stream(w):
    section(f"The flights from {w.args.split} on are scored as a stream, and watched")
    words = ("baseline", near(w.args.monitor), w.name, "--data", near(w.path("reference.parquet")), "--label", "late", "--out",
             near(w.baseline))
    command(*words)
    w.weir(*words)
    command("deploy", near(w.args.monitor))
    w.weir("deploy", w.args.monitor)
    since = time.monotonic()
    produce_predictions(w)
    found = wait(w, last_window(w))
    series = of(found, w.name)
    windows = max(len(s["windows"]) for s in series)
    line("watched", f"{windows} windows of {w.spec['window']}, {len(series)} columns, exactly once, beside the features "
         + took(since))
    return found


# ---------------------------------------------------------------- what was found

def of(found, monitor):
    return [s for s in found["series"] if s["monitor"] == monitor]


def skewed(w, found):
    """(values compared, values whose computed one is not known, {(column, segment): values that differ})."""
    compared = unknown = 0
    differ = {}
    for s in of(found, w.skew_name):
        k = [t["test"] for t in s["tests"]].index("skew")
        for x in s["windows"]:
            known = x["rows"] - x["nulls"]
            compared, unknown = compared + known, unknown + x["nulls"]
            if x["values"][k]:
                where = s["column"], " ".join(s["segment"].values())
                differ[where] = differ.get(where, 0) + round(x["values"][k] * known)
    return compared, unknown, differ


def report_skew(w, found):
    section("Was what was served also what is computed?")
    compared, unknown, differ = skewed(w, found)
    wrong = sum(differ.values())
    line("compared", f"{compared:,} served values of {len(w.skew_spec['skew']['features'])} features with those that "
         f"{w.skew_spec['skew']['view']} computes anew: {100 * wrong / max(compared, 1):.2f} % differ; {unknown:,} more cannot be told")
    for (column, segment), count in sorted(differ.items(), key=lambda item: -item[1])[:5]:
        line("differs", f"{column.replace('__', ': ')} of {segment}: {count:,} values")


def seasons(w):
    """PSI of two summer months against two winter months, straight from the training set."""
    for name, side in (("winter", "< TIMESTAMPTZ '2013-03-01'"), ("summer", "BETWEEN TIMESTAMPTZ '2013-07-01' AND TIMESTAMPTZ '2013-09-01'")):
        model.connect().execute(f"""COPY (SELECT * FROM (FROM '{w.path('reference.parquet')}' UNION ALL
            FROM '{w.path('predictions.parquet')}') WHERE "at" {side}) TO '{w.path(name)}.parquet' (FORMAT parquet)""")
    if not w.query(f"SELECT count(*) FROM '{w.path('summer.parquet')}'")[0][0]:
        return {}
    words = ("drift", near(w.path("winter.parquet")), near(w.path("summer.parquet")), "--columns", ",".join(w.spec["columns"]),
             "--tests", "psi=0.25")
    command(*words)
    said = json.loads(w.weir(*words, "--format", "json", allowed=(0, 1)))
    return {c["column"]: c["tests"][0]["value"] for c in said["columns"]}


def day(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%d %b")


def alert_text(alerts):
    return "; ".join(f"{a['test']} {a['state']}, since {day(a['since'])}" for a in alerts) or "-"


def found_rows(w, found, winter):
    for s in sorted(of(found, w.name), key=lambda s: s["column"] == "_error"):
        error = s["column"] == "_error"
        k = [t["test"] for t in s["tests"]].index("brier" if error else "psi")
        known = [(x["values"][k], x["window_start"]) for x in s["windows"] if x["values"][k] is not None]
        value, start = max(known)
        past = sum(bool(x["breached"][k]) for x in s["windows"])
        yield (value if not error else -1, ("Brier of scores and labels" if error else s["column"].replace("__", ": "),
               cell(winter.get(s["column"])), f"{value:.2f}", day(start), f"{past} of {len(known)}",
               alert_text([a for a in found["alerts"] if (a["monitor"], a["column"]) == (w.name, s["column"])])))


def report(w, found):
    section("What has drifted")
    winter = seasons(w)
    rows = sorted(found_rows(w, found, winter), key=lambda r: -r[0])
    table([("column", "PSI winter to summer", "worst week", "of", "weeks past threshold", "alert")] + [r for _, r in rows])
    print(dim(f"  a week's predictions beside the baseline: PSI past {w.spec['tests']['psi']}, "
              f"alert after {w.spec['sustain']} such weeks in a row"))
    report_skew(w, found)
    print()
    prefix, job = os.environ.get("WEIR_PREFIX", "weir"), w.job["job"]
    line("drawn at", bold(f"http://{w.args.http}/#{job}") + ": both histograms, each test over time")
    line("in Kafka", f"{prefix}.{job}.drift, a record per column and week; {prefix}.alerts")
    line("files", f"{near(w.folder)}/: train.parquet, its manifest, baseline.json, predictions.parquet, skill.json")


def main(argv=None):
    parser = argparse.ArgumentParser(description="Training set, model, logged predictions and their drift.")
    for name in ("labels", "parquet", "http", "weir"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--split", default="2013-07-01", metavar="DATE", help="flights before it are the reference")
    parser.add_argument("--monitor", default=os.path.join(HERE, "monitor.yaml"), metavar="FILE")
    w = Watch(parser.parse_args(argv))
    # Takes seconds, which weir train works in.
    threading.Thread(target=importlib.import_module, args=("sklearn.ensemble",), daemon=True).start()
    try:
        make_training_set(w)
        make_model(w)
        report(w, watch_stream(w))
    except (OSError, RuntimeError, KeyError, ValueError, model.duckdb.Error, produce.KafkaException) as error:
        print(f"  {type(error).__name__ if isinstance(error, KeyError) else 'failed'}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
