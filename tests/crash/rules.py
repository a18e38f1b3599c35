# SPDX-License-Identifier: Apache-2.0
"""Each rule of the protocol switched off, where only a real broker shows what it is for (the others:
tests/unit/run_faults.c). The fault that the rule is there for is caused, and the check must fail: a harness that
cannot see a violation proves nothing. With the rule kept, the same fault must pass.
"""
import itertools
import signal
import socket
import struct
import time

import proxy
from confluent_kafka import Producer
from faults import stopped
from kafka_topics import QUICK
from oracle import Wrong
from until import until
from world import World, finish

TRIES = 3
HEADER = ">hhih4s"  # kind, version, number, client id


def ask(brokers, api, version, body):
    """One request of a Kafka protocol without tags; its answer."""
    host, port = brokers.split(":")
    frame = struct.pack(HEADER, api, version, 1, 4, b"weir") + body
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        return s.recv(size, socket.MSG_WAITALL)


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def leave(w, client):
    """A member that does not answer is put out of its group, as a session's end would, but now."""
    group = f"{w.prefix}.j"
    d = w.kafka.admin.describe_consumer_groups([group])[group].result(20)
    members = [m.member_id for m in d.members if m.client_id.startswith(client)]
    assert members, [m.client_id for m in d.members]
    answer = ask(w.box.brokers, 13, 1, text(group) + text(members[0]))
    assert struct.unpack_from(">h", answer, 8)[0] == 0, answer


def node_id(w, name):
    with open(f"{w.state(name)}/node") as f:
        return f.read().split()[0]


def generation(w, off):
    """A node sleeps in an epoch; another one takes over and goes on; it wakes up and commits. (Once its changelog
    rows are out, the other one waits for them: the high watermark has them.)"""
    a = w.node("a", static=False, WEIR_FAILPOINT="epoch.processed:stop:40" + off)
    w.node("b", static=False)
    w.stream.go()
    w.await_topics()
    until(lambda: stopped(a), 60, w.say_nodes)
    leave(w, node_id(w, "a"))
    w.await_work()
    time.sleep(2)
    a.process.send_signal(signal.SIGCONT)
    w.await_work()


def reinit(w, off):
    """A commit's answer is lost; a copy of it arrives in the middle of the next transaction."""
    w.node("a", brokers=w.box.proxied, **({"WEIR_FAILPOINT": off[1:]} if off else {}))
    w.stream.go()
    w.await_work()
    number = itertools.count()
    rule = proxy.Rule(proxy.END_TXN, "late", times=4, seconds=30, between=proxy.ADD_OFFSETS,
                      when=lambda frame: proxy.commits(frame) and next(number) % 4 == 0)  # not what is sent again
    w.box.proxy.set(rule)
    until(lambda: len(rule.answers) >= 4, 120, w.say_nodes)
    w.box.proxy.set()


def high_watermark(w, off):
    """Somebody's open transaction in the changelog hides what was committed after it."""
    a = w.node("a")
    w.stream.go()
    w.await_work()
    p = Producer({"bootstrap.servers": w.box.brokers, "log_level": 0, **QUICK, "transactional.id": f"{w.prefix}-x",
                  "transaction.timeout.ms": 60000})
    p.init_transactions(20)
    p.begin_transaction()
    for partition in range(4):
        p.produce(f"{w.prefix}.j.events.changelog", b"x", b"Rx", partition)
    p.flush(20)
    w.await_work()
    a.kill()
    w.node("a", **({"WEIR_FAILPOINT": off[1:]} if off else {}))
    time.sleep(16)  # it would believe after three looks, twice
    p.abort_transaction(20)
    w.await_work()


def one_write(w, off):
    """A node dies in its first flushes."""
    a = w.node("a", WEIR_FAILPOINT="flush.write:kill:6" + off)
    w.stream.go()
    a.process.wait(90)
    w.node("a")
    w.await_work()


def working(w, off):
    """Nothing happens but work, and a restart."""
    env = {"WEIR_FAILPOINT": off[1:]} if off else {}
    a = w.node("a", **env)
    w.stream.go()
    w.await_work()
    a.kill()
    w.node("a", **env)
    w.await_work()


ALL = {"rule.generation": generation, "rule.reinit-after-ambiguity": reinit, "rule.high-watermark": high_watermark,
       "rule.one-write": one_write, "rule.version": working, "rule.record-time": working}
SAMPLE = ("rule.generation", "rule.reinit-after-ambiguity", "rule.high-watermark")


def one(name, box, seed, off):
    w = World(seed, box=box, label="rule")
    w.online_seconds = 20 if off else w.online_seconds
    ALL[name](w, off)
    finish(w)
    return w


def seen(name, box, seed):
    """The fault may miss its moment on a busy machine: then once more."""
    kept = one(name, box, seed, "").figures()
    for again in range(TRIES):
        try:
            one(name, box, seed + again, f",{name}:off")
        except Wrong as e:
            return {"without it": str(e)[:200], "with it": kept}
    raise AssertionError(f"nobody noticed that {name} was not kept")
