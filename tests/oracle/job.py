# SPDX-License-Identifier: Apache-2.0
"""A job file as the oracle sees it: sources that decode records, views with their aggregates.

What it is for: YAML and .avsc -> Source and View objects; the JSON value of a record -> typed columns
or the reason why it is a dead letter.

What it does not do: it reports no errors of a job file nicely (that is `weir check`), and knows no
tables, joins, monitors, session or `last N` windows, decimals, arrays or maps.
"""
import datetime
import json
import math
import os
import re
import struct

import yaml

import aggregates
from expr import ExprError, Window, compiled, duration_ms, names_in, parse, walk

DAY = 86_400_000
APPROXIMATE = {"quantile": "quantile", "median": "quantile", "approx_distinct": "approx_distinct", "top": "top"}


class Dead(Exception):
    """A record that goes to the dead-letter topic. reason is a word, detail names the column."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


# ---------------------------------------------------------------- columns

def ranged(low, high):
    def decode(value, name):
        if type(value) is float and value.is_integer():
            value = int(value)          # 6.0 and 6e0 are the int 6
        if type(value) is not int:
            raise Dead("type", name)
        if not low <= value <= high:
            raise Dead("range", name)
        return value
    return decode


def decode_double(value, name):
    if type(value) not in (int, float):
        raise Dead("type", name)
    try:
        value = float(value)
    except OverflowError:
        raise Dead("range", name) from None
    if not math.isfinite(value):
        raise Dead("range", name)
    return value


def decode_float(value, name):
    value = decode_double(value, name)
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        raise Dead("range", name) from None


def exactly(kind):
    def decode(value, name):
        if type(value) is not kind:
            raise Dead("type", name)
        return value
    return decode


def one_of(symbols):
    def decode(value, name):
        if value not in symbols:
            raise Dead("type", name)
        return value
    return decode


LONG = ranged(-(1 << 63), (1 << 63) - 1)
DECODERS = {"int": ranged(-(1 << 31), (1 << 31) - 1), "long": LONG, "float": decode_float, "double": decode_double,
            "string": exactly(str), "bytes": exactly(str), "boolean": exactly(bool)}


class Column:
    """One column by dotted name: how to walk to it (`steps`: field name, null allowed, default), and its type."""

    def __init__(self, schema, name):
        self.name, self.steps = name, []
        node = schema
        for part in name.split("."):
            if not isinstance(node, dict) or node.get("type") != "record":
                raise ExprError(f"{name}: {part} is in no record")
            field = next((f for f in node["fields"] if f["name"] == part), None)
            if field is None:
                raise ExprError(f"no column {name}")
            node, nullable = self.without_null(field["type"])
            # A column that may be null may be left out as well.
            default = (field["default"],) if "default" in field else (None,) if nullable else ()
            self.steps.append((part, nullable, default))
        logical = node.get("logicalType") if isinstance(node, dict) else None
        self.micros = logical == "timestamp-micros"
        kind = node["type"] if isinstance(node, dict) else node
        self.decode = one_of(set(node["symbols"])) if kind == "enum" else DECODERS.get(kind)
        if self.decode is None or logical in ("decimal", "date", "time-millis", "time-micros"):
            raise ExprError(f"column {name}: type {logical or kind} is not in the oracle")

    def without_null(self, node):
        """(the type itself, whether null is allowed)"""
        nullable = False
        if isinstance(node, list):
            others = [t for t in node if t != "null"]
            nullable = len(others) < len(node)
            if len(others) != 1:
                raise ExprError(f"column {self.name}: a union of several types is not in the oracle")
            node = others[0]
        if isinstance(node, dict) and isinstance(node.get("type"), (dict, list)):
            node, inner = self.without_null(node["type"])
            nullable = nullable or inner
        return node, nullable

    def read(self, value):
        for part, nullable, default in self.steps:
            if not isinstance(value, dict):
                raise Dead("type", self.name)
            if part in value:
                value = value[part]
            elif default:
                value = default[0]
            else:
                raise Dead("missing", self.name)
            if value is None:
                if not nullable:
                    raise Dead("null", self.name)
                return None
        value = self.decode(value, self.name)
        return value // 1000 if self.micros else value


ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?"
                 r"\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.I)


def iso_ms(text, name):
    """ISO-8601 text -> ms, rounded down; without an offset it is UTC."""
    found = ISO.fullmatch(text.strip())
    if not found:
        raise Dead("time", name)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        at = datetime.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        raise Dead("time", name) from None
    ms = (at - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
    ms += int(((fraction or "") + "000")[:3])
    if zone and zone not in "Zz":
        digits = zone[1:].replace(":", "") + "00"
        offset = (int(digits[:2]) * 60 + int(digits[2:4])) * 60_000
        ms += offset if zone[0] == "-" else -offset
    return ms


# ---------------------------------------------------------------- sources and views

class Source:
    def __init__(self, name, spec, folder, used):
        with open(os.path.join(folder, spec["schema"]), encoding="utf-8") as file:
            schema = json.load(file)
        self.name, self.key, self.time = name, spec.get("key"), spec.get("time")
        self.lateness = duration_ms(spec.get("lateness", "0s"))
        self.max_ahead = duration_ms(spec.get("max_ahead", "1d"))
        wanted = sorted(used | ({self.time} if self.time else set()))
        self.columns = [Column(schema, column) for column in wanted]

    def decode(self, value, timestamp):
        """JSON value -> (columns, event time); raises Dead."""
        if value is None:
            raise Dead("empty", "value")
        if not isinstance(value, dict):
            raise Dead("not_an_object", "value")
        columns = {column.name: column.read(value) for column in self.columns}
        at = columns[self.time] if self.time else timestamp
        if at is None:
            raise Dead("null", self.time)
        if isinstance(at, str):
            at = iso_ms(at, self.time)
        if timestamp is not None and at > timestamp + self.max_ahead:
            raise Dead("future_time", self.time)
        return columns, at


class Aggregate:
    """One aggregate call: which window it looks over, and what of an event it takes."""

    def __init__(self, node, windows):
        _, self.name, arguments, window, condition = node
        keys = [w.key() for w in windows]
        if window.key() not in keys:
            windows.append(window)
            keys.append(window.key())
        self.window = keys.index(window.key())
        literals = [a[1] for a in arguments[1:]]
        self.make = aggregates.maker(self.name, literals)
        argument = compiled(arguments[0]) if arguments else (lambda env: True)
        accepts = compiled(condition) if condition else (lambda env: True)

        def taken(env):
            """The value that this aggregate takes from an event, or null for none."""
            if accepts(env) is not True:
                return None
            value = argument(env)
            return None if isinstance(value, float) and not math.isfinite(value) else value
        self.taken = taken


class Feature:
    """kind: exact; quantile, approx_distinct, top (compared with their error); derived (recomputed from
    the features it names, as the row has them); unchecked (an approximation inside a larger expression)."""

    def __init__(self, name, value, kind):
        self.name, self.value, self.kind = name, value, kind


class View:
    def __init__(self, name, spec):
        self.name, self.source = name, spec["from"]
        self.entity = spec["entity"] if isinstance(spec["entity"], list) else [spec["entity"]]
        self.where_tree = parse(spec["where"]) if "where" in spec else ("literal", True)
        self.where = compiled(self.where_tree)
        self.emits_expiry = spec.get("expiry", "emit") == "emit"
        self.forget = duration_ms(spec["forget"]) if "forget" in spec else None
        self.version = int(spec.get("version", 1))
        self.windows, self.aggregates, self.features = [], [], []
        self.used = set(self.entity) | names_in(self.where_tree)
        self.numbers = {}
        for feature, text in spec["features"].items():
            self.add_feature(feature, parse(text))
        self.lifetime = any(w.kind == "lifetime" for w in self.windows)
        bounded = [i for i, w in enumerate(self.windows) if w.kind != "lifetime"]
        self.members = [[i for i, a in enumerate(self.aggregates) if a.window == w] for w in range(len(self.windows))]
        self.bounded = bounded

    def add_feature(self, name, tree):
        tree = self.without_aggregates(tree)
        known = {f.name: f for f in self.features}
        approximate = own = False
        for part in names_in(tree):
            if isinstance(part, int):
                own = own or self.aggregates[part].name in APPROXIMATE
            elif part in known:
                approximate = approximate or known[part].kind != "exact"
            else:
                raise ExprError(f"feature {name}: {part} is no feature above it "
                                "(a bare column in a feature is not in the oracle)")
        if tree[0] == "name" and isinstance(tree[1], int):
            kind = APPROXIMATE.get(self.aggregates[tree[1]].name, "exact")
        elif own or any(isinstance(part, int) for part in names_in(tree)) and approximate:
            kind = "unchecked"
        else:
            kind = "derived" if approximate else "exact"
        self.features.append(Feature(name, compiled(tree), kind))

    def without_aggregates(self, tree):
        """The tree with every aggregate replaced by the name of its number."""
        if isinstance(tree, list):
            return [self.without_aggregates(part) for part in tree]
        if not isinstance(tree, tuple):
            return tree
        if tree and tree[0] == "aggregate":
            return ("name", self.number_of(tree))
        return tuple(self.without_aggregates(part) for part in tree)

    def number_of(self, node):
        name, arguments, window, condition = node[1:]
        key = repr((name, arguments, window.key(), condition))
        if key not in self.numbers:
            for part in arguments + ([condition] if condition else []):
                if any(inner[0] == "aggregate" for inner in walk(part) if inner):
                    raise ExprError(f"view {self.name}: an aggregate inside an aggregate")
                self.used |= names_in(part)
            self.numbers[key] = len(self.aggregates)
            self.aggregates.append(Aggregate(node, self.windows))
        return self.numbers[key]


class Job:
    def __init__(self, spec, folder):
        for key in ("tables", "monitors"):
            if spec.get(key):
                raise ExprError(f"{key} are not in the oracle")
        self.name = spec["job"]
        self.views = {name: View(name, view) for name, view in spec["views"].items()}
        used = {name: set() for name in spec["sources"]}
        for view in self.views.values():
            used[view.source] |= view.used
        self.sources = {name: Source(name, source, folder, used[name]) for name, source in spec["sources"].items()}


def load(path):
    """BaseLoader: every scalar is the text that the file has (no yes -> True, no 1:30 -> 90)."""
    with open(path, encoding="utf-8") as file:
        return Job(yaml.load(file, Loader=yaml.BaseLoader), os.path.dirname(os.path.abspath(path)))


__all__ = ["Dead", "Job", "Source", "View", "Window", "load"]
