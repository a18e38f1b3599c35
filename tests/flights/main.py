# SPDX-License-Identifier: Apache-2.0
"""The checks of the flights job, in the order in which they need each other.

One node takes the events in while they are produced; it is the one held against the oracle. Another
replays them from the start, a third is killed again and again; `weir try` has no server at all.
"""
import collections
import json
import os
import random
import re
import sys
import threading
import time
import traceback

from confluent_kafka import KafkaError, KafkaException

import rows
import watching
import world
from nodes import BIN, weir
from world import IN_PLACE, MOVED, RUN, SERVERS, SPEC, VIEWS

LIVE, REPLAY, AGAIN, KILLED, ONE, WATCH, BUG = (
    f"{RUN}{word}" for word in ("live", "replay", "again", "killed", "one", "watch", "bug"))
TOPICS, SINGLE = f"{RUN}.", f"{RUN}.one."
PARTITIONS = {"departures": 4, "arrivals": 4, "weather": 2}
ONLINE_AT_LEAST = 500
KILLS = 5
have = {}        # what earlier checks found


def offline(prefix, view):
    return rows.committed(SERVERS.brokers, f"{prefix}.{view}.v1")


def moved_topics():
    found = {}
    for view in MOVED:
        source, by = SPEC["views"][view]["from"], SPEC["views"][view]["entity"]
        found[f"flights.{source}.by.{'-'.join(by)}"] = (source, by)
    return found


def write(name, lines):
    with open(world.path(name), "w", encoding="utf-8") as file:
        file.writelines(lines)
    return world.path(name)


def dump(prefix, online):
    """The files of a run that the oracle compares: rows, repartition records, online rows."""
    decoder = rows.Decoder(SERVERS.brokers, prefix)
    with open(world.path(f"{prefix}.rows"), "w", encoding="utf-8") as file:
        for view in VIEWS:
            file.writelines(rows.offline_lines(decoder, view, offline(prefix, view)))
    moved = []
    for topic, (source, by) in moved_topics().items():
        moved += rows.moved_lines(decoder, source, by, rows.committed(SERVERS.brokers, f"{prefix}.{topic}"))
    write(f"{prefix}.moved", (json.dumps(row) + "\n" for row in moved))
    write(f"{prefix}.online", (json.dumps({"view": v, "entity": e, "fields": f}) + "\n" for (v, e), f in online.items()))
    return moved


def against_oracle(prefix, *more):
    status, text = world.oracle(world.job_file(TOPICS), have["events"], "--repartition", world.path(f"{prefix}.moved"),
                                "--online", world.path(f"{prefix}.online"), *more)
    assert status == 0 and "\n0 mismatches" in "\n" + text, text[-4000:]
    return text


# ---------------------------------------------------------------- (a)

def test_engine_runs_while_events_are_produced():
    names = world.make_topics(TOPICS, PARTITIONS)
    with world.node(LIVE) as node:
        world.deploy(LIVE, TOPICS)
        counts = world.fill(names, PARTITIONS)
        have["expected"] = sum(counts.values())
        world.wait_for(world.Progress(node, have["expected"]))
        have["job"] = node.json("/jobs/flights")
        assert node.stop(60) == 0, node.log()[-3000:]
    have["online"] = rows.online(world.store(), LIVE, VIEWS)
    lines = []
    for source, topic in names.items():
        with open(os.path.join(world.JOB, SPEC["sources"][source]["schema"]), encoding="utf-8") as file:
            lines += rows.source_lines(source, json.load(file), rows.committed(SERVERS.brokers, topic))
    have["events"] = write("events", lines)
    assert len(lines) == have["expected"], (len(lines), counts)
    return f"{have['expected']:,} events, {have['job']['rows']:,} rows"


def test_every_row_against_the_oracle():
    have["moved"] = dump(LIVE, have["online"])
    text = against_oracle(LIVE, "--rows", world.path(f"{LIVE}.rows"))
    assert len(have["online"]) >= ONLINE_AT_LEAST, len(have["online"])
    with open(world.path(f"{LIVE}.rows"), encoding="utf-8") as file:
        count = sum(1 for _ in file)
    late, dead = (sum(int(found) for found in re.findall(rf"(\d+) {word}", text)) for word in ("late", "dead"))
    assert (have["job"]["late"], have["job"]["dead"]) == (late, dead), (have["job"]["late"], have["job"]["dead"], text)
    return f"{count:,} offline rows, {len(have['online']):,} online rows, {late} late, {dead} dead: 0 mismatches"


def test_weir_train_against_duckdb_and_pandas():
    """On these flights' own labels, every view and feature; what was known by then, as the model is trained."""
    sys.path.insert(0, os.path.join(world.ROOT, "tests", "train"))
    import asof
    said = list(asof.compare(BIN, watching.exported(LIVE), watching.labels(), "event_time", VIEWS, ("known",)))
    assert len(said) == 2 * len(VIEWS) and all(count > 10_000 for _, _, _, count, _ in said), said
    assert not [one for one in said if one[-1]], said
    return f"{said[0][3]:,} labels, {len(said)} joins compared: 0 mismatches"


# ---------------------------------------------------------------- (a'), what the features are for

def test_model_is_trained_and_its_predictions_are_watched():
    with world.node(LIVE) as node:
        out = watching.watched(LIVE, node, TOPICS, watching.exported(LIVE))
        assert node.stop(60) == 0, node.log()[-3000:]
    for part in ("A training set", "Was what was served also what is computed?", "rows 20,000 to 20,004", "A model", "Brier score", "scored as a stream", "What has drifted",
                 f"http://{node.http}/#flights_model", "PSI", "temp_now"):
        assert part in out, (part, out)
    found, models = watching.skill(TOPICS)
    rate, own, features, both = models.values()
    assert rate["auc"] == 0.5 < features["auc"] < own["auc"] < both["auc"] < 0.99, models
    assert both["log_loss"] < own["log_loss"] < rate["log_loss"] and both["brier"] < own["brier"] < rate["brier"], models
    assert found["trained_on"] > 10_000 < found["measured_on"], found
    have["drift"] = watching.drift(LIVE)
    _, records, _, alerts = have["drift"]
    served = watching.of(records, watching.SKEW)
    assert {r["column"] for r in served} == {*watching.SERVED} and len({r["segment"]["carrier"] for r in served}) > 10, served
    wrong = [r for r in served if r["nulls"] or r["examples"] or any(t["breached"] for t in r["tests"])]
    assert not wrong, wrong
    assert ": 0.00 % differ; 0 more" in out, out
    everything, records = records, watching.of(records, watching.MONITOR)
    assert len(everything) == len(records) + len(served)
    assert {r["column"] for r in records} == {*watching.COLUMNS, "_error"}, records
    assert len({r["window_start"] for r in records}) >= 4, records
    predictions = sum(r["rows"] for r in records if r["column"] == "score")
    assert 15_000 < predictions <= found["measured_on"] * 1.1, predictions
    said = {(a["column"], a["state"], a["window_start"]) for a in alerts if a["test"] == "psi"}
    assert said == watching.due_alerts(records), (said, watching.due_alerts(records))
    assert ("airport_weather__temp_now", "firing") in {alert[:2] for alert in said}, said
    return f"AUC {both['auc']:.3f}, base rate {found['rate_measured']:.3f}; {len(records)} drift records, {len(alerts)} alerts"


def test_the_same_drift_and_alerts_once_more():
    with world.node(WATCH) as node:
        watching.again(WATCH, node, TOPICS)
        assert node.stop(60) == 0, node.log()[-3000:]
    first, second = have["drift"], watching.drift(WATCH)
    one, two = (watching.settled(*found) for found in (first, second))
    assert one == two, [pair for pair in zip(one, two) if pair[0] != pair[1]][:5]
    return f"{len(first[0])} records and {len(first[2])} alerts, byte for byte"


def test_a_bug_in_one_served_feature_of_one_carrier_is_found_and_named():
    with world.node(BUG) as node:
        w, found, wrong = watching.with_bug(BUG, node, TOPICS)
        _, _, differ = watching.watch.skewed(w, found)
        assert node.stop(60) == 0, node.log()[-3000:]
    _, records, _, alerts = watching.drift(BUG)
    carrier, column = watching.SCALED
    assert list(differ) == [(column, carrier)], differ
    said = [r for r in watching.of(records, watching.SKEW) if any(t["test"] == "skew" and t["value"] for t in r["tests"])]
    assert said and {(r["segment"]["carrier"], r["column"]) for r in said} == {(carrier, column)}, said
    assert 0 < differ[column, carrier] <= wrong, (differ, wrong)  # the newest window is open still
    for example in (x for r in said for x in r["examples"]):
        assert abs(float(example["served"]) / float(example["computed"]) - 1.1) < 1e-6, example
    named = {(a["segment"]["carrier"], a["column"], a["state"]) for a in alerts if a["monitor"] == watching.SKEW[0]}
    assert named == {(carrier, column, "firing")}, named
    return f"{differ[column, carrier]:,} of {wrong:,} wrong values in closed windows, {len(said)} records name them, no other does"


def test_final_values_of_repartitioned_views_whatever_the_order():
    write(f"{LIVE}.merged", (json.dumps(row) + "\n" for row in rows.merged(have["moved"])))
    views = [part for view in MOVED for part in ("--view", view)]
    status, text = world.oracle(world.job_file(TOPICS), have["events"], "--repartition", world.path(f"{LIVE}.merged"),
                                "--online", world.path(f"{LIVE}.online"), *views)
    assert status == 0 and "\n0 mismatches" in "\n" + text, text[-4000:]


# ---------------------------------------------------------------- (b)

def entities(records):
    """{entity: its records in order}; the key begins with the entity."""
    found = collections.defaultdict(list)
    for _, _, key, value in records:
        found[key.partition(b"|")[0]].append((key, value))
    return found


def same_rows(prefix, view, other=LIVE):
    """Whether the partitions hold the same bytes; (rows, partitions in the very same order)."""
    want, got = offline(other, view), offline(prefix, view)
    assert want.keys() == got.keys(), (view, want.keys(), got.keys())
    count = ordered = 0
    for p, records in want.items():
        left, right = entities(records), entities(got[p])
        assert left.keys() == right.keys(), (view, p, sorted(left.keys() ^ right.keys())[:5])
        for entity, sequence in left.items():
            for i, (a, b) in enumerate(zip(sequence, right[entity])):
                assert a == b, (view, p, entity, i, a, b)
            assert len(sequence) == len(right[entity]), (view, p, entity, len(sequence), len(right[entity]))
        count += len(records)
        ordered += [r[2:] for r in records] == [r[2:] for r in got[p]]
    return count, ordered, len(want)


def all_same(prefix, views=IN_PLACE, other=LIVE):
    total = ordered = partitions = 0
    for view in views:
        n, o, p = same_rows(prefix, view, other)
        total, ordered, partitions = total + n, ordered + o, partitions + p
    return f"{total:,} rows byte for byte; {ordered} of {partitions} partitions in the very same order"


def test_replay_gives_the_same_bytes():
    took = world.run_to_end(REPLAY, TOPICS, have["expected"])
    return f"{all_same(REPLAY)}; {have['expected'] / took:,.0f} events/s from deploy on"


def test_replay_takes_records_by_their_timestamps():
    moved = dump(REPLAY, rows.online(world.store(), REPLAY, VIEWS))
    for row, wanted in zip(moved, rows.merged(moved)):
        assert row == {**wanted, "offset": row["offset"]}, f"not in the order of the timestamps: {row}, {wanted}"
    against_oracle(REPLAY, "--rows", world.path(f"{REPLAY}.rows"), "--once")
    return f"{len(moved):,} repartition records"


def test_two_replays_give_the_same_bytes():
    world.run_to_end(AGAIN, TOPICS, have["expected"])
    return all_same(AGAIN, MOVED, REPLAY)


# ---------------------------------------------------------------- (d)

def kill_sometime(prefix, draw, expected):
    """Starts a node, kills it a random moment after it has gone on; how far it was."""
    with world.node(prefix) as node:
        node.await_ready(60)
        progress, end = world.Progress(node, expected), time.monotonic() + 60
        at_first = None
        while time.monotonic() < end:
            progress.look()
            at_first = progress.done if at_first is None else at_first
            if progress.done > at_first or progress.done >= expected:
                break
            time.sleep(0.05)
        time.sleep(draw.uniform(0, 1))
        node.kill()
    return progress.done


def test_killed_five_times_and_the_same():
    seed = int(os.environ.get("WEIR_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"       seed {seed} (WEIR_SEED={seed} repeats it)", flush=True)
    draw, reached = random.Random(seed), []
    names = world.make_topics(f"{TOPICS}slow.", PARTITIONS)
    feed = threading.Thread(target=slowly, args=(names,))
    feed.start()
    try:
        world.deploy(KILLED, f"{TOPICS}slow.")
        for _ in range(KILLS):
            reached.append(kill_sometime(KILLED, draw, have["expected"]))
    finally:
        have["hurry"].set()
        feed.join()
    with world.node(KILLED) as node:
        world.wait_for(world.Progress(node, have["expected"]))
        assert node.stop(60) == 0, node.log()[-3000:]
    same = all_same(KILLED)
    online = rows.online(world.store(), KILLED, VIEWS)
    dump(KILLED, online)
    against_oracle(KILLED, "--rows", world.path(f"{KILLED}.rows"))
    differ = [key for key in have["online"] if key[0] in IN_PLACE and without_guard(have["online"][key]) !=
              without_guard(online.get(key, {}))]
    assert not differ, (differ[:3], [have["online"][k] for k in differ[:1]], [online.get(k) for k in differ[:1]])
    assert online.keys() == have["online"].keys(), sorted(online.keys() ^ have["online"].keys())[:5]
    midway = sum(0 < done < have["expected"] for done in reached)
    assert midway >= 3, f"only {midway} kills came before the end: {reached}"
    return f"{same}; kills after {', '.join(f'{done:,}' for done in reached)} events; 0 mismatches"


def without_guard(fields):
    return {k: v for k, v in fields.items() if k != "_v"}


have["hurry"] = threading.Event()


def slowly(names):
    """The events a slice at a time, so that the kills find something going on."""
    import produce
    slices, part = 60, world.path("slice")
    with open(world.events("arrival"), encoding="utf-8") as file:
        lines = file.readlines()
    for i in range(slices):
        with open(part, "w", encoding="utf-8") as file:
            file.writelines(lines[i * len(lines) // slices:(i + 1) * len(lines) // slices])
        produce.produce({"bootstrap.servers": SERVERS.brokers}, part, names, PARTITIONS)
        have["hurry"].wait(1)


class Partition:
    """A consumer that is told of each of the errors before the partition can be read."""

    def __init__(self, *codes):
        self.codes = list(codes)

    def get_watermark_offsets(self, _partition, timeout):
        assert timeout > 0
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return 3, 7


def test_the_producer_waits_for_a_partition_just_made():
    import produce
    for code in (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART,
                 KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
        assert produce.bounds(Partition(code, code), None) == (3, 7)
    try:
        produce.bounds(Partition(KafkaError.TOPIC_AUTHORIZATION_FAILED), None)
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    else:
        raise AssertionError("an error that no waiting mends was waited for")


# ---------------------------------------------------------------- (c)

def by_entity(lines):
    found = collections.defaultdict(list)
    for text in lines:
        row = json.loads(text)
        entity = tuple(row[name] for name in SPEC["views"][row["view"]]["entity"])
        found[row["view"], entity].append({k: v for k, v in row.items() if v is not None})
    return found


def test_try_gives_the_rows_of_one_partition_topics():
    one = dict.fromkeys(PARTITIONS, 1)
    names = world.make_topics(SINGLE, one)
    world.fill(names, one)
    world.run_to_end(ONE, SINGLE, have["expected"])
    decoder = rows.Decoder(SERVERS.brokers, ONE)
    engine = by_entity(line for view in VIEWS for line in rows.offline_lines(decoder, view, offline(ONE, view)))
    tried = weir("try", os.path.join(world.JOB, "job.yaml"), "--events", world.events("try"), timeout=300)
    assert tried.returncode == 0, tried.stderr[-2000:]
    trying = by_entity(tried.stdout.splitlines())
    assert trying.keys() == engine.keys(), sorted(trying.keys() ^ engine.keys())[:5]
    count = beyond = 0
    for whose, want in trying.items():
        got = engine[whose]
        for i, (a, b) in enumerate(zip(want, got)):
            assert a == b, (whose, i, a, b)
        # Nothing fires at the end of a file; an engine without input goes on with what is due.
        assert len(got) >= len(want) and all("source_offset" not in row for row in got[len(want):]), \
            (whose, len(want), len(got), got[len(want):][:2])
        count, beyond = count + len(want), beyond + len(got) - len(want)
    return f"{count:,} rows equal, bit for bit; {beyond} more that were due when the input ended"


def main(words):
    passed = failed = 0
    tests = [(name[5:].replace("_", " "), f) for name, f in globals().items() if name.startswith("test_")]
    # Everything builds on the first.
    for number, (label, test) in enumerate(tests):
        if words and number and not any(word in label for word in words):
            continue
        since = time.monotonic()
        try:
            said = test()
            passed += 1
            print(f"ok     {label} ({time.monotonic() - since:.1f} s){': ' + said if said else ''}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED {label} ({time.monotonic() - since:.1f} s)\n{traceback.format_exc(limit=-3)[-6000:]}", flush=True)
            if number == 0:
                break
    world.cleanup()
    print(f"suite: {passed} passed, {failed} failed", flush=True)
    os._exit(failed != 0)


main(sys.argv[1:])
