# SPDX-License-Identifier: Apache-2.0
"""From being produced to being seen, online and by a read-committed consumer, at half of what the engine can take."""
import os
import subprocess

import weir
from bench import PARTITIONS, median, say
from confluent_kafka.admin import AdminClient, NewTopic
from measure import Failed
from queries import QUERIES
from until import until

INTERVALS_MS = (50, 100, 500, 5000)
GRACE_S = 120  # of the probes' program beyond its run


def full_rate(bench):
    """Events a second that the engine takes when all are there."""
    stream = bench.stream()
    found = bench.again("all the engine can take", lambda: weir.run(bench, QUERIES["multi"], False, True, stream))
    return median(found).rate


def probed(bench, interval, rate):
    """What bench_latency says: name -> its words."""
    prefix, folder = bench.scratch()
    topic = f"{prefix}.live"
    admin = AdminClient({"bootstrap.servers": bench.servers.brokers})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        future.result()
    job = weir.job_file(QUERIES["multi"], topic, False, False, 1, folder)
    with weir.Weir(bench.servers, prefix, job, folder, "--memory", bench.args.memory,
                   commit=f"{interval}ms") as engine:
        node = engine.nodes[0]
        until(lambda: node.ready() and node.json("/jobs/bench").get("state") == "running", 60, node.log)
        # The probes run where there is time: at half load each of the two cores has some.
        command = ["taskset", "-c", f"0-{os.cpu_count() - 1}", f"{bench.build}/bench/bench_latency", "--topic", topic,
                   "--rows", f"{prefix}.users.v1", "--online", f"{prefix}:users:1:", "--rate", str(rate),
                   "--seconds", str(bench.args.seconds), "--look", str(max(2, interval // 50))]
        servers = {"WEIR_BROKERS": bench.servers.brokers, "WEIR_REDIS": bench.servers.redis}
        done = subprocess.run(command, env=os.environ | servers, capture_output=True, text=True, check=False,
                              timeout=bench.args.seconds + GRACE_S)
        if done.returncode:
            raise Failed(f"the probes failed: {done.stderr}\n{engine.log()}")
        engine.stop()
    bench.drop(prefix, folder)
    return {words[0]: words[1:] for words in map(str.split, done.stdout.splitlines())}


def run(bench):
    """(markdown lines, all within the target and none lost?)"""
    rate = bench.args.rate or int(full_rate(bench) / 2)
    out, right = [], True
    for interval in INTERVALS_MS:
        say(f"commit every {interval} ms, {rate:,} events/s for {bench.args.seconds} s")
        found = probed(bench, interval, rate)
        say(f"  {found}")
        for what, name in (("online", "Redis"), ("rows", "a read-committed consumer")):
            n, missing, p50, p99, longest = found[what]
            right = right and missing == "0"
            out.append(f"| {interval} ms | {name} | {p50} | {p99} | {interval + 20} | {longest} | {n} | {missing} "
                       f"| {float(found['rate'][0]):,.0f} |")
    return [f"multi, JSON in, rows + Redis; {rate:,} events/s asked for; ms from before an event is handed to the producer until "
            "it is seen.", "",
            "| commit every | seen by | p50 | p99 | target | longest | probes | never seen | events/s |",
            "|-|-|-|-|-|-|-|-|-|", *out], right
