# SPDX-License-Identifier: Apache-2.0
"""Served values beside computed ones on a real Kafka, exactly once over kills: one feature of one carrier is served
scaled by 1.1, and that is what is found. The view is behind a repartition topic."""
import collections
import json
import random

from monitors import ms, records, value
from until import until
from world import Case, shared

T0 = 1_700_000_040_000  # a full minute
WINDOW = 60_000
WINDOWS = 9
PLANES = [f"N{i}" for i in range(24)]
SCALED = "UA"

JOB = """job: j
sources:
  arrivals:
    {{ topic: {arrivals}, format: json, time: at, lateness: 5s,
      schema: {{type: record, name: a, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
        {{name: tailnum, type: string}}, {{name: delay, type: double}}]}} }}
  predictions:
    {{ topic: {predictions}, format: json, time: at, lateness: 5s,
      schema: {{type: record, name: p, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
        {{name: plane, type: ["null", string]}}, {{name: carrier, type: string}},
        {{name: delay, type: ["null", double]}}, {{name: n, type: ["null", long]}}]}} }}
views:
  planes:
    entity: [tailnum]
    from: arrivals
    features: {{ last_delay: last(delay), arrivals: count() }}
monitors:
  served:
    from: predictions
    by: [carrier]
    skew: {{ view: planes, entity: [plane], features: {{ delay: last_delay, n: arrivals }} }}
    window: 1m
    tests: {{ skew: 0.05 }}
    sustain: 2
"""


def carrier(plane):
    return ["AA", SCALED, "DL"][int(plane[1:]) % 3]


class World:
    """What was produced; served values are those as of the prediction's time."""

    def __init__(self, case):
        self.case, self.chance, self.last, self.count = case, random.Random(5), {}, collections.Counter()
        self.rows, self.wrong = collections.Counter(), collections.Counter()

    def predict(self, at, window):
        plane = self.chance.choice(PLANES)
        c, delay = carrier(plane), self.last.get(plane)
        self.rows[c, window] += 1
        self.wrong[c, window] += c == SCALED and delay is not None
        served = delay * 1.1 if c == SCALED and delay is not None else delay
        return {"at": at, "plane": plane, "carrier": c, "delay": served, "n": self.count[plane] or None}

    def window(self, window, every=250):
        arrivals, predictions = [], []
        for at in range(T0 + window * WINDOW, T0 + (window + 1) * WINDOW, every):
            if self.chance.random() < 0.5:
                plane, delay = self.chance.choice(PLANES), round(self.chance.uniform(1, 90), 3)
                self.last[plane] = delay
                self.count[plane] += 1
                arrivals.append({"at": at, "tailnum": plane, "delay": delay})
            predictions.append(self.predict(at, window))
        # Predictions are read a few seconds out of order; arrivals by plane.
        predictions.sort(key=lambda p: p["at"] + self.chance.randrange(3000))
        kafka = self.case.kafka
        kafka.produce(self.case.arrivals, [
            {"value": json.dumps(a), "partition": int(a["tailnum"][1:]) % 2} for a in arrivals])
        kafka.produce(self.case.predictions, [
            {"value": json.dumps(p), "partition": i % 3} for i, p in enumerate(predictions)])


def check_records(case, world):
    got = records(case, f"{case.prefix}.j.drift")
    assert len(got) == len({k for k, _ in got}), "a window came twice"
    seen = collections.Counter()
    for _, r in got:
        window, c = (ms(r["window_start"]) - T0) // WINDOW, r["segment"]["carrier"]
        if window >= WINDOWS:
            continue
        seen[window] += 1
        assert (r["rows"], r["nulls"], r["reference_rows"]) == (world.rows[c, window], 0, world.rows[c, window]), r
        wrong = world.wrong[c, window] if r["column"] == "delay" else 0
        assert abs(value(r, "skew") - wrong / r["rows"]) < 1e-12, r
        assert len(r["examples"]) == min(wrong, 3), r
        for x in r["examples"]:
            assert carrier(x["entity"]) == SCALED, r
            assert abs(float(x["served"]) / float(x["computed"]) - 1.1) < 1e-9, r
    assert seen == {w: 6 for w in range(WINDOWS)}, seen


def test_a_scaled_feature_is_found_and_named_over_kills():
    case = Case(shared())
    case.arrivals = case.kafka.make(f"{case.topic}-a", 2)
    case.predictions = case.kafka.make(f"{case.topic}-p", 3)
    case.write(JOB.format(arrivals=case.arrivals, predictions=case.predictions))
    case.deploy()
    world = World(case)
    for window in range(WINDOWS + 2):
        world.window(window)
        if window in (2, 5):  # dies with windows open
            with case.node("--commit-interval", "100ms") as node:
                node.await_ready(60)
                case.await_consumed(node=node, topic=case.predictions)
                node.kill()
    with case.node("--commit-interval", "100ms") as node:
        node.await_ready(60)
        case.await_consumed(node=node, topic=case.predictions)
        until(lambda: node.metric("weir_drift_window_end_seconds", job="j", monitor="served") ==
              (T0 + (WINDOWS + 1) * WINDOW) / 1000, 60, lambda: (node.request("/metrics")[1][-3000:], node.log()[-3000:]))
        check_records(case, world)
        alerts = [(a["segment"]["carrier"], a["column"], a["test"], a["state"])
                  for _, a in records(case, f"{case.prefix}.alerts")]
        assert alerts == [(SCALED, "delay", "skew", "firing")], alerts
        shown = next(s for s in node.json("/jobs/j/drift")["series"]
                     if s["column"] == "delay" and s["segment"] == {"carrier": SCALED})
        assert [t["test"] for t in shown["tests"]] == ["skew"] and shown["bins"][0][0] == "equal", shown
        assert all(w["breached"] == [True] for w in shown["windows"]), shown
        assert node.metric("weir_drift_breached_tests", job="j", monitor="served") == 1
        node.stops()
