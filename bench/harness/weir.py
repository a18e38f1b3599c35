# SPDX-License-Identifier: Apache-2.0
"""A benchmark's job on weir: started, watched, checked."""
import collections
import os
import re
import shutil
import time

import measure
import oracle
from nodes import Node
from servers import Servers

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def job_file(query, topic, avro, blocks, workers, folder):
    """The query's job file over this topic; its path."""
    with open(f"{HERE}/queries/{query.name}.yaml", encoding="utf-8") as f:
        text = f.read()
    text = text.replace("topic: bench.w\n", f"topic: {topic}\n")
    text = text.replace("format: json\n", "format: avro\n") if avro else text
    text = text.replace("    from: events\n", "    from: events\n    offline: blocks\n") if blocks else text
    text = text.replace("job: bench\n", f"job: bench\nworkers: {workers}\n") if workers > 1 else text
    shutil.copy(f"{HERE}/queries/w.avsc", folder)
    path = os.path.join(folder, "job.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s)", duration).groups()
    return int(number) / (1000 if unit == "ms" else 1)


class Weir:
    """Nodes with one job, pinned to a core (or, at scale, to several)."""

    def __init__(self, servers, prefix, job, folder, *options, commit="100ms", cores="0", nodes=1, passes=1):
        options = [*options, "--commit-interval", commit]
        self.rest = 2 + seconds(commit)     # of nothing new, after which nothing more is to come
        self.nodes = [Node(servers, prefix, os.path.join(folder, f"state{i}"), *options, "--log-level", "warn",
                           command=("run", job)) for i in range(nodes)]
        for node in self.nodes:
            node.args = ["taskset", "-c", cores, *node.args]
        self.passes = passes    # how often an event is read: once more where it is repartitioned
        self.pids, self.metrics = [], collections.Counter()

    def __enter__(self):
        for node in self.nodes:
            node.start()
            self.pids.append(node.process.pid)
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.__exit__()

    def alive(self):
        return all(node.process.poll() is None for node in self.nodes)

    def log(self):
        return "\n".join(node.log()[-3000:] for node in self.nodes)

    def look(self):
        """All metrics, summed over their series and nodes."""
        found = collections.Counter()
        for node in self.nodes:
            for line in node.request("/metrics")[1].splitlines():
                m = re.match(r"(weir_\w+)(?:{.*})? (\S+)$", line)
                if m:
                    found[m[1]] += float(m[2])
        self.metrics = found or self.metrics
        return self.metrics

    def stalls(self):
        """The longest, by reason."""
        found = {}
        for node in self.nodes:
            for reason, value in re.findall(r'weir_longest_stall_seconds{.*reason="(\w+)".*} (\S+)', node.request("/metrics")[1]):
                found[reason] = max(found.get(reason, 0), float(value))
        return found

    def taken(self):
        return int(self.look()["weir_records_total"]) // self.passes

    def settled(self, end):
        """Waits until nothing changes any more: all is committed and in the online store. The CPU until then."""
        last, since, cpu = None, 0.0, 0.0
        while time.monotonic() < end:
            m = self.look()
            now = tuple(m[k] for k in ("weir_records_total", "weir_rows_total", "weir_online_rows_total",
                                       "weir_online_dropped_rows_total", "weir_epochs_total"))
            if now != last or m["weir_online_backlog_bytes"]:
                last, since, cpu = now, time.monotonic(), measure.cpu_seconds(self.pids)
            elif time.monotonic() - since > self.rest:
                return cpu
            time.sleep(measure.EVERY)
        raise measure.Failed(f"it does not come to rest:\n{self.log()}")

    def stop(self):
        for node in self.nodes:
            if node.stop(120) != 0:
                raise measure.Failed(f"it did not stop cleanly:\n{node.log()[-3000:]}")


COUNTED = ("rows", "online_rows", "online_dropped_rows", "online_repairs", "state_misses", "epochs", "expiry_rows")


def run(bench, query, avro, redis, stream, *, blocks=False, commit="100ms", workers=1, nodes=1, cores="0"):
    """One run, measured and checked."""
    figures = measure.Figures()
    prefix, folder = bench.scratch()
    servers = Servers(bench.servers.brokers, bench.servers.redis if redis else "")
    job = job_file(query, stream.topic, avro, blocks, workers, folder)
    with Weir(servers, prefix, job, folder, "--memory", bench.args.memory, commit=commit, cores=cores, nodes=nodes,
              passes=1 if query.entity == "user_id" else 2) as engine:
        measure.watch(engine, stream.n, stream.warm, figures)
        figures.peak = measure.peak_bytes(engine.pids)
        figures.sent = measure.bytes_sent(engine.pids, servers.brokers)
        figures.read, figures.stalls = measure.bytes_read(engine.pids), engine.stalls()
        m = engine.look()
        figures.state, figures.entities = int(m["weir_state_bytes"]), int(m["weir_state_entities"])
        figures.more = {k: int(m[f"weir_{k}_total"]) for k in COUNTED}
        engine.stop()
    figures.right, figures.check, entities = oracle.check_weir(bench.reader(), servers, prefix, query,
                                                               stream.sample(query), stream.n)
    figures.entities = max(figures.entities, entities)
    bench.drop(prefix, folder)
    return figures
