# SPDX-License-Identifier: Apache-2.0
"""weir skew over a generated export; what was rightly served is worked out row by row. See `run`."""
import csv
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import traceback

import types_differ
from world import DAY, HOUR, MINUTE, SECOND, T0, View, as_of

TMP = tempfile.mkdtemp(prefix="skew.", dir=os.environ.get("WEIR_TMP"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")} | {"TMPDIR": TMP}
SERVED = ("--served", "mean=plane:mean", "--served", "flights=plane:flights", "--served", "dest=plane:last_dest")


def skew(*args, code=0):
    r = subprocess.run([os.environ["WEIR_BIN"], "skew", *map(str, args)], env=ENV, cwd=TMP, capture_output=True,
                       text=True, timeout=120)
    assert r.returncode == code, (args, r.returncode, r.stdout[-2000:], r.stderr)
    return r


def make_view(rnd):
    view = View("plane", [("tailnum", "VARCHAR")],
                [("flights", "BIGINT"), ("mean", "DOUBLE"), ("last_dest", "VARCHAR")], ttl_ms=30 * DAY)
    for e in range(40):
        clock = known = T0 + rnd.randrange(0, 20) * DAY
        for i in range(rnd.randrange(1, 50)):
            clock += rnd.choice([1, SECOND, MINUTE, HOUR, DAY])
            known = max(known, clock + rnd.choice([0, 1, SECOND]))
            view.rows.append({"tailnum": f"N{e}", "flights": i, "mean": rnd.choice([None, (i + 1) / 7]),
                              "last_dest": rnd.choice([None, "JFK", "a, b"]), "event_time": clock, "known_at": known,
                              "source_partition": 0, "source_offset": len(view.rows), "_p": e % 2})
    return view


def predictions(rnd, view, scale):
    """Served as the rules say, but for mean in carrier AA, which is scaled."""
    of = {}
    for row in view.rows:
        of.setdefault(row["tailnum"], []).append(row)
    out = []
    for _ in range(2000):
        tail, carrier = f"N{rnd.randrange(42)}", rnd.choice(["AA", "UA", "DL"])
        t = T0 + rnd.randrange(0, 45 * DAY)
        row = as_of(of.get(tail, []), t * 1000, view.ttl_ms) or {}
        mean = row.get("mean")
        if mean is not None and carrier == "AA":
            mean *= scale
        out.append({"tailnum": tail, "carrier": carrier, "at": t, "mean": mean, "flights": row.get("flights"),
                    "dest": row.get("last_dest")})
    return out


def write(name, rows):
    path = os.path.join(TMP, name)
    with open(path, "w", newline="") as f:
        w = csv.DictWriter(f, rows[0])
        w.writeheader()
        w.writerows(rows)
    return path


RND = random.Random(5)
VIEW = make_view(RND)
VIEW.export(f"{TMP}/data")
RIGHT = predictions(random.Random(6), VIEW, 1.0)
WRONG = predictions(random.Random(6), VIEW, 1.1)


def ask(rows, *more, code=0):
    path = write("p.csv", rows)
    return json.loads(skew("--predictions", path, "--data", f"{TMP}/data", "--time", "at", *SERVED, *more,
                           "--format", "json", code=code).stdout)


def test_what_was_rightly_served_does_not_differ():
    got = ask(RIGHT, "--by", "carrier")
    assert not got["skewed"] and got["rows"] == 2000 and not got["examples"], got
    assert len(got["features"]) == 9 and all(f["differ"] == 0 for f in got["features"])
    assert sum(f["rows"] for f in got["features"]) == 3 * 2000
    assert sum(r["mean"] is not None for r in RIGHT) > 300


def test_a_scaled_feature_of_one_carrier_is_found_and_named():
    got = ask(WRONG, "--by", "carrier", code=1)
    differ = {(f["feature"], f["segment"]): f for f in got["features"] if f["differ"]}
    assert list(differ) == [("plane:mean", "carrier=AA")], differ
    f = differ["plane:mean", "carrier=AA"]
    assert f["differ"] == sum(r["carrier"] == "AA" and r["mean"] is not None for r in WRONG)
    assert abs(f["ratio"] - 1.1) < 1e-9, f
    assert len(got["examples"]) == 10
    for x in got["examples"]:
        assert WRONG[x["row"]]["carrier"] == "AA" and float(x["served"]) == WRONG[x["row"]]["mean"], x
        assert abs(float(x["engine"]) * 1.1 - float(x["served"])) < 1e-9, x


def test_tolerance_and_threshold():
    assert ask(WRONG, "--tolerance", "0.1")["skewed"] is False
    assert ask(WRONG, "--threshold", "0.5")["skewed"] is False


def test_null_and_text_differ():
    rows = [dict(r) for r in RIGHT]
    n = next(i for i, r in enumerate(rows) if r["dest"] == "JFK")
    m = next(i for i, r in enumerate(rows) if r["flights"] is not None and i > n)
    rows[n]["dest"], rows[m]["flights"] = "EWR", None
    got = ask(rows, code=1)
    assert {(x["feature"], x["row"], x["served"]) for x in got["examples"]} == \
        {("plane:last_dest", n, "EWR"), ("plane:flights", m, None)}, got["examples"]


def test_equal_is_what_it_is_for_a_monitor():
    args, differ, kinds = types_differ.write(f"{TMP}/typed")
    got = json.loads(skew(*args, "--format", "json", code=1).stdout)
    rows = {f: set() for f in differ}
    for x in got["examples"]:
        rows[x["feature"].split(":")[1]].add(x["row"])
    wrong = {kinds[f]: (sorted(rows[f]), sorted(differ[f])) for f in differ if rows[f] != differ[f]}
    assert not wrong, wrong
    assert {f["feature"].split(":")[1]: f["differ"] for f in got["features"]} == {f: len(d) for f, d in differ.items()}


def test_columns_of_any_name():
    """s and x are names of the comparison, too: as columns that are always equal they hid every difference."""
    rows = [{**r, "s": 1, "x": 1, "n": 1, "a": 1, "b": 1, "seg": "same", "differs": 0} for r in WRONG]
    got = ask(rows, "--by", "carrier", "--by", "seg", code=1)
    differ = {(f["feature"], f["segment"]): f["differ"] for f in got["features"] if f["differ"]}
    assert differ == {("plane:mean", "carrier=AA, seg=same"):
                      sum(r["carrier"] == "AA" and r["mean"] is not None for r in WRONG)}, differ


def test_more_segments_than_are_told():
    """The 10,000 with the largest shares are told; the threshold is of all rows. An array that was copied for each of
    them took 20 GB."""
    rows = [{"tailnum": "N0", "at": T0 - DAY, "mean": 1.0 if i < 6000 else None, "flights": None, "dest": None, "who": i}
            for i in range(24000)]
    got = ask(rows, "--by", "who", "--threshold", "0.3")
    assert not got["skewed"] and got["rows"] == 24000
    of = [f for f in got["features"] if f["feature"] == "plane:mean"]
    assert len(of) == 10000 and sum(f["differ"] for f in of) == 6000
    assert ask(rows, "--by", "who", "--threshold", "0.2", code=1)["skewed"]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4 << 20  # KB


def test_the_table_names_it():
    path = write("p.csv", WRONG)
    out = skew("--predictions", path, "--data", f"{TMP}/data", "--time", "at", *SERVED, "--by", "carrier", code=1).stdout
    line = next(row for row in out.splitlines() if "carrier=AA" in row and "plane:mean" in row)
    assert "1.1" in line.split(), out
    assert "was served as" in out


def test_wrong_use():
    path = write("p.csv", RIGHT)
    assert "--predictions" in skew(code=2).stderr
    assert "--served" in skew("--predictions", path, code=2).stderr
    assert "COLUMN=VIEW:FEATURE" in skew("--predictions", path, "--served", "mean", code=2).stderr
    assert "0 to 1" in skew("--predictions", path, *SERVED, "--tolerance", "2", code=2).stderr
    assert "nope" in skew("--predictions", path, "--data", f"{TMP}/data", "--time", "at", "--served",
                          "mean=plane:nope", code=2).stderr
    bad = skew("--predictions", path, "--data", f"{TMP}/data", "--time", "at", "--served", "nope=plane:mean", code=2)
    assert "nope" in bad.stderr, bad.stderr


def test_nothing_is_left_behind():
    assert not [f for f in os.listdir(TMP) if f.startswith("weir-skew")]


passed = failed = 0
for name, test in [(n, f) for n, f in globals().items() if n.startswith("test_")]:
    try:
        test()
        passed += 1
    except Exception:
        failed += 1
        print(f"FAILED {name}")
        traceback.print_exc(limit=-3)
if not failed:
    shutil.rmtree(TMP, ignore_errors=True)
print(f"suite: {passed} passed, {failed} failed")
raise SystemExit(failed != 0)
