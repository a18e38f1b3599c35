# SPDX-License-Identifier: Apache-2.0
"""Each stage alone: the micro benchmarks, as CPU microseconds an event, which are CPU seconds per million; and what a
whole job costs as a sum of them."""
import re
import subprocess

from measure import Failed

SMALL, LARGE = 200, 20_000    # bytes of a record: an event's or a row's; a block's

# name, program, the line that has the figure, microseconds in its unit, a remark
STAGES = (
    ("consume", "small", r"^consume .* wall\s+([\d.]+) ns CPU", 1e-3, f"{SMALL} bytes, all threads"),
    ("decode JSON", "codecs", r"^decode_json: ([\d.]+) ns", 1e-3, ""),
    ("decode Avro", "codecs", r"^decode_avro: ([\d.]+) ns", 1e-3, "instead of JSON"),
    ("expression", "window", r"^expression: ([\d.]+) ns", 1e-3, "one condition, one sum; not in these queries"),
    ("window update, row made", "window", r"^window_update: ([\d.]+) ns", 1e-3, "multi"),
    ("epoch's end: rows packed and kept", "window", r"^epoch_end: ([\d.]+) ns", 1e-3, "multi"),
    ("produce a record", "small", r"^produce .* wall\s+([\d.]+) ns CPU", 1e-3, f"{SMALL} bytes, all threads"),
    ("produce a large record", "large", r"^produce .* wall\s+([\d.]+) ns CPU", 1e-3, f"{LARGE:,} bytes, all threads"),
    ("an online row", "redis", r"^client, with making rows\s+([\d.]+) us", 1, "ten features"),
    ("a transaction", "small", r"^transaction of 100 records .*, ([\d.]+) ms CPU", 1e3, "of 100 records, all threads"),
    ("a transaction, time", "small", r"^transaction of 100 records\s+([\d.]+) ms", 1e3, "not CPU"),
)


def programs(build, redis, events, epoch):
    return {"codecs": ["micro_codecs"], "window": ["micro_run_window", str(events), str(epoch)],
            "small": ["micro_kafka", "1000000", str(SMALL)], "large": ["micro_kafka", "20000", str(LARGE)],
            "redis": ["micro_redis", redis, "300000"]}


class Stages:
    """Microseconds of each stage, measured once, with so many events an epoch; and what the window benchmark tells of its
    rows."""

    def __init__(self, build, servers, events, epoch, env):
        self.us, self.epoch, out = {}, epoch, {}
        for name, (program, *args) in programs(build, servers.redis, events, epoch).items():
            done = subprocess.run(["taskset", "-c", "0", f"{build}/bench/{program}", *args], capture_output=True, text=True,
                                  env=env, check=False)
            if done.returncode:
                raise Failed(f"{program} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
            out[name] = done.stdout
        for name, program, pattern, scale, _ in STAGES:
            found = re.search(pattern, out[program], re.M)
            if not found:
                raise Failed(f"no figure for '{name}' in what {program} prints")
            self.us[name] = float(found[1]) * scale
        self.state = re.search(r"^entities: (.*)$", out["window"], re.M)[1]
        self.row_bytes, self.changelog_bytes = (
            float(n) for n in re.search(r"offline (\d+) and changelog (\d+) bytes", self.state).groups())

    def lines(self):
        return ["| stage alone | us | |", "|-|-|-|", *(f"| {name} | {self.us[name]:.3f} | {remark} |"
                                                         for name, _, _, _, remark in STAGES),
                "", f"The window benchmark has {self.epoch:,} events an epoch, as the job with rows had. Its state: {self.state}."]

    def parts(self, figures, events, fmt, sink):
        """(stage, how often an event, us each) of multi."""
        block = LARGE / (self.changelog_bytes + (self.row_bytes if "blocks" in sink else 0))
        parts = [("consume", 1), ("decode Avro" if fmt == "avro" else "decode JSON", 1), ("window update, row made", 1),
                 ("epoch's end: rows packed and kept", 1),
                 *([] if "blocks" in sink else [("produce a record", figures.more["rows"] / events)]),
                 ("produce a large record", 1 / block), ("an online row", figures.more["online_rows"] / events),
                 ("a transaction", figures.more["epochs"] / events)]
        return [(name, often, self.us[name]) for name, often in parts if often]

    def sum_of(self, figures, events, fmt, sink, title):
        """The cost of an event of a whole run of multi beside the sum of its stages."""
        parts = self.parts(figures, events, fmt, sink)
        total = sum(often * us for _, often, us in parts)
        return [f"| {title} | how often an event | us each | us an event |", "|-|-|-|-|",
                *(f"| {name} | {often:.4g} | {us:.3f} | {often * us:.3f} |" for name, often, us in parts),
                f"| sum | | | {total:.2f} |", f"| the whole job | | | {figures.cpu:.2f} |",
                f"| the sum is | | | {100 * total / figures.cpu:.0f} % |" if figures.cpu else ""]
