# SPDX-License-Identifier: Apache-2.0
"""bench/run's work: which runs there are, and what is told of them."""
import argparse
import os
import signal
import sys

import latency
import peers
import stages
import weir
from bench import KEPT, Bench, median, say
from measure import LOOKS, Failed
from queries import QUERIES, TARGETS

ROWS = (("multi", "json", "rows"), ("multi", "json", "both"), ("multi", "avro", "rows"), ("multi", "avro", "both"),
        ("multi", "json", "blocks"), ("multi", "json", "blocks+redis"), ("multi", "avro", "blocks+redis"), ("tumble", "json", "rows"), ("hop", "json", "rows"), ("items", "json", "both"), ("emit", "json", "both"))
SINKS = {"rows": "rows", "both": "rows + Redis", "blocks": "blocks", "blocks+redis": "blocks + Redis"}
INTERVALS = ("50ms", "100ms", "500ms", "5s")
MB = 1 << 20


def words(known):
    def read(text):
        found = text.split(",")
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"{text}: choose from {','.join(known)}")
        return found
    return read


def arguments():
    ask = argparse.ArgumentParser(prog="bench/run", add_help=False)
    ask.add_argument("--events", type=int, default=5_000_000)
    ask.add_argument("--runs", type=int, default=3)
    ask.add_argument("--memory", default="1G")
    ask.add_argument("--warm", type=float, default=0.4)
    ask.add_argument("--queries", type=words(QUERIES))
    ask.add_argument("--formats", type=words(("json", "avro")))
    ask.add_argument("--sinks", type=words(SINKS))
    for what in ("whole", "stages", "overhead", "scale", "peers", "latency"):
        ask.add_argument(f"--{what}", action="store_true")
    ask.add_argument("--users", type=int, action="append")
    ask.add_argument("--rate", type=int)
    ask.add_argument("--seconds", type=int, default=30)
    ask.add_argument("--build")
    args = ask.parse_args()
    args.asked = args.queries or args.formats or args.sinks
    return args


def chosen(args):
    if not args.asked:
        return ROWS
    return [(q, f, s) for q in args.queries or QUERIES for f in args.formats or ("json",) for s in args.sinks or ("rows", "both")]


# ---- the table of queries ----

HEAD = ("query", "format", "sinks", "CPU s / M", "target", "events/s", "peak MB", "its target", "state MB", "entities",
        "rows", "online rows", "bytes to the broker an event", "misses", "epochs",
        "longest stall by commit; flush, ms", "answers")


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "-|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def mb(size):
    return f"{size / MB:,.0f}"


def spread(found):
    """The median, with the lowest and the highest run."""
    text = f"{median(found).cpu:.2f}" if median(found).looks >= LOOKS else "too short"
    return text if len(found) == 1 else f"{text} ({found[0].cpu:.2f} to {found[-1].cpu:.2f})"


def answers(found):
    bad = [f for f in found if not f.right]
    return f"WRONG in {len(bad)} of {len(found)}" if bad else "right"


def cells(found, n, target):
    f = median(found)
    return [spread(found), str(target or ""), f"{f.rate:,.0f}", mb(f.peak), mb((64 << 20) + 300 * f.entities),
            mb(f.state), f"{f.entities:,}", f"{f.more['rows']:,}", f"{f.more['online_rows']:,}",
            f"{f.sent / n:,.0f}" if f.sent else "", f"{f.more['state_misses']:,}", f"{f.more['epochs']:,}",
            "; ".join(f"{f.stalls.get(why, 0) * 1000:.0f}" for why in ("commit", "flush")), answers(found)]


def notes(found):
    f = median(found)
    dropped, repairs = f.more["online_dropped_rows"], f.more["online_repairs"]
    return ([f"; {dropped:,} online rows dropped, {repairs:,} repairs"] if dropped or repairs else []) + (
        [f"; {f.more['expiry_rows']:,} of the rows are of expiry: {per_row(f):.2f} CPU s per million rows"]
        if f.more["expiry_rows"] else [])


def a_miss(f):
    """Bytes that the process read from files for each row that was not in memory: the store's."""
    return f"{f.read / f.more['state_misses']:,.0f}" if f.more["state_misses"] else ""


def per_row(f):
    return f.cpu * (1 - f.more["expiry_rows"] / f.more["rows"])


def measured(bench, rows):
    """(lines, all answers right?, the medians of multi)"""
    out, remarks, right, multi = [], [], True, {}
    for name, fmt, sink in rows:
        stream = bench.stream(fmt == "avro")
        found = bench.again(f"{name}, {fmt}, {SINKS[sink]}",
                            lambda q=QUERIES[name], a=fmt == "avro", r=sink in ("both", "blocks+redis"), b=sink.startswith("blocks"),
                            s=stream: weir.run(bench, q, a, r, s, blocks=b))
        right = right and all(f.right for f in found)
        if name == "multi":
            multi[fmt, sink] = median(found)
        out.append([name, fmt, SINKS[sink], *cells(found, stream.n, TARGETS.get((name, fmt, sink)))])
        remarks += [f"{name}, {fmt}, {SINKS[sink]}{text}." for text in notes(found)]
        remarks += [f"{name}, {fmt}, {SINKS[sink]}: {f.check}" for f in found if not f.right]
    return [*table(HEAD, out), *([""] if remarks else []), *remarks], right, multi


def summed(bench, multi):
    """Each stage alone, and the whole jobs as sums of them."""
    say("measuring each stage alone")
    epoch = bench.args.events // multi["json", "rows"].more["epochs"]
    alone = stages.Stages(bench.build, bench.servers, bench.args.events, epoch, bench.env)
    lines = alone.lines()
    for (fmt, sink), figures in multi.items():
        lines += ["", *alone.sum_of(figures, bench.args.events, fmt, sink, f"multi, {fmt}, {SINKS[sink]}")]
    return lines


def explained(args):
    return [f"{args.events:,} events of W, medians of {args.runs}; exactly once every 100 ms, --memory {args.memory}, the engine "
            f"on one core, the servers on the other. CPU of the last {100 - args.warm * 100:.0f} % of the events. Every answer "
            "checked."]


# ---- overhead, scale ----

def overhead(bench):
    """What the protocol costs: the same job with fewer and fewer transactions."""
    out, right = [], True
    stream = bench.stream()
    for interval in INTERVALS:
        found = bench.again(f"commit every {interval}",
                            lambda i=interval: weir.run(bench, QUERIES["multi"], False, False, stream, commit=i))
        f = median(found)
        right = right and all(g.right for g in found)
        out.append([interval, spread(found), f"{f.rate:,.0f}", f"{f.more['epochs']:,}", mb(f.peak),
                    f"{f.sent / stream.n:,.0f}" if f.sent else "", answers(found)])
    head = ("commit every", "CPU s / M", "events/s", "epochs", "peak MB", "bytes to the broker an event", "answers")
    return [f"multi, JSON, rows; {stream.n:,} events, medians of {bench.args.runs}.", "", *table(head, out)], right


def scaled(bench):
    """Workers and processes, a hot key, more entities than fit in memory."""
    args, last = bench.args, os.cpu_count() - 1
    both = f"0-{min(1, last)}"
    plain = bench.stream()
    cases = [("1 worker", "multi", plain, {}), ("2 workers", "multi", plain, {"workers": 2, "cores": both}),
             ("2 processes", "multi", plain, {"nodes": 2, "cores": both}), ("repartitioned, 1 worker", "items", plain, {}),
             ("repartitioned, 2 workers", "items", plain, {"workers": 2, "cores": both})]
    if args.users:
        cases = []
    else:
        cases.append(("one user has half of the events", "multi", ("hot.", None, ["--hot", "50"]), {}))
    for users in args.users or (1_000_000, 10_000_000):
        n = users + args.events
        cases.append((f"{users:,} users", "multi", (f"users{users}.", (n, users / n), ["--users", str(users), "--first-each"]), {}))
    out, right = [], True
    for what, name, stream, more in cases:
        if isinstance(stream, tuple):
            label, size, options = stream
            n, warm = size or (None, None)
            stream = bench.stream(n=n, warm=warm, options=options, name=label)
        found = bench.again(what, lambda q=QUERIES[name], s=stream, m=more: weir.run(bench, q, False, False, s, **m))
        right = right and all(f.right for f in found)
        out.append([what, *cells(found, stream.n, None), a_miss(median(found))])
    return [f"JSON, rows; --memory {args.memory} a node; medians of {args.runs}. With two workers or processes the engine may use "
            f"core 0 and 1; the servers are on core {last}. With many users the first event of each comes before what is measured.",
            "", *table(("case", *HEAD[3:], "bytes read a miss"), out)], right


# ---- the other engines ----

PEERS = ("tumble", "multi", "hop")


def compared(bench):
    """Each query on weir and on the other engines, over the same topic."""
    out, wrong, right = [], [], True
    for name in bench.args.queries or PEERS:
        query = QUERIES[name]
        stream = bench.stream(n=min(bench.args.events, peers.HOP_EVENTS) if name == "hop" else None)
        engines = {f"weir, commit every {i}": lambda i=i: weir.run(bench, query, False, False, stream, commit=i)
                   for i in ("100ms", "10s")}
        engines |= {label: lambda l=label: peers.run(bench, l, query, stream) for label in peers.KINDS}
        for label, once in engines.items():
            found = bench.again(f"{name}, {label}", once)
            f = median(found)
            right = right and all(g.right for g in found)
            wrong += [f"{name}, {label}: {g.check}" for g in found if not g.right]
            out.append([name, f"{stream.n:,}", label, spread(found), f"{f.rate:,.0f}", mb(f.peak), mb(f.state),
                        f"{f.sent / stream.n:,.0f}" if f.sent else "", answers(found)])
    head = ("query", "events", "engine", "CPU s / M", "events/s", "peak MB", "state MB", "bytes to the broker an event", "answers")
    return [f"JSON in, rows out, exactly once; medians of {bench.args.runs}; each engine's process on one core, the broker on the "
            f"other. CPU of the last {100 - bench.args.warm * 100:.0f} % of the events.", "", *peers.versions(bench), "",
            *table(head, out), *wrong], right


def warm_up(bench):
    """A broker's JVM compiles while it works, on the servers' core: what was measured first would wait for that."""
    if bench.args.events >= KEPT:
        say("warming up the broker")
        stream = bench.stream(n=KEPT)
        for _ in range(2):
            weir.run(bench, QUERIES["multi"], False, True, stream)


def of(chosen_ones):
    """Part of a kept table's name: one of a choice does not take another's place."""
    return "".join(f"{one}-" for one in chosen_ones or ())


def work(bench):
    args = bench.args
    warm_up(bench)
    if args.overhead:
        lines, right = overhead(bench)
        bench.keep("overhead-", "what committing costs", lines, args.events)
    elif args.scale:
        lines, right = scaled(bench)
        bench.keep(f"scale-{of(args.users)}", "scale on one machine", lines, args.events)
    elif args.peers:
        lines, right = compared(bench)
        bench.keep(f"peers-{of(args.queries)}", "beside Kafka Streams and Flink", lines, args.events)
    elif args.latency:
        lines, right = latency.run(bench)
        bench.keep("latency-", "from produced to seen", lines, args.events)
    elif args.stages:
        lines, right, multi = measured(bench, [("multi", "json", sink) for sink in ("rows", "both", "blocks")])
        bench.keep("stages-", "stages", [*explained(args), "", *lines, "", *summed(bench, multi)], args.events)
    else:
        rows = [("multi", "json", "both")] if args.whole else chosen(args)
        lines, right, multi = measured(bench, rows)
        full = not args.whole and not args.asked
        if full:
            lines += ["", *summed(bench, multi)]
        bench.keep("", "queries", [*explained(args), "", *lines], args.events if full else 0)
    return right


def main():
    args = arguments()
    if args.whole:
        args.runs = 1
    os.sched_setaffinity(0, {os.cpu_count() - 1})    # and so all that is started here, but for the engines
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = None
    try:
        bench = Bench(args, os.environ["WEIR_BUILD"])
        return 0 if work(bench) else 1
    except (Failed, AssertionError) as e:
        say(f"bench/run: {e}")
        return 3
    except KeyboardInterrupt:
        return 130
    finally:
        if bench:
            bench.close()


sys.exit(main())
