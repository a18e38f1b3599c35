# SPDX-License-Identifier: Apache-2.0
"""What docs/operations.md says happens when something dies: a few of its rows, seen from outside.

The commit protocol under faults is other suites' (tests/unit/run_engine.c, tests/engine).
"""
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

SECONDS = 180


class World:
    def __init__(self, top, weir, base):
        self.top, self.weir, self.base = top, weir, base
        self.sandbox = os.path.join(base, "operations-sandbox")
        self.environment = {**os.environ, "WEIR_SANDBOX_DIR": self.sandbox}
        self.nodes = []

    def script(self, name, *args):
        return subprocess.run([os.path.join(self.top, "connectors/sandbox", name), *args], env=self.environment,
                              check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

    def up(self):
        for line in self.script("up", "--dir", self.sandbox).splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.environment[name] = value.strip("'\"")

    def node(self, state):
        log = open(os.path.join(self.base, state + ".log"), "w", encoding="utf-8")      # noqa: SIM115
        process = subprocess.Popen([self.weir, "engine", "--state", state, "--http", "127.0.0.1:0"], cwd=self.base,
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.nodes.append(process)
        return process

    def run(self, *args):
        done = subprocess.run([self.weir, *args], cwd=self.base, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=SECONDS)
        return done.returncode, done.stdout, done.stderr

    def redis(self, *words):
        host, port = self.environment["WEIR_REDIS"].rsplit(":", 1)
        return subprocess.run(["redis-cli", "-h", host, "-p", port, *words], check=True, capture_output=True,
                              text=True).stdout.strip()

    def produce(self, file):
        python = os.path.join(self.environment["WEIR_CACHE"], "venv/bin/python")
        subprocess.run([python, os.path.join(self.top, "jobs/clicks/produce.py"), "--brokers",
                        self.environment["WEIR_BROKERS"], "--topic", "clicks", file], check=True, capture_output=True)

    def address(self, state):
        with open(os.path.join(self.base, state + ".log"), encoding="utf-8") as log:
            text = log.read()
        return text.split("http://", 1)[1].split("/", 1)[0] if "http://" in text else None

    def down(self):
        for process in self.nodes:
            if process.poll() is None:
                process.kill()
            process.wait()
        if os.path.exists(self.sandbox):
            self.script("down", "--dir", self.sandbox, "--wipe")


def until(condition):
    """None once it holds, else what is wrong."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return f"not within {SECONDS} s"
        time.sleep(0.1)
    return None


def running_tasks(world):
    """{owner: tasks} of the running ones, as `weir status` has them."""
    status, out, _ = world.run("status", "clicks", "--format", "json")
    owners = {}
    for node in json.loads(out)["nodes"] if status == 0 and out else []:
        for task in (node["status"] or {}).get("tasks", []):
            if task["state"] == "running":
                owners.setdefault(task["owner"].split(".")[0], set()).add(task["name"])
    return owners


def everything_runs(world, nodes):
    owners = running_tasks(world)
    return len(owners) == nodes and sum(map(len, owners.values())) == 15


def clicks_of_ann(world):
    status, out, _ = world.run("get", "user_activity", "ann", "--format", "json")
    return json.loads(out)["features"]["clicks_24h"] if status == 0 else None


def ready(address):
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        return False if error.code == 503 else None


def cpu_seconds_in_one(process):
    def used():
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = used()
    time.sleep(1)       # what is measured, not what is waited for
    return used() - before


def claims(top, weir, base):
    """(name, problem or None), one after the other."""
    world = World(top, weir, base)
    try:
        world.up()
        yield from in_order(world)
    finally:
        world.down()


def in_order(world):
    world.produce(os.path.join(world.top, "jobs/clicks/events.jsonl"))
    first = world.node("state-1")
    yield "a job is deployed", until(lambda: world.run("deploy", os.path.join(world.top, "jobs/clicks/job.yaml"))[0] == 0)
    yield "one node runs it all", until(lambda: everything_runs(world, 1) and clicks_of_ann(world) == "5")
    status, _, error = world.run("engine", "--state", "state-1", "--http", "127.0.0.1:0")
    yield "a state folder in use is refused", None if status == 2 and "in use" in error else f"exit {status}: {error}"
    world.node("state-2")
    yield "a second node takes its part", until(lambda: everything_runs(world, 2))
    first.send_signal(signal.SIGKILL)
    first.wait()
    yield "the other takes over from one that was killed", until(lambda: everything_runs(world, 1))

    world.redis("flushall")
    yield "an emptied Redis gets the live versions back", until(lambda: world.redis("get", "weir:user_activity") == "1")
    more = os.path.join(world.base, "more.jsonl")
    with open(more, "w", encoding="utf-8") as file:
        file.write(json.dumps({"key": "ann", "value": {"user_id": "ann", "at": "2026-03-01T11:30:00Z", "kind": "view"}}))
    world.produce(more)
    yield "and rows with the next event", until(lambda: clicks_of_ann(world) == "6")
    world.script("ctl", "stop", "redis")
    address = world.address("state-2")
    yield "a node without Redis is ready", None if ready(address) else "GET /readyz"
    world.script("ctl", "start", "redis")
    yield "and all other rows after a reconnection", until(lambda: world.run("get", "user_activity", "bob")[0] == 0)

    world.script("ctl", "stop", "kafka")
    yield "a node without Kafka is not ready", until(lambda: ready(address) is False)
    node = next(n for n in world.nodes if n.poll() is None)
    yield "nor does it burn a core meanwhile", until(lambda: cpu_seconds_in_one(node) < 0.2)
    world.script("ctl", "start", "kafka")
    yield "and is again when it is back", until(lambda: ready(address))
    node.terminate()
    try:
        node.wait(SECONDS)
    except subprocess.TimeoutExpired:
        pass
    yield "SIGTERM ends it with 0", None if node.returncode == 0 else f"exit {node.returncode}"
