# SPDX-License-Identifier: Apache-2.0
"""A reader of Redis that asks all the time, and notes a version that falls or a row that vanishes."""
import random
import threading
import time

import redis

from stream import SHOPS, USERS


class Watch(threading.Thread):
    def __init__(self, connect, prefix, rng):
        super().__init__(daemon=True)
        self.connect, self.prefix, self.rng = connect, prefix, random.Random(rng.random())
        self.seen, self.fallen, self.looks, self.closed = {}, [], 0, False
        self.lock = threading.Lock()
        self.start()

    def forget(self):
        """What Redis had is gone, by the test's own hand."""
        with self.lock:
            self.seen = {}

    def look(self, r):
        keys = [f"{self.prefix}:by_user:1:u{self.rng.randrange(USERS)}" for _ in range(20)]
        keys += [f"{self.prefix}:by_shop:1:s{self.rng.randrange(SHOPS)}" for _ in range(20)]
        with self.lock:
            pipe = r.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(key, "_v", "n")
            for key, (version, n) in zip(keys, pipe.execute()):
                was = self.seen.get(key, (b"", 0))
                now = (version or b"", int(n or 0))
                if now < was or now[1] < was[1]:
                    self.fallen.append((key, was, now))
                self.seen[key] = now
                self.looks += 1

    def run(self):
        r = self.connect()
        while not self.closed:
            try:
                self.look(r)
                time.sleep(0.01)
            except redis.RedisError:
                time.sleep(0.05)
                r = self.connect()

    def close(self):
        self.closed = True
        self.join()
