# SPDX-License-Identifier: Apache-2.0
"""The servers of a run: a sandbox whose Kafka has a second listener, behind the proxy."""
import contextlib
import os
import subprocess

from nodes import free_port
from proxy import Proxy
from servers import BOX, Sandbox


class Box(Sandbox):
    def __init__(self, folder):
        super().__init__(folder)
        broker, controller = (self.read(f"run/port.kafka.{n}").strip() for n in ("broker", "controller"))
        behind, before = free_port(), free_port()
        self.extra = os.path.join(folder, "kafka", "extra.properties")
        with open(self.extra, "w") as f:
            f.write(f"listeners=PLAINTEXT://127.0.0.1:{broker},BEHIND://127.0.0.1:{behind},"
                    f"CONTROLLER://127.0.0.1:{controller}\n"
                    f"advertised.listeners=PLAINTEXT://127.0.0.1:{broker},BEHIND://127.0.0.1:{before}\n"
                    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT,CONTROLLER:PLAINTEXT\n")
        self.ctl("restart", "kafka")
        self.proxy = Proxy(before, behind)
        self.proxied = f"127.0.0.1:{before}"

    def read(self, path):
        with open(os.path.join(self.folder, path)) as f:
            return f.read()

    def runs(self, server):
        return subprocess.run([os.path.join(BOX, "ctl"), "status", server, "--dir", self.folder],
                              capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def settings(self, *lines, restart=True):
        """Of the broker, meanwhile; or of those starts of it that come meanwhile."""
        before = self.read("kafka/extra.properties")
        try:
            with open(self.extra, "a") as f:
                f.write("\n".join(lines) + "\n")
            if restart:
                self.ctl("restart", "kafka")
            yield
        finally:
            with open(self.extra, "w") as f:
                f.write(before)
            if restart:
                self.ctl("restart", "kafka")

    def close(self):
        self.proxy.close()
        super().close()
