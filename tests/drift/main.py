# SPDX-License-Identifier: Apache-2.0
"""weir drift and weir baseline: their numbers against scipy's, Evidently's and NannyML's (expected.json, which
tools.py wrote by calling them), baseline files, segments, errors, exit statuses and bad input.
"""
import collections
import fractions
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import traceback

import files
import pairs
import schema
import topic

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ["WEIR_BIN"]
TMP = tempfile.mkdtemp(prefix="drift.", dir=os.environ.get("WEIR_TMP"))
DONE, NO, USAGE = 0, 1, 2
CLOSE = 1e-9
with open(os.path.join(HERE, "expected.json")) as f:
    EXPECTED = json.load(f)


def weir(*args):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    return subprocess.run([BIN, *args], env=env, cwd=TMP, capture_output=True, text=True, timeout=300)


def exits(want, *args):
    r = weir(*args)
    assert r.returncode == want, (args, r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    return r


def drift(*args):
    r = weir("drift", *args, "--format", "json")
    assert r.returncode in (DONE, NO), (args, r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    out = json.loads(r.stdout)
    assert out["drifted"] == (r.returncode == NO) == any(c["drifted"] for c in out["columns"]), out
    return out


def table(out):
    """{column: {test: {value, p_value, …}}}"""
    return {c["column"]: {t["test"]: t for t in c["tests"]} for c in out["columns"]}


def path(name):
    return os.path.join(TMP, name)


def close(got, want):
    return got is not None and abs(got - want) <= CLOSE * max(1, abs(want))


# ---------------------------------------------------------------- the tools' numbers

def groups(cases):
    """Pairs by sizes: a file has columns of one length."""
    by_size = collections.defaultdict(dict)
    for name, base, now in cases:
        by_size[len(base), len(now)][name] = (base, now)
    return by_size


def compare_value(where, test, got, want, problems):
    """want is [value, p-value]; None is "the tool has none"."""
    for key, w in zip(("value", "p_value"), want):
        if w is None:
            continue
        g = got[key]
        # A distance near 0 is the root of scipy's own rounding: compare what is under it.
        near_zero = test == "js" and key == "value" and g is not None and abs(g * g - w * w) < 1e-15
        if not near_zero and not close(g, w):
            problems.append(f"{where} {test} {key}: {g} is not {w}")


def compare_all(cases, expected, prefix):
    problems, n = [], 0
    for (rows, more), columns in groups(cases).items():
        base = files.write(path(f"{prefix}-{rows}-{more}-a.parquet"), {k: v[0] for k, v in columns.items()})
        now = files.write(path(f"{prefix}-{rows}-{more}-b.parquet"), {k: v[1] for k, v in columns.items()})
        for mode in ("weir", "evidently", "nannyml"):
            got = table(drift(base, now, "--mode", mode))
            for name in columns:
                for test, want in expected[name][mode].items():
                    if test != "refused":
                        n += sum(w is not None for w in want)
                        compare_value(f"{name} {mode}", test, got[name][test], want, problems)
    assert not problems, f"{len(problems)} of {n}: " + "\n".join(problems[:20])
    print(f"       {n} numbers")
    return n


def test_numbers_equal_the_tools():
    assert compare_all(pairs.numbers(), EXPECTED["numbers"], "n") > 2000


def exact_mean_shift(base, now):
    """Welch's statistic in fractions: scipy's own loses digits where the spread is small beside the mean."""
    a, b = ([fractions.Fraction(v) for v in x if v is not None] for x in (base, now))
    means = [sum(x) / len(x) for x in (a, b)]
    error = sum(sum((v - m) ** 2 for v in x) / (len(x) - 1) / len(x) for x, m in zip((a, b), means))
    return float(abs(means[1] - means[0])) / math.sqrt(error) if error else None


def test_mean_shifts_are_exact():
    small = (p for p in pairs.numbers() if all(1 < len(values) <= 100 for values in p[1:]))
    for columns in groups(small).values():
        base = files.write(path("m-a.parquet"), {k: v[0] for k, v in columns.items()})
        now = files.write(path("m-b.parquet"), {k: v[1] for k, v in columns.items()})
        got = table(drift(base, now, "--tests", "mean_shift"))
        for name, (a, b) in columns.items():
            want = exact_mean_shift(a, b)
            if want is not None:
                assert close(got[name]["mean_shift"]["value"], want), (name, got[name], want)


def test_categories_equal_the_tools():
    assert compare_all(pairs.categories(), EXPECTED["categories"], "c") > 200


# ---------------------------------------------------------------- baselines

def training(rnd, n, shift=0.0, models=("a", "b")):
    rows = {"score": [], "delay": [], "carrier": [], "late": [], "stops": [], "model": []}
    for _ in range(n):
        score = min(max(0.5 + 0.2 * pairs.normal(rnd) + shift, 0.0), 1.0)
        rows["score"].append(score)
        rows["delay"].append(None if rnd.random() < 0.05 else 10 * pairs.normal(rnd) + 20 * shift)
        rows["carrier"].append(rnd.choice(["AA", "B6", "DL", "UA"]))
        rows["late"].append(rnd.random() < score)
        rows["stops"].append(int(3 * rnd.random()))
        rows["model"].append(rnd.choice(models))
    return rows


def sides():
    rnd = random.Random(5)
    return (files.write(path("train.parquet"), training(rnd, 6000)),
            files.write(path("now.parquet"), training(rnd, 4000, 0.02)))


def test_a_baseline_is_the_same_bytes_in_any_order():
    rnd = random.Random(6)
    rows = training(rnd, 3000)
    order = list(range(3000))
    rnd.shuffle(order)
    files.write(path("rows.parquet"), rows)
    args = ["--by", "model", "--score", "score", "--label", "late", "--categories", "stops"]
    exits(DONE, "baseline", "--data", "rows.parquet", "--out", "one.json", *args)
    files.write(path("rows.parquet"), {k: [v[i] for i in order] for k, v in rows.items()})
    exits(DONE, "baseline", "--data", "rows.parquet", "--out", "two.json", *args)
    with open(path("one.json"), "rb") as a, open(path("two.json"), "rb") as b:
        assert a.read() == b.read()


def test_a_baseline_has_what_its_schema_says():
    rows = training(random.Random(6), 3000)
    files.write(path("rows.parquet"), rows)
    exits(DONE, "baseline", "--data", "rows.parquet", "--out", "b.json", "--by", "model", "--categories", "stops")
    with open(path("b.json")) as f:
        b = json.load(f)
    schema.check(b)
    assert (b["format"], b["version"], b["by"]) == ("weir-baseline", 1, ["model"])
    assert b["origin"] == {"data": "rows.parquet"}
    assert [s["segment"] for s in b["segments"]] == [None, {"model": "a"}, {"model": "b"}]
    assert sum(s["rows"] for s in b["segments"][1:]) == b["segments"][0]["rows"] == 3000
    columns = {c["name"]: c for c in b["segments"][0]["columns"]}
    assert list(columns) == ["score", "delay", "carrier", "late", "stops"]
    delay = sorted(v for v in rows["delay"] if v is not None)
    n = len(delay)
    c = columns["delay"]
    assert (c["type"], c["rows"], c["nulls"], c["moments"]["n"]) == ("number", 3000, 3000 - n, n)
    assert c["quantiles"] == [delay[max(-(-k * n // 1000), 1) - 1] for k in range(1001)]
    assert c["deciles"] == [delay[-(-k * n // 10) - 1] for k in range(1, 10)]
    mean = math.fsum(delay) / n
    assert close(c["moments"]["mean"], mean)
    assert close(c["moments"]["stddev"], math.sqrt(math.fsum((v - mean) ** 2 for v in delay) / (n - 1)))
    assert columns["carrier"]["categories"] == {k: rows["carrier"].count(k) for k in ("AA", "B6", "DL", "UA")}
    assert columns["late"]["categories"] == {"false": rows["late"].count(False), "true": rows["late"].count(True)}
    assert columns["stops"]["categories"] == {str(k): rows["stops"].count(k) for k in range(3)}


def test_a_file_and_its_baseline_give_the_same_numbers():
    train, now = sides()
    more = ["--by", "model", "--score", "score", "--label", "late"]
    exits(DONE, "baseline", "--data", train, "--out", "train.json", *more)
    with open(path("train.json")) as f:
        schema.check(json.load(f))
    for mode in ("weir", "evidently", "nannyml"):
        a = drift(train, now, *more, "--mode", mode)["columns"]
        b = drift("train.json", now, *more, "--mode", mode)["columns"]
        assert [(c["column"], c["segment"]) for c in a] == [(c["column"], c["segment"]) for c in b]
        for x, y in zip(a, b):
            assert x["reference_rows"] == y["reference_rows"]
            for s, t in zip(x["tests"], y["tests"]):
                near = {"ks": 1e-3, "wasserstein": 0.02, "ks_p": 1e-3}.get(s["test"], CLOSE)
                if mode == "evidently" and s["test"] in ("psi", "js"):
                    near = 0.01  # its bins fall between the baseline's quantiles
                if s["value"] is None:
                    assert t["value"] is None
                else:
                    assert abs(s["value"] - t["value"]) <= near * max(1, s["value"]), (mode, x["column"], s, t)


def test_a_segment_is_compared_with_its_own_reference():
    rnd = random.Random(8)
    a, b = training(rnd, 2000, models=("a",)), training(rnd, 2000, 0.3, models=("b",))
    both = {k: a[k] + b[k] for k in a}
    train = files.write(path("both.parquet"), both)
    new = files.write(path("new.parquet"), training(rnd, 2000, 0.3, models=("b", "c")))
    found = {(c["column"], c["segment"]["model"]): c for c in drift(train, new, "--by", "model")["columns"]}
    assert found["score", "b"]["reference_rows"] == 2000 and not found["score", "b"]["drifted"]
    assert found["score", "c"]["reference_rows"] == 4000 and found["score", "c"]["drifted"]  # with all of it


def test_a_baseline_from_the_topic_is_that_of_its_predictions():
    brokers = os.environ.get("WEIR_BROKERS")
    assert brokers, "no servers (WEIR_BROKERS)"
    topic.check(brokers, TMP, exits)


# ---------------------------------------------------------------- errors of scores

def test_scores_and_labels():
    train, now = sides()
    rows = training(random.Random(5), 6000)
    got = [c for c in drift(train, now, "--score", "score", "--label", "late")["columns"]
           if any(t["test"] == "brier" for t in c["tests"])]
    assert len(got) == 1 and got[0]["column"] == "score" and got[0]["reference_rows"] == 6000
    files.write(path("same.parquet"), rows)
    t = {t["test"]: t["value"] for c in drift("same.parquet", "same.parquet", "--score", "score", "--label", "late",
                                              "--tests", "brier,ece,error_shift")["columns"] for t in c["tests"]}
    pairs_of = list(zip(rows["score"], rows["late"]))
    assert close(t["brier"], math.fsum((s - y) ** 2 for s, y in pairs_of) / 6000)
    ece = 0
    for k in range(10):
        part = [(s, y) for s, y in pairs_of if min(int(s * 10), 9) == k]
        ece += abs(math.fsum(s for s, _ in part) - sum(y for _, y in part))
    assert close(t["ece"], ece / 6000)
    assert t["error_shift"] == 0


# ---------------------------------------------------------------- the command

def test_exit_statuses_and_thresholds():
    train, now = sides()
    exits(DONE, "drift", train, train)
    exits(NO, "drift", train, now, "--tests", "psi=0.0001")
    exits(DONE, "drift", train, now, "--tests", "psi=9,ks=0.9")
    r = exits(NO, "drift", train, now, "--tests", "rows=5000", "--columns", "score")
    assert "score" in r.stdout and "yes" in r.stdout and "1 of 1 columns have drifted" in r.stdout
    out = drift(train, now, "--tests", "ks,js=0.5", "--columns", "score,carrier")
    assert [[t["test"] for t in c["tests"]] for c in out["columns"]] == [["ks", "js"], ["js"]]
    assert [t["threshold"] for t in out["columns"][0]["tests"]] == [0.2, 0.5]


def test_csv_is_read_too():
    with open(path("a.csv"), "w") as f:
        f.write("x,c\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(100)))
    with open(path("b.csv"), "w") as f:
        f.write("x,c\n" + "".join(f"{i + 50},{'abc'[i % 3]}\n" for i in range(99)))
    got = table(drift("a.csv", "b.csv"))
    assert close(got["x"]["ks"]["value"], 0.5) and close(got["c"]["new_category"]["value"], 1 / 3)


def test_a_folder_of_parquet_is_one_table():
    os.makedirs(path("folder/dt=1"), exist_ok=True)
    os.makedirs(path("folder/dt=2"), exist_ok=True)
    files.write(path("folder/dt=1/a.parquet"), {"x": [1.0, 2.0]})
    files.write(path("folder/dt=2/b.parquet"), {"x": [3.0, 4.0, None]})
    got = drift("folder", "folder", "--columns", "x")["columns"][0]
    assert (got["rows"], got["nulls"], got["reference_rows"]) == (5, 1, 5)


def test_windows_without_sense_have_defined_results():
    files.write(path("ref.parquet"), {"x": [1.0, 2.0, 3.0, 4.0], "c": ["a", "a", "b", "b"]})
    with files.duckdb.connect() as con:
        con.execute(f"COPY (SELECT 1.0::DOUBLE AS x, 'a' AS c WHERE false) TO '{path('none.parquet')}'")
        con.execute(f"COPY (SELECT NULL::DOUBLE AS x, NULL::VARCHAR AS c FROM range(3)) TO '{path('null.parquet')}'")
        con.execute(f"COPY (SELECT unnest(['inf', 'nan', '-inf', '2'])::DOUBLE AS x, 'a' AS c) "
                    f"TO '{path('inf.parquet')}'")
    none = table(drift("ref.parquet", "none.parquet"))
    assert none["x"]["rows"]["value"] == 0
    assert all(t["value"] is None for n, t in none["x"].items() if n != "rows"), none
    null = table(drift("ref.parquet", "null.parquet"))
    assert null["x"]["null_rate"]["value"] == 1 and null["x"]["ks"]["value"] is None
    assert null["c"]["null_rate"]["value"] == 1 and null["c"]["chi2"]["value"] is None
    inf = table(drift("ref.parquet", "inf.parquet"))
    assert inf["x"]["null_rate"]["value"] == 0.75 and close(inf["x"]["ks"]["value"], 0.5)
    back = table(drift("null.parquet", "ref.parquet"))
    assert back["x"]["psi"]["value"] is None and back["x"]["null_rate"]["value"] == 0
    for mode in ("evidently", "nannyml"):
        drift("ref.parquet", "inf.parquet", "--mode", mode)
        drift("null.parquet", "null.parquet", "--mode", mode)


BAD = [
    (["drift", "train.parquet", "nowhere.parquet"], "cannot read nowhere.parquet"),
    (["drift", "train.parquet", "train.parquet", "--columns", "scorre"], "did you mean score?"),
    (["drift", "train.parquet", "train.parquet", "--tests", "psy=1"], "did you mean psi?"),
    (["drift", "train.parquet", "train.parquet", "--tests", "psi=much"], "much is no number"),
    (["drift", "train.parquet", "train.parquet", "--tests", "psi,psi"], "psi twice"),
    (["drift", "train.parquet", "train.parquet", "--mode", "evident"], "weir|evidently|nannyml"),
    (["drift", "train.parquet", "train.parquet", "--score", "score"], "go together"),
    (["drift", "train.parquet", "train.parquet", "--categories", "score"], "only whole numbers"),
    (["drift", "train.parquet", "kinds.parquet"], "column score is numbers in train.parquet and categories"),
    (["drift", "train.parquet", "lists.parquet", "--columns", "score"], "which is not watched"),
    (["drift", "train.parquet", "b.json"], "can only be the reference"),
    (["drift", "train.parquet", "unlike.parquet"], "no column in common"),
    (["drift", "broken.parquet", "train.parquet"], "broken.parquet"),
    (["drift", "cut.json", "train.parquet"], "baseline cut.json"),
    (["drift", "newer.json", "train.parquet"], "its version is 2"),
    (["drift", "train.json", "unlike.parquet", "--columns", "other"], "train.json has no column other"),
    (["baseline", "--data", "train.parquet"], "--out FILE"),
    (["baseline", "--data", "train.parquet", "--out", "x.json", "--columns", "delai"], "did you mean delay?"),
    (["baseline", "--data", "train.parquet", "--out", "x.json", "--by", "modell"], "did you mean model?"),
]


def reference_rows(heading):
    """The first cells of the first table under a heading of docs/reference/drift.md."""
    with open(os.path.join(HERE, "../../docs/reference/drift.md")) as f:
        part = f.read().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1].strip(" `") for line in part.splitlines() if line.startswith("| `")]


def test_the_reference_lists_every_test():
    files.write(path("x.parquet"), {"x": [1.0, 2.0], "c": ["a", "b"], "y": [0, 1]})
    tests = [t for t in reference_rows("Tests") if not t.startswith("skew")]
    assert set(reference_rows("Tests")) - set(tests) == {"skew", "skew_unknown"}
    refused = exits(USAGE, "drift", "x.parquet", "x.parquet", "--tests", "skew")  # a monitor's alone
    assert "there is no test skew" in refused.stderr
    out = drift("x.parquet", "x.parquet", "--tests", ",".join(tests), "--score", "x", "--label", "y")
    assert {t["test"] for c in out["columns"] for t in c["tests"]} == set(tests)
    usual = {t["test"] for c in drift("x.parquet", "x.parquet", "--score", "x", "--label", "y")["columns"]
             for t in c["tests"]}
    assert usual == set(tests) - {"ks_p", "chi2_p"}


def test_bad_input_is_told():
    sides()
    exits(DONE, "baseline", "--data", "train.parquet", "--out", "train.json")
    files.write(path("kinds.parquet"), {"score": ["a", "b"]})
    files.write(path("unlike.parquet"), {"other": [1.0]})
    with files.duckdb.connect() as con:
        con.execute(f"COPY (SELECT [1, 2] AS score) TO '{path('lists.parquet')}'")
    for name, text in (("broken.parquet", "nothing"), ("b.json", "{}")):
        with open(path(name), "w") as f:
            f.write(text)
    with open(path("train.json")) as f:
        whole = f.read()
    for name, text in (("cut.json", whole[:5000]), ("newer.json", whole.replace('"version":1', '"version":2', 1))):
        with open(path(name), "w") as f:
            f.write(text)
    for args, says in BAD:
        r = exits(USAGE, *args)
        assert says in r.stderr, (args, r.stderr)
    assert not os.path.exists(path("x.json"))


def main():
    words = sys.argv[1:]
    passed = failed = 0
    for name, test in [(n, f) for n, f in globals().items() if n.startswith("test_")]:
        if words and not any(w in name for w in words):
            continue
        try:
            test()
            passed += 1
            print("ok    ", name[5:].replace("_", " "), flush=True)
        except Exception:
            failed += 1
            print("FAILED", name[5:].replace("_", " "))
            traceback.print_exc(limit=-3, file=sys.stdout)
    print(f"suite: {passed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
