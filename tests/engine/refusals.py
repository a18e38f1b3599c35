# SPDX-License-Identifier: Apache-2.0
"""What Kafka will never take: the job stops and says what and where, and nothing of it is half-done."""
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from servers import shared
from until import until
from world import BY_SHOP, Case, await_online, events, totals


def running(first):
    case = Case(shared(), 2, BY_SHOP)
    case.produce(first)
    case.deploy()
    node = case.node("--commit-interval", "100ms").start()
    case.await_consumed(node=node)
    await_online(case, totals(first), node=node)
    return case, node


def stops(case, node, *words):
    until(lambda: node.json("/jobs/j").get("state") == "failed", 30,
          lambda: (node.request("/jobs/j")[1][:1500], node.log()[-3000:]))
    error = node.json("/jobs/j")["error"]
    assert all(w in error for w in words), error
    assert f"{case.prefix}.{case.view}.v1" in error, error
    assert node.process.poll() is None, "the other jobs go on"


def size_limit(case, topic, limit):
    entry = ConfigEntry("max.message.bytes", str(limit), incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    case.kafka.admin.incremental_alter_configs([change])[change].result(20)
    until(lambda: case.kafka.config(topic)["max.message.bytes"] == str(limit), 20)


def test_a_record_that_is_too_large_stops_the_job_and_room_lets_it_go_on():
    list_of_events = events(600, 20)
    case, node = running(list_of_events[:200])
    topic = f"{case.prefix}.{case.view}.v1"
    try:
        was = case.kafka.config(topic)["max.message.bytes"]
        size_limit(case, topic, 500)  # the transaction's own markers have room
        case.produce(list_of_events[200:])
        stops(case, node, "too large")
        size_limit(case, topic, was)
        node.stops()
        node.start()
        case.await_consumed(node=node)
        await_online(case, totals(list_of_events), node=node)
        assert len([m for m in case.offline() if not m.key().endswith(b"|x")]) == len(list_of_events)
        node.stops()
    finally:
        node.__exit__()


def test_a_deleted_topic_stops_the_job_and_is_named():
    list_of_events = events(400, 20)
    case, node = running(list_of_events[:200])
    topic = f"{case.prefix}.{case.view}.v1"
    try:
        case.kafka.admin.delete_topics([topic])[topic].result(20)
        until(lambda: topic not in case.kafka.topics(), 20)
        case.produce(list_of_events[200:])
        stops(case, node)
        node.stops()
        node.start()  # makes it again
        case.await_consumed(node=node)
        await_online(case, totals(list_of_events), node=node)
        node.stops()
    finally:
        node.__exit__()
