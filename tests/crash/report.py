# SPDX-License-Identifier: Apache-2.0
"""docs/crash-report.md: what a long run did, with what seed, and what came of it."""
import datetime
import os
import platform
import subprocess

from servers import ROOT

PATH = os.environ.get("WEIR_CRASH_REPORT", os.path.join(ROOT, "docs", "crash-report.md"))


def version():
    return subprocess.run([os.environ["WEIR_BIN"], "--version"], capture_output=True, text=True).stdout.strip()


def commit():
    r = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return r.stdout.strip() or "unknown"


def cell(found):
    if isinstance(found, dict):
        return ", ".join(f"{v} {k}" if isinstance(v, int) else f"{k}: {cell(v)}" for k, v in found.items() if v != {})
    return str(found).replace("|", "\\|").replace("\n", " ")[:300]


def kills_text(run):
    out = []
    for kind, name, ok, seconds, found in run.results:
        if kind == "kills" and isinstance(found, dict):
            where = ", ".join(f"{n} {p}" for p, n in sorted(found["where"].items(), key=lambda x: -x[1]))
            out.append(f"- {name}: {where}.")
            if found["not met"]:
                out.append(f"  Not reached in time, killed there all the same: {', '.join(found['not met'])}.")
    return "\n".join(out)


def write(run, seconds):
    total = sum(f["kills"] for k, _, ok, _, f in run.results if k == "kills" and ok)
    rows = "\n".join(f"| {kind} | {name} | {'right' if ok else '**WRONG**'} | {s:.0f} s | {cell(f)} |"
                     for kind, name, ok, s, f in ((k, n, o, s, {x: y for x, y in f.items() if x not in ("where", "not met")}
                                                   if isinstance(f, dict) else f) for k, n, o, s, f in run.results))
    text = f"""# Crash report

Written by `tests/crash/run --night --kills {run.args.kills} --seed {run.seed}` on {datetime.date.today()}, {version()} at {commit()},
{os.cpu_count()} processors, {platform.system()} {platform.release().split('-')[0]}, {seconds / 60:.0f} minutes.

**{total} kills**, {sum(r[2] for r in run.results)} of {len(run.results)} parts right. Right means: every row of the offline topics is the one that the
oracle computes from the input topic, in order, none more and none less; Redis is equal to it byte for byte; no version
in Redis ever fell; no full restore but where a fault calls for one. `rule` is the reverse: a rule of the protocol is
switched off, and it is right when the check notices. The seed of each part is the run's.

| Part | Name | Outcome | Time | Figures |
|-|-|-|-|-|
{rows}

Where the kills were:

{kills_text(run)}
"""
    with open(PATH, "w") as f:
        f.write(text)
