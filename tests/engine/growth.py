# SPDX-License-Identifier: Apache-2.0
"""A source's topic gets more partitions, while a node runs and while none does."""
import random
import time

from confluent_kafka.admin import NewPartitions

from until import until
from world import Case, await_online, events, shared, totals

# Only repartitioned views; from the end, so that a new partition's first records could be missed.
BY_SHOP = """job: j
sources:
  events: {{ topic: {topic}, format: json, schema: event.avsc, time: at, key: user, lateness: 10m, start: latest }}
views:
  by_shop:
    entity: [shop]
    from: events
    expiry: none
    features:
      n: count()
      total: sum(n)
"""
COUNT = 8000
SEEN_SECONDS = 60    # the client asks for metadata every 10 s; then the group rebalances


def by_shop_case():
    case = Case(shared(), 2)
    case.file = case.write(BY_SHOP.format(topic=case.topic))
    case.deploy()
    return case


def grow(case, partitions):
    case.kafka.admin.create_partitions([NewPartitions(case.topic, partitions)])[case.topic].result(30)
    until(lambda: len(case.kafka.partitions(case.topic)) == partitions, 20, lambda: case.kafka.partitions(case.topic))
    case.kafka.producer.list_topics(case.topic, timeout=20)     # it would ask only after minutes


def started(case, node):
    until(lambda: all(o >= 0 for o in case.kafka.committed(case.group, case.topic).values()), 60,
          lambda: node.log()[-3000:])


def right(case, list_of_events, node):
    await_online(case, totals(list_of_events, "shop"), "by_shop", node=node)
    rows = case.kafka.read(f"{case.prefix}.by_shop.v1")
    keys = [m.key() for m in rows]
    assert len(keys) == len(set(keys)) == len(list_of_events), (len(keys), len(set(keys)))
    assert len(case.kafka.partitions(f"{case.group}.events.changelog")) == len(case.kafka.partitions(case.topic))


def test_new_partitions_are_taken_in_over_kills():
    case, list_of_events = by_shop_case(), events(COUNT, 40)
    options = "--static-member", "--commit-interval", "100ms"
    draw = random.Random(11)
    with case.node(*options) as node:
        started(case, node)
        case.produce(list_of_events[:COUNT // 2])
        case.await_consumed(node=node)
        grow(case, 4)
        case.produce(list_of_events[COUNT // 2:])
        until(lambda: len(case.kafka.partitions(f"{case.group}.events.changelog")) >= 3, SEEN_SECONDS,
              lambda: node.log()[-3000:])
        time.sleep(draw.uniform(0, 0.3))     # what is tested is a kill at any moment
        node.kill()
    with case.node(*options) as node:
        until(lambda: node.json("/jobs/j").get("tasks"), 60, lambda: node.log()[-3000:])
        time.sleep(draw.uniform(0, 0.3))
        node.kill()
    with case.node(*options) as node:
        case.await_consumed(node=node)
        right(case, list_of_events, node)
        node.stops()


def test_new_partitions_in_a_running_node_leave_the_others_alone():
    case, list_of_events = by_shop_case(), events(COUNT, 40)
    with case.node("--commit-interval", "100ms") as node:
        started(case, node)
        case.produce(list_of_events[:COUNT // 2])
        case.await_consumed(node=node)
        grow(case, 5)
        case.produce(list_of_events[COUNT // 2:])
        case.await_consumed(SEEN_SECONDS, node=node)
        right(case, list_of_events, node)
        assert node.metric("weir_epochs_aborted_total", job="j") == 0, node.log()[-3000:]
        node.stops()


def test_new_partitions_while_no_node_runs():
    case, list_of_events = by_shop_case(), events(COUNT, 40)
    with case.node() as node:
        started(case, node)
        case.produce(list_of_events[:COUNT // 2])
        case.await_consumed(node=node)
        node.stops()
    grow(case, 14)    # above the default of 12 that its repartition topic was made with
    case.produce(list_of_events[COUNT // 2:])
    with case.node() as node:
        case.await_consumed(node=node)
        right(case, list_of_events, node)
        assert len(case.kafka.partitions(f"{case.group}.events.by.shop")) == 12
        node.stops()


def test_a_view_keyed_like_its_topic_stops_in_a_running_node_and_after_it():
    case, list_of_events = Case(shared(), 2), events(2000, 40)
    case.deploy()
    with case.node("--commit-interval", "100ms") as node:
        case.produce(list_of_events)
        case.await_consumed(node=node)
        grow(case, 3)
        until(lambda: node.json("/jobs/j").get("state") == "failed", SEEN_SECONDS, lambda: node.log()[-3000:])
        error = node.json("/jobs/j")["error"]
        assert case.topic in error and "3 partitions" in error and "new versions" in error, error
        case.produce(list_of_events[:10])
        node.stops()
    with case.node() as node:
        until(lambda: node.json("/jobs/j").get("state") == "failed", 60, lambda: node.log()[-3000:])
        assert "new versions" in node.json("/jobs/j")["error"], node.json("/jobs/j")
    assert len([m for m in case.offline() if not m.key().endswith(b"|x")]) == len(list_of_events)
