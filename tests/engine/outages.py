# SPDX-License-Identifier: Apache-2.0
"""Kafka and Redis stopped, killed, paused, emptied: said clearly, and right afterwards."""
import os

from kafka_topics import Kafka
from servers import markers_lost
from until import until
from world import BY_SHOP, Case, await_online, events, fresh, own_sandbox, totals

_box = []


def box():
    """One sandbox for these checks; each leaves both servers running."""
    if not _box:
        _box.append(own_sandbox())
    return _box[0]


def end():
    for b in _box:
        b.close()


def running_case(list_of_events, **more):
    """A case whose job has taken these events in: (case, its node, started)."""
    case = Case(box(), 2, BY_SHOP, **more)
    case.produce(list_of_events)
    case.deploy()
    node = case.node("--commit-interval", "100ms").start()
    case.await_consumed(node=node)
    await_online(case, totals(list_of_events), node=node)
    return case, node


def await_all(case, list_of_events, node, seconds=60):
    case.await_consumed(seconds, node=node)
    await_online(case, totals(list_of_events), node=node, seconds=seconds)
    await_online(case, totals(list_of_events, "shop"), "by_user_shop", node=node, seconds=seconds)


def says_broker_down(node):
    status, text = node.request("/readyz")
    return status == 503 and "ready" in text and node.metric("weir_broker_up") == 0


def test_kafka_frozen_at_the_end():
    list_of_events = events(2000, 40)
    case = Case(box(), 2, BY_SHOP)
    case.produce(list_of_events)
    case.deploy()
    # The interval is longer than the test: at the end there is an epoch to commit.
    with case.node("--commit-interval", "10m") as node:
        until(lambda: node.metric("weir_records_total", job="j") == 2000, 30, lambda: node.log()[-3000:])
        box().ctl("pause", "kafka")
        try:
            node.stops(11)
        finally:
            box().ctl("resume", "kafka")
    # What came of the epoch is not looked at: a broker that fences itself when it wakes up (Kafka 4.3.1, "Couldn't
    # find leader endpoint for partitions ... can be skipped") ends an aborted transaction without its markers, and
    # the next one of the same producer then commits those records, too.


def test_kafka_down_at_start():
    case = Case(box(), 2, BY_SHOP)
    list_of_events = events(300)
    case.produce(list_of_events)
    case.deploy()
    box().ctl("stop", "kafka")
    with case.node() as node:
        try:
            until(lambda: says_broker_down(node), 20, lambda: (node.request("/readyz"), node.log()))
            until(lambda: case.servers.brokers in node.log(), 20, node.log)
            assert node.request("/healthz")[0] == 200
        finally:
            box().ctl("start", "kafka")
        case.kafka = Kafka(case.servers.brokers)
        await_all(case, list_of_events, node)
        node.await_ready()
        assert node.metric("weir_broker_up") == 1
        node.stops()


def kafka_goes_and_comes(how):
    """A run in which Kafka lost end markers says nothing about weir: then once more."""
    list_of_events = events(4000, 40)
    for last in (False, True):
        case, node = running_case(list_of_events[:2000])
        try:
            went_and_came(how, case, node, list_of_events)
            return
        except AssertionError:
            if last or not markers_lost(box().folder, case.prefix):
                raise
        finally:
            node.__exit__()


def went_and_came(how, case, node, list_of_events):
    box().ctl(how, "kafka")
    try:
        until(lambda: says_broker_down(node), 40, lambda: (node.request("/readyz"), node.log()[-3000:]))
        until(lambda: case.servers.brokers in node.log(), 20, node.log)
    finally:
        box().ctl("start", "kafka")
    case.kafka = Kafka(case.servers.brokers)  # Python's client would take minutes to come back
    case.produce(list_of_events[2000:])
    await_all(case, list_of_events, node)
    node.await_ready()
    assert node.log().count("trying again") < 40, "a message over and over"
    rows = [m.key() for m in case.offline() if not m.key().endswith(b"|x")]
    assert len(rows) == len(set(rows)) == len(list_of_events), (len(rows), len(set(rows)))
    node.stops()


def test_kafka_stops_later_and_comes_back():
    kafka_goes_and_comes("stop")


def test_kafka_is_killed_later_and_comes_back():
    kafka_goes_and_comes("kill")


def test_missing_topic_is_named_and_awaited():
    name = fresh("nowhere")
    case = Case(box(), topic=name)
    case.deploy()
    with case.node() as node:
        until(lambda: name in (node.json("/jobs/j").get("error") or ""), 20, lambda: node.request("/jobs/j"))
        until(lambda: node.request("/readyz")[0] == 503, 10)
        assert name in node.log()
        case.kafka.make(name, 2)
        list_of_events = events(50)
        case.produce(list_of_events)
        await_online(case, totals(list_of_events), node=node, seconds=30)
        node.await_ready()
        node.stops()


def redis_outage(how, back, more_while_down=True):
    """The stream goes on while Redis is away, and Redis is right afterwards."""
    list_of_events = events(4000, 40)
    case, node = running_case(list_of_events[:2000])
    try:
        box().ctl(how, "redis")
        try:
            case.produce(list_of_events[2000:])
            case.await_consumed(node=node)
            until(lambda: node.metric("weir_online_up") == 0, 30, lambda: node.log()[-3000:])
        finally:
            box().ctl(back, "redis")
        await_all(case, list_of_events, node)
        until(lambda: node.metric("weir_online_up") == 1, 20)
        node.stops()
    finally:
        node.__exit__()


def test_redis_stops_and_comes_back():
    redis_outage("stop", "start")


def test_redis_is_killed_and_comes_back():
    redis_outage("kill", "start")


def test_redis_hangs_and_goes_on():
    redis_outage("pause", "resume")


def wipe(case):
    for key in case.redis.scan_iter(case.prefix + ":*", count=10000):
        case.redis.delete(key)


def test_redis_comes_back_empty():
    """Rows that no event touches again are written too."""
    list_of_events = events(2000, 40)
    case, node = running_case(list_of_events)
    try:
        box().ctl("kill", "redis")
        folder = os.path.join(box().folder, "redis")
        for base, _, files in os.walk(folder):
            for f in files:
                if f.endswith((".aof", ".rdb", ".manifest")):
                    os.unlink(os.path.join(base, f))
        box().ctl("start", "redis")
        await_all(case, list_of_events, node)
        until(lambda: case.redis.get(f"{case.prefix}:by_user") == b"1", 20)
        node.stops()
    finally:
        node.__exit__()


def test_redis_emptied_while_all_runs():
    """Seen at the next write to it, by the tasks that write."""
    list_of_events = events(2000, 40)
    case, node = running_case(list_of_events[:1000])
    try:
        case.redis.flushall()
        case.produce(list_of_events[1000:])
        await_all(case, list_of_events, node)
        until(lambda: case.redis.get(f"{case.prefix}:by_user") == b"1", 20)
        node.stops()
    finally:
        node.__exit__()


def test_redis_emptied_while_no_node_ran():
    list_of_events = events(2000, 40)
    case, node = running_case(list_of_events)
    try:
        node.stops()
    finally:
        node.__exit__()
    wipe(case)
    with case.node() as again:
        await_all(case, list_of_events, again)
        until(lambda: case.redis.get(f"{case.prefix}:by_user") == b"1", 20)
        again.stops()


def test_redis_down_at_start():
    list_of_events = events(400, 20)
    case = Case(box(), 2, BY_SHOP)
    case.produce(list_of_events)
    case.deploy()
    box().ctl("stop", "redis")
    with case.node() as node:
        try:
            case.await_consumed(node=node)
            until(lambda: node.metric("weir_online_up") == 0, 20, lambda: node.log()[-3000:])
        finally:
            box().ctl("start", "redis")
        await_all(case, list_of_events, node)
        until(lambda: case.redis.get(f"{case.prefix}:by_user") == b"1", 20)
        node.stops()
