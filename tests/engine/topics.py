# SPDX-License-Identifier: Apache-2.0
"""`weir check --brokers`: whether the topics fit the job, before it is deployed."""
import json

from nodes import DONE, NO
from servers import shared
from world import NOW, Case, events


def said(case, want):
    r = case.command("check", case.file, want=want)
    return r.stderr


def test_topics_that_fit_have_nothing_said_of_them():
    case = Case(shared(), 2)
    case.produce(events(50, 5))
    assert said(case, DONE) == ""


def test_a_topic_that_is_missing_is_named():
    case = Case(shared(), 2, topic="no-such-topic")
    assert said(case, NO) == "source events: there is no topic no-such-topic\n"


def test_a_topic_none_of_whose_records_can_be_read_is_refused():
    case = Case(shared(), 1)
    case.produce([e | {"n": "many"} for e in events(30, 5)])
    text = said(case, NO)
    assert text.startswith(f"source events: none of the newest 30 records of topic {case.topic} can be read as json "
                           f"with the source's schema; {case.topic}[0]@0: wrong_type: n: "), text
    r = case.command("check", case.file, "--format", "json", want=NO)
    assert json.loads(r.stdout) == {"ok": False, "diagnostics": [], "topics": text}, r.stdout


def test_some_bad_records_are_a_note():
    case = Case(shared(), 1)
    good = events(30, 5)
    case.produce([*good[:10], good[10] | {"at": None}, *good[11:]])
    text = said(case, DONE)
    assert text.startswith(f"source events: note: 1 of the newest 30 records of topic {case.topic} would be dead letters; "
                           f"{case.topic}[0]@10: missing_column: at"), text
    r = case.command("check", case.file, "--format", "json", want=DONE)
    found = json.loads(r.stdout)
    assert (found["ok"], found["topics"]) == (True, text), r.stdout


def test_seconds_in_place_of_milliseconds_are_a_note():
    case = Case(shared(), 1)
    case.produce([e | {"at": e["at"] // 1000} for e in events(30, 5)])
    text = said(case, DONE)
    assert text == (f"source events: note: all event times of topic {case.topic} are in early 1970: is at in seconds, where "
                    "its type says milliseconds or microseconds?\n"), text


def test_a_key_in_two_partitions_is_refused():
    case = Case(shared(), 2)
    case.kafka.produce(case.topic, [
        {"key": "ann", "value": json.dumps({"user": "ann", "at": NOW, "n": 1}), "partition": p} for p in (0, 1)])
    text = said(case, NO)
    assert text.startswith("source events: key 'user' = ann is in two partitions of topic"), text


def test_only_the_newest_records_are_read():
    case = Case(shared(), 1)
    case.produce([e | {"n": "many"} for e in events(30, 5)])
    case.produce(events(20, 5))
    r = case.command("check", case.file, "--sample", "20", want=DONE)
    assert r.stderr == "", r.stderr
