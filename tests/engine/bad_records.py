# SPDX-License-Identifier: Apache-2.0
"""Every bad input among good ones: where it arrives, with what reason; the good ones all count."""
import io
import json
import os
from collections import Counter
from datetime import datetime, timezone

import fastavro

from nodes import exits
from until import until
from world import NOW, Case, fresh, shared, write

BASE = NOW - 3_600_000
MIB = 1 << 20
ISO = datetime.fromtimestamp(BASE / 1000, timezone.utc).isoformat(timespec="milliseconds")
SCHEMA = {"type": "record", "name": "purchase", "fields": [
    {"name": "user", "type": "string"},
    {"name": "shop", "type": ["null", "string"], "default": None},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "n", "type": "int"},
    {"name": "amount", "type": ["null", "double"], "default": None},
    {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["a", "b"]}},
    {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}],
     "default": None},
    {"name": "paid", "type": "boolean"},
    {"name": "home", "type": {"type": "record", "name": "home", "fields": [{"name": "city", "type": "string"}]}},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "unused", "type": ["null", "int"], "default": None}]}

JOB = """job: {job}
sources:
  events: {{ topic: {topic}, format: {format}, schema: purchase.avsc, time: at, lateness: 10m }}
views:
  {view}:
    entity: [user]
    from: events
    features:
      n: count()
      total: sum(n)
      amounts: count(amount)
      kinds: distinct(kind)
      top_price: max(price)
      paid: last(paid)
      city: last(home.city)
      note: last(note)
  {view}_shop:
    entity: [shop]
    from: events
    features:
      n: count()
"""


def good(i=0, **change):
    return {"user": "u", "shop": "s", "at": BASE + i, "n": 1, "amount": 1.5, "kind": "a", "price": None,
            "paid": True, "home": {"city": "Ulm"}, "note": None, "unused": None} | change


def text(record=None, **change):
    return json.dumps(record or good(**change), ensure_ascii=False).encode()


def without(column):
    return text({k: v for k, v in good().items() if k != column})


def with_(member):
    """A good record with this text as one more member."""
    return text()[:-1] + b", " + member + b"}"


def sized(size, column="filler"):
    """A good record of exactly so many bytes."""
    head = text()[:-1] + b', "%s": "' % column.encode()
    return head + b"x" * (size - len(head) - 2) + b'"}'


def deep(levels):
    return with_(b'"filler": ' + b"[" * levels + b"]" * levels)


# name: (value, reason, words of the detail); the record itself is level 1 of the nesting
JSON_BAD = {
    "null value": (None, "empty_value", ()),
    "empty value": (b"", "empty_value", ()),
    "torn": (text()[:-3], "invalid_record", ()),
    "blank": (b"  ", "invalid_record", ()),
    "array": (b"[" + text() + b"]", "invalid_record", ()),
    "text": (b'"hello"', "invalid_record", ()),
    "two objects": (text() + b" " + text(), "invalid_record", ()),
    "trailing comma": (text()[:-1] + b",}", "invalid_record", ()),
    "invalid UTF-8": (text().replace(b"Ulm", b"\xff\xfe"), "invalid_record", ()),
    "invalid UTF-8, unused column": (with_(b'"filler": "\xc3\x28"'), "invalid_record", ()),
    "lone surrogate": (with_(b'"filler": "\\ud800"'), "invalid_record", ()),
    "NaN": (text().replace(b"1.5", b"NaN"), "invalid_record", ()),
    "Infinity": (text().replace(b"1.5", b"Infinity"), "invalid_record", ()),
    "nested too deeply": (deep(64), "invalid_record", ()),
    "nested 100,000 levels": (deep(100_000), "invalid_record", ()),
    "missing column": (without("n"), "missing_column", ("n",)),
    "null in a required column": (text(n=None), "missing_column", ("n",)),
    "missing nested column": (text(home={}), "missing_column", ("home.city",)),
    "missing time": (without("at"), "missing_column", ("at",)),
    "6.5 for an int": (text(n=6.5), "wrong_type", ("n",)),
    "text for an int": (text(n="5"), "wrong_type", ("n",)),
    "number for a text": (text(user=5), "wrong_type", ("user",)),
    "number for a boolean": (text(paid=1), "wrong_type", ("paid",)),
    "object for a text": (text(user={}), "wrong_type", ("user",)),
    "int beyond 32 bits": (text(n=3_000_000_000), "out_of_range", ("n",)),
    "double beyond range": (text().replace(b"1.5", b"1e999"), "out_of_range", ("amount",)),
    "decimal beyond precision": (text(price="1234.00"), "out_of_range", ("price",)),
    "decimal beyond scale": (text(price="1.234"), "out_of_range", ("price",)),
    "unknown symbol": (text(kind="z"), "out_of_range", ("kind",)),
    "column twice": (with_(b'"n": 2'), "duplicate_column", ("n",)),
    "not a time": (text(at="yesterday"), "bad_time", ("at",)),
    "time beyond the years": (text(at=10**17), "bad_time", ("at",)),
    "time in the future": (text(at=NOW + 2 * 86_400_000), "future_time", ("at",)),
    "a byte above the limit": (sized(MIB + 1), "too_large", ()),
    "far above the limit": (sized(5 * MIB), "too_large", ()),
}
JSON_GOOD = {
    "plain": text(),
    "nulls left out": text({k: v for k, v in good().items() if k not in ("amount", "price", "note", "unused")}),
    "unknown columns": with_(b'"filler": {"a": [1, null]}'),
    "unknown column twice": with_(b'"filler": 1, "filler": 2'),
    "wrong type in an unused column": text(unused="x"),
    "nested as deeply as may be": deep(63),
    "1 MB text in an unknown column": sized(1_000_000),
    "1 MB text in a used column": text(note="ä" * 500_000),
    "exactly at the limit": sized(MIB),
    "integer for a double": text(amount=2),
    "decimal as text": text(price="-999.99"),
    "ISO time": text(at=ISO),
}
KEYS = [b"key", None, b"", b"\xff\x00\xfe", "ключ".encode()]


def avro(record=None, **change):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record or good(**change))
    return out.getvalue()


def fingerprint():
    form = fastavro.schema.to_parsing_canonical_form(SCHEMA)
    return bytes.fromhex(fastavro.schema.fingerprint(form, "CRC-64-AVRO"))


def framed(body, print_=None):
    return b"\xc3\x01" + (print_ or fingerprint()) + body


AVRO_BAD = {
    "null value": (None, "empty_value", ()),
    "empty value": (b"", "empty_value", ()),
    "torn": (avro()[:-1], "invalid_record", ()),
    "torn in a frame": (framed(avro()[:-1]), "invalid_record", ()),
    "trailing bytes": (avro() + b"\0", "invalid_record", ()),
    "trailing bytes in a frame": (framed(avro()) + b"xyz", "invalid_record", ()),
    "frame alone": (framed(b""), "invalid_record", ()),
    "unknown fingerprint": (framed(avro(), b"\1\2\3\4\5\6\7\x08"), "unknown_schema", ()),
    "length beyond the end": (b"\xfe\xff\xff\xff\x0f" + avro()[1:], "invalid_record", ()),
    "not UTF-8": (avro().replace(b"Ulm", b"\xff\xfe\xfd"), "wrong_type", ("home.city", "UTF-8")),
    "not Avro": (b"{hello}", "invalid_record", ()),
    "a byte above the limit": (avro(note="x" * (MIB + 1 - len(avro(note="")) - 2)), "too_large", ()),
    "time in the future": (avro(at=NOW + 2 * 86_400_000), "future_time", ("at",)),
    "time beyond the years": (avro(at=10**17), "bad_time", ("at",)),
}
AVRO_GOOD = {
    "bare": avro(),
    "in a frame": framed(avro()),
    "NaN is a null": avro(amount=float("nan")),
    "infinity is a null": avro(amount=float("inf")),
    "1 MB text in a used column": avro(note="x" * 1_000_000),
}


class Mail(Case):
    """A topic with bad, late and good records in turn, read by one job."""

    def __init__(self, kind, bad, good_ones, late):
        super().__init__(shared(), 1, topic="-")
        self.topic = self.kafka.make(fresh("mail"), 3, max_message_bytes=8 * MIB)
        write(os.path.join(self.folder, "purchase.avsc"), json.dumps(SCHEMA))
        self.file = self.write(JOB.format(job=self.job, topic=self.topic, format=kind, view=self.view))
        self.bad, self.good, self.late = bad, good_ones, late

    def records(self):
        """(name, record) in three partitions, each beginning with a good one."""
        plain = next(iter(self.good.values()))
        names = [("first", plain)] * 3 + [(n, b[0]) for n, b in self.bad.items()]
        names += list(self.good.items()) + [("late", self.late)] * 4 + [("last", plain)] * 3
        return [(name, {"key": KEYS[i % len(KEYS)], "value": value, "partition": i % 3,
                        "timestamp": NOW + i}) for i, (name, value) in enumerate(names)]

    def run(self):
        records, at = self.records(), Counter()
        self.sent = {}
        for name, r in records:
            self.sent[r["partition"], at[r["partition"]]] = name, r
            at[r["partition"]] += 1
        self.kafka.produce(self.topic, [r for _, r in records])
        self.deploy()
        self.running = self.node().__enter__()
        self.await_consumed(node=self.running)
        return self

    def letters(self, topic):
        """{(partition, offset) of the source: message}; a letter comes once."""
        out = {}
        for m in self.kafka.read(f"{self.prefix}.{self.job}.{topic}"):
            h = dict(m.headers())
            at = int(h["source_partition"]), int(h["source_offset"])
            assert at not in out, f"twice: {at}"
            out[at] = m
        return out

    def check_letter(self, at, m, reason, words):
        name, r = self.sent[at]
        h = {k: v.decode() for k, v in m.headers()}
        assert h["reason"] == reason, (name, h)
        assert all(w in h["detail"] for w in words), (name, h)
        assert set(h) == {"reason", "detail", "source_topic", "source_partition", "source_offset",
                          "source_timestamp", "job_version"}, h
        assert h["source_topic"] == self.topic and int(h["source_timestamp"]) == r["timestamp"], (name, h)
        assert h["job_version"], h
        assert m.key() == r["key"], (name, m.key())
        assert m.value() == r["value"], (name, len(r["value"] or b""))

    def check(self):
        dead, late = self.letters("dead"), self.letters("late")
        names = {at: name for at, (name, _) in self.sent.items()}
        assert {names[at] for at in dead} == set(self.bad), \
            (set(self.bad) ^ {names[at] for at in dead})
        for at, m in dead.items():
            self.check_letter(at, m, *self.bad[names[at]][1:])
        assert Counter(names[at] for at in late) == {"late": 4}
        for at, m in late.items():
            self.check_letter(at, m, "late", ("at",))

    def check_counts(self):
        want = Counter(reason for _, reason, _ in self.bad.values())
        for reason, n in want.items():
            until(lambda reason=reason, n=n: self.running.metric(
                "weir_dead_letters_total", job=self.job, reason=reason) == n, 10,
                lambda: [x for x in self.running.request("/metrics")[1].splitlines() if x.startswith("weir_dead")])
        until(lambda: self.running.metric("weir_late_records_total", job=self.job) == 4, 10)

    def end(self):
        self.running.__exit__()


_json, _avro = [], []


def json_mail():
    if not _json:
        _json.append(Mail("json", JSON_BAD, JSON_GOOD, text(at=BASE - 3_600_000)).run())
    return _json[0]


def avro_mail():
    if not _avro:
        _avro.append(Mail("avro", AVRO_BAD, AVRO_GOOD, avro(at=BASE - 3_600_000)).run())
    return _avro[0]


def test_json_letters_have_reason_place_and_bytes():
    json_mail().check()


def test_json_good_ones_all_count():
    case, n = json_mail(), len(JSON_GOOD) + 6
    until(lambda: case.row("u").get("n") == str(n), 20, lambda: case.row("u").get("n"))
    row = case.row("u")
    assert row["total"] == str(n) and row["amounts"] == str(n - 1), row
    assert row["top_price"] == "-999.99" and row["paid"] == "1" and row["city"] == "Ulm", row
    until(lambda: case.row("s", case.view + "_shop").get("n") == str(n), 20)


def test_json_letters_are_counted_by_reason():
    json_mail().check_counts()


def test_avro_letters_have_reason_place_and_bytes():
    avro_mail().check()


def test_avro_good_ones_all_count_and_what_is_not_finite_is_counted():
    case, n = avro_mail(), len(AVRO_GOOD) + 6
    until(lambda: case.row("u").get("n") == str(n), 20, lambda: case.row("u").get("n"))
    assert case.row("u")["amounts"] == str(n - 2), case.row("u")["amounts"]
    until(lambda: (case.running.metric("weir_not_finite_total", view=case.view) or 0) >= 2, 10)
    case.check_counts()


def test_dead_list_shows_letters_of_a_reason():
    case = json_mail()
    out = exits(0, "dead", "list", case.job, "--reason", "wrong_type", "--format", "json", *case.options()).stdout
    got = [json.loads(line) for line in out.splitlines()]
    want = [n for n, (_, reason, _) in JSON_BAD.items() if reason == "wrong_type"]
    assert len(got) == len(want), got
    assert all(g["reason"] == "wrong_type" and g["detail"] for g in got), got


def test_null_entities_are_counted_and_give_no_row():
    case = Case(shared(), 1)
    case.file = case.write("""job: j
sources:
  events: { topic: %s, format: json, schema: event.avsc, time: at, lateness: 10m }
views:
  by_shop: { entity: [shop], from: events, features: { n: count() } }
""" % case.topic)
    case.produce([{"user": "u", "at": BASE + i, "n": 1, **({} if i % 3 else {"shop": "s"})} for i in range(9)])
    case.deploy()
    with case.node() as node:
        case.await_consumed(node=node)
        until(lambda: case.row("s", "by_shop").get("n") == "3", 20)
        until(lambda: node.metric("weir_null_entities_total", view="by_shop") == 6, 10)
        assert len(case.offline("by_shop")) == 3
        assert node.metric("weir_dead_letters_total") in (None, 0)


def end():
    for mail in _json + _avro:
        mail.end()
