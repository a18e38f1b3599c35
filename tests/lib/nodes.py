# SPDX-License-Identifier: Apache-2.0
"""The weir program: commands, and nodes as processes."""
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from until import PATIENCE, until

BIN = os.environ["WEIR_BIN"]
DONE, NO, USAGE, OUTSIDE = 0, 1, 2, 3


def clean_env():
    return {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}


def weir(*args, timeout=60, cwd=None):
    return subprocess.run([BIN, *args], env=clean_env(), cwd=cwd, capture_output=True, text=True, timeout=PATIENCE * timeout)


def exits(want, *args, **more):
    r = weir(*args, **more)
    assert r.returncode == want, (args, r.returncode, r.stdout[-3000:], r.stderr[-3000:])
    return r


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    """A `weir engine` (or `weir run JOB`); `with` ends it whatever happened."""

    def __init__(self, servers, prefix, state, *more, command=("engine",)):
        self.http = f"127.0.0.1:{free_port()}"
        self.log_path = state.rstrip("/") + f".{self.http.split(':')[1]}.log"
        self.args = [BIN, *command, "--brokers", servers.brokers, "--prefix", prefix, "--state", state,
                     "--http", self.http, *more]
        if servers.redis and "--redis" not in more:
            self.args += ["--redis", servers.redis]
        self.process = None

    def start(self, **env):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.args, env=clean_env() | env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE * seconds)

    def stops(self, seconds=30):
        """It stops cleanly."""
        status = self.stop(seconds)
        assert status == DONE, (status, self.log()[-3000:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def request(self, path, method="GET", body=None, headers=None):
        """(status, text); (0, why) when nobody answers."""
        r = urllib.request.Request(f"http://{self.http}{path}", method=method, headers=headers or {},
                                   data=body.encode() if body is not None else None)
        try:
            with urllib.request.urlopen(r, timeout=10 * PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError as e:
            return 0, str(e)

    def json(self, path):
        status, text = self.request(path)
        return json.loads(text) if status in (200, 503) else {}

    def ready(self):
        return self.request("/readyz")[0] == 200

    def await_ready(self, seconds=30):
        until(self.ready, seconds, lambda: (self.request("/readyz"), self.log()[-3000:]))
        return self

    def await_state(self, job, state, seconds=30):
        until(lambda: self.json(f"/jobs/{job}").get("state") == state, seconds,
              lambda: (self.request(f"/jobs/{job}")[1][:1500], self.log()[-3000:]))

    def metric(self, name, **labels):
        """The sum of the series that have these labels; None when there is none."""
        found = None
        for line in self.request("/metrics")[1].splitlines():
            m = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if m and all(f'{k}="{v}"' in (m[1] or "") for k, v in labels.items()):
                found = (found or 0) + float(m[2])
        return found

    def await_copies(self, job, seconds=90):
        """Every copy kept here was looked at after this call, and lacked nothing."""
        def job_now():
            return self.json(f"/jobs/{job}")

        def complete():
            now = job_now()
            return now.get("standby_rounds", 0) >= rounds and now["standby_tasks"] and now["standby_lag_records"] == 0
        # One round may have begun before; the next one has not.
        rounds = until(lambda: "standby_rounds" in (now := job_now()) and now["standby_rounds"] + 2, 30)
        until(complete, seconds, lambda: (rounds, self.request(f"/jobs/{job}")[1][:1500], self.log()[-2000:]))

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024
