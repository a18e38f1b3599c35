# SPDX-License-Identifier: Apache-2.0
"""Kill -9, many times: at random moments and at every failpoint, one node or two."""
import contextlib
import math
import subprocess
import time
from collections import Counter

import points
from world import SESSION_MS, World

CHECK_EVERY = 15   # turns of one or two kills
RATE = 1000          # events a second: half of the time went into reading what 2,500 come to, epochs are as many
LIFE_SECONDS = 9     # for a failpoint to be met
MOVE_SECONDS = SESSION_MS / 1000 + 1.5


class Kills:
    def __init__(self, seed, kills, nodes, say, box=None, deadline=math.inf):
        """deadline: of time.monotonic(); no kill is begun after it, and what was done is checked."""
        self.w = World(seed, rate=RATE, box=box, label=f"kills{nodes}")
        self.kills, self.names, self.say, self.deadline = kills, ["a", "b"][:nodes], say, deadline
        self.done, self.at, self.unmet, self.spent = 0, Counter(), Counter(), Counter()
        self.plan = self.schedule()

    def schedule(self):
        """Every failpoint in turn, in an order of the seed's, and between them random moments."""
        rng, out = self.w.rng, []
        while len(out) < self.kills:
            turn = list(points.KILLS) + (list(points.MOVES) if len(self.names) > 1 else [])
            rng.shuffle(turn)
            for name in turn:
                out += [name, None] if rng.random() < 0.3 else [name]
        return out[:self.kills]

    @contextlib.contextmanager
    def time(self, what):
        """Where a run's seconds go."""
        since = time.monotonic()
        yield
        self.spent[what] += time.monotonic() - since

    def victim_dies(self, name, env):
        """The node dies where it was told to, or is killed after all."""
        node = self.w.nodes[name]
        seconds = self.w.rng.random() * 3
        if env:
            seconds = LIFE_SECONDS
        try:
            node.process.wait(seconds)
            met = True
        except subprocess.TimeoutExpired:
            node.kill()
            met = False
        return met

    def one(self, point):
        w, rng = self.w, self.w.rng
        name = rng.choice(self.names)
        env = {"WEIR_FAILPOINT": points.kill_at(point, rng)} if point else {}
        if w.nodes.get(name) and w.nodes[name].process.poll() is None:
            with self.time("at random"):
                time.sleep(rng.random() ** 2 * 3)  # a random moment: of its start, or of its work
                w.nodes[name].kill()
            self.done += 1
            self.at["at random"] += 1
        w.node(name, **env)
        if point in points.MOVES:
            with self.time("moves"):
                self.move(name)
        with self.time(point.split(".")[0] if point else "at random"):
            met = self.victim_dies(name, env)
        self.done += 1
        self.at[point if met and point else "at random"] += 1
        if env and not met:
            self.unmet[point] += 1
        if len(self.names) > 1 and rng.random() < 0.2:
            with self.time("moves"):
                time.sleep(MOVE_SECONDS)  # its place is given up: the other one takes over
        w.node(name)

    def move(self, name):
        """The other node leaves for longer than its session, and comes back: partitions move twice."""
        other = [n for n in self.names if n != name][0]
        self.w.await_work()
        self.w.nodes[other].kill()
        self.done += 1
        self.at["at random"] += 1
        time.sleep(MOVE_SECONDS)
        self.w.node(other)

    def run(self):
        w = self.w
        for name in self.names:
            w.node(name, WEIR_FAILPOINT="start.first:kill:2")
            self.done += self.victim_dies(name, True)
            self.at["start.first"] += 1
            w.node(name)
        w.stream.go()
        w.await_work()
        i = 0
        while self.done < self.kills and time.monotonic() < self.deadline:
            self.one(self.plan[i])
            i += 1
            if i % CHECK_EVERY == 0:
                self.check()
        with self.time("checks"):
            w.await_work()
            w.stream.pause()
            w.check()
            for n in w.nodes.values():
                assert n.stop() == 0, "a clean stop"
            w.check_state()
        return self

    def check(self):
        w = self.w
        with self.time("checks"):
            w.stream.pause()
            w.check()
        if w.checks % 2 == 1:  # with stores as a kill left them
            w.end_nodes()
            self.done += len(self.names)
            self.at["at random"] += len(self.names)
            with self.time("checks of the state"):
                w.check_state()
            for name in self.names:
                w.node(name)
        self.say(f"{w.label}: {self.done} kills, {w.figures()}")
        w.stream.go()

    def figures(self):
        return {"kills": self.done, **self.w.figures(), "where": dict(self.at), "not met": dict(self.unmet),
                "seconds": {what: round(s) for what, s in self.spent.items()}}
