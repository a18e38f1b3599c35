# SPDX-License-Identifier: Apache-2.0
"""Each stage alone: the micro benchmarks, as CPU microseconds an event, which are CPU seconds per million."""
import re
import subprocess

from measure import Failed

# name, the line that has the figure, what to divide it by, a remark
STAGES = (
    ("consume (200 bytes, all threads)", r"^consume .* wall\s+([\d.]+) ns CPU", 1000, ""),
    ("decode JSON", r"^decode_json: ([\d.]+) ns", 1000, ""),
    ("decode Avro", r"^decode_avro: ([\d.]+) ns", 1000, "instead of JSON"),
    ("expression (one condition, one sum)", r"^expression: ([\d.]+) ns", 1000, "not in these queries"),
    ("window update, row made", r"^window_update: ([\d.]+) ns", 1000, "multi"),
    ("epoch's end: rows packed and kept", r"^epoch_end: ([\d.]+) ns", 1000, "multi"),
    ("produce (200 bytes, per record, all threads)", r"^produce .* wall\s+([\d.]+) ns CPU", 1000, "one offline row an event"),
    ("Redis, per row (ten features)", r"^client, with making rows\s+([\d.]+) us", 1, "per row changed in an epoch"),
    ("commit, ms of time for a transaction of 100 records", r"^transaction of 100 records\s+([\d.]+) ms", 1, "not CPU"),
)


def programs(build, redis, events):
    return ([f"{build}/bench/micro_codecs"], [f"{build}/bench/micro_run_window", str(events)],
            [f"{build}/bench/micro_kafka", "1000000", "200"], [f"{build}/bench/micro_redis", redis, "300000"])


def run(build, servers, events, env):
    """Markdown lines."""
    out = ""
    for program in programs(build, servers.redis, events):
        done = subprocess.run(["taskset", "-c", "0", *program], capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            raise Failed(f"{program[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        out += done.stdout
    lines = ["| stage alone | CPU seconds per million | |", "|-|-|-|"]
    for name, pattern, divide, remark in STAGES:
        found = re.search(pattern, out, re.M)
        if not found:
            raise Failed(f"no figure for '{name}' in what the micro benchmarks print")
        lines.append(f"| {name} | {float(found[1]) / divide:.3f} | {remark} |")
    state = re.search(r"^entities: (.*)$", out, re.M)
    return lines + ["", f"State of the window benchmark: {state[1]}."] if state else lines
