# SPDX-License-Identifier: Apache-2.0
"""What jobs/flights/run does with the features: training set, model, logged predictions, monitors (watch.py), over
topics of its own; and what the alerts must then say, worked out from the drift records anew.
"""
import json
import os
import subprocess
import sys

import yaml

import model
import rows
import watch
import world
from nodes import BIN, clean_env, exits
from world import SERVERS

SPLIT, SUSTAIN = "2013-02-01", 1

with open(os.path.join(world.JOB, "monitor.yaml"), encoding="utf-8") as _file:
    MONITOR, SKEW = (watch.one_monitor(_job, key) for _job in [yaml.safe_load(_file)] for key in ("columns", "skew"))
COLUMNS, SERVED = MONITOR[1]["columns"], list(SKEW[1]["skew"]["features"])
SCALED = "UA", "aircraft__mean_arr_delay_24h"  # a bug in what is served


def monitor_file(topics):
    """monitor.yaml with topics of its own, its baseline here, and alerts at once: there are only four weeks."""
    path = os.path.join(os.path.dirname(world.job_file(topics)), "monitor.yaml")
    with open(os.path.join(world.JOB, "monitor.yaml"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("    topic: ", f"    topic: {topics}").replace("../../build/flights/model/", "model/")
    text = text.replace("sustain: 3", f"sustain: {SUSTAIN}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def exported(prefix):
    folder = world.path("parquet")
    if os.path.exists(folder):
        return folder
    exits(0, "export", "--all", "--to", folder, "--brokers", SERVERS.brokers, "--prefix", prefix, timeout=300)
    return folder


def labels():
    """The flights that left, and what came of them; made once."""
    path = world.path("labels.parquet")
    if not os.path.exists(path):
        model.write_spine(world.events("arrival"), path)
    return path


def watched(prefix, node, topics, parquet):
    """watch.py's output."""
    done = subprocess.run([sys.executable, "-B", watch.__file__, "--labels", labels(), "--parquet", parquet,
                           "--http", node.http, "--weir", BIN, "--split", SPLIT, "--monitor", monitor_file(topics)],
                          env=clean_env() | {"WEIR_BROKERS": SERVERS.brokers, "WEIR_PREFIX": prefix}, text=True, check=False,
                          capture_output=True, cwd=world.TMP, timeout=900)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:], node.log()[-2000:])
    return done.stdout


def files(topics):
    return os.path.join(os.path.dirname(monitor_file(topics)), "model")


def skill(topics):
    with open(os.path.join(files(topics), "skill.json"), encoding="utf-8") as file:
        found = json.load(file)
    return found, {m["model"]: m for m in found["models"]}


def again(prefix, node, topics):
    """The monitors alone, over the predictions that are in the topic: from nothing, under another prefix."""
    args = watch.argparse.Namespace(http=node.http, monitor=monitor_file(topics), weir=BIN)
    os.environ["WEIR_BROKERS"] = SERVERS.brokers
    w = watch.Watch(args)
    exits(0, "deploy", args.monitor, "--brokers", SERVERS.brokers, "--prefix", prefix)
    watch.wait(w, watch.last_window(w))


def scaled_bug(source, value):
    """(the value as a server with the bug logs it, whether the bug shows)."""
    served = json.loads(value)
    if source != "predictions" or served["carrier"] != SCALED[0]:
        return value, False
    right = served[SCALED[1]]
    if right is not None:
        served[SCALED[1]] = right * 1.1
    return json.dumps(served), bool(right)


def with_bug(prefix, node, topics):
    """The predictions once more, with the bug in them, into topics of their own: (found, how many values are wrong)."""
    path = os.path.join(os.path.dirname(monitor_file(topics)), "bug.yaml")
    with open(monitor_file(topics), encoding="utf-8") as file:
        text = file.read().replace("topic: " + topics + "flight_", "topic: " + topics + "bug_flight_")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.environ["WEIR_BROKERS"] = SERVERS.brokers
    w = watch.Watch(watch.argparse.Namespace(http=node.http, monitor=path, weir=BIN))
    watch.produce.make_topics(w.config, w.topics, watch.PARTITIONS)
    failures, wrong, done = watch.produce.Failures(), 0, 0
    producer = watch.produce.producer_open(w.config, failures)
    for source, key, value, ms in watch.logged(w):
        value, shows = scaled_bug(source, value)
        watch.produce.send(producer, w.topics[source], value, key, timestamp=ms)
        wrong, done = wrong + shows, done + 1
        if done % watch.produce.TICK == 0:
            producer.poll(0)
    assert producer.flush(60) == 0 and not failures.count, failures
    exits(0, "deploy", path, "--brokers", SERVERS.brokers, "--prefix", prefix)
    return w, watch.wait(w, watch.last_window(w)), wrong


def newest(records):
    found = {}
    for partition in records.values():
        for _, _, key, value in partition:
            found[key] = value
    return found


def drift(prefix):
    """(records by key, the newest of each; alerts in order), as bytes and decoded."""
    decoder = rows.Decoder(SERVERS.brokers, prefix)
    found = newest(rows.committed(SERVERS.brokers, f"{prefix}.flights_model.drift"))
    alerts = [value for part in rows.committed(SERVERS.brokers, f"{prefix}.alerts").values() for _, _, _, value in part]
    return found, [decoder.decode(v) for v in found.values()], alerts, [decoder.decode(v) for v in alerts]


def of(records, monitor):
    return [r for r in records if r["monitor"] == monitor[0]]


def settled(by_key, records, alerts, decoded):
    """What no later record could change, in order, as bytes: labels restate the newest window still."""
    end = max(r["window_end"] for r in records)
    open_ = {key for key, r in zip(by_key, records) if r["column"] == "_error" and r["window_end"] == end}
    return (sorted(item for item in by_key.items() if item[0] not in open_) +
            sorted(alert for alert, a in zip(alerts, decoded) if a["column"] != "_error" or a["window_end"] != end))


def due_alerts(records):
    """{(column, state, start of the window that decided)}: psi of each column, by the rules of the reference."""
    due, by_column = set(), {}
    for record in of(records, MONITOR):
        by_column.setdefault(record["column"], []).append(record)
    for column, series in by_column.items():
        firing, breaching, quiet = False, 0, 0
        for record in sorted(series, key=lambda r: r["window_start"]):
            for test in record["tests"]:
                if test["test"] != "psi" or test["value"] is None:
                    continue
                assert test["breached"] == (test["value"] > test["threshold"]), record
                breaching, quiet = (breaching + 1, 0) if test["breached"] else (0, quiet + 1)
                if not firing and breaching >= SUSTAIN:
                    firing = True
                    due.add((column, "firing", record["window_start"]))
                elif firing and quiet >= SUSTAIN:
                    firing = False
                    due.add((column, "resolved", record["window_start"]))
    return due
