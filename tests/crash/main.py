# SPDX-License-Identifier: Apache-2.0
"""Kills, faults and broken rules against real servers; see tests/crash/README.md."""
import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import faults
import kills
import report
import rules
from box import Box

TMP = tempfile.mkdtemp(prefix="crash.", dir=os.environ.get("WEIR_TMP"))


def arguments():
    p = argparse.ArgumentParser(prog="tests/crash/run", description=__doc__)
    p.add_argument("--kills", type=int, default=50, metavar="N", help="kill -9 so often (50)")
    p.add_argument("--seed", type=int, metavar="S", help="of all that is random; printed, to do it again")
    p.add_argument("--fault", action="append", metavar="NAME", help="this fault alone; may be given more than once")
    p.add_argument("--rule", action="append", metavar="NAME", help="this rule switched off alone; likewise")
    p.add_argument("--night", action="store_true", help="1000 kills unless --kills is given, and all the faults; writes docs/crash-report.md")
    p.add_argument("--list", action="store_true", help="the names of the faults and of the rules")
    a = p.parse_args()
    if a.night and "--kills" not in " ".join(sys.argv):
        a.kills = 1000
    return a


def say(text):
    print(text, flush=True)


class Run:
    def __init__(self, args):
        self.args, self.seed = args, args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
        self.results = []  # (kind, name, ok, seconds, figures or why)
        self.lane, self.boxes = threading.local(), []

    def servers(self):
        """Of this lane."""
        if not hasattr(self.lane, "box"):
            self.lane.box = Box(tempfile.mkdtemp(prefix="sandbox.", dir=TMP))
            self.boxes.append(self.lane.box)
        return self.lane.box

    def one(self, kind, name, what):
        since, world, ok = time.monotonic(), [], True
        try:
            found = what(world)
        except Exception as e:
            ok, found = False, f"{type(e).__name__}: {e}"
            say("".join(traceback.format_exception(e, limit=-4)))
        seconds = time.monotonic() - since
        for w in faults.World.living():
            w.close(keep=not ok)
            if not ok:
                say(f"kept: {w.folder}")
        self.results.append((kind, name, ok, seconds, found))
        say(f"{'ok    ' if ok else 'FAILED'} {kind} {name} ({seconds:.0f} s) seed {self.seed}: "
            f"{found if ok else str(found)[:500]}")

    def kills(self, count, nodes):
        def what(_):
            return kills.Kills(self.seed + nodes, count, nodes, say, box=self.servers()).run().figures()
        self.one("kills", f"{count} of {nodes} node{'s' * (nodes > 1)}", what)

    def fault(self, name):
        self.one("fault", name.replace("_", " "), lambda _: faults.ALL[name](self.servers(), self.seed).figures())
        self.servers().proxy.set()

    def rule(self, name):
        self.one("rule", name, lambda _: rules.seen(name, self.servers(), self.seed))
        self.servers().proxy.set()

    def all(self):
        a = self.args
        if a.fault or a.rule:
            for name in a.fault or ():
                self.fault(name.replace(" ", "_").replace("-", "_"))
            for name in a.rule or ():
                self.rule(name)
            return
        # Most of the time passes in waiting, so two lanes, each with its own servers.
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.all_kills), pool.submit(self.all_faults)]:
                done.result()

    def all_kills(self):
        self.kills(self.args.kills - self.args.kills // 2, 1)
        self.kills(self.args.kills // 2, 2)

    def all_faults(self):
        for name in faults.ALL if self.args.night else faults.SAMPLE:
            self.fault(name)
        for name in rules.ALL:
            self.rule(name)


def main():
    args = arguments()
    if args.list:
        for name in list(faults.ALL) + list(rules.ALL):
            print(name)
        return 0
    run = Run(args)
    say(f"seed {run.seed}: to do this again, --seed {run.seed}")
    since = time.time()
    try:
        run.all()
    finally:
        for box in run.boxes:
            box.close()
    good = sum(r[2] for r in run.results)
    if args.night:
        report.write(run, time.time() - since)
    if good == len(run.results):
        shutil.rmtree(TMP, ignore_errors=True)
    print(f"suite: {good} passed, {len(run.results) - good} failed")
    sys.stdout.flush()
    return good != len(run.results)


os._exit(main())  # client threads of a failed fault must not keep us
