# SPDX-License-Identifier: Apache-2.0
"""Runs the job tests, and holds each test's events against the oracle as well.

A test's expected values are computed by hand; the oracle (tests/oracle) is a second engine written from the design
alone. A test file with a line `# oracle: no, WHY` is left out there: the oracle knows no decimals, for one.
"""
import datetime
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
WEIR = os.environ["WEIR_BIN"]
passed = failed = 0


def check(name, fine, output=""):
    global passed, failed
    passed, failed = passed + bool(fine), failed + (not fine)
    if not fine:
        print(f"FAILED {name}\n  " + output.strip().replace("\n", "\n  "))


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, check=False, cwd=TOP)
    return done.returncode, done.stdout, done.stderr


def the_jobs_own(job):
    status, out, err = run(WEIR, "check", job)
    check(f"weir check {job}", status == 0, out + err)
    if status:
        return
    status, out, err = run(WEIR, "test", job, "--format", "json")
    try:
        result = json.loads(out)
    except ValueError:
        check(f"weir test {job}", False, f"exit {status}\n{out}{err}")
        return
    for test in result["tests"]:
        check(test["file"], test["ok"], test["error"] or json.dumps(test["failures"], indent=1))
    check(f"exit of weir test {job}", status == (result["failed"] > 0), f"{status}")


class Loader(yaml.SafeLoader):
    """Scalars as weir reads them: no dates, no sexagesimals, no `yes` for true."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (("null", r"^(null|~|)$", ["n", "~", ""]), ("bool", r"^(true|false)$", "tf"),
                            ("int", r"^-?(0|[1-9][0-9]*)$", "-0123456789"),
                            ("float", r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$", "-0123456789")):
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))


def events_read(test, folder):
    if isinstance(test["events"], str):
        with open(os.path.join(folder, test["events"]), encoding="utf-8") as file:
            test["events"] = [json.loads(line) for line in file]


def events_of(test):
    """A test's events as lines of `weir try`."""
    for event in test["events"]:
        if isinstance(event.get("timestamp"), str):
            at = datetime.datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))
            event["timestamp"] = round(at.timestamp() * 1000)
        yield json.dumps(event, ensure_ascii=False)


def views_in_place(job, test):
    """Those that are not repartitioned; the others' order the oracle would have to be told."""
    partitions = {}
    for event in test["events"]:
        source = event.get("source", next(iter(job["sources"])))
        partitions[source] = max(partitions.get(source, 1), event.get("partition", 0) + 1)
    return [name for name, view in job["views"].items()
            if partitions.get(view["from"], 1) == 1 or job["sources"][view["from"]].get("key") in view["entity"]]


def job_for_oracle(job_path, base):
    """A copy whose schemas are files."""
    with open(os.path.join(TOP, job_path), encoding="utf-8") as file:
        text = file.read()
    job, typed = yaml.load(text, yaml.BaseLoader), yaml.load(text, Loader)
    for name, source in job["sources"].items():
        schema = typed["sources"][name]["schema"]
        if isinstance(schema, str):
            source["schema"] = os.path.join(TOP, os.path.dirname(job_path), schema)
            continue
        source["schema"] = os.path.join(base, name + ".avsc")
        with open(source["schema"], "w", encoding="utf-8") as file:
            json.dump(schema, file)
    path = os.path.join(base, "job.yaml")
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(job, file, sort_keys=False)
    return path


def against_oracle(job_path, test_path, base):
    with open(os.path.join(TOP, test_path), encoding="utf-8") as file:
        text = file.read()
    if re.search(r"(?m)^# oracle: no, .", text):
        return
    with open(os.path.join(TOP, job_path), encoding="utf-8") as file:
        job = yaml.safe_load(file)
    test = yaml.load(text, Loader)      # noqa: S506: a SafeLoader
    events_read(test, os.path.join(TOP, os.path.dirname(test_path)))
    views = views_in_place(job, test)
    events, rows = os.path.join(base, "events.jsonl"), os.path.join(base, "rows.jsonl")
    with open(events, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in events_of(test))
    status, out, err = run(WEIR, "try", job_path, "--events", events)
    if status:
        check(f"weir try with the events of {test_path}", False, err)
        return
    with open(rows, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in out.splitlines() if json.loads(line)["view"] in views)
    args = [part for view in views for part in ("--view", view)]
    status, out, err = run(sys.executable, "tests/oracle/oracle.py", job_for_oracle(job_path, base), "--events", events,
                           "--rows", rows, *args)
    check(f"{test_path} against the oracle", status == 0, out + err[-1000:])


def a_wrong_expectation_fails(base):
    """The tests can fail: each number of a file, changed, is a difference that is shown."""
    folder = os.path.join(base, "wrong")
    shutil.copytree(os.path.join(TOP, "tests/jobs/windows"), folder)
    path = os.path.join(folder, "tests/edges.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    start = text.index("rows:")
    for place in re.finditer(r"(?<=[a-z0-9]: )\d+(?=[,}])", text[start:]):
        at, end = start + place.start(), start + place.end()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text[:at] + str(int(place.group()) + 1) + text[end:])
        line = text.count("\n", 0, at) + 1
        status, out, err = run(WEIR, "test", os.path.join(folder, "job.yaml"), path)
        check(f"edges.yaml:{line} with {place.group()} changed", status == 1 and "1 failed" in out, out + err)


def main():
    base = tempfile.mkdtemp(prefix="jobs.", dir=os.environ.get("WEIR_TMP"))
    try:
        for job in sorted(glob.glob("jobs/*/job.yaml", root_dir=TOP) + glob.glob("tests/jobs/*/job.yaml", root_dir=TOP)):
            the_jobs_own(job)
            for test in sorted(glob.glob(os.path.dirname(job) + "/tests/*.yaml", root_dir=TOP)):
                against_oracle(job, test, base)
        a_wrong_expectation_fails(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"suite: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
