#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a skew monitor costs: CPU seconds per million predictions, by `weir try` over the same events with the monitor
and without it, in turns. With every fourth prediction a row of the view comes; 10,000 entities, windows of five minutes.
What is compared is decoded (JSON), goes through the channel and the state, and is compared as in the engine; there is
no broker and no disk.

    bench/skew.py --weir build/release/weir [--predictions 400000] [--columns 20] [--rounds 3]
"""
import argparse
import json
import os
import random
import resource
import subprocess
import tempfile

T0, STEP_MS, ENTITIES = 1735689600000, 20, 10_000

JOB = """job: b
sources:
  a: {{ topic: a, format: json, time: at, key: id, lateness: 1m,
    schema: {{type: record, name: a, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
      {{name: id, type: string}}, {made}]}} }}
  p: {{ topic: p, format: json, time: at, key: id, lateness: 1m,
    schema: {{type: record, name: p, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
      {{name: id, type: string}}, {{name: score, type: double}}, {served}]}} }}
views:
  v: {{ entity: [id], from: a, features: {{ {features} }} }}
  seen: {{ entity: [id], from: p, expiry: none, features: {{ score: last(score) }} }}
"""
MONITOR = """monitors:
  m: {{ from: p, window: 5m, skew: {{ view: v, entity: [id], features: {{ {pairs} }} }} }}
"""


def write_jobs(folder, columns):
    def fields(text):
        return ", ".join(text.format(i) for i in range(columns))
    job = JOB.format(made=fields("{{name: x{0}, type: double}}"), features=fields("f{0}: last(x{0})"),
                     served=fields('{{name: p{0}, type: ["null", double], default: null}}'))
    for name, more in (("without", ""), ("with", MONITOR.format(pairs=fields("p{0}: f{0}")))):
        with open(os.path.join(folder, name + ".yaml"), "w", encoding="utf-8") as file:
            file.write(job + more)


def write_events(folder, predictions, columns):
    rnd, newest = random.Random(3), {}
    with open(os.path.join(folder, "events.jsonl"), "w", encoding="utf-8") as file:
        def put(source, entity, at, more):
            file.write(json.dumps({"source": source, "key": entity, "timestamp": at,
                                   "value": {"at": at, "id": entity, **more}}) + "\n")
        for i in range(predictions):
            at, entity = T0 + i * STEP_MS, f"E{rnd.randrange(ENTITIES)}"
            if i % 4 == 0:
                newest[entity] = [round(rnd.random() * 100, 3) for _ in range(columns)]
                put("a", entity, at, {f"x{k}": v for k, v in enumerate(newest[entity])})
            put("p", entity, at + 5, {"score": 0.5, **{f"p{k}": v for k, v in enumerate(newest.get(entity, []))}})


def cpu_seconds(weir, folder, name):
    """Of one run; and how many values were compared and differ."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([weir, "try", name + ".yaml", "--events", "events.jsonl"], cwd=folder, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    records = [json.loads(line) for line in out.splitlines() if line.startswith('{"monitor"')]
    compared = sum(r["rows"] - r["nulls"] for r in records)
    differ = sum(len(r["examples"]) for r in records)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, compared, differ


def main():
    parser = argparse.ArgumentParser(description="CPU seconds per million predictions of a skew monitor.")
    parser.add_argument("--weir", required=True)
    parser.add_argument("--predictions", type=int, default=400_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    weir = os.path.abspath(args.weir)
    with tempfile.TemporaryDirectory() as folder:
        write_jobs(folder, args.columns)
        write_events(folder, args.predictions, args.columns)
        for _ in range(args.rounds):
            without, _, _ = cpu_seconds(weir, folder, "without")
            more, compared, differ = cpu_seconds(weir, folder, "with")
            assert compared and not differ, (compared, differ)
            print(f"{(more - without) / args.predictions * 1e6:6.2f} s CPU per million predictions of {args.columns} columns "
                  f"({without / args.predictions * 1e6:.2f} s without it); {compared:,} values compared, {differ} differ", flush=True)


main()
