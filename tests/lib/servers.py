# SPDX-License-Identifier: Apache-2.0
"""A sandbox of one's own (connectors/sandbox), and addresses of servers."""
import os
import re
import subprocess
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BOX = os.path.join(ROOT, "connectors", "sandbox")


@dataclass
class Servers:
    brokers: str
    redis: str


def markers_lost(folder, prefix):
    """Whether the sandbox's Kafka says that it ended a transaction of the prefix's without its end markers: it takes a
    topic whose leader it does not know, while it stops or after a start, for deleted (tests/crash/README.md)."""
    with open(os.path.join(folder, "log", "kafka.log"), errors="replace") as f:
        return any("Couldn't find leader endpoint" in line and prefix in line for line in f)


def shared():
    """Those that tests/run started for all suites: not to be stopped."""
    return Servers(os.environ["WEIR_BROKERS"], os.environ["WEIR_REDIS"])


class Sandbox(Servers):
    """Servers that a test may stop, kill and empty."""

    def __init__(self, folder, only="kafka,redis"):
        self.folder = folder
        out = self._do("up", "--dir", folder, "--only", only)
        env = dict(re.findall(r"^export (\w+)=(\S+)$", out, re.M))
        super().__init__(env.get("WEIR_BROKERS", ""), env.get("WEIR_REDIS", ""))

    def _do(self, tool, *args):
        r = subprocess.run([os.path.join(BOX, tool), *args], capture_output=True, text=True, timeout=180)
        assert r.returncode == 0, (tool, args, r.stderr[-2000:])
        return r.stdout

    def ctl(self, verb, server):
        return self._do("ctl", verb, server, "--dir", self.folder)

    def close(self):
        self._do("down", "--dir", self.folder, "--wipe")
