# SPDX-License-Identifier: Apache-2.0
"""Watching an engine's processes work through a topic: CPU, time, memory, bytes to the broker.

Steady state is the same stretch of the stream for every engine: from when `warm` of its events have been taken (state
is there, a JVM has compiled what it runs) until the last one's results are committed. CPU is user + system of all
threads of the engine's processes.
"""
import os
import re
import subprocess
import time
from dataclasses import dataclass, field

HZ = os.sysconf("SC_CLK_TCK")
EVERY = 0.25         # seconds between two looks
LOOKS = 10           # that a figure needs: CPU is told in hundredths of a second
HALF_HOUR = 1800


class Failed(Exception):
    """Something outside failed, or an engine did."""


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / HZ


def peak_bytes(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            total += int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) * 1024
    return total


def bytes_sent(pids, brokers):
    """What the processes have sent on the connections they now have to the broker; None where `ss` is missing."""
    port = brokers.rsplit(":", 1)[1]
    try:
        out = subprocess.run(["ss", "-tinpHO", f"dport = :{port}"], capture_output=True, text=True, timeout=10,
                             check=False).stdout
    except OSError:
        return None
    lines = [line for line in out.splitlines() if any(f"pid={pid}," in line for pid in pids)]
    return sum(int(n) for line in lines for n in re.findall(r" bytes_sent:(\d+)", line)) or None


def bytes_read(pids):
    """By read and its like: from files. What comes from sockets is received, which does not count here."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/io", encoding="ascii") as f:
            total += int(re.search(r"rchar: (\d+)", f.read())[1])
    return total


def folder_bytes(path):
    return sum(os.lstat(os.path.join(d, f)).st_size for d, _, files in os.walk(path) for f in files
               if os.path.exists(os.path.join(d, f)))


@dataclass
class Figures:
    """One run. Per event means per event of the steady state."""
    cpu: float = 0.0       # seconds per million events
    rate: float = 0.0      # events a second
    looks: int = 0         # at the process in the steady state: of few, cpu and rate are no measurement
    peak: int = 0          # bytes
    state: int = 0         # bytes
    sent: int | None = None  # bytes to the broker, of the whole run
    read: int = 0          # bytes from files, of the whole run
    stalls: dict = field(default_factory=dict)  # seconds, by what kept records waiting
    entities: int = 0
    more: dict = field(default_factory=dict)
    right: bool = False
    check: str = ""


def crossing(samples, at):
    """(time, cpu) when so many events were taken, between the two looks around it that saw a new count: an engine may
    count when it commits."""
    news = [now for before, now in zip([(0, 0, None), *samples], samples) if now[2] != before[2]]
    for (t0, c0, n0), (t1, c1, n1) in zip(news, news[1:]):
        if n0 < at <= n1:
            part = (at - n0) / (n1 - n0)
            return t0 + part * (t1 - t0), c0 + part * (c1 - c0)
    return samples[0][:2]


def watch(engine, n, warm, figures):
    """Until the engine has committed everything; fills cpu and rate."""
    samples, end = [], time.monotonic() + HALF_HOUR
    while not samples or samples[-1][2] < n:
        if not engine.alive():
            raise Failed(f"the engine ended:\n{engine.log()}")
        if time.monotonic() > end:
            raise Failed(f"not done after half an hour:\n{engine.log()}")
        samples.append((time.monotonic(), cpu_seconds(engine.pids), min(engine.taken(), n)))
        time.sleep(EVERY)
    done_cpu = engine.settled(end)
    time_warm, cpu_warm = crossing(samples, warm * n)
    steady = n * (1 - warm)
    figures.looks = sum(at > time_warm for at, _, _ in samples)
    figures.cpu = (done_cpu - cpu_warm) / steady * 1e6
    figures.rate = steady / max(crossing(samples, n)[0] - time_warm, 1e-3)
