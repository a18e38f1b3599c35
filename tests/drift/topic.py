# SPDX-License-Identifier: Apache-2.0
"""weir baseline JOB MONITOR: from the topic it is what it would be from a file of the same predictions."""
import json
import os
import random
import sys

import files
import pairs

from confluent_kafka import Producer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from kafka_topics import Kafka  # noqa: E402

DAY = 86_400_000
T0 = 1356998400000  # 2013-01-01
JOB = """job: predicted
sources:
  predictions:
    topic: {topic}
    format: json
    time: at
    lateness: 1h
    schema:
      type: record
      name: prediction
      fields:
        - {{name: at, type: {{type: long, logicalType: timestamp-millis}}}}
        - {{name: model, type: ["null", int], default: null}}
        - {{name: score, type: double}}
        - {{name: delay, type: ["null", double], default: null}}
        - {{name: carrier, type: string}}
        - {{name: stops, type: int}}
        - {{name: id, type: ["null", string], default: null}}
  outcomes:
    topic: {topic}-outcomes
    format: json
    time: at
    lateness: 1h
    schema: {{type: record, name: outcome, fields: [
      {{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
      {{name: id, type: string}}, {{name: bought, type: boolean}}]}}
monitors:
  delay_model:
    from: predictions
    by: model
    columns: [score, delay, carrier, stops]
    baseline: not-there-yet.json
    window: 1d
    tests: {{psi: 0.25}}
    id: id
    score: score
    labels: {{from: outcomes, id: id, value: bought, wait: 1d}}
"""
COLUMNS = ["score", "delay", "carrier", "stops"]


def predictions(rnd):
    """(partition, row, whether a monitor takes it), each partition in its order of time."""
    clock = [T0, T0, T0]
    for _ in range(6000):
        p = rnd.randrange(3)
        clock[p] += rnd.randrange(2 * 5 * DAY // 2000)
        late = rnd.random() < 0.03 and clock[p] > T0 + 3 * DAY
        yield p, {"at": clock[p] - (3_600_001 + rnd.randrange(DAY) if late else 0),
                  "model": rnd.choice([1, 2, None]), "score": rnd.random(),
                  "delay": None if rnd.random() < 0.1 else 10 * pairs.normal(rnd),
                  "carrier": rnd.choice(["AA", "B6", "DL"]), "stops": rnd.randrange(4)}, not late


def outcomes(rnd, rows):
    """Records of labels in the order of time, and the one that counts by prediction: a window and a day are enough for
    most; some come too late, twice, or never."""
    counts, records = {}, []
    for n, (_, row, _) in enumerate(rows):
        row["id"] = None if rnd.random() < 0.02 else f"p{n:05}"
        if row["id"] is None or rnd.random() < 0.2:
            continue
        at, bought = row["at"] + rnd.randrange(3 * DAY), rnd.random() < 0.3
        records.append({"at": at, "id": row["id"], "bought": bought})
        if rnd.random() < 0.1:
            records.append({"at": at + 1000, "id": row["id"], "bought": not bought})
        if at <= row["at"] // DAY * DAY + 2 * DAY:
            counts[row["id"]] = bought
    return sorted(records, key=lambda r: r["at"]), counts


def near(a, b):
    """Sums that were added in another order; where the mean is counted from depends on it, and a file counts rows
    without an id as skipped."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(near(a[k], b[k]) for k in a.keys() - {"origin", "offset", "skipped"})
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(near, a, b))
    return a == b or (isinstance(a, float) and abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-3))


def body(path):
    with open(path) as f:
        b = json.load(f)
    assert b.pop("format") == "weir-baseline" and b.pop("version") == 1
    return {k: b[k] for k in ("by", "segments")}, b


def check(brokers, tmp, exits):
    kafka = Kafka(brokers)
    rnd = random.Random(11)
    topic = kafka.make(f"drift-{os.getpid()}", 3)
    kafka.make(f"{topic}-outcomes", 2)
    rows = list(predictions(rnd))
    labels, label = outcomes(rnd, rows)
    kafka.produce(f"{topic}-outcomes", [{"partition": int(r["id"][1:]) % 2, "value": json.dumps(r),
                                         "timestamp": max(r["at"], T0 + DAY)} for r in labels])
    records = [{"partition": p, "value": json.dumps(r), "timestamp": max(r["at"], T0 + DAY)} for p, r, _ in rows]
    records.insert(3000, {"partition": 1, "value": b'{"at": 1, "score": "no"', "timestamp": T0 + DAY})
    records.insert(4000, {"partition": 2, "value": json.dumps({**rows[0][1], "at": T0 + 900 * DAY}),
                          "timestamp": T0 + DAY})  # from the future
    kafka.produce(topic, records)
    with open(os.path.join(tmp, "job.yaml"), "w") as f:
        f.write(JOB.format(topic=topic))
    more = ["--by", "model", "--categories", "stops"]
    exits(0, "baseline", "job.yaml", "delay_model", "--brokers", brokers, "--from", "2013-01-02",
          "--to", "2013-01-04T12:00:00Z", "--out", "topic.json", *more)
    kept = [r for _, r, good in rows if good and T0 + DAY <= r["at"] < T0 + 3.5 * DAY]
    assert 500 < len(kept) < 5000, len(kept)
    columns = {k: [r[k] for r in kept] for k in ["model", *COLUMNS]}
    columns["bought"] = [label.get(r["id"]) for r in kept]
    assert columns["bought"].count(True) > 100 and columns["bought"].count(None) > 500
    files.write(os.path.join(tmp, "kept.parquet"), columns)
    exits(0, "baseline", "job.yaml", "delay_model", "--data", "kept.parquet", "--label", "bought", "--out", "file.json",
          *more)
    (a, head), (b, _) = body(os.path.join(tmp, "topic.json")), body(os.path.join(tmp, "file.json"))
    assert [s["segment"] for s in a["segments"]] == [None, {"model": None}, {"model": "1"}, {"model": "2"}]
    of_topic, of_file = ([s.pop("errors") for s in x["segments"]] for x in (a, b))
    assert a == b and (head["score"], head["label"]) == ("score", "bought")
    assert near(of_topic, of_file), (of_topic, of_file)
    assert (head["job"], head["monitor"]) == ("predicted", "delay_model")
    origin = head["origin"]
    assert (origin["topic"], origin["from"], origin["to"]) == (topic, "2013-01-02", "2013-01-04T12:00:00Z")
    assert [o["partition"] for o in origin["offsets"]] == [0, 1, 2]
    assert sum(o["last"] + 1 for o in origin["offsets"]) == len(records)
    bad(exits, brokers)
    check_memory(kafka, brokers, tmp, exits)
    held(kafka, brokers, tmp, exits)


def check_memory(kafka, brokers, tmp, exits):
    """Many predictions of few values: more than --memory is, but not once equal values are put together."""
    rnd = random.Random(12)
    topic = kafka.make(f"drift-{os.getpid()}-few", 1)
    kafka.make(f"{topic}-outcomes", 1)
    rows = [{"at": T0 + i, "model": 1 + i % 2, "score": rnd.randrange(100) / 100,
             "delay": rnd.choice([None, *map(float, range(50))]), "carrier": f"carrier-{rnd.randrange(30):092}",
             "stops": rnd.randrange(4)} for i in range(360_000)]
    kafka.produce(topic, [{"partition": 0, "value": json.dumps(r), "timestamp": r["at"]} for r in rows])
    with open(os.path.join(tmp, "few.yaml"), "w") as f:
        f.write(JOB.format(topic=topic))
    files.write(os.path.join(tmp, "few.parquet"), {k: [r[k] for r in rows] for k in ["model", *COLUMNS]})
    more = ["--by", "model"]
    exits(0, "baseline", "few.yaml", "delay_model", "--brokers", brokers, "--memory", "64M", "--out", "few.json", *more)
    exits(0, "baseline", "few.yaml", "delay_model", "--data", "few.parquet", "--out", "few-file.json", *more)
    (a, _), (b, _) = body(os.path.join(tmp, "few.json")), body(os.path.join(tmp, "few-file.json"))
    for s in a["segments"]:
        s.pop("errors", None)  # no labels in the file
    assert a == b and a["segments"][0]["rows"] == len(rows)


def held(kafka, brokers, tmp, exits):
    """What stands behind a transaction that is still open is waited for: a baseline of what came before it would pass
    for one of all. Kafka itself ends the transaction, after longer than a look-up would wait. (What is said when nobody
    ends it: tests/unit/cli_scan.c.)"""
    topic = kafka.make(f"drift-held-{os.getpid()}", 1)
    kafka.make(f"{topic}-outcomes", 1)
    row = {"at": T0, "score": 0.5, "carrier": "AA", "stops": 1, "id": "p"}
    record = {"partition": 0, "value": json.dumps(row), "timestamp": T0}
    kafka.produce(topic, [record] * 20)
    with open(os.path.join(tmp, "held.yaml"), "w") as f:
        f.write(JOB.format(topic=topic))
    stuck = Producer({"bootstrap.servers": brokers, "transactional.id": topic, "transaction.timeout.ms": 8000,
                      "log_level": 0})
    stuck.init_transactions(30)
    stuck.begin_transaction()
    stuck.produce(topic, **record)
    assert stuck.flush(30) == 0
    kafka.produce(topic, [record] * 30)
    answer = exits(0, "baseline", "held.yaml", "delay_model", "--brokers", brokers, "--out", "held.json", "--format",
                   "json")
    assert json.loads(answer.stdout)["rows"] == 50, answer.stdout


def bad(exits, brokers):
    ask = ["baseline", "job.yaml", "delay_model", "--brokers", brokers, "--out", "x.json"]
    for args, says in [
        (["baseline", "job.yaml", "delay_modl", "--out", "x.json"], "did you mean delay_model?"),
        ([*ask, "--from", "yesterday"], "is no time"),
        ([*ask, "--from", "2013-01-02", "--to", "2013-01-02"], "--from is not before --to"),
        ([*ask, "--by", "carrier"], "has no carrier among the columns of its 'by'"),
        ([*ask, "--columns", "score"], "--columns is for --data"),
        ([*ask, "--categories", "score"], "score is not of whole numbers"),
        ([*ask, "--data", "kept.parquet", "--from", "2013-01-02"], "are for a topic"),
    ]:
        r = exits(2, *args)
        assert says in r.stderr, (args, r.stderr)
