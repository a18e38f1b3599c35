# SPDX-License-Identifier: Apache-2.0
"""The job over topics of its own, nodes that run it, and waiting until it has taken everything in."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import redis
import yaml

import data
import produce
from nodes import Node, clean_env, exits
from servers import ROOT, shared

JOB = os.path.join(ROOT, "jobs", "flights")
TMP = tempfile.mkdtemp(prefix="flights.", dir=os.environ.get("WEIR_TMP"))
RUN = "f" + os.urandom(3).hex()
UNTIL = os.environ.get("WEIR_FLIGHTS_UNTIL", "2013-03-01")
SERVERS = shared()

with open(os.path.join(JOB, "job.yaml"), encoding="utf-8") as _file:
    SPEC = yaml.safe_load(_file)
VIEWS = list(SPEC["views"])
SOURCES = list(SPEC["sources"])
# Keyed like their topic: computed where it is read.
IN_PLACE = [v for v in VIEWS if SPEC["sources"][SPEC["views"][v]["from"]]["key"] in SPEC["views"][v]["entity"]]
MOVED = [v for v in VIEWS if v not in IN_PLACE]


def path(name):
    return os.path.join(TMP, name)


def events(form):
    """The file of data.py in that form."""
    folder = path(f"events-{form}")
    if not os.path.exists(folder):
        done = subprocess.run([sys.executable, "-B", data.__file__, "--out", folder, "--form", form, "--until", UNTIL],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return os.path.join(folder, "events.jsonl")


def job_file(topics):
    """job.yaml with other topics; the rest of the text as it is."""
    folder = path(f"job-{topics}")
    if not os.path.exists(folder):
        shutil.copytree(JOB, folder, ignore=shutil.ignore_patterns("*.py", "run", "__pycache__", "tests"))
        with open(os.path.join(JOB, "job.yaml"), encoding="utf-8") as file:
            text = re.sub(r"(?m)^    topic: ", f"    topic: {topics}", file.read())
        with open(os.path.join(folder, "job.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
    return os.path.join(folder, "job.yaml")


def make_topics(topics, partitions):
    names = {source: topics + SPEC["sources"][source]["topic"] for source in produce.SOURCES}
    produce.make_topics({"bootstrap.servers": SERVERS.brokers}, names, partitions)
    return names


def fill(names, partitions):
    return produce.produce({"bootstrap.servers": SERVERS.brokers}, events("arrival"), names, partitions)


def store():
    host, port = SERVERS.redis.split(":")
    return redis.Redis(host, int(port), socket_timeout=20, decode_responses=True)


def node(prefix, *more):
    return Node(SERVERS, prefix, path(f"state-{prefix}"), *more)


def deploy(prefix, topics):
    exits(0, "deploy", job_file(topics), "--brokers", SERVERS.brokers, "--prefix", prefix)


class Progress:
    """What a node says of the job."""

    def __init__(self, n, expected):
        self.node, self.expected, self.rows = n, expected, None
        self.done = 0

    def look(self):
        """True once everything is taken in and no row is added any more."""
        assert self.node.process.poll() is None, f"the node has ended: {self.node.log()[-3000:]}"
        job = self.node.json("/jobs/flights")
        if not job.get("tasks"):
            return False
        assert job["state"] != "failed", job["error"]
        assert not job["task_counts"]["failed"], [t["last_error"] for t in job["tasks"]]
        inputs = [i for t in job["tasks"] for i in t["inputs"] if ".by." not in i["topic"]]
        self.done = sum(i["offset"] or 0 for i in inputs)
        rows, self.rows = self.rows, job["rows"]
        return (all(t["state"] == "running" and t["lag_records"] == 0 for t in job["tasks"]) and
                self.done >= self.expected and rows == self.rows)


def wait_for(progress, seconds=600):
    """Looks a bit more rarely than the node renews its picture."""
    end = time.monotonic() + seconds
    while not progress.look():
        assert time.monotonic() < end, f"not caught up: {progress.done} of {progress.expected}; {progress.node.log()[-2000:]}"
        time.sleep(1.2)


def run_to_end(prefix, topics, expected):
    """Deploys and runs until everything is taken in, then stops it; the seconds that took."""
    with node(prefix) as n:
        since = time.monotonic()
        deploy(prefix, topics)
        wait_for(Progress(n, expected))
        took = time.monotonic() - since
        assert n.stop(60) == 0, n.log()[-3000:]
    return took


def oracle(job, events_file, *more):
    """oracle.py; (exit, output)."""
    done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tests", "oracle", "oracle.py"), job, "--events",
                           events_file, "--processes", "2", *more], capture_output=True, text=True, check=False,
                          env=clean_env())
    return done.returncode, done.stdout + done.stderr


def cleanup():
    shutil.rmtree(TMP, ignore_errors=True)
