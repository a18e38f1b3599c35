# SPDX-License-Identifier: Apache-2.0
"""Compares the rows that weir wrote with those that the oracle expects.

What it is for: actual rows (JSON lines as `weir try` prints them, too many to hold as objects) against
expected ones, entity by entity: every row by its key (event_time, partition:offset or x), every field,
and the order within an entity; and the last row of each entity against Redis.

Tolerances: doubles 1e-9 relative (and 1e-9 absolute, for differences of nearly equal numbers), a
quantile 1 %, approx_distinct four standard errors, top any choice among equally common values.
Everything else is exact.

What it does not do: it does not look at the order between entities, which is no contract.
"""
import collections
import json
import math
import mmap

DOUBLE_ERROR = 1e-9
QUANTILE_ERROR = 0.01
META = ("event_time", "known_at", "source_partition", "source_offset")


def value_of(entity):
    """Redis form of an entity: values joined by ':', with %, : and | escaped."""
    def escaped(value):
        text = ("1" if value else "0") if isinstance(value, bool) else str(value)
        return text.replace("%", "%25").replace(":", "%3A").replace("|", "%7C")
    return ":".join(escaped(value) for value in entity)


class ActualRows:
    """Rows of a file, by view and entity, parsed when asked for."""

    def __init__(self, path, views):
        self.at = {name: collections.defaultdict(list) for name in views}
        self.strangers = 0
        with open(path, "rb") as file:
            file.seek(0, 2)
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
        position = 0
        while position < len(self.data):
            end = self.data.find(b"\n", position)
            end = len(self.data) if end < 0 else end
            if end > position:
                self.index(json.loads(self.data[position:end]), position, end, views)
            position = end + 1

    def index(self, row, start, end, views):
        view = views.get(row.get("view"))
        if view is None:
            self.strangers += 1
            return
        fields = flat(row)
        self.at[view.name][tuple([fields.get(name) for name in view.entity])].append((start, end))

    def rows(self, view, entity):
        return [flat(json.loads(self.data[start:end])) for start, end in self.at[view.name].get(entity, ())]

    def entities(self, view):
        return self.at[view.name].keys()


def flat(row):
    """Features and entity columns at the top, however the row nests them."""
    for part in ("entity", "features"):
        if isinstance(row.get(part), dict):
            row = {**row, **row[part]}
    return row


# ---------------------------------------------------------------- values

def same_double(expected, actual, error=DOUBLE_ERROR, absolute=DOUBLE_ERROR):
    return math.isclose(expected, actual, rel_tol=error, abs_tol=absolute)


def same_value(expected, actual):
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        return isinstance(actual, (int, float)) and isinstance(expected, (int, float)) and same_double(expected, actual)
    return expected == actual


def same_top(expected, actual):
    counts = getattr(expected, "counts", {})
    return isinstance(actual, list) and len(actual) == len(expected) and len(set(actual)) == len(actual) and \
        [counts.get(v) for v in actual] == [counts.get(v) for v in expected]


class Comparer:
    def __init__(self, hll_error=0.02, limit=20, once=False):
        """once: no key may stand twice, whatever the oracle has; so it is in a replay."""
        self.hll_error, self.limit, self.once = hll_error, limit, once
        self.mismatches, self.shown = collections.Counter(), []
        self.counts = collections.Counter()
        self.tentative = []

    def absorb(self, other):
        """Takes over what another comparer (of another process) counted."""
        self.mismatches.update(other.mismatches)
        self.counts.update(other.counts)
        self.shown += other.shown[:self.limit - len(self.shown)]

    # -- reporting
    def report(self, view, kind, text):
        self.mismatches[view.name, kind] += 1
        if len(self.shown) < self.limit:
            self.shown.append(f"{view.name}: {kind}: {text}")

    def total(self):
        return sum(self.mismatches.values())

    # -- one feature
    def same_feature(self, view, feature, expected, actual, row):
        if feature.kind == "unchecked":
            return True
        if feature.kind == "derived":
            seen = {f.name: row.get(f.name) for f in view.features}
            return same_value(feature.value(seen), actual)
        if expected is None or actual is None:
            return expected is None and actual is None
        if feature.kind == "quantile":
            return not isinstance(actual, (bool, str)) and same_double(expected, actual, QUANTILE_ERROR)
        if feature.kind == "approx_distinct":
            return type(actual) is int and abs(actual - expected) <= max(1, 4 * self.hll_error * expected)
        return same_top(expected, actual) if feature.kind == "top" else same_value(expected, actual)

    def differences(self, view, expected, actual):
        found = []
        for name, want in zip(META, expected[:4]):
            if actual.get(name) != want:
                found.append((name, want, actual.get(name)))
        for feature, want in zip(view.features, expected.values):
            got = actual.get(feature.name)
            if want == got and type(want) is type(got) and feature.kind != "derived":
                continue
            if not self.same_feature(view, feature, want, got, actual):
                found.append((feature.name, want, got))
        return found

    # -- one entity
    def entity(self, view, entity, partition, expected, actual):
        """expected: the oracle's rows of one input partition in order; actual: the file's, in order."""
        self.counts[view.name, "entities"] += 1
        self.counts[view.name, "rows"] += len(expected)
        # A key may stand more than once where the oracle has it so: records taken in as they came, not merged by
        # timestamp, may bring an entity of a repartitioned view back that was forgotten, and to the same instant again.
        times = collections.Counter(row_key(row) for row in expected)
        where = {}
        for i, row in enumerate(actual):
            key = actual_key(row)
            places = where.setdefault(key, [])
            if len(places) == (1 if self.once else max(1, times[key])):
                self.report(view, "row twice", f"{entity} {shown_key(key)}")
            else:
                places.append(i)
        last_event = max((i for i, row in enumerate(expected) if row.partition is not None), default=-1)
        places, missing = [], []
        for i, row in enumerate(expected):
            key = row_key(row)
            if not where.get(key):
                missing.append((i, row))
                continue
            at = where[key].pop(0)
            places.append((at, key))
            wrong = self.differences(view, row, actual[at])
            if wrong:
                self.report(view, "values", f"{entity} {shown_key(key)}: " + shown_differences(wrong))
        for (before, _), (after, key) in zip(places, places[1:]):
            if after < before:
                self.report(view, "order", f"{entity} {shown_key(key)} comes too early")
                break
        self.missing(view, (entity, partition), missing, len(expected), last_event)
        for key, left in where.items():
            for _ in left:
                self.report(view, "unexpected row", f"{entity} {shown_key(key)}")

    def missing(self, view, whose, missing, length, last_event):
        """Only a tail of expiry rows may be missing, and only if they can still have been waiting."""
        tail = length
        allowed = set()
        for i, row in reversed(missing):
            if i != tail - 1 or i <= last_event or row.due is None:
                break
            tail = i
            allowed.add(i)
        for i, row in missing:
            if i in allowed:
                self.tentative.append((whose, row))
            else:
                self.report(view, "missing row", f"{whose[0]} {shown_key(row_key(row))}")

    def settle(self, view, drained_at):
        """Decides about tails once the view is done; drained_at: per partition, the last record that surely left
        nothing due."""
        for (entity, partition), row in self.tentative:
            if row.due > drained_at[partition]:
                self.counts[view.name, "still due"] += 1
            else:
                self.report(view, "missing row", f"{entity} {shown_key(row_key(row))}")
        self.tentative = []

    def online(self, view, entity, expected, fields):
        """fields: the Redis hash, text to text; None if there is none. expected: the rows that may be the last."""
        self.counts[view.name, "online"] += 1
        if not fields:
            self.report(view, "online row missing", f"{entity}")
            return
        actual = {"event_time": number_of(fields.get("_t")), "known_at": number_of(fields.get("_k"))}
        wrong = []
        for row in expected:
            for feature, want in zip(view.features, row.values):
                actual[feature.name] = typed(fields.get(feature.name), want)
            wrong.append(self.differences(view, row._replace(partition=None, offset=None), actual))
            if not wrong[-1]:
                return
        self.report(view, "online values", f"{entity}: " + shown_differences(wrong[0]))


def number_of(text):
    return None if text is None else int(text)


def typed(text, like):
    """Text of a Redis field as the type of the expected value."""
    if text is None or isinstance(like, str):
        return text
    if isinstance(like, bool):
        return {"0": False, "1": True}.get(text, text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def row_key(row):
    return row.event_time, None if row.partition is None else (row.partition, row.offset)


def actual_key(row):
    partition = row.get("source_partition")
    return row.get("event_time"), None if partition is None else (partition, row.get("source_offset"))


def shown_key(key):
    return f"{key[0]}|{'x' if key[1] is None else f'{key[1][0]}:{key[1][1]}'}"


def shown_differences(found):
    return "; ".join(f"{name}: expected {want!r}, found {got!r}" for name, want, got in found)


def compare(view, expected_rows, actual_rows, drained_at=None, **options):
    """expected_rows: {entity: [Row]}, actual_rows: {entity: [dict]}; returns the Comparer. For tests and small runs,
    all of one partition; drained_at as in settle(), by default no due row may be missing."""
    comparer = Comparer(**options)
    for entity, rows in expected_rows.items():
        comparer.entity(view, entity, 0, rows, [flat(row) for row in actual_rows.get(entity, [])])
    for entity in actual_rows.keys() - expected_rows.keys():
        comparer.report(view, "unexpected entity", f"{entity}")
    comparer.settle(view, {0: math.inf if drained_at is None else drained_at})
    return comparer
