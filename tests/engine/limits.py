# SPDX-License-Identifier: Apache-2.0
"""A full disk under the state, and a memory budget smaller than the state."""
import os
import subprocess

import names
from servers import Servers
from until import until
from world import Case, await_online, events, folder, shared, totals

MIB = 1 << 20


class SmallDisk:
    """A tmpfs of a few MB; needs root, as the suite's machine gives."""

    def __init__(self, megabytes):
        self.path = folder("disk")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", self.path], check=True)

    def fill(self):
        """Takes all that is left."""
        try:
            with open(os.path.join(self.path, "ballast"), "wb", buffering=0) as f:
                while True:
                    f.write(bytes(65536))
        except OSError:
            pass

    def free(self):
        os.unlink(os.path.join(self.path, "ballast"))

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=False)


def test_full_disk_stops_cleanly_and_nothing_is_lost():
    case, disk = Case(shared(), 1), SmallDisk(128)
    list_of_events = events(120_000, 60_000, step=10)
    half = len(list_of_events) // 2
    case.produce(list_of_events[:100])
    case.deploy()
    state = os.path.join(disk.path, "state")
    try:
        with case.node("--memory", "64M", state=state) as node:
            case.await_consumed(node=node)
            disk.fill()
            case.produce(list_of_events[100:half])
            until(lambda: "space" in node.log().lower(), 60, lambda: node.log()[-3000:])
            assert node.request("/healthz")[0] == 200, node.log()[-2000:]
            until(lambda: node.request("/readyz")[0] == 503, 20, lambda: node.request("/jobs/j"))
            until(lambda: "no space left" in node.request("/jobs/j")[1], 10, lambda: node.request("/jobs/j"))
            assert node.process.poll() is None
            node.stop()
        disk.free()
        with case.node("--memory", "64M", state=state) as node:
            case.produce(list_of_events[half:])
            case.await_consumed(90, node=node)
            await_sample(case, list_of_events, node)
            node.stops()
        rows = [m.key() for m in case.offline() if not m.key().endswith(b"|x")]
        assert len(rows) == len(set(rows)) == len(list_of_events)
    finally:
        disk.close()


def await_sample(case, list_of_events, node, step=97):
    """Every step-th entity's row is right."""
    want = totals(list_of_events)
    await_online(case, {u: want[u] for u in list(want)[::step]}, node=node, seconds=60)


def test_memory_budget_holds_with_state_larger_than_it():
    """Without Redis: engine, Kafka clients and RocksDB."""
    budget, entities = 96 * MIB, 300_000
    case = Case(shared(), 2)
    case.write(case_text(case), "job.yaml")
    # Twice round all entities: the second time their state comes from the disk.
    case.produce(events(2 * entities, entities, step=1))
    case.deploy()
    highest = 0

    def done():
        nonlocal highest
        highest = max(highest, node.rss())
        return case.kafka.consumed(case.group, case.topic)

    with case.node("--memory", "96M", servers=Servers(case.servers.brokers, "")) as node:
        until(done, 150, lambda: (case.kafka.committed(case.group, case.topic), node.log()[-3000:]))
        node.stops()
    assert highest < budget * 1.5, f"{highest / MIB:.0f} MiB resident, the budget is {budget / MIB:.0f}"
    check_rows(case, entities)


def check_rows(case, entities):
    """Two rows of every entity, and those of a sample have the right values."""
    rows = case.sequences()
    assert len(rows) == entities and all(len(r) == 2 for r in rows.values())
    decode = names.decoder(case)
    for i in range(0, entities, 997):
        first, second = (decode(value) for _, value in rows[f"u{i}".encode()])
        assert (first["n"], first["total"]) == (1, i), (i, first)
        assert (second["n"], second["total"], second["last_n"]) == (2, 2 * i + entities, i + entities), (i, second)


def case_text(case):
    with open(case.file) as f:
        return f.read().replace("    from: events\n", "    from: events\n    expiry: none\n")
