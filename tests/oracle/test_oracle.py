# SPDX-License-Identifier: Apache-2.0
"""Tests of the oracle itself: cases computed by hand, and a slow, literal, record-by-record model of the
design that must agree with it on random streams."""
import contextlib
import json
import os
import random
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare as comparing  # noqa: E402
import oracle  # noqa: E402
from aggregates import maker  # noqa: E402
from expr import compiled, default_hop, parse  # noqa: E402
from job import Dead, Job, iso_ms  # noqa: E402
from semantics import Moved, Record, ViewRun, read_moved, read_source  # noqa: E402

S, M, H, D = 1000, 60_000, 3_600_000, 86_400_000

SCHEMA = {"type": "record", "name": "e", "fields": [
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "user", "type": ["null", "string"]},
    {"name": "n", "type": ["null", "int"], "default": None},
    {"name": "x", "type": ["null", "double"], "default": None},
    {"name": "deep", "type": ["null", {"type": "record", "name": "d", "fields": [
        {"name": "ok", "type": "boolean"}]}], "default": None}]}


def job_of(features, lateness="10m", **view):
    """A job with one source `e` keyed by user and one view `v`."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "e.avsc"), "w", encoding="utf-8") as file:
            json.dump(SCHEMA, file)
        spec = {"job": "t", "sources": {"e": {"topic": "e", "format": "json", "schema": "e.avsc", "time": "at",
                                              "key": "user", "lateness": lateness}},
                "views": {"v": {"entity": ["user"], "from": "e", "features": features, **view}}}
        return Job(spec, folder)


def record(offset, at, user="a", n=None, x=None, timestamp=None, partition=0):
    value = {"at": at, "user": user, "n": n, "x": x}
    return Record(partition, offset, at if timestamp is None else timestamp, value)


def run(job, records):
    """{entity: [(event_time, known_at, offset or 'x', values…)]} and the source's partitions."""
    source, view = job.sources["e"], job.views["v"]
    partitions = read_source(source, records)
    found = {}
    for entity, _, rows in ViewRun(view, source, partitions).rows():
        found.setdefault(entity[0], []).extend(
            (r.event_time, r.known_at, "x" if r.offset is None else r.offset, *r.values) for r in rows)
    return found, partitions


def rows_of(features, records, user="a", **options):
    return run(job_of(features, **options), records)[0].get(user, [])


class Windows(unittest.TestCase):
    def test_default_hops(self):
        self.assertEqual(default_hop(30 * D), D)
        self.assertEqual(default_hop(12 * D), D)
        self.assertEqual(default_hop(12 * D - 1), H)
        self.assertEqual(default_hop(12 * H), H)
        self.assertEqual(default_hop(12 * H - 1), 5 * M)
        self.assertEqual(default_hop(H), 5 * M)
        self.assertEqual(default_hop(H - 1), 299_999)
        self.assertEqual(default_hop(90 * S), 7500)
        self.assertEqual(default_hop(10 * S), S)

    def test_a_tile_leaves_at_its_end_plus_the_window(self):
        # 1h, hop 5m. The event at 7 m is in tile [5 m, 10 m), which leaves at 10 m + 1 h = 70 m.
        rows = rows_of({"c": "count() over 1h"}, [record(0, 7 * M), record(1, 70 * M - 1), record(2, 70 * M)])
        self.assertEqual(rows, [(7 * M, 7 * M, 0, 1), (70 * M - 1, 70 * M - 1, 1, 2),
                                (70 * M, 70 * M, "x", 1), (70 * M, 70 * M, 2, 2)])

    def test_expiry_waits_for_stream_time(self):
        rows = rows_of({"c": "count() over 1h"}, [record(0, 7 * M), record(1, 70 * M - 1, "b")])
        self.assertEqual(rows, [(7 * M, 7 * M, 0, 1)])
        rows = rows_of({"c": "count() over 1h"}, [record(0, 7 * M), record(1, 70 * M, "b", timestamp=71 * M)])
        self.assertEqual(rows, [(7 * M, 7 * M, 0, 1), (70 * M, 70 * M, "x", 0)])

    def test_every(self):
        # 7d every 1d: tile [0, 1 d) leaves at 8 d.
        rows = rows_of({"c": "count() over 7d every 1d"}, [record(0, 5), record(1, 8 * D - 1), record(2, 8 * D, "b")])
        self.assertEqual(rows, [(5, 5, 0, 1), (8 * D - 1, 8 * D - 1, 1, 2), (8 * D, 8 * D, "x", 1)])

    def test_tumbling(self):
        rows = rows_of({"c": "count() over tumbling 1h"},
                       [record(0, 1), record(1, H - 1), record(2, H), record(3, 3 * H, "b")])
        self.assertEqual(rows, [(1, 1, 0, 1), (H - 1, H - 1, 1, 2), (H, H, "x", 0), (H, H, 2, 1),
                                (2 * H, 2 * H, "x", 0)])

    def test_before_the_epoch(self):
        # floor, not towards zero: the event at -1 ms is in tile [-5 m, 0), which leaves at 1 h.
        rows = rows_of({"c": "count() over 1h"}, [record(0, -1), record(1, H, "b")])
        self.assertEqual(rows, [(-1, -1, 0, 1), (H, H, "x", 0)])

    def test_two_windows_that_empty_together_give_one_row(self):
        # tile [0, 5 m) of 1h leaves at 65 m; tumbling 65m empties at 65 m.
        rows = rows_of({"a": "count() over 1h", "b": "count() over tumbling 65m"}, [record(0, 0), record(1, 65 * M, "b")])
        self.assertEqual(rows, [(0, 0, 0, 1, 1), (65 * M, 65 * M, "x", 0, 0)])

    def test_a_tile_counts_as_full_whatever_the_feature_took(self):
        rows = rows_of({"s": "sum(n) over 1h where n > 5"}, [record(0, 0, n=1), record(1, 65 * M, "b")])
        self.assertEqual(rows, [(0, 0, 0, 0), (65 * M, 65 * M, "x", 0)])

    def test_but_not_when_the_views_where_refused_the_event(self):
        rows, parts = run(job_of({"c": "count() over 1h"}, where="n > 5"),
                          [record(0, 0, n=1), record(1, 10 * M, n=6), record(2, 20 * M, n=None), record(3, 75 * M, "b")])
        self.assertEqual(rows["a"], [(10 * M, 10 * M, 1, 1), (75 * M, 75 * M, "x", 0)])
        self.assertEqual(parts[0].stream_time, 75 * M)      # refused events move stream time all the same

    def test_expiry_none(self):
        rows = rows_of({"c": "count() over 1h"}, [record(0, 0), record(1, 2 * H)], expiry="none")
        self.assertEqual(rows, [(0, 0, 0, 1), (2 * H, 2 * H, 1, 1)])

    def test_a_sparse_event_causes_one_row_per_window(self):
        rows = rows_of({"a": "count() over 1h", "b": "count() over 24h"}, [record(0, 0), record(1, 3 * D, "b")])
        self.assertEqual(rows, [(0, 0, 0, 1, 1), (65 * M, 65 * M, "x", 0, 1), (25 * H, 25 * H, "x", 0, 0)])


class Disorder(unittest.TestCase):
    def test_late_is_strictly_older_than_stream_time_minus_lateness(self):
        rows, parts = run(job_of({"c": "count() over 1h"}), [record(0, 20 * M), record(1, 10 * M), record(2, 10 * M - 1)])
        self.assertEqual(parts[0].late, [2])
        self.assertEqual(rows["a"], [(20 * M, 20 * M, 0, 1), (20 * M, 20 * M, 1, 2)])

    def test_a_late_record_moves_nothing_and_partitions_are_apart(self):
        _, parts = run(job_of({"c": "count() over 1h"}),
                       [record(0, 20 * M), record(0, 0, "b", partition=1), record(1, 1, "b", partition=1)])
        self.assertEqual((parts[0].late, parts[1].late, parts[1].stream_time), ([], [], 1))

    def test_out_of_order_restates_the_value_at_the_clock(self):
        rows = rows_of({"c": "count() over 1h", "l": "last(n)", "f": "first(n)"},
                       [record(0, 20 * M, n=1), record(1, 15 * M, n=2), record(2, 20 * M, n=3)])
        self.assertEqual(rows, [(20 * M, 20 * M, 0, 1, 1, 1), (20 * M, 20 * M, 1, 2, 1, 2), (20 * M, 20 * M, 2, 3, 3, 2)])

    def test_known_at_never_falls(self):
        rows = rows_of({"c": "count()"}, [record(0, 20 * M, timestamp=50 * M), record(1, 21 * M, timestamp=22 * M)])
        self.assertEqual([r[1] for r in rows], [50 * M, 50 * M])

    def test_known_at_of_an_expiry_row_is_its_instant_unless_later_knowledge_came_first(self):
        rows = rows_of({"c": "count() over 1h"},
                       [record(0, 0, timestamp=70 * M), record(1, 66 * M, "b", timestamp=70 * M)])
        self.assertEqual(rows, [(0, 70 * M, 0, 1), (65 * M, 70 * M, "x", 0)])

    def test_an_instant_already_passed_fires_right_after_the_row(self):
        # lateness 3 h: b's event at 0 comes when stream time is 2 h; its tile left 1h at 65 m. At 185 m the tile of
        # 2 h leaves 1h, and that of 0 leaves 3h.
        rows = rows_of({"c": "count() over 1h", "d": "count() over 3h"},
                       [record(0, 2 * H, "a"), record(1, 0, "b", timestamp=2 * H), record(2, 2 * H, "b"),
                        record(3, 185 * M, "a")], user="b", lateness="3h")
        self.assertEqual(rows, [(0, 2 * H, 1, 1, 1), (65 * M, 2 * H, "x", 0, 1), (2 * H, 2 * H, 2, 1, 2),
                                (185 * M, 185 * M, "x", 0, 1)])

    def test_an_instant_at_or_below_the_clock_never_fires(self):
        rows = rows_of({"c": "count() over 1h"},
                       [record(0, 65 * M, "a"), record(1, 0, "a", timestamp=65 * M), record(2, 66 * M, "a")], lateness="3h")
        self.assertEqual(rows, [(65 * M, 65 * M, 0, 1), (65 * M, 65 * M, 1, 1), (66 * M, 66 * M, 2, 2)])

    def test_the_clock_is_the_latest_expiry_fired(self):
        # a's tile leaves at 65 m, fired when b moves stream time to 70 m; then a's event of 62 m comes.
        rows = rows_of({"c": "count() over 1h"}, [record(0, 0), record(1, 70 * M, "b"), record(2, 62 * M, timestamp=71 * M)])
        self.assertEqual(rows, [(0, 0, 0, 1), (65 * M, 65 * M, "x", 0), (65 * M, 71 * M, 2, 1)])

    def test_an_old_tumbling_period_is_not_the_current_one(self):
        rows = rows_of({"c": "count() over tumbling 1h"}, [record(0, H), record(1, H - 1)])
        self.assertEqual(rows, [(H, H, 0, 1), (H, H, 1, 1)])

    def test_due_rows_of_an_entity_come_before_its_next_event(self):
        rows = rows_of({"c": "count() over 1h"}, [record(0, 0), record(1, 3 * H)])
        self.assertEqual(rows, [(0, 0, 0, 1), (65 * M, 65 * M, "x", 0), (3 * H, 3 * H, 1, 1)])


class Forgetting(unittest.TestCase):
    def test_known_at_starts_again(self):
        # The entity's last tile left at 65 m = its clock; stream time 80 m - 10 m > 65 m: dropped.
        rows = rows_of({"c": "count() over 1h"},
                       [record(0, 0, timestamp=20 * H), record(1, 80 * M, "b"), record(2, 81 * M, timestamp=81 * M)])
        self.assertEqual(rows, [(0, 20 * H, 0, 1), (65 * M, 20 * H, "x", 0), (81 * M, 81 * M, 2, 1)])

    def test_not_while_stream_time_minus_lateness_is_at_the_clock(self):
        rows = rows_of({"c": "count() over 1h"}, [record(0, 0, timestamp=20 * H), record(1, 75 * M, timestamp=75 * M)])
        self.assertEqual(rows[-1], (75 * M, 20 * H, 1, 1))
        rows = rows_of({"c": "count() over 1h"}, [record(0, 0, timestamp=20 * H), record(1, 75 * M + 1, timestamp=76 * M)])
        self.assertEqual(rows[-1], (75 * M + 1, 76 * M, 1, 1))

    def test_lifetime_keeps(self):
        rows = rows_of({"c": "count()", "w": "count() over 1h"}, [record(0, 0), record(1, 900 * D)])
        self.assertEqual(rows[-1], (900 * D, 900 * D, 1, 2, 1))

    def test_forget(self):
        # Clock 65 m after the expiry row; forgotten when stream time - 10 m > 65 m + 1 d.
        edge = D + 75 * M
        features = {"c": "count()", "w": "count() over 1h"}
        self.assertEqual(rows_of(features, [record(0, 0), record(1, edge)], forget="1d")[-1], (edge, edge, 1, 2, 1))
        self.assertEqual(rows_of(features, [record(0, 0), record(1, edge + 1)], forget="1d")[-1],
                         (edge + 1, edge + 1, 1, 1, 1))

    def test_behind_in_a_repartition_topic_the_clock_starts_again(self):
        job = job_of({"c": "count() over 1h"})
        moved = [Moved(0, i, (u,), {"user": u}, t, t, p, i, t)
                 for i, (u, t, p) in enumerate([("a", 0, 0), ("b", 3 * H, 1), ("a", 10 * M, 0)])]
        run_ = ViewRun(job.views["v"], job.sources["e"], read_moved(moved))
        rows = {entity[0]: [(r.event_time, r.offset, *r.values) for r in rows] for entity, _, rows in run_.rows()}
        # a was dropped when stream time reached 3 h; its event of 10 m is taken anew, and its tile has left already.
        self.assertEqual(rows["a"], [(0, 0, 1), (65 * M, None, 0), (10 * M, 2, 1), (75 * M, None, 0)])


class Decoding(unittest.TestCase):
    def dead(self, value, timestamp=5):
        source = job_of({"s": "sum(n)", "a": "avg(x)", "o": "last(deep.ok)"}).sources["e"]
        with self.assertRaises(Dead) as caught:
            source.decode(value, timestamp)
        return caught.exception.reason

    def test_reasons(self):
        self.assertEqual(self.dead(None), "empty")
        self.assertEqual(self.dead([1]), "not_an_object")
        self.assertEqual(self.dead({"user": "a"}), "missing")
        self.assertEqual(self.dead({"at": None, "user": "a"}), "null")
        self.assertEqual(self.dead({"at": 1, "user": "a", "n": 6.5}), "type")
        self.assertEqual(self.dead({"at": 1, "user": "a", "n": True}), "type")
        self.assertEqual(self.dead({"at": 1, "user": "a", "n": 1 << 31}), "range")
        self.assertEqual(self.dead({"at": 1, "user": "a", "x": float("nan")}), "range")
        self.assertEqual(self.dead({"at": 1, "user": "a", "deep": {}}), "missing")
        self.assertEqual(self.dead({"at": D + 6, "user": "a"}), "future_time")

    def test_good(self):
        source = job_of({"s": "sum(n)", "o": "last(deep.ok)"}).sources["e"]
        columns, at = source.decode({"at": D + 5, "deep": {"ok": True}, "more": 1}, 5)
        self.assertEqual((columns, at), ({"at": D + 5, "deep.ok": True, "n": None, "user": None}, D + 5))

    def test_unused_columns_are_not_looked_at(self):
        source = job_of({"c": "count()"}).sources["e"]
        self.assertEqual(source.decode({"at": 1, "user": "a", "n": "x"}, 5)[1], 1)

    def test_null_entity(self):
        rows, _ = run(job_of({"c": "count()"}), [record(0, 1, None), record(1, 2)])
        self.assertEqual(list(rows), ["a"])

    def test_iso(self):
        self.assertEqual(iso_ms("1970-01-01T00:00:01Z", "t"), 1000)
        self.assertEqual(iso_ms("1970-01-01T01:00:00.5+01:00", "t"), 500)
        self.assertEqual(iso_ms("2013-03-10 07:00:00", "t"), 1362898800000)
        for wrong in ("yesterday", "2013-13-01T00:00:00Z", "2013-01-01T25:00:00Z", ""):
            with self.assertRaises(Dead):
                iso_ms(wrong, "t")


class Aggregates(unittest.TestCase):
    def value(self, name, values, *arguments):
        made = maker(name, arguments)()
        for i, value in enumerate(values):
            made.add(value, i, i)
        return made.value()

    def test_empty(self):
        for name in ("avg", "min", "max", "first", "last", "median", "var", "var_pop", "stddev", "stddev_pop"):
            self.assertIsNone(self.value(name, []), name)
        for name in ("count", "sum", "distinct", "approx_distinct"):
            self.assertEqual(self.value(name, []), 0, name)

    def test_values(self):
        self.assertEqual(self.value("var", [1, 2, 4]), 7 / 3)
        self.assertEqual(self.value("var_pop", [1.0, 2.0, 4.0]), 14 / 9)
        self.assertIsNone(self.value("stddev", [3]))
        self.assertEqual(self.value("stddev_pop", [3]), 0)
        self.assertEqual(self.value("sum", [0.1] * 10), 1.0)
        self.assertEqual(self.value("stddev", [1e9 + i for i in (1, 2, 3)]), 1.0)
        self.assertEqual(self.value("quantile", [5, 1, 4, 2, 3], 0.9), 4.0)
        self.assertEqual(self.value("median", [4, 1, 3, 2]), 2.0)
        self.assertEqual(self.value("top", ["b", "a", "b", "c", "c"], 2), ["b", "c"])
        self.assertIsNone(self.value("sum", [(1 << 63) - 1, 1]))

    def test_taking_out_is_the_same_as_never_having_had(self):
        source = random.Random(7)
        for name, arguments in (("count", ()), ("sum", ()), ("avg", ()), ("var", ()), ("min", ()), ("max", ()), ("first", ()),
                                ("last", ()), ("distinct", ()), ("median", ()), ("quantile", (0.9,)), ("top", (2,))):
            for double in (False, True):
                parts = [[(source.randint(0, 5) / (10 if double else 1) if double else source.randint(0, 5), i * 10 + j)
                          for j in range(source.randint(1, 6))] for i in range(4)]
                make = maker(name, arguments)
                tiles = []
                for part in parts:
                    tiles.append(make())
                    for value, at in part:
                        tiles[-1].add(value, at, at)
                whole, rest = make(), make()
                for tile in tiles:
                    whole.merge(tile)
                for tile in tiles[1:]:
                    rest.merge(tile)
                if not whole.take(tiles[0]):
                    self.assertEqual(whole.value(), rest.value(), name)


class Expressions(unittest.TestCase):
    def value(self, text, **env):
        return compiled(parse(text))(env)

    def test_arithmetic(self):
        self.assertEqual(self.value("1 + 2 * 3 - -4"), 11)
        self.assertEqual(self.value("7 / 2"), 3.5)
        self.assertEqual(self.value("(0 - 7) % 3"), -1)
        for text in ("1 / 0", "1 % 0", "1 + null", "9223372036854775807 + 1", "1e308 * 10", "ln(0)", "sqrt(-1)", "exp(1000)"):
            self.assertIsNone(self.value(text), text)

    def test_null_logic(self):
        self.assertIs(self.value("null = 1 or true"), True)
        self.assertIs(self.value("null = 1 and false"), False)
        self.assertIsNone(self.value("not (x = 1)", x=None))
        self.assertIsNone(self.value("x in (1, null)", x=2))
        self.assertIs(self.value("x in (1, null)", x=1), True)
        self.assertIs(self.value("x is not null and x between 1 and 3", x=3), True)
        self.assertIs(self.value("x is null", x=None), True)

    def test_precedence(self):
        self.assertIs(self.value("not a = 1 or b = 2", a=1, b=2), True)
        self.assertIs(self.value("1 + 1 = 2 and 'it''s' = s", s="it's"), True)

    def test_functions(self):
        self.assertEqual(self.value("case when x > 1 then 'big' when x > 0 then 'small' end", x=1), "small")
        self.assertIsNone(self.value("case when x > 1 then 'big' end", x=None))
        self.assertEqual(self.value("coalesce(x, nullif(1, 1), 3)", x=None), 3)
        self.assertEqual(self.value("cast('12' as int) + cast(2.5 as long)"), 15)
        self.assertIsNone(self.value("cast('x' as int)"))
        self.assertIsNone(self.value("cast(3000000000 as int)"))
        self.assertEqual(self.value("substr('abcdef', 2, 3)"), "bcd")
        self.assertEqual(self.value("split_part('a-b-c', '-', 2)"), "b")
        self.assertEqual(self.value("hour(t) * 10 + dow(t)", t=4 * H), 44)      # 1 January 1970 was a Thursday
        self.assertEqual([self.value("round(x)", x=x) for x in (0.5, -0.5, 2.5, 0.49999999999999994)], [1, -1, 3, 0])

    def test_windows(self):
        tree = parse("count() over 7d every 1d where x > 1 and y")
        self.assertEqual((tree[3].size, tree[3].hop), (7 * D, D))
        self.assertEqual(parse("sum(x) over 1h / 2")[0], "arith")
        self.assertEqual(parse("sum(x) over tumbling 1d")[3].key(), ("tumbling", D, 0))

    def test_features_of_features(self):
        rows = rows_of({"a": "count() over 1h", "b": "count() over 1h where n > 1", "share": "b / a",
                        "zero": "b / (a - 1)", "inline": "sum(n) over 1h + count() over 1h"},
                       [record(0, 0, n=1), record(1, 1, n=2)])
        self.assertEqual(rows, [(0, 0, 0, 1, 0, 0.0, None, 2), (1, 1, 1, 2, 1, 0.5, 1.0, 5)])


class Literal:
    """The design read word for word, record by record, without tiles: every window is counted over all events.
    Due rows of other entities wait in a line, 64 (here: `burst`) per record."""

    def __init__(self, lateness, windows, burst):
        self.lateness, self.windows, self.burst = lateness, windows, burst
        self.stream, self.events, self.clock, self.known, self.rows = None, {}, {}, {}, {}
        self.due = set()

    @staticmethod
    def instant(kind, size, hop, at):
        return (at // size + 1) * size if kind == "tumbling" else (at // hop + 1) * hop + size

    @staticmethod
    def inside(kind, size, hop, at, now):
        start = now // size * size if kind == "tumbling" else (now - size) // hop * hop
        return start <= at <= now

    def row(self, entity, offset):
        now = self.clock[entity]
        counts = [sum(self.inside(*w, at, now) for at, _ in self.events[entity]) for w in self.windows]
        sums = [sum(n for at, n in self.events[entity] if self.inside(*w, at, now) and n is not None) for w in self.windows]
        self.rows.setdefault(entity, []).append((now, self.known[entity], offset, *counts, *sums))

    def fire(self, instant, entity):
        self.due.discard((instant, entity))
        if instant > self.clock[entity]:
            self.clock[entity] = instant
            self.known[entity] = max(self.known[entity], instant)
            self.row(entity, "x")

    def fire_all(self, entity):
        for instant, _ in sorted(d for d in self.due if d[1] == entity and d[0] <= self.stream):
            self.fire(instant, entity)

    def take(self, entity, at, n, timestamp, offset):
        if self.stream is not None and at < self.stream - self.lateness:
            return
        self.stream = at if self.stream is None else max(self.stream, at)
        if entity in self.clock:
            self.fire_all(entity)
            if not any(d[1] == entity for d in self.due) and self.stream - self.lateness > self.clock[entity]:
                del self.clock[entity], self.known[entity], self.events[entity]
        self.events.setdefault(entity, []).append((at, n))
        self.clock[entity] = max(self.clock.get(entity, at), at)
        self.known[entity] = max(self.known.get(entity, timestamp), timestamp)
        self.due |= {(self.instant(*w, at), entity) for w in self.windows if self.instant(*w, at) > self.clock[entity]}
        self.row(entity, offset)
        self.fire_all(entity)
        for instant, other in sorted(d for d in self.due if d[0] <= self.stream)[:self.burst]:
            self.fire(instant, other)


class AgainstTheLiteralModel(unittest.TestCase):
    WINDOWS = [("hop", H, 5 * M), ("hop", 3 * H, H), ("tumbling", 2 * H, 0)]
    FEATURES = {"a": "count() over 1h", "b": "count() over 3h every 1h", "c": "count() over tumbling 2h",
                "d": "sum(n) over 1h", "e": "sum(n) over 3h every 1h", "f": "sum(n) over tumbling 2h"}

    def stream(self, source):
        now, records = 0, []
        for offset in range(source.randint(1, 120)):
            now += source.choice((0, 1, M, 5 * M, 7 * M, 20 * M, H, 4 * H) if source.random() < 0.9 else (D,))
            at = max(0, now - source.choice((0, 0, 0, 0, M, 6 * M, 30 * M, 65 * M, 2 * H)))
            records.append(record(offset, at, source.choice("abcdefgh"), n=source.choice((None, 1, 2, 3)),
                                  timestamp=now + source.choice((0, 1, 30 * M))))
        return records

    def test_random_streams(self):
        for seed in range(300):
            source = random.Random(seed)
            records, lateness = self.stream(source), source.choice(("0s", "10m", "1h", "6h"))
            job = job_of(self.FEATURES, lateness=lateness)
            literal = Literal(job.sources["e"].lateness, self.WINDOWS, source.choice((1, 2, 64)))
            for r in records:
                literal.take(r.value["user"], r.value["at"], r.value["n"], r.timestamp, r.offset)
            rows, _ = run(job, records)
            for entity, expected in rows.items():
                found = literal.rows[entity]
                self.assertEqual(found, expected[:len(found)], (seed, entity))
                # what is left may only be due rows that were still in line at the end
                self.assertTrue(all(r[2] == "x" for r in expected[len(found):]), (seed, entity))
                waiting = {d[0] for d in literal.due if d[1] == entity and d[0] <= literal.stream}
                self.assertTrue({r[0] for r in expected[len(found):]} <= waiting, (seed, entity))
            self.assertEqual(rows.keys(), literal.rows.keys())

    def test_what_may_be_missing_covers_what_the_literal_model_leaves(self):
        for seed in range(200):
            source = random.Random(seed)
            records, burst = self.stream(source), source.choice((1, 2))
            job = job_of(self.FEATURES, lateness="1h")
            view, src = job.views["v"], job.sources["e"]
            literal = Literal(src.lateness, self.WINDOWS, burst)
            for r in records:
                literal.take(r.value["user"], r.value["at"], r.value["n"], r.timestamp, r.offset)
            viewed = ViewRun(view, src, read_source(src, records), burst=burst)
            rows = {entity: rows for entity, _, rows in viewed.rows()}
            actual = {(entity,): [dict(zip(("event_time", "known_at", "source_offset", *"abcdef"), row)) for row in found]
                      for entity, found in literal.rows.items()}
            for found in actual.values():
                for row in found:
                    expiry = row["source_offset"] == "x"
                    row.update(source_partition=None if expiry else 0, source_offset=None if expiry else row["source_offset"])
            done = comparing.compare(view, rows, actual, viewed.drained_at(0))
            self.assertEqual(done.total(), 0, (seed, done.shown))


class Comparing(unittest.TestCase):
    def setUp(self):
        self.job = job_of({"c": "count() over 1h", "q": "quantile(x, 0.5) over 1h", "u": "approx_distinct(n)",
                           "twice": "q * 2", "t": "top(n, 2)"})
        self.view = self.job.views["v"]
        records = [record(0, 0, n=1, x=10.0), record(1, 1, n=2, x=20.0), record(2, 2 * H, "b")]
        run_ = ViewRun(self.view, self.job.sources["e"], read_source(self.job.sources["e"], records))
        self.rows = {entity: rows for entity, _, rows in run_.rows()}
        self.actual = {entity: [json.loads(oracle.as_line(self.view, entity, row)) for row in rows]
                       for entity, rows in self.rows.items()}

    def kinds(self):
        return {kind for _, kind in comparing.compare(self.view, self.rows, self.actual).mismatches}

    def test_equal(self):
        self.assertEqual(self.kinds(), set())

    def test_an_approximation_may_be_off_by_its_error(self):
        row = self.actual[("a",)][1]
        row["q"], row["twice"], row["u"] = 10.09, 20.18, 3
        self.assertEqual(self.kinds(), set())
        row["q"] = 10.2
        self.assertEqual(self.kinds(), {"values"})

    def test_a_feature_of_an_approximation_must_follow_it(self):
        row = self.actual[("a",)][1]
        row["q"], row["twice"] = 10.09, 20.0
        self.assertEqual(self.kinds(), {"values"})

    def test_top_may_choose_among_equals(self):
        self.actual[("a",)][1]["t"] = [2, 1]
        self.assertEqual(self.kinds(), set())
        self.actual[("a",)][1]["t"] = [2, 3]
        self.assertEqual(self.kinds(), {"values"})

    def test_missing_extra_twice_and_order(self):
        rows = self.actual[("a",)]
        self.actual[("a",)] = rows[1:]
        self.assertEqual(self.kinds(), {"missing row"})
        self.actual[("a",)] = [rows[0], rows[0]] + rows[1:]
        self.assertEqual(self.kinds(), {"row twice"})
        self.actual[("a",)] = [rows[1], rows[0]] + rows[2:]
        self.assertEqual(self.kinds(), {"order"})
        self.actual[("a",)] = rows + [dict(rows[0], event_time=77)]
        self.assertEqual(self.kinds(), {"unexpected row"})

    def test_a_key_as_often_as_expected_or_once(self):
        rows, actual = self.rows[("a",)], self.actual[("a",)]
        for once, found in ((False, 0), (True, 1)):
            comparer = comparing.Comparer(once=once)
            comparer.entity(self.view, ("a",), 0, [rows[0], *rows], [actual[0], *actual])
            self.assertEqual(comparer.mismatches[self.view.name, "row twice"], found)

    def test_null_is_not_zero_and_an_entity_too_many(self):
        self.actual[("a",)][-1]["c"] = None
        self.actual[("z",)] = [self.actual[("b",)][0]]
        self.assertEqual(self.kinds(), {"values", "unexpected entity"})

    def test_online(self):
        comparer = comparing.Comparer()
        last = oracle.last_rows(self.rows[("a",)])
        fields = {"_t": "3900000", "_k": "3900000", "c": "0", "u": "2", "t": "[1,2]"}
        comparer.online(self.view, ("a",), last, fields)
        self.assertEqual(comparer.total(), 0, comparer.shown)
        comparer.online(self.view, ("a",), last, {**fields, "q": "10"})
        self.assertEqual(comparer.total(), 1)

    def test_entities_as_in_redis(self):
        self.assertEqual(comparing.value_of(("a:b", 3, True, "50%|")), "a%3Ab:3:1:50%25%7C")


class CommandLine(unittest.TestCase):
    """The whole way, with files: a source of two partitions, one view in place and one repartitioned."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("e.avsc", [json.dumps(SCHEMA)])
        self.write("job.yaml", [json.dumps({
            "job": "t", "sources": {"e": {"topic": "e", "format": "json", "schema": "e.avsc", "time": "at", "key": "user",
                                          "lateness": "10m"}},
            "views": {"own": {"entity": ["user"], "from": "e", "features": {"c": "count() over 1h"}},
                      "by_n": {"entity": ["n"], "from": "e", "where": "n > 0", "features": {"s": "sum(x)"}}}})])
        events = [(0, 0, "a", 1), (1, 0, "b", 1), (0, 1, "a", 2), (1, 1, "b", 0), (0, 2, "a", None)]
        self.write("events", [json.dumps({"source": "e", "partition": p, "offset": o, "timestamp": o, "key": u, "value": {
            "at": o, "user": u, "n": n, "x": 1}}) for p, o, u, n in events])
        self.moved = [{"source": "e", "by": ["n"], "partition": 0, "offset": i, "entity": [n], "columns": {"x": 1.0},
                       "event_time": o, "known_at": o, "source_partition": p, "source_offset": o, "source_stream_time": o}
                      for i, (p, o, n) in enumerate([(1, 0, 1), (0, 0, 1), (0, 1, 2)])]

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, lines):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def oracle(self, *extra):
        self.write("moved", [json.dumps(row) for row in self.moved])
        with open(os.devnull, "w", encoding="utf-8") as nothing, \
                contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            return oracle.main([self.path("job.yaml"), "--events", self.path("events"), *extra])

    def test_repartition(self):
        moved = ("--repartition", self.path("moved"))
        self.assertEqual(self.oracle(), 2)
        self.assertEqual(self.oracle("--view", "own"), 0)
        self.assertEqual(self.oracle(*moved, "--out", self.path("rows")), 0)
        with open(self.path("rows"), encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        self.assertEqual([(r["n"], r["source_partition"], r["source_offset"], r["s"]) for r in rows if r["view"] == "by_n"],
                         [(1, 1, 0, 1.0), (1, 0, 0, 2.0), (2, 0, 1, 1.0)])
        self.assertEqual(self.oracle(*moved, "--rows", self.path("rows")), 0)
        self.assertEqual(self.oracle(*moved, "--rows", self.path("rows"), "--processes", "2"), 0)
        del self.moved[1]
        self.assertEqual(self.oracle(*moved), 1)


if __name__ == "__main__":
    unittest.main()
