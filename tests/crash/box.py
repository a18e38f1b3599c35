# SPDX-License-Identifier: Apache-2.0
"""The servers of a run: a sandbox whose Kafka has a second listener, behind the proxy."""
import os

from nodes import free_port
from proxy import Proxy
from servers import Sandbox


class Box(Sandbox):
    def __init__(self, folder):
        super().__init__(folder)
        broker, controller = (self.read(f"run/port.kafka.{n}").strip() for n in ("broker", "controller"))
        behind, before = free_port(), free_port()
        with open(os.path.join(folder, "kafka", "extra.properties"), "w") as f:
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

    def close(self):
        self.proxy.close()
        super().close()
