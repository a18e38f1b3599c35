# SPDX-License-Identifier: Apache-2.0
"""docs/crash-report.md: what a long run did, with what seeds, and what came of it. It is written from the parts'
results, one line each, so that a run may end early and parts may be added."""
import datetime
import json
import os
import platform
import re
import subprocess
import threading
from collections import Counter

from servers import ROOT

PATH = os.environ.get("WEIR_CRASH_REPORT", os.path.join(ROOT, "docs", "crash-report.md"))
KAFKA = os.environ.get("WEIR_SANDBOX_KAFKA")  # another one than the newest


def version():
    return subprocess.run([os.environ["WEIR_BIN"], "--version"], capture_output=True, text=True).stdout.strip()


def commit():
    r = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return r.stdout.strip() or "unknown"


class Results:
    """A file of parts, of this run and of those before it; the last of a name counts."""

    def __init__(self, path):
        self.path, self.lock, self.counts = path, threading.Lock(), [0, 0]
        self.new = not os.path.exists(path)
        self.about = {"version": version(), "commit": commit(), "date": str(datetime.date.today())}

    def add(self, kind, name, seed, ok, seconds, found):
        name += f", Kafka {KAFKA}" if KAFKA else ""
        part = {"kind": kind, "name": name, "seed": seed, "ok": ok, "seconds": round(seconds),
                "found": found if isinstance(found, dict) else str(found), **self.about}
        with self.lock:
            self.counts[not ok] += 1
            with open(self.path, "a") as f:
                f.write(json.dumps(part) + "\n")

    def here(self):
        """How many parts of this run were right, and wrong."""
        return self.counts

    def parts(self):
        with open(self.path) as f:
            parts = [json.loads(line) for line in f]
        last = {(p["kind"], p["name"], p["seed"] if p["kind"] == "kills" else 0): p for p in parts}
        return sorted(last.values(), key=lambda p: ("kills", "fault", "rule").index(p["kind"]))


def cell(found):
    if isinstance(found, dict):
        return ", ".join(f"{v} {k}" if isinstance(v, int) else f"{k}: {cell(v)}" for k, v in found.items()
                         if k not in ("where", "not met", "seconds"))
    return str(found).replace("|", "\\|").replace("\n", " ")[:300]


def row(p):
    outcome = "right" if p["ok"] else "**WRONG**"
    return f"| {p['kind']} | {p['name']} | {p['commit']} | {p['seed']} | {outcome} | {p['seconds']} s | {cell(p['found'])} |"


def places(parts):
    """Where the kills were, all together; and what was asked for and not met."""
    at, unmet = Counter(), Counter()
    for p in parts:
        if p["kind"] == "kills" and p["ok"]:
            at.update(p["found"]["where"])
            unmet.update(p["found"]["not met"])
    text = ", ".join(f"{n} {where}" for where, n in at.most_common()) + "."
    if unmet:
        text += f"\n\nNot reached in time, killed there all the same: {', '.join(f'{n} {w}' for w, n in unmet.most_common())}."
    return text


HEAD = re.compile(r"^Written by `tests/crash/run --night` on (.*?), (weir .*?), \d+ processors", re.M | re.S)
COUNT = re.compile(r"^\*\*(\d+) kills\*\*, (\d+) of (\d+) parts right", re.M)
BEFORE = "\n## Runs before it\n\n"


def before(new):
    """A line for each run before this one: of the report that is there, and those it has. The report of the same
    results, which was written before some of them, is not one of them."""
    try:
        with open(PATH) as f:
            old = f.read()
    except FileNotFoundError:
        return ""
    lines = old.split(BEFORE)[1].strip() if BEFORE in old else ""
    head, count = HEAD.search(old), COUNT.search(old)
    if new and head and count:
        what = " ".join(head[2].split())
        lines = f"- {head[1]}: {count[1]} kills, {count[2]} of {count[3]} parts right; {what}\n{lines}".strip()
    return f"{BEFORE}{lines}\n" if lines else ""


def otherwise(results):
    """What came out wrong and was run again: the table has the last run of each."""
    with open(results.path) as f:
        wrong = [p for p in map(json.loads, f) if not p["ok"]]
    lines = [f"- {p['kind']} {p['name']}, seed {p['seed']}, at {p['commit']}: {cell(p['found'])}" for p in wrong]
    return "\nCame out wrong, in this order; the table has the last run of each part:\n\n" + "\n".join(lines) + "\n" if wrong else ""


def write(results):
    parts = results.parts()
    kills = sum(p["found"]["kills"] for p in parts if p["kind"] == "kills" and p["ok"])
    builds = ", ".join(dict.fromkeys(f"{p['version']} at {p['commit']}" for p in parts))
    dates = sorted({p["date"] for p in parts})
    rows = "\n".join(map(row, parts))
    text = f"""# Crash report

Written by `tests/crash/run --night` on {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, {builds}, {os.cpu_count()} processors that did other
work too, {platform.system()} {platform.release().split('-')[0]}.

**{kills} kills**, {sum(p['ok'] for p in parts)} of {len(parts)} parts right. Right means: every row of the offline topics is the one that the
oracle computes from the input topic, in order, none more and none less; Redis is equal to it byte for byte; the local
stores are the changelog's fold, and that is the oracle's; no version in Redis ever fell; no full restore but where a
fault calls for one. `rule` is the reverse: a rule of the protocol is switched off, and it is right when the check
notices. `--seed` draws a part again: `--fault NAME --seed SEED`, `--kills N --nodes M --seed SEED`.
{otherwise(results)}
| Part | Name | Build | Seed | Outcome | Time | Figures |
|-|-|-|-|-|-|-|
{rows}

Where the kills were: {places(parts)}
{before(results.new)}"""
    with open(PATH, "w") as f:
        f.write(text)
