# SPDX-License-Identifier: Apache-2.0
"""Kills, faults and broken rules against real servers; see tests/crash/README.md."""
import argparse
import functools
import math
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

PART_KILLS = 100
TMP = tempfile.mkdtemp(prefix="crash.", dir=os.environ.get("WEIR_TMP"))


def arguments():
    p = argparse.ArgumentParser(prog="tests/crash/run", description=__doc__)
    p.add_argument("--kills", type=int, default=50, metavar="N", help="kill -9 so often (50)")
    p.add_argument("--nodes", type=int, choices=(1, 2), help="kills of so many nodes alone, with --seed as it is in the report")
    p.add_argument("--seed", type=int, metavar="S", help="of all that is random; printed, to do it again")
    p.add_argument("--fault", action="append", metavar="NAME", help="this fault alone; may be given more than once")
    p.add_argument("--rule", action="append", metavar="NAME", help="this rule switched off alone; likewise")
    p.add_argument("--night", action="store_true", help="1000 kills unless --kills is given, and all the faults; writes docs/crash-report.md")
    p.add_argument("--minutes", type=float, default=90, metavar="M", help="of a night: begin nothing after that (90)")
    p.add_argument("--only", choices=("kills", "faults"), help="of a run")
    p.add_argument("--lanes", type=int, metavar="N", help="so much at a time, each with servers of its own (2; of a night 4)")
    p.add_argument("--results", metavar="FILE", help="add each part to this file; the report is written from it")
    p.add_argument("--list", action="store_true", help="the names of the faults and of the rules")
    a = p.parse_args()
    if a.night and "--kills" not in " ".join(sys.argv):
        a.kills = 1000
    return a


def say(text):
    print(text, flush=True)


class Run:
    def __init__(self, args, results):
        self.args, self.seed = args, args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
        self.results = results
        self.lane, self.boxes = threading.local(), []
        self.deadline = time.monotonic() + args.minutes * 60 if args.night else math.inf

    def servers(self):
        """Of this lane."""
        if not hasattr(self.lane, "box"):
            self.lane.box = Box(tempfile.mkdtemp(prefix="sandbox.", dir=TMP))
            self.boxes.append(self.lane.box)
        return self.lane.box

    def one(self, kind, name, what, seed=None):
        since, ok = time.monotonic(), True
        seed = self.seed if seed is None else seed
        if since > self.deadline:
            return
        try:
            found = what()
        except Exception as e:
            ok, found = False, f"{type(e).__name__}: {e}"
            say("".join(traceback.format_exception(e, limit=-4)))
        seconds = time.monotonic() - since
        for w in faults.World.living():
            w.close(keep=not ok)
            if not ok:
                say(f"kept: {w.folder}")
        self.results.add(kind, name, seed, ok, seconds, found)
        say(f"{'ok    ' if ok else 'FAILED'} {kind} {name} ({seconds:.0f} s) seed {seed}: "
            f"{found if ok else str(found)[:500]}")
        self.servers().proxy.set()

    def kills(self, count, nodes, seed):
        def what():
            return kills.Kills(seed, count, nodes, say, box=self.servers(), deadline=self.deadline).run().figures()
        self.one("kills", f"{count} of {nodes} node{'s' * (nodes > 1)}", what, seed)

    def fault(self, name):
        self.one("fault", name.replace("_", " "), lambda: faults.ALL[name](self.servers(), self.seed).figures())

    def rule(self, name):
        self.one("rule", name, lambda: rules.seen(name, self.servers(), self.seed))

    def all(self):
        a = self.args
        if a.nodes:
            self.kills(a.kills, a.nodes, self.seed)
            return
        if a.fault or a.rule:
            for name in a.fault or ():
                self.fault(name.replace(" ", "_").replace("-", "_"))
            for name in a.rule or ():
                self.rule(name)
            return
        # Most of the time passes in waiting, so there are lanes. Each takes what is next.
        parts = [] if a.only == "kills" else self.all_faults()
        if a.only != "faults":
            parts = mixed(self.all_kills(), parts)
        with ThreadPoolExecutor(a.lanes or (4 if a.night else 2)) as pool:
            for done in [pool.submit(part) for part in parts]:
                done.result()

    def all_kills(self):
        """Half of them with each number of nodes, in parts with a seed of their own."""
        sizes = {n: pieces((self.args.kills + (n == 1)) // 2) for n in (1, 2)}
        return [functools.partial(self.kills, count, n, self.seed + 1000 * n + part)
                for part in range(len(sizes[1])) for n in (1, 2) for count in sizes[n][part:part + 1]]

    def all_faults(self):
        """And the rules."""
        return [functools.partial(self.fault, name) for name in (faults.ALL if self.args.night else faults.SAMPLE)] + \
               [functools.partial(self.rule, name) for name in (rules.ALL if self.args.night else rules.SAMPLE)]


def pieces(count):
    return [min(PART_KILLS, count - at) for at in range(0, count, PART_KILLS)]


def mixed(longer, shorter):
    """The long parts begin early: none of them is left for one lane alone at the end."""
    out = []
    for i in range(max(len(longer), len(shorter))):
        out += longer[i:i + 1] + shorter[i:i + 1]
    return out


def main():
    args = arguments()
    if args.list:
        for name in list(faults.ALL) + list(rules.ALL):
            print(name)
        return 0
    results = report.Results(args.results or os.path.join(TMP, "results"))
    run = Run(args, results)
    say(f"seed {run.seed}: to do this again, --seed {run.seed}")
    try:
        run.all()
    finally:
        for box in run.boxes:
            box.close()
    good, wrong = results.here()
    if args.night or args.results:
        report.write(results)
    if not wrong:
        shutil.rmtree(TMP, ignore_errors=True)
    print(f"suite: {good} passed, {wrong} failed")
    sys.stdout.flush()
    return wrong > 0


os._exit(main())  # client threads of a failed fault must not keep us
