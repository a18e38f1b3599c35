# SPDX-License-Identifier: Apache-2.0
"""The failpoints, as the engine's table has them."""
import os
import re

from servers import ROOT

with open(os.path.join(ROOT, "engine", "base", "failpoint.c")) as _f:
    ALL = re.findall(r'\[FP_\w+\] = \{\s*"([a-z.-]+)"', _f.read())
assert len(ALL) > 40, ALL

# Those that come only after something went wrong are led to by an error before them.
LEADS = {"epoch.abort": "epoch.offsets:error:2", "epoch.aborted": "epoch.offsets:error:2",
         "epoch.unknown": "epoch.answer:error:2"}
# Not met in a run that only kills: a fault leads to each (faults.py).
RARE = {"start.first", "start.fence", "start.wipe", "start.wiped", "epoch.reinit", "epoch.answer",
        "repartition.delete", "repartition.deleted", "changelog.trim", "changelog.trimmed"}
# Met where partitions move: of two nodes, while the other one comes.
MOVES = {"rebalance.revoke", "rebalance.revoked"}
STEPS = [p for p in ALL if not p.startswith("rule.")]
KILLS = [p for p in STEPS if p not in RARE | MOVES]
RULES = [p for p in ALL if p.startswith("rule.")]
# How often each is passed in a second of work, about: the nth hit is drawn below it.
OFTEN = {"epoch.processed": 40, "epoch.changelog": 40, "epoch.marker": 40, "epoch.committed": 40, "epoch.overlay": 40,
         "epoch.online": 40, "epoch.begin": 8, "epoch.begun": 8, "epoch.flush": 8, "epoch.offsets": 8,
         "epoch.commit": 8, "online.send": 8, "online.sent": 8, "online.answered": 40,
         "start.offsets": 3, "start.bounds": 3, "start.replay": 4, "start.replayed": 3, "start.check": 3,
         "start.run": 3}


def kill_at(name, rng):
    """What to ask of a node so that it dies there."""
    nth = rng.randint(1, OFTEN.get(name, 1))
    lead = LEADS.get(name)
    often = ",rule.flush-interval:off" if name.startswith("flush.") else ""  # else it is ten seconds away
    return (lead + "," if lead else "") + f"{name}:kill:{1 if lead else nth}" + often
