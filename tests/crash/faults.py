# SPDX-License-Identifier: Apache-2.0
"""Faults other than a plain kill, each with its expected outcome. Every one ends with the full check: rows,
their order, Redis, no version that falls, and no full restore but those called for."""
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType,
                                   ResourceType)

import handover
import points
import proxy
from box import Box
from cleaner import BACKOFF, Cleaner
from kafka_topics import Kafka
from nodes import DONE, USAGE, exits
from oracle import Oracle
from servers import markers_lost
from stream import JOB_BLOCKS, PARTITIONS
from topics import reader
from until import until
from world import SESSION_MS, World, finish

SESSION = SESSION_MS / 1000
MARKERS_LOST_MAX = 2
FULL = 140_000  # bytes of a batch of rows, compressed, that another one follows
LOOK = "transaction.abort.timed.out.transaction.cleanup.interval.ms"  # how often for transactions that are timed out
LOOK_LATER, NEVER_LOOK = f"{LOOK}=10000", f"{LOOK}=3600000"
SPOIL = os.path.join(os.environ["WEIR_BUILD"], "crash", "crash_spoil")


def full(request):
    return len(request) > FULL


def signal_to(node, number):
    node.process.send_signal(number)


def stopped(node):
    with open(f"/proc/{node.process.pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


def started(box, seed, label, *nodes, **more):
    """A world at work."""
    w = World(seed, box=box, label=label)
    for name in nodes or ("a",):
        w.node(name, **more)
    w.stream.go()
    w.await_work()
    return w


def restarts_of_kafka(fault):
    """A run in which it lost markers says nothing about weir: once more, and it is told how often. The sandbox has it
    look for transactions to end each second: on a busy machine a start takes longer than their time-out, and it would
    end them before it knows any leader. Kafka's own default leaves it the time."""
    def run(box, seed, lost):
        with box.settings(LOOK_LATER, restart=False):
            w = fault(box, seed + lost)
            w.lost = lost
            return w

    def runs(box, seed):
        lost = 0
        while True:
            try:
                return run(box, seed, lost)
            except AssertionError as e:
                w = World.living()[-1]
                if not markers_lost(box.folder, w.prefix):
                    raise
                lost += 1
                if lost > MARKERS_LOST_MAX:
                    raise AssertionError(f"Kafka lost end markers in each of {lost} runs") from e
                w.close()
    return runs


# -- members --

def fault_static_member_killed_while_it_gives_up(box, seed):
    """Partitions that it gave up are nobody's when it comes back: it must see that."""
    w = started(box, seed, "orphans", "a")
    w.nodes["a"].kill()
    a = w.node("a", WEIR_FAILPOINT="rebalance.revoked:kill")
    w.await_work()
    w.node("b")
    a.process.wait(60)
    w.node("a")
    finish(w)
    assert "nobody owns" in w.logs(), "the fault did not happen"
    return w


def frozen(box, seed, label, static, point=None):
    w = World(seed, box=box, label=label)
    env = {"WEIR_FAILPOINT": f"{point}:stop:40"} if point else {}
    a = w.node("a", static=static, **env)
    w.stream.go()
    w.await_topics()
    if point:
        until(lambda: stopped(a), 60, w.say_nodes)
    else:
        w.await_work()
        signal_to(a, signal.SIGSTOP)
    w.node("b", static=static)
    time.sleep(2 * SESSION)
    w.await_work()  # the other one has taken over
    signal_to(a, signal.SIGCONT)
    w.await_work()
    return finish(w)


def fault_frozen_for_two_sessions(box, seed):
    return frozen(box, seed, "frozen", static=False)


def fault_frozen_static_member(box, seed):
    return frozen(box, seed, "frozen-static", static=True)


def fault_frozen_before_its_offsets(box, seed):
    """Its rows are written, not its offsets: the generation refuses them."""
    return frozen(box, seed, "frozen-offsets", False, "epoch.offsets")


def fault_frozen_before_its_commit(box, seed):
    """Its offsets are pending: the new owner waits until the broker has ended its transaction."""
    return frozen(box, seed, "frozen-commit", False, "epoch.commit")


def fault_frozen_after_its_commit(box, seed):
    """What it committed is taken over before it knows itself."""
    return frozen(box, seed, "frozen-committed", False, "epoch.committed")


def fault_killed_while_it_fences(box, seed):
    """Half of an epoch hides the changelog's end: the new owner bars the old one, and dies of it. The broker would end
    the transaction as well, a few seconds later; here it does not look for such, so nobody else can have been first."""
    with box.settings(NEVER_LOOK):
        w = World(seed, box=box, label="fence")
        a = w.node("a", static=False, WEIR_FAILPOINT="epoch.offsets:stop:100")
        w.stream.go()
        w.await_topics()
        b = w.node("b", static=False, WEIR_FAILPOINT="start.fence:kill")
        until(lambda: stopped(a), 60, w.say_nodes)
        until(lambda: b.process.poll() is not None, 60, lambda: ("nobody was fenced", w.say_nodes()))
        w.node("b", static=False)
        w.await_work()
        signal_to(a, signal.SIGCONT)
        w.await_work()
        return finish(w)


def fault_rebalance_storm(box, seed):
    w = started(box, seed, "storm", "a", "b", static=False)
    for i in range(8):
        c = w.node("c", static=False)
        time.sleep(w.rng.random() * 2)
        if i % 2:
            c.kill()
        else:
            assert c.stop() in (DONE, -signal.SIGTERM), c.log()[-2000:]  # before it listened to it, the latter
    del w.nodes["c"]
    return finish(w)


def fault_killed_while_it_wipes(box, seed):
    """Group offsets that somebody moved back: the local copy is not trusted, then the changelog's marker wins."""
    w = started(box, seed, "wipe")
    assert w.nodes["a"].stop() == DONE
    w.stream.pause()
    group, kafka = f"{w.prefix}.j", Kafka(box.brokers)
    back = {p: at - 50 for p, at in kafka.committed(group, w.topic).items()}

    def moved():
        parts = [TopicPartition(w.topic, p, at) for p, at in back.items()]
        request = [ConsumerGroupTopicPartitions(group, parts)]
        try:
            kafka.admin.alter_consumer_group_offsets(request)[group].result(20)
        except KafkaException:  # its static member's place is kept for a session
            return False
        return kafka.committed(group, w.topic) == back
    until(moved, 30)
    for point in ("start.wipe", "start.wiped"):
        a = w.node("a", WEIR_FAILPOINT=f"{point}:kill:{w.rng.randint(1, 2)}")
        a.process.wait(60)
    a = w.node("a")
    w.stream.go()
    w.await_work(90)
    w.wipes_called_for = w.wipes()
    finish(w)
    assert "going on from the marker" in a.log(), "the fault did not happen"
    return w


def killed_at(box, seed, label, points, times, *more, rule=""):
    """The node dies at each of these, again and again."""
    w = World(seed, box=box, label=label)
    w.node("a", *more)
    w.stream.go()
    w.await_work()
    for point in points * times:
        w.nodes["a"].kill()
        a = w.node("a", *more, WEIR_FAILPOINT=f"{point}:kill:{w.rng.randint(1, 4)}{rule}")
        until(lambda: a.process.poll() is not None, 90, w.say_nodes)
    w.node("a", *more)
    w.await_work()
    return w


def fault_killed_while_the_changelog_is_deleted(box, seed):
    """A snapshot has replaced its older part."""
    w = killed_at(box, seed, "trim", ["changelog.trim", "changelog.trimmed"], 2, "--changelog-min", "32K")
    c = reader(box.brokers)
    begins = [c.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[0]
              for topic in w.kafka.topics() if topic.startswith(f"{w.prefix}.j.") and topic.endswith(".changelog")
              for p in w.kafka.partitions(topic)]
    c.close()
    assert any(begins), "nothing was deleted"
    return finish(w)


def fault_killed_while_a_repartition_topic_is_deleted(box, seed):
    """What was taken in, at once instead of after half a million records."""
    return finish(killed_at(box, seed, "repartition", ["repartition.delete", "repartition.deleted"], 4,
                            rule=",rule.repartition-keep:off"))


def fault_group_offsets_are_gone(box, seed):
    """The marker has them."""
    w = started(box, seed, "offsets")
    assert w.nodes["a"].stop() == DONE
    w.stream.pause()
    box_kafka = Kafka(box.brokers)
    group = f"{w.prefix}.j"

    def gone():
        try:
            box_kafka.admin.delete_consumer_groups([group])[group].result(20)
            return True
        except Exception:  # its static member's place is kept for a session
            return group not in box_kafka.groups()
    until(gone, 30)
    w.node("a")
    w.stream.go()
    w.await_work()
    return finish(w)


# -- the broker --

@restarts_of_kafka
def fault_broker_killed(box, seed):
    w = started(box, seed, "broker", "a", "b")
    for _ in range(3):
        time.sleep(w.rng.random() * 2)
        box.ctl("kill", "kafka")
        box.ctl("start", "kafka")
        w.kafka = Kafka(box.brokers)
        w.await_work(90)
    return finish(w)


def fault_broker_disk_is_full(_, seed):
    """It stops by itself. The nodes say that nobody answers, and go on when it has room and is there again."""
    folder = tempfile.mkdtemp(prefix="full.", dir=os.environ.get("WEIR_TMP"))
    data = os.path.join(folder, "kafka", "data")
    os.makedirs(data)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "none", data], check=True)
    box = Box(folder)
    try:
        w = started(box, seed, "broker-full")
        filler = os.path.join(data, "filler")
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], capture_output=True, check=False)
        until(lambda: not box.runs("kafka"), 90, w.say_nodes)
        until(lambda: w.nodes["a"].request("/readyz")[0] == 503, 30, w.say_nodes)
        os.unlink(filler)
        box.ctl("start", "kafka")
        w.kafka = Kafka(box.brokers)
        w.await_work(90)
        finish(w)
        assert "no broker at" in w.logs(), w.logs()[-3000:]
        return w
    finally:
        for w in World.living():
            w.end_nodes()
        box.ctl("stop", "kafka")
        subprocess.run(["umount", data], check=False)
        box.close()


def may_not(topic):
    """Nobody may write to the topic."""
    def acl(operation, permission):
        return AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", operation,
                          permission)
    return [acl(AclOperation.ALL, AclPermissionType.ALLOW), acl(AclOperation.WRITE, AclPermissionType.DENY)]


def fault_topic_may_not_be_written(box, seed):
    """A permission that is taken away stops the job, and says so; once it is there again nothing is missing."""
    with box.settings("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                      "allow.everyone.if.no.acl.found=true"):
        w = started(box, seed, "permission")
        kafka, acls = Kafka(box.brokers), may_not(f"{w.prefix}.by_user.v1")
        for f in kafka.admin.create_acls(acls).values():
            f.result(20)
        a = w.nodes["a"]
        until(lambda: a.json("/jobs/j").get("state") == "failed", 60, w.say_nodes)
        assert "authorization failed" in a.json("/jobs/j")["error"], a.json("/jobs/j")
        for f in kafka.admin.delete_acls([AclBindingFilter(
                b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation,
                b.permission_type) for b in acls]).values():
            f.result(20)
        a.kill()
        w.node("a")
        w.await_work()
        return finish(w)


def fault_connections_cut(box, seed):
    w = started(box, seed, "cut", "a", brokers=box.proxied)
    for _ in range(25):
        time.sleep(w.rng.random())
        box.proxy.cut_all()
    w.await_work()
    return finish(w)


def fault_kafka_names_no_broker(box, seed):
    """So answers the only broker of a cluster that the controller has fenced, as after a freeze: whoever believes it
    has nobody left to ask."""
    w = started(box, seed, "nobody", "a", brokers=box.proxied)
    for _ in range(8):
        rule = proxy.Rule(proxy.METADATA, "nobody", times=10_000)
        box.proxy.set(rule)
        box.proxy.cut_all()  # who connects anew asks who is there
        until(lambda r=rule: len(r.answers) > 1, 60, w.say_nodes)
        time.sleep(w.rng.random() / 2)
        box.proxy.set()
        w.await_work(20)
    return finish(w)


def first_batches(box, seed, label, *before):
    w = World(seed, box=box, label=label)
    w.options = ("--commit-interval", "5s", "--memory", "64M")  # an epoch of many batches
    w.stream.produce(60_000)
    w.stream.pause()
    refused = set()

    def first(request):
        where = set(proxy.produced_to(request)) if full(request) else set()
        new = where - refused
        refused.update(new)
        return new

    box.proxy.set(*before, proxy.Rule(proxy.PRODUCE, "refuse", times=100, when=first))
    w.node("a", brokers=box.proxied)
    until(lambda: "took those after" in w.logs(), 10, lambda: "no batch was on its way when the one before it was refused")
    box.proxy.set()
    w.stream.go()
    w.await_work()
    return finish(w)


def fault_first_batches_are_refused(box, seed):
    """A partition whose leader has only just come refuses a batch and takes the next, which is on its way: from a
    producer that it knows nothing of, any number is the first (Kafka 4.3.1). The one refused is not there."""
    return first_batches(box, seed, "refused")


def fault_first_batches_are_lost_then_refused(box, seed):
    """The same when the connection broke before: then the batch may have arrived, for all the client knows."""
    return first_batches(box, seed, "lost", *(proxy.Rule(proxy.PRODUCE, "cut", when=full) for _ in range(3)))


def rpc(box, seed, label, apis, actions):
    w = started(box, seed, label, "a", brokers=box.proxied)
    not_met = []
    for api in apis:
        for action in actions:
            when = proxy.commits if api == proxy.END_TXN else None
            rule = proxy.Rule(api, action, times=2, seconds=0.2 + 1.5 * w.rng.random(), when=when)
            box.proxy.set(rule)
            if api == proxy.INIT:
                w.nodes["a"].kill()
                w.node("a", brokers=box.proxied)
            try:
                until(lambda: rule.met, 20)
            except AssertionError:
                not_met.append((proxy.NAMES[api], action))
            w.await_work()
            box.proxy.set()
    box.proxy.set()
    finish(w)
    assert not not_met, ("never asked for", not_met)
    return w


def fault_end_of_transaction(box, seed):
    return rpc(box, seed, "endtxn", (proxy.END_TXN,), proxy.ACTIONS)


def fault_offsets_of_transaction(box, seed):
    return rpc(box, seed, "txnoffsets", (proxy.TXN_OFFSETS,), proxy.ACTIONS)


def fault_begin_of_transaction(box, seed):
    return rpc(box, seed, "addpartitions", (proxy.ADD_PARTITIONS, proxy.ADD_OFFSETS), proxy.ACTIONS)


def fault_init_of_producer(box, seed):
    return rpc(box, seed, "init", (proxy.INIT,), proxy.ACTIONS)


def fault_produce(box, seed):
    return rpc(box, seed, "produce", (proxy.PRODUCE,), proxy.ACTIONS)


def fault_requests_torn(box, seed):
    """The connection breaks in the middle of a frame: what arrived of it must count for nothing."""
    return rpc(box, seed, "torn", (proxy.PRODUCE, proxy.ADD_PARTITIONS, proxy.ADD_OFFSETS, proxy.TXN_OFFSETS,
                                   proxy.END_TXN, proxy.INIT), ("tear",))


@restarts_of_kafka
def fault_coordinator_restarted_in_a_commit(box, seed):
    """The commit has not arrived, has arrived, or has been answered to nobody when its coordinator dies."""
    w = started(box, seed, "coordinator", "a", brokers=box.proxied)
    for action in ("delay", "delay_answer", "drop_answer"):
        rule = proxy.Rule(proxy.END_TXN, action, seconds=1.5, when=proxy.commits)
        box.proxy.set(rule)
        until(lambda: rule.met, 30, w.say_nodes)
        box.ctl("kill", "kafka")
        box.ctl("start", "kafka")
        box.proxy.set()
        w.kafka = Kafka(box.brokers)
        w.await_work(90)
    return finish(w)


def fault_ambiguous_producer_is_replaced(box, seed):
    """And killed while it is."""
    w = started(box, seed, "reinit", "a", brokers=box.proxied)
    w.nodes["a"].kill()
    a = w.node("a", brokers=box.proxied, WEIR_FAILPOINT="epoch.reinit:kill")
    w.await_work()
    box.proxy.set(proxy.Rule(proxy.END_TXN, "lose", times=3))
    a.process.wait(60)
    box.proxy.set()
    w.node("a", brokers=box.proxied)
    return finish(w)


def late_is_refused(box, seed, label, api, when=None):
    """Requests that arrive after their transaction has ended must not be taken: the model assumes it."""
    w = started(box, seed, label, "a", brokers=box.proxied)
    number = itertools.count()
    rule = proxy.Rule(api, "late", times=6, seconds=2,
                      when=lambda frame: (not when or when(frame)) and next(number) % 4 == 0)  # not what is sent again
    box.proxy.set(rule)
    until(lambda: len(rule.answers) >= 6, 90, lambda: (rule, w.say_nodes()))
    box.proxy.set()
    finish(w)
    assert all(rule.answers), f"taken: {rule.answers}"
    return w


def fault_late_offsets_are_refused(box, seed):
    return late_is_refused(box, seed, "late-offsets", proxy.TXN_OFFSETS)


def fault_late_commits_are_refused(box, seed):
    return late_is_refused(box, seed, "late-commits", proxy.END_TXN, proxy.commits)


# -- Redis --

def fault_redis_killed(box, seed):
    w = started(box, seed, "redis")
    for _ in range(3):
        box.ctl("kill", "redis")
        time.sleep(w.rng.random() * 2)
        box.ctl("start", "redis")
        time.sleep(w.rng.random() * 2)
    return finish(w)


def redis_files(box):
    return os.path.join(box.folder, "redis", "appendonlydir")


def redis_copied(box, w):
    """Its files, as they are now."""
    old = os.path.join(w.folder, "older")
    shutil.rmtree(old, ignore_errors=True)
    box.ctl("pause", "redis")
    shutil.copytree(redis_files(box), old)
    box.ctl("resume", "redis")
    return old


def redis_back_as(box, w, old):
    """With these files instead of its own; None: with none."""
    box.ctl("kill", "redis")
    shutil.rmtree(redis_files(box))
    if old:
        shutil.copytree(old, redis_files(box))
    w.watch.forget()
    box.ctl("start", "redis")


def fault_redis_comes_back_empty(box, seed):
    w = started(box, seed, "redis-empty", "a", "b")
    time.sleep(2)
    redis_back_as(box, w, None)
    time.sleep(2)
    return finish(w)


def fault_redis_loses_acknowledged_writes(box, seed):
    """As after a failover to a replica that was behind: an older copy of it comes back."""
    w = started(box, seed, "redis-failover", "a", "b")
    for _ in range(2):
        old = redis_copied(box, w)
        time.sleep(1 + w.rng.random() * 2)
        redis_back_as(box, w, old)
        time.sleep(2)
    return finish(w)


# -- compaction --

def killed_while_it_cleans(w, cleaner, points_of_death):
    """A node dies in an epoch, whose rows may be taken away then; the other one while the cleaner takes a step."""
    for i, point in enumerate(points_of_death):
        name = "ab"[i % 2]
        w.nodes[name].kill()
        node = w.node(name, WEIR_FAILPOINT=points.kill_at(point, w.rng))
        until(lambda n=node: n.process.poll() is not None, 60, w.say_nodes)
        cleaner.await_more()
        w.nodes["ba"[i % 2]].kill()
        for n in "ab":
            w.node(n)
        w.await_work()
        w.found["kills"] += 3


def repairs(w, how):
    """How many so far, of tasks that read the source (rows) and of those behind a repartition topic (blocks)."""
    told = re.findall(rf" j/(events(?:\.by\.shop)?)/\d+: the online store .*: writing it again from {how}", w.logs())
    return told.count("events"), told.count("events.by.shop")


def redis_repaired(box, w, old, how):
    """From how, in tasks of both kinds."""
    before = repairs(w, how)
    redis_back_as(box, w, old)
    until(lambda: all(n > b for n, b in zip(repairs(w, how), before)), 60,
          lambda: (f"not repaired from {how}", before, w.say_nodes()))


def read_again(w):
    """From the first record on, by an oracle that has read nothing before: what was compacted is what it was."""
    again = Oracle(w.box.brokers, w.prefix, w.topic)
    again.take_input()
    again.expire(PARTITIONS)
    again.take_output()
    assert again.missing() == 0, again.missing_say()
    assert (again.chain, again.rows) == (w.oracle.chain, w.oracle.rows), "compaction has changed rows"


def fault_compaction_under_way(box, seed):
    """The cleaner takes what nobody committed, and older records of a key; keys of rows and of blocks never come
    again. Redis is repaired from a tail that has been compacted, and once from nothing."""
    with box.settings(BACKOFF):
        w = World(seed, rate=1000, box=box, label="compaction", job=JOB_BLOCKS)
        w.found["kills"] = 0
        for name in "ab":
            w.node(name)
        w.stream.go()
        w.await_work()
        cleaner = Cleaner(w)
        cleaner.hurry()
        killed_while_it_cleans(w, cleaner, ("epoch.offsets", "epoch.commit"))
        for verb in ("pause", "resume") * 2:  # newer records of the job's key: the older ones may go
            exits(0, verb, "j", "--brokers", box.brokers, "--prefix", w.prefix)
        cleaner.await_past({(cleaner.control, 0): 2})
        w.await_work()

        old, at = redis_copied(box, w), cleaner.ends()
        cleaner.await_past(at)
        cleaner.await_past(cleaner.ends())  # all that came since has been through it
        redis_repaired(box, w, old, "the offline topic")
        killed_while_it_cleans(w, cleaner, ("online.send", "epoch.committed"))
        w.stream.pause()
        w.check()
        w.stream.go()

        redis_repaired(box, w, None, "state")
        killed_while_it_cleans(w, cleaner, ("epoch.commit",))
        cleaner.await_past(cleaner.ends())
        finish(w)
        read_again(w)
        say_compacted(w, cleaner)
        return w


def say_compacted(w, cleaner):
    """The fault is none unless the cleaner worked on each of these topics, and found something to take away."""
    got = cleaner.figures()
    for topic in (*cleaner.offline, cleaner.control):
        assert got["runs"][topic] and cleaner.cleaned().get((topic, 0)), f"did not come about: {topic} {got}"
        assert got["fewer"][topic] > 0, f"did not come about: nothing to take away in {topic} {got}"
    w.found["compactions"] = sum(got["runs"].values())
    w.found["records compacted away"] = sum(got["fewer"].values())
    w.found["offsets compacted"] = sum(cleaner.cleaned().values())


# -- the state folder --

def fault_state_deleted(box, seed):
    w = started(box, seed, "deleted")
    for _ in range(2):
        w.nodes["a"].kill()
        shutil.rmtree(w.state("a"))
        w.node("a")
        w.await_work()
    return finish(w)


def fault_state_copied(box, seed):
    """A copy takes an id of its own, and works as a second node."""
    w = started(box, seed, "copied")
    assert w.nodes["a"].stop() == DONE
    shutil.copytree(w.state("a"), w.state("b"))
    w.node("a")
    b = w.node("b")
    w.await_work()
    until(lambda: b.json("/jobs/j"), 20)
    assert "was copied from elsewhere" in b.log(), b.log()
    return finish(w)


def fault_two_nodes_one_folder(box, seed):
    w = started(box, seed, "shared")
    a = w.nodes["a"]
    other = w.node("a")
    assert other.process.wait(60) == USAGE, other.log()[-1000:]
    w.nodes["a"] = a
    return finish(w)


def files(w, *ends):
    """Of node a's store, largest first."""
    folder = os.path.join(w.state("a"), "db")
    found = [os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(ends)]
    return sorted((f for f in found if os.path.getsize(f)), key=os.path.getsize, reverse=True)


def damaged(box, seed, label, kill, damage):
    """The store is a copy: what is wrong with it is dropped, and restored from the changelog."""
    w = started(box, seed, label)
    assert w.nodes["a"].stop() == DONE
    a = w.node("a")  # RocksDB makes files of its log when it opens
    w.await_work()
    w.stream.pause()
    w.check()
    if kill:
        a.kill()
    else:
        assert a.stop() == DONE
    damage(w)
    a = w.node("a")
    w.stream.go()
    if damage.met == "running":  # somebody has to start it again
        until(lambda: "is damaged: " in a.log(), 90, w.say_nodes)
        a.kill()
        a = w.node("a")
    w.await_work()
    if damage.met:
        assert "is damaged: removing it" in a.log(), a.log()[-3000:]
    return finish(w)


def fault_state_files_truncated(box, seed):
    def damage(w):
        found = files(w, ".sst")
        assert found
        os.truncate(found[0], os.path.getsize(found[0]) // 2)
    damage.met = "at start"
    return damaged(box, seed, "truncated", False, damage)


def fault_state_log_truncated(box, seed):
    """What a power loss does: RocksDB comes back to an older prefix, and the changelog has the rest."""
    def damage(w):
        for f in files(w, ".log"):
            os.truncate(f, os.path.getsize(f) // 2)
    damage.met = None
    return damaged(box, seed, "log-truncated", True, damage)


def fault_state_files_corrupted(box, seed):
    def damage(w):
        found = files(w, ".sst")
        assert found
        for f in found:
            with open(f, "r+b") as b:
                b.seek(os.path.getsize(f) // 3)
                b.write(bytes(w.rng.randrange(256) for _ in range(100)))
    damage.met = "running"
    return damaged(box, seed, "corrupted", False, damage)


def spoilt(box, seed, how):
    """The files are good, what is in them is not."""
    w = started(box, seed, f"spoilt-{how}")
    time.sleep(11)  # a flush is due by then
    a = w.nodes["a"]
    assert a.stop() == DONE
    subprocess.run([SPOIL, os.path.join(w.state("a"), "db"), how], check=True, stdout=subprocess.DEVNULL)
    return w, w.node("a")


def fault_state_marker_damaged(box, seed):
    """Half of it: nobody knows where the rows stand, so they are restored."""
    w, a = spoilt(box, seed, "marker-cut")
    w.await_work()
    finish(w)
    assert "the local state is of another format" in a.log(), a.log()[-3000:]
    return w


def fault_state_marker_ahead_of_the_changelog(box, seed):
    w, a = spoilt(box, seed, "marker-ahead")
    w.await_work()
    w.wipes_called_for = w.wipes()
    finish(w)
    assert "past the changelog's end" in a.log(), a.log()[-3000:]
    return w


def fault_state_rows_damaged(box, seed):
    """A row that is none is never computed with: its task stops and says what to do."""
    w, a = spoilt(box, seed, "rows")
    until(lambda: "state row of the local copy is damaged" in a.log(), 60, w.say_nodes)
    until(lambda: a.json("/jobs/j").get("state") == "failed", 20, w.say_nodes)
    a.kill()
    shutil.rmtree(w.state("a"))
    w.node("a")
    w.await_work()
    return finish(w)


def fault_state_disk_is_full(box, seed):
    """The tasks that cannot flush stop and say so; with room again nothing is missing."""
    w = World(seed, box=box, label="full")
    os.makedirs(w.state("a"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", w.state("a")], check=True)
    try:
        a = w.node("a")
        w.stream.go()
        w.await_work()
        filler = os.path.join(w.state("a"), "filler")
        subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M", "count=48"], capture_output=True, check=False)
        until(lambda: "no space left for the state" in a.log(), 60, w.say_nodes)
        assert a.process.poll() is None, a.log()[-2000:]
        os.unlink(filler)
        a.kill()
        w.node("a")
        w.await_work()
        return finish(w)
    finally:
        w.end_nodes()
        subprocess.run(["umount", w.state("a")], check=False)


ALL = {name[6:]: f for name, f in [*globals().items(), *vars(handover).items()] if name.startswith("fault_")}
# In every change; the others by night.
SAMPLE = ("static_member_killed_while_it_gives_up", "frozen_before_its_commit", "broker_killed", "end_of_transaction",
          "kafka_names_no_broker", "late_offsets_are_refused", "redis_loses_acknowledged_writes", "state_deleted",
          "state_disk_is_full")
