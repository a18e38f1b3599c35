# SPDX-License-Identifier: Apache-2.0
"""Kills, takeovers and clean stops: the rows are those of an undisturbed run."""
import os
import random
import time

from nodes import USAGE
from until import stays, until
from world import BY_SHOP, Case, await_online, events, shared, totals

COUNT = 60_000
USERS = 500


_reference = []


def reference():
    """The undisturbed run that others are compared with: (case, its events)."""
    if not _reference:
        list_of_events = events(COUNT, USERS, step=500)
        case = Case(shared(), 3, BY_SHOP)
        case.produce(list_of_events)
        case.deploy()
        with case.node() as node:
            case.await_consumed(node=node)
            await_online(case, totals(list_of_events, "shop"), "by_user_shop", node=node)
            node.stops()
        _reference.append((case, list_of_events, case.sequences()))
    return _reference[0]


def same_as_reference(case):
    """Every entity's rows in order, byte for byte."""
    _, _, want = reference()
    got = case.sequences()
    assert got.keys() == want.keys(), (len(got), len(want))
    for entity, rows in want.items():
        if got[entity] != rows:
            at = next((i for i, (a, b) in enumerate(zip(got[entity], rows)) if a != b), min(len(got[entity]), len(rows)))
            raise AssertionError((entity, "row", at, len(got[entity]), len(rows), got[entity][at:at + 2], rows[at:at + 2]))


def committed_sum(case):
    return sum(max(o, 0) for o in case.kafka.committed(case.group, case.topic).values())


def test_kill_9_several_times_gives_the_rows_of_an_undisturbed_run():
    ref, list_of_events, _ = reference()
    case = Case(shared(), 3, BY_SHOP, topic=ref.topic)
    case.deploy()
    rng = random.Random(7)
    for i in range(5):
        with case.node("--static-member", "--commit-interval", "100ms") as node:
            # A moment after the node began to work: in, between or before commits.
            before = committed_sum(case)
            until(lambda: committed_sum(case) > before or case.kafka.consumed(case.group, case.topic), 40,
                  lambda: node.log()[-3000:])
            until_moment(rng.random() * 0.15)
            node.kill()
    with case.node("--static-member") as node:
        case.await_consumed(node=node)
        await_online(case, totals(list_of_events), node=node)
        await_online(case, totals(list_of_events, "shop"), "by_user_shop", node=node)
        node.stops()
    same_as_reference(case)


def until_moment(seconds):
    """A random moment is what is tested here; nothing is waited for."""
    time.sleep(seconds)


def test_two_nodes_share_the_partitions_and_one_takes_over():
    ref, list_of_events, _ = reference()
    half = len(list_of_events) // 2
    case = Case(shared(), 4, BY_SHOP)
    case.deploy()
    one, two = case.node(state="one"), case.node(state="two")
    with one, two:
        until(lambda: mine(one) and mine(two) and len(mine(one) | mine(two)) == 16, 60,
              lambda: (mine(one), mine(two), one.log()[-1500:], two.log()[-1500:]))
        assert not mine(one) & mine(two)
        case.produce(list_of_events[:half])
        case.await_consumed(node=one)
        one.stops()
        case.produce(list_of_events[half:])
        case.await_consumed(node=two)
        await_online(case, totals(list_of_events), node=two)
        await_online(case, totals(list_of_events, "shop"), "by_user_shop", node=two)
        until(lambda: len(mine(two)) == 16, 30, lambda: mine(two))
        two.stops()
    assert sum(map(len, case.sequences("by_user_shop").values())) == len(list_of_events)
    at = [r for r in case.sequences().values() for r in r if not r[0].endswith(b"|x")]
    assert len(at) == len(set(k for k, _ in at)) == len(list_of_events)


def mine(node):
    """Names of the tasks that run on this node."""
    tasks = node.json("/jobs/j/tasks").get("tasks", [])
    return {t["name"] for t in tasks if t["state"] == "running"}


def test_sigterm_ends_the_epoch_and_exits_0():
    case = Case(shared(), 2)
    list_of_events = events(3000)
    case.produce(list_of_events)
    case.deploy()
    # The interval is longer than the test: only the end of the node commits.
    with case.node("--commit-interval", "10m") as node:
        until(lambda: node.metric("weir_records_total", job="j") == 3000, 30, lambda: node.log()[-3000:])
        node.stops()
        assert case.kafka.consumed(case.group, case.topic), case.kafka.committed(case.group, case.topic)
        await_online(case, totals(list_of_events), seconds=0.1)


def test_a_second_node_in_the_same_state_folder_is_refused():
    case = Case(shared(), 1)
    with case.node() as one:
        one.await_ready()
        with case.node() as two:
            assert two.process.wait(60) == USAGE
            assert os.path.join(case.folder, "state") in two.log(), two.log()
        assert one.ready()


def test_an_idle_node_appends_nothing():
    case = Case(shared(), 2, BY_SHOP)
    list_of_events = events(200)
    case.produce(list_of_events)
    case.deploy()
    with case.node("--commit-interval", "100ms") as node:
        case.await_consumed(node=node)
        await_online(case, totals(list_of_events, "shop"), "by_user_shop", node=node)
        until(lambda: settled(case), 30)
        before = ends(case)
        stays(lambda: ends(case) == before, 3)


def settled(case):
    """Whether a commit interval and more passes without an append."""
    first = ends(case)
    until_moment(0.5)
    return first == ends(case)


def ends(case):
    return {t: case.kafka.ends(t) for t in case.kafka.topics()
            if t.startswith(case.prefix + ".") or t == case.topic}


def test_a_standby_takes_over_with_a_warm_copy():
    """Two nodes; each keeps copies of what the other runs. The survivor restores next to nothing."""
    list_of_events = events(20_000, 2_000, step=500)
    case = Case(shared(), 4)
    case.produce(list_of_events[:15_000])
    case.deploy()
    more = "--standbys", "1", "--commit-interval", "100ms"
    with case.node(*more, state="one") as one, case.node(*more, state="two") as two:
        # Nothing is added and no partition moves any more, so the copies can be complete.
        await_online(case, totals(list_of_events[:15_000]), node=one)
        until(lambda: mine(one) and mine(two) and len(mine(one) | mine(two)) == 4 and not mine(one) & mine(two), 60,
              lambda: (mine(one), mine(two), one.log()[-2000:], two.log()[-2000:]))
        two.await_copies("j")
        assert two.metric("weir_standby_tasks") == len(mine(one)) and two.metric("weir_standby_lag_records") == 0
        before = two.metric("weir_restored_rows_total") or 0
        one.kill()
        case.produce(list_of_events[15_000:])
        await_online(case, totals(list_of_events), seconds=60, node=two)
        until(lambda: two.metric("weir_standby_tasks") == 0, 30, two.log)
        restored = (two.metric("weir_restored_rows_total") or 0) - before
        assert restored < 100, ("rows restored at the takeover", restored)
