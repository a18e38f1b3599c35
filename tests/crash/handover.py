# SPDX-License-Identifier: Apache-2.0
"""Partitions that change hands while a rolling snapshot of their changelog is under way.

What nobody writes to any more is in a changelog only because snapshots carry it on: users that come once at the
beginning and once at the end show what was left out on the way, as they would begin anew. The changelogs' own markers
(marks.py) say when a snapshot is under way, so that a node dies in the midst of one, and afterwards whether it did.
"""
import os
import re
import shutil
import time
from datetime import datetime

from marks import Marks
from nodes import DONE
from stream import PARTITIONS, SHARDS, SHOPS, USERS
from until import until
from world import DROPPED, World, finish

RATE, HOT_USERS = 1500, 300
QUIET_USERS, QUIET_SHOPS = 6000, 1500
BY_USER, BY_SHOP = "events", "events.by.shop"
FLUSH_SOON = "rule.flush-interval:off"  # each second: a snapshot begins with a flush
WIPE = re.compile(rf"^(\S+)Z WARN  takeover: j/({BY_USER}|{BY_SHOP})/(\d+): (.*): {DROPPED}")
LIFE = re.compile(r" node: weir .*, node (\S+), http://")


class Handover(World):
    # Epochs of a quarter of a second, so that a snapshot takes more than one; a changelog that is soon too long.
    options = ("--commit-interval", "250ms", "--changelog-min", "16K", "--memory", "64M")

    def __init__(self, seed, box):
        self.marks = None
        super().__init__(seed, rate=RATE, box=box, label="handover")
        self.stream.users = HOT_USERS
        self.copies = set()  # nodes that were standbys: what their stores have is not known from markers
        self.found["kills"] = 0

    def close(self, keep=False):
        if self.marks:
            self.marks.close()
        super().close(keep)

    # -- nodes --

    def run(self, name, point="", more=()):
        n = self.node(name, *more, WEIR_FAILPOINT=",".join(filter(None, (FLUSH_SOON, point))))
        until(lambda: self.id_of(name) or n.process.poll() is not None, 30, self.say_nodes)
        if more:
            self.copies.add(self.id_of(name))
        return n

    def id_of(self, name):
        try:
            with open(os.path.join(self.state(name), "node")) as f:
                return f.read().split()[0]
        except (FileNotFoundError, IndexError):
            return None

    def kill(self, name):
        self.nodes[name].kill()
        self.found["kills"] += 1

    def lose(self, name):
        """The node and its state."""
        self.kill(name)
        shutil.rmtree(self.state(name))

    def settled(self, *names):
        """All partitions belong to nodes that run, and to each of these, and go on."""
        since, wanted = time.time() * 1000, {self.id_of(n) for n in names}
        ids = {self.id_of(n) for n in self.nodes if self.nodes[n].process.poll() is None}

        def so():
            last = self.marks.last().values()
            return (len(last) == len(self.marks.parts) and all(m.at > since and m.node in ids for m in last)
                    and wanted <= {m.node for m in last})
        until(so, 60, self.say_nodes)

    # -- snapshots --

    def caught(self, *names):
        """(one of these nodes, the snapshots that it has under way: {partition: floor}); by_user's among them."""
        def now():
            for name in names:
                parts = self.marks.under_way(self.id_of(name))
                if any(topic.endswith(f".{BY_USER}.changelog") for topic, _ in parts):
                    return name, parts
            return None
        return until(now, 60, self.say_nodes)

    def replaced(self, parts):
        """These snapshots, or later ones, are complete, and what was before them is deleted."""
        until(lambda: all(self.marks.begin(part) >= floor for part, floor in parts.items()), 60,
              lambda: ("not deleted", parts, self.say_nodes()))

    # -- full restores --

    def called_for(self, node, when, part, why):
        """A local copy may be dropped where the changelog begins behind all that its node had."""
        had = self.marks.written_by(part, node, when)
        return why == "the changelog starts after its position" and \
            self.marks.begin_at(part, when) > (had.offset if had else 0)

    def all_wipes(self):
        """(whether it was called for, the line)"""
        node = None
        for line in self.logs().splitlines():
            if life := LIFE.search(line):
                node = life[1]
            elif DROPPED in line:
                at, stage, partition, why = WIPE.match(line).groups()
                when = datetime.fromisoformat(at + "+00:00").timestamp()
                yield self.called_for(node, when, (self.changelog(stage), int(partition)), why), line

    def wipes(self):
        return sum(not called for called, _ in self.all_wipes())

    def changelog(self, stage):
        return f"{self.prefix}.j.{stage}.changelog"

    # -- users --

    def quiet_users_come(self):
        self.stream.pause()
        for i in range(QUIET_USERS):
            self.stream.event(USERS + i, SHOPS + i % QUIET_SHOPS)
        self.stream.go()

    def begin(self):
        for name in "ab":
            self.run(name)
        self.stream.go()
        self.await_work()
        self.marks = Marks(self.box.brokers, {self.changelog(BY_USER): PARTITIONS, self.changelog(BY_SHOP): SHARDS})
        self.quiet_users_come()
        self.settled("a", "b")


# -- what happens to the owner --

def dies(w):
    """It comes back with nothing; what it had is the other one's, or its own again."""
    name, parts = w.caught("a", "b")
    w.lose(name)
    if w.rng.random() < 0.5:
        w.settled()
    w.run(name)
    w.replaced(parts)


def gives_some_away(w):
    """To a node that has nothing and joins."""
    name, other = w.rng.sample("ab", 2)
    w.lose(name)
    w.settled()
    _, parts = w.caught(other)
    w.run(name)
    w.settled(name)
    w.replaced(parts)


def stops(w):
    """It flushes, and comes back when it lacks what was deleted meanwhile."""
    name, parts = w.caught("a", "b")
    assert w.nodes[name].stop() == DONE, w.nodes[name].log()[-2000:]
    w.settled()
    w.replaced(parts)
    w.run(name)


def dies_and_the_next_one_too(w):
    """The latter while it restores, or before it goes on."""
    name, parts = w.caught("a", "b")
    other = "ab".replace(name, "")
    w.lose(name)
    w.kill(other)
    point = w.rng.choice(("start.replayed", "start.check", "start.run"))
    n = w.run(other, f"{point}:kill:{w.rng.randint(1, 3)}")
    until(lambda: n.process.poll() is not None, 60, w.say_nodes)
    w.found["kills"] += 1
    w.run(other)
    w.run(name)
    w.replaced(parts)


def dies_when_it_is_complete(w):
    """Before what was replaced is deleted, or right after."""
    name = w.rng.choice("ab")
    w.kill(name)
    n = w.run(name, f"{w.rng.choice(('changelog.trim', 'changelog.trimmed'))}:kill")
    until(lambda: n.process.poll() is not None, 60, w.say_nodes)
    w.found["kills"] += 1
    shutil.rmtree(w.state(name))
    w.settled()
    w.run(name)


def has_a_standby(w):
    """Whose copy may have come to the snapshot's floor, or not."""
    for name in "ab":
        assert w.nodes[name].stop() == DONE, w.nodes[name].log()[-2000:]
        w.run(name, more=("--standbys", "1"))
    w.settled("a", "b")
    for name in "ab":
        w.nodes[name].await_copies("j")
    name, parts = w.caught("a", "b")
    w.kill(name)
    w.settled()
    w.replaced(parts)
    w.run(name)


def all_is_lost(w):
    """What the changelogs have is all there is."""
    for name in "ab":
        w.lose(name)
    for name in "ab":
        w.run(name)


def say_changed_hands(w):
    """The fault is none unless all of this came about."""
    changes = w.marks.changes()
    known = [c for c in changes if c.after.node not in w.copies]
    less = [c for c in known if c.with_less()]
    restores = [called for called, _ in w.all_wipes()]
    w.found |= {"snapshots": w.marks.snapshots(), "deletions": w.marks.trims(),
                "snapshots that changed hands": len(changes), "to an owner with less": len(less),
                "to a standby": len(changes) - len(known), "gone on with": sum(c.went_on() for c in changes),
                "full restores called for": sum(restores)}
    for what in ("snapshots", "deletions", "to an owner with less"):
        assert w.found[what], f"did not come about: {what} {w.found}"


def fault_snapshots_change_hands(box, seed):
    w = Handover(seed, box)
    w.begin()
    turns = [gives_some_away, stops, dies_and_the_next_one_too, dies_when_it_is_complete]
    w.rng.shuffle(turns)
    for turn in [dies, *turns, has_a_standby, dies, all_is_lost]:
        turn(w)
        w.settled("a", "b")
    w.quiet_users_come()
    finish(w, alive=("a", "b"))
    say_changed_hands(w)
    return w
