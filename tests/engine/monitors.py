# SPDX-License-Identifier: Apache-2.0
"""Monitors on a real Kafka: windows and alerts exactly once over kills, the webhook, what the node shows."""
import collections
import csv
import http.server
import json
import os
import random
import shutil
import threading

import fastavro

from until import until
from world import Case, exits, shared

T0 = 1_700_000_040_000  # a full minute
WINDOW = 60_000
AVRO_HEAD = 10  # of the single-object framing

JOB = """job: j
sources:
  predictions:
    {{ topic: {predictions}, format: json, time: at, lateness: 5s,
      schema: {{type: record, name: p, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
        {{name: id, type: string}}, {{name: version, type: string}}, {{name: x, type: ["null", double]}},
        {{name: color, type: string}}, {{name: score, type: double}}]}} }}
  outcomes:
    {{ topic: {outcomes}, format: json, time: at, lateness: 5s,
      schema: {{type: record, name: o, fields: [{{name: at, type: {{type: long, logicalType: timestamp-millis}}}},
        {{name: id, type: string}}, {{name: late, type: boolean}}]}} }}
monitors:
  model:
    from: predictions
    by: [version]
    columns: [x, color, score]
    baseline: baseline.json
    window: 1m
    tests: {{ psi: 0.25, ks: 0.25, new_category: 0.1, brier: 0.4 }}
    sustain: 2
    min_rows: 20
    id: id
    score: score
    labels: {{ from: outcomes, id: id, value: late, wait: 2m }}
"""


class Alertmanager:
    """Keeps what is posted; refuses the first post, and who does not log in."""

    def __init__(self):
        self.posts, self.refused = [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fine = self.path == "/api/v2/alerts" and self.headers["Authorization"] == "Bearer s3cret"
                if not fine or not outer.refused:
                    outer.refused += 1
                    self.send_response(503)
                else:
                    outer.posts.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def alerts(self):
        """The newest of each."""
        return {tuple(a["labels"][k] for k in ("monitor", "segment", "column", "test")): a
                for post in self.posts for a in post}


def reference(case):
    """1,000 rows as the stream's first windows have them, and the baseline made of them."""
    chance = random.Random(7)
    path = os.path.join(case.folder, "reference.csv")
    with open(path, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["x", "color", "score", "late"])
        for _ in range(1000):
            out.writerow([f"{chance.gauss(10, 3):.3f}", chance.choice(["red", "blue"]), f"{chance.random():.3f}",
                          chance.randrange(2)])
    exits(0, "baseline", "--data", path, "--out", os.path.join(case.folder, "baseline.json"),
          "--columns", "x,color,score", "--score", "score", "--label", "late")


def prediction(chance, window, k):
    """From window 4 to 8 x has moved in version b; its scores are always wrong."""
    version = "ab"[k % 2]
    moved = version == "b" and 4 <= window < 8
    return {"at": T0 + window * WINDOW + k * 500, "id": f"{window}-{k}", "version": version,
            "x": round(chance.gauss(20 if moved else 10, 3), 3), "color": chance.choice(["red", "blue"]),
            "score": 0.0 if version == "b" else 0.9}


def window_produce(case, chance, window, count=120):
    rows = [prediction(chance, window, k) for k in range(count)]
    case.kafka.produce(case.predictions, [{"value": json.dumps(r), "partition": i % 3} for i, r in enumerate(rows)])
    case.kafka.produce(case.outcomes, [
        {"value": json.dumps({"at": r["at"] + 1000, "id": r["id"], "late": True}), "partition": i % 2}
        for i, r in enumerate(rows)])
    return rows


def records(case, topic):
    """Committed ones, decoded by the schema that weir published."""
    schemas = {m.key().decode(): json.loads(m.value()) for m in case.kafka.read(f"{case.prefix}.schemas")}
    out = []
    for m in case.kafka.read(topic):
        schema = schemas[f"{int.from_bytes(m.value()[2:10], 'little'):016x}"]
        with open(os.path.join(case.folder, "record"), "wb+") as f:
            f.write(m.value()[AVRO_HEAD:])
            f.seek(0)
            out.append((m.key(), fastavro.schemaless_reader(f, schema)))
    return out


def ms(t):
    return round(t.timestamp() * 1000)


def value(record, test):
    return next(t["value"] for t in record["tests"] if t["test"] == test)


def check_records(case, windows):
    got = records(case, f"{case.prefix}.j.drift")
    features = [k for k, r in got if r["column"] != "_error"]
    assert len(features) == len(set(features)), "a window came twice"
    newest = {k: r for k, r in got}
    count = collections.Counter()
    for r in newest.values():
        window = (ms(r["window_start"]) - T0) // WINDOW
        if window >= windows:
            continue
        assert ms(r["window_end"]) - ms(r["window_start"]) == WINDOW
        assert r["rows"] == 60, r
        count[r["segment"]["version"], r["column"]] += 1
        if r["column"] == "x":
            moved = r["segment"]["version"] == "b" and 4 <= window < 8
            assert (value(r, "ks") > 0.5) == moved, r
        if r["column"] == "_error" and window < windows - 3:
            assert r["nulls"] == 0, r
            assert abs(value(r, "brier") - (1.0 if r["segment"]["version"] == "b" else 0.01)) < 1e-9, r
    assert all(count[v, c] == windows for v in "ab" for c in ("x", "color", "score")), count


def check_alerts(case):
    got = [(a["segment"]["version"], a["column"], a["test"], a["state"], (ms(a["window_start"]) - T0) // WINDOW)
           for _, a in records(case, f"{case.prefix}.alerts")]
    assert len(got) == len(set(got)), got
    of_x = [g for g in got if g[1] == "x" and g[2] == "ks"]
    assert of_x == [("b", "x", "ks", "firing", 5), ("b", "x", "ks", "resolved", 9)], got
    assert ("b", "_error", "brier", "firing", 1) in got, got
    assert not [g for g in got if g[1] == "color"], got
    return sum(1 if g[3] == "firing" else -1 for g in got)


def settled(case, windows):
    """Records and alerts that nothing can change any more, as bytes; labels restate for 2 windows."""
    drift = {m.key(): m.value() for m in case.kafka.read(f"{case.prefix}.j.drift")}
    return ({k: drift[k] for k, r in records(case, f"{case.prefix}.j.drift")
             if (ms(r["window_start"]) - T0) // WINDOW < windows - 3 * (r["column"] == "_error")},
            sorted(m.value() for m, (_, a) in zip(case.kafka.read(f"{case.prefix}.alerts"), records(case, f"{case.prefix}.alerts"))
                   if (ms(a["window_start"]) - T0) // WINDOW < windows - 3))


def check_without_kills(case, windows, *more):
    """The same job over the same topics, in one go, gives the same."""
    calm = Case(shared(), topic=case.topic)
    shutil.copy(os.path.join(case.folder, "baseline.json"), calm.folder)
    calm.write(JOB.format(predictions=case.predictions, outcomes=case.outcomes))
    calm.deploy()
    with calm.node(*more) as node:
        node.await_ready(60)
        await_window(node, windows)
        want = settled(case, windows)
        until(lambda: settled(calm, windows) == want, 60, lambda: (
            [k for k in want[0] if want[0][k] != settled(calm, windows)[0].get(k)][:5], len(want[1]), len(settled(calm, windows)[1])))
        node.stops()


def await_window(node, windows):
    until(lambda: node.metric("weir_drift_window_end_seconds", job="j", monitor="model") ==
          (T0 + (windows + 1) * WINDOW) / 1000, 60, lambda: (node.request("/metrics")[1][-3000:], node.log()[-3000:]))


def test_windows_alerts_and_the_webhook_over_kills():
    case, manager = Case(shared()), Alertmanager()
    case.predictions = case.kafka.make(f"{case.topic}-p", 3)
    case.outcomes = case.kafka.make(f"{case.topic}-o", 2)
    reference(case)
    case.write(JOB.format(predictions=case.predictions, outcomes=case.outcomes))
    case.deploy()
    secret = os.path.join(case.folder, "secret")
    with open(secret, "w") as f:
        f.write("Bearer s3cret\n")
    more = ("--alertmanager", manager.url, "--alertmanager-auth-file", secret, "--commit-interval", "100ms")
    chance = random.Random(11)
    windows = 14
    for window in range(windows + 2):
        window_produce(case, chance, window)
        if window in (3, 6, 9):  # dies with windows open
            with case.node(*more) as node:
                node.await_ready(60)
                case.await_consumed(node=node, topic=case.predictions)
                node.kill()
    with case.node(*more) as node:
        node.await_ready(60)
        case.await_consumed(node=node, topic=case.predictions)
        await_window(node, windows)
        check_records(case, windows)
        firing = check_alerts(case)
        key = ("model", '{"version":"b"}', "x", "ks")
        until(lambda: "endsAt" in manager.alerts().get(key, {}), 30, lambda: (manager.posts[-2:], node.log()[-3000:]))
        wrong = manager.alerts()["model", '{"version":"b"}', "_error", "brier"]
        assert "endsAt" not in wrong and wrong["labels"]["alertname"] == "WeirDrift", wrong
        assert manager.refused == 1, manager.refused
        assert node.metric("weir_alerts_firing", job="j") == firing
        assert node.metric("weir_alerts_failed_posts") <= 1  # the one that was refused, unless another node made it
        shown = node.json("/jobs/j/drift")
        x = next(s for s in shown["series"] if s["column"] == "x" and s["segment"] == {"version": "b"})
        assert len(x["windows"]) == windows + 1 and len(x["bins"]) > 5, x
        assert [t["test"] for t in x["tests"]] == ["psi", "ks"]
        summary = node.json("/jobs/j")
        assert summary["monitors"] == 1 and summary["alerts_firing"] == firing, summary
        node.stops()
    check_without_kills(case, windows, "--commit-interval", "100ms")
