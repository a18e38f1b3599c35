# SPDX-License-Identifier: Apache-2.0
"""Kafka and Redis as the sandbox suite needs them; exit 1 when the answer is no.

put BROKERS REDIS NAME     write NAME to both
get BROKERS REDIS NAME     both have NAME
config BROKERS KEY         print a broker setting
listen PORT                hold a port
await ADDRESS              until something listens
"""
import socket
import sys
import time

import redis
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic


def store(address):
    host, port = address.split(":")
    return redis.Redis(host, int(port))


def put(brokers, address, name):
    admin = AdminClient({"bootstrap.servers": brokers})
    for done in admin.create_topics([NewTopic(name, 1, 1)]).values():
        done.result(20)
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})
    producer.produce(name, value=name, partition=0)
    assert producer.flush(20) == 0
    store(address).set("name", name)


def get(brokers, address, name):
    if (store(address).get("name") or b"").decode() != name:
        sys.exit(1)
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "sandbox-test"})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=20)
    except KafkaException:
        sys.exit(1)
    assert (low, high) == (0, 1), (low, high)
    consumer.assign([TopicPartition(name, 0, 0)])
    record = consumer.poll(20)
    assert record.value().decode() == name
    consumer.close()


def config(brokers, key):
    admin = AdminClient({"bootstrap.servers": brokers})
    (answer,) = admin.describe_configs([ConfigResource("broker", "1")]).values()
    print(answer.result(20)[key].value)


def listen(port):
    with socket.create_server(("127.0.0.1", int(port))):
        time.sleep(1000)


def await_(address):
    host, port = address.split(":")
    for _ in range(1000):
        with socket.socket() as s:
            if s.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.01)
    sys.exit(1)


if __name__ == "__main__":
    verbs = {"put": put, "get": get, "config": config, "listen": listen, "await": await_}
    verbs[sys.argv[1]](*sys.argv[2:])
