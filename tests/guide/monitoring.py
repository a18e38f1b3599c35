# SPDX-License-Identifier: Apache-2.0
"""docs/guide/monitoring.md: its job and its commands, over generated predictions whose amount moves half-way."""
import csv
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TMP = tempfile.mkdtemp(prefix="guide.", dir=os.environ.get("WEIR_TMP"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
WEIR = os.environ.get("WEIR_BIN", os.path.join(ROOT, "build/release/weir"))
T0, HOUR = 1735689600000, 3_600_000


def block(language, word, page="monitoring"):
    with open(os.path.join(ROOT, f"docs/guide/{page}.md")) as f:
        found = re.findall(rf"```{language}\n# ([^\n]*)\n(.*?)```", f.read(), re.S)
    return next(text for first, text in found if first == word)


def run(text):
    words = shlex.split(text)
    assert words[0] == "weir", text
    r = subprocess.run([WEIR, *words[1:]], env=ENV, cwd=TMP, capture_output=True, text=True, timeout=180)
    assert r.returncode == 0, (text, r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    return r.stdout


def row(rnd, moved):
    return {"amount": round(rnd.gauss(150 if moved else 50, 10), 2), "country": rnd.choice(["DE", "FR"]),
            "score": round(rnd.random(), 3)}


rnd = random.Random(3)
with open(os.path.join(TMP, "reference.csv"), "w", newline="") as f:
    out = csv.DictWriter(f, ["amount", "country", "score", "fraud"])
    out.writeheader()
    for _ in range(1000):
        out.writerow({**row(rnd, False), "fraud": rnd.randrange(2)})
with open(os.path.join(TMP, "predictions.jsonl"), "w") as f:
    for i in range(120 * 10):
        at = T0 + i * HOUR // 120
        p = {"at": at, "id": str(i), "model_version": "7", **row(rnd, i >= 120 * 4)}
        f.write(json.dumps({"source": "predictions", "timestamp": at, "value": p}) + "\n")
        o = {"at": at, "id": str(i - 60), "fraud": bool(rnd.randrange(2))}
        f.write(json.dumps({"source": "outcomes", "timestamp": at, "value": o}) + "\n")
with open(os.path.join(TMP, "monitor.yaml"), "w") as f:
    f.write(block("yaml", "monitor.yaml"))

run(block("sh", "baseline"))
assert "closed when every partition is 1m past its end" in run("weir check monitor.yaml --plan")
lines = [json.loads(x) for x in run(block("sh", "try")).splitlines()]
records = [x for x in lines if "tests" in x]
alerts = [(x["column"], x["test"], x["state"], (x["window_start"] - T0) // HOUR) for x in lines if "state" in x]
amount = [x for x in records if x["column"] == "amount"]
assert [x["window_start"] for x in amount] == [T0 + k * HOUR for k in range(9)], amount
assert all(x["rows"] == 120 and x["reference_rows"] == 1000 and x["segment"] == {"model_version": "7"} for x in amount)
breached = [[t["breached"] for t in x["tests"] if t["test"] == "psi"][0] for x in amount]
assert breached == [False] * 4 + [True] * 5, breached
assert ("amount", "psi", "firing", 5) in alerts and not [a for a in alerts if a[0] == "country"], alerts
errors = [x for x in records if x["column"] == "_error" and x["window_start"] == T0]
assert errors[-1]["nulls"] == 0, errors
# Served values: the job here, its test in the guide on testing.
os.mkdir(os.path.join(TMP, "tests"))
for name, text in (("skew.yaml", block("yaml", "skew.yaml")),
                   ("tests/served.yaml", block("yaml", "tests/served.yaml", "testing-jobs"))):
    with open(os.path.join(TMP, name), "w") as f:
        f.write(text)
assert "mean_delay with plane_delays:mean_delay_24h" in run("weir check skew.yaml --plan")
assert "1 passed, 0 failed" in run("weir test skew.yaml")
shutil.rmtree(TMP, ignore_errors=True)
print("suite: 1 passed, 0 failed")
