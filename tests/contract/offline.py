# SPDX-License-Identifier: Apache-2.0
"""What can be checked without a server: commands, options, exit statuses, check, try, test."""
import http.client
import json
import os
import re
import subprocess

from weir import (BIN, DONE, NO, OUTSIDE, ROOT, TMP, USAGE, await_, clean_env, exits, job_file,
                  weir, write)

COMMANDS = {"check", "try", "test", "engine", "run", "deploy", "list", "status", "pause", "resume",
            "remove", "export", "train", "baseline", "drift", "skew", "get", "explain", "verify",
            "dead list", "dead replay", "backfill", "help", "completion"}
# What exists today; a command that is not built is absent.
BUILT = {"check", "try", "test", "engine", "run", "deploy", "list", "status", "pause", "resume",
         "remove", "export", "train", "baseline", "drift", "skew", "get", "explain", "dead list", "help",
         "completion"}
COMMON = ["brokers", "redis", "state", "http", "format", "prefix", "memory", "registry",
          "kafka-config", "config"]


def listed():
    text = exits(DONE, "--help").stdout
    block = text.split("commands:\n")[1].split("\n\n")[0]
    return [re.match(r"  (\S+(?: \S+)?)  ", line).group(1) for line in block.splitlines()]


def test_version():
    assert re.fullmatch(r"weir \d+\.\d+\.\d+\S*\n", exits(DONE, "--version").stdout)


def test_help_lists_commands_that_are_built_and_no_others():
    names = set(listed())
    assert BUILT <= names, BUILT - names
    assert names <= COMMANDS, names - COMMANDS


def test_command_that_is_not_built_is_absent():
    for name in COMMANDS - set(listed()):
        r = exits(USAGE, *name.split())
        assert not r.stdout and r.stderr
        exits(USAGE, "help", *name.split())


def test_help_of_every_command_has_the_sections_of_a_manual():
    for name in listed():
        text = exits(DONE, *name.split(), "--help").stdout
        assert text == exits(DONE, "help", *name.split()).stdout
        for section in "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS":
            assert re.search(f"^{section}$", text, re.M), (name, section)
        assert f"weir {name} - " in text
        assert max(map(len, text.splitlines())) <= 100, name


def test_help_names_the_common_options():
    text = exits(DONE, "--help").stdout
    for name in COMMON:
        assert f"--{name} " in text, name


def test_help_says_the_environment_name():
    text = exits(DONE, "check", "--help").stdout
    assert "WEIR_BROKERS" in text and "WEIR_KAFKA_CONFIG" in text


def test_every_command_takes_the_common_options():
    for name in listed():
        for option in COMMON:
            r = weir(*name.split(), f"--{option}")
            assert r.returncode == USAGE and f"--{option} needs a value" in r.stderr, (name, option)


def test_secrets_are_no_options():
    reference = exits(DONE, "help", "--reference").stdout
    for name, variable in (("redis-password", "WEIR_REDIS_PASSWORD"), ("registry-auth", "WEIR_REGISTRY_AUTH")):
        assert f"`--{name}-file " in reference and variable in reference
        assert f"--{name} " not in reference and f"`--{name}`" not in reference
        assert weir("list", f"--{name}", "x").returncode == USAGE


def test_reference_says_what_check_prints():
    about = " ".join(exits(DONE, "check", "--help").stdout.split())
    fine = json.loads(exits(DONE, "check", job_file(), "--format", "json").stdout)
    wrong = json.loads(exits(NO, "check", job_file("bad.yaml", change=lambda s: s.replace("sum(amount)", "sum(amuont)")),
                             "--format", "json").stdout)
    assert "{" + ", ".join(k for k in fine if k != "diagnostics") + ", diagnostics: []}" in about, (about, fine)
    assert "{ok, diagnostics: [{" in about and set(wrong) == {"ok", "diagnostics"}, (about, wrong)
    assert "diagnostics: [{" + ", ".join(wrong["diagnostics"][0]) + "}]}" in about, (about, wrong)


def test_reference_is_what_the_tables_say():
    with open(os.path.join(ROOT, "docs/reference/cli.md")) as f:
        assert f.read() == exits(DONE, "help", "--reference").stdout, \
            "make it with: weir help --reference > docs/reference/cli.md"


def test_no_arguments_is_wrong_use():
    r = exits(USAGE)
    assert "usage:" in r.stderr and not r.stdout


def test_unknown_command_gets_a_suggestion():
    r = exits(USAGE, "chek")
    assert "did you mean check?" in r.stderr


def test_unknown_option_gets_a_suggestion():
    r = exits(USAGE, "list", "--broker", "x")
    assert "did you mean --brokers?" in r.stderr


def test_wrong_numbers_of_arguments():
    for line in (["check"], ["check", "a", "b"], ["get", "v"], ["explain", "v", "k"], ["list", "x"],
                 ["dead"], ["dead", "list"], ["deploy"], ["pause"], ["try"], ["engine", "x"]):
        exits(USAGE, *line)


def test_wrong_values():
    for line in (["list", "--format", "xml"], ["engine", "--memory", "much"],
                 ["engine", "--memory", "1k"], ["list", "--format"],
                 ["list", "--brokers", "a", "--brokers", "b"]):
        exits(USAGE, *line)


def test_secret_on_the_command_line_is_refused():
    r = exits(USAGE, "get", "v", "k", "--redis-password", "hunter2")
    assert "hunter2" not in r.stderr


def test_no_brokers_given_is_wrong_use():
    for line in (["list"], ["deploy", job_file()], ["pause", "j"], ["resume", "j"],
                 ["remove", "j"], ["dead", "list", "j"], ["engine"], ["run", job_file()],
                 ["explain", "v", "k", "f"]):
        assert "WEIR_BROKERS" in exits(USAGE, *line).stderr, line
    assert "WEIR_REDIS" in exits(USAGE, "get", "v", "k").stderr


def test_outside_world_that_fails_is_3():
    exits(OUTSIDE, "list", "--brokers", "127.0.0.1:1")
    exits(OUTSIDE, "deploy", job_file(), "--brokers", "127.0.0.1:1")
    exits(OUTSIDE, "get", "v", "k", "--redis", "127.0.0.1:1")
    exits(OUTSIDE, "status", "--http", "127.0.0.1:1")


def test_options_from_the_environment_and_the_node_file():
    folder = os.path.join(TMP, "node")
    write("node/weir.yaml", "brokers: 127.0.0.1:1   # nobody\nformat: json\n")
    r = exits(OUTSIDE, "list", cwd=folder)
    assert json.loads(r.stdout)["error"]["code"] == "unavailable"
    r = exits(OUTSIDE, "list", cwd=folder, env=clean_env(WEIR_FORMAT="table"))
    assert not r.stdout
    r = exits(OUTSIDE, "list", "--brokers", "127.0.0.1:2", cwd=folder)
    assert "127.0.0.1:2" in r.stderr
    exits(OUTSIDE, "list", "--config", folder + "/weir.yaml")
    write("node/bad.yaml", "brokers: a\nbroker: b\n")
    r = exits(USAGE, "list", "--config", folder + "/bad.yaml")
    assert "bad.yaml:2" in r.stderr and "did you mean brokers?" in r.stderr
    exits(USAGE, "list", "--config", "/no/such/file")


def test_prefix_that_cannot_begin_a_name():
    for bad in "a b", "a/b", "", "x" * 65:
        exits(USAGE, "list", "--brokers", "127.0.0.1:1", "--prefix", bad)


def test_node_file_from_the_environment():
    path = write("elsewhere.yaml", "brokers: 127.0.0.1:3\n")
    assert "127.0.0.1:3" in exits(OUTSIDE, "list", env=clean_env(WEIR_CONFIG=path)).stderr


def test_node_without_a_broker_waits_and_is_not_ready():
    log = os.path.join(TMP, "lonely.log")
    p = subprocess.Popen([BIN, "engine", "--brokers", "127.0.0.1:1", "--http", "127.0.0.1:0",
                          "--state", TMP + "/lonely"], env=clean_env(), stderr=open(log, "w"))
    try:
        address = await_(lambda: re.search(r"http://(\S+:\d+)/", open(log).read())).group(1)
        c = http.client.HTTPConnection(address, timeout=20)
        c.request("GET", "/healthz")
        r = c.getresponse()
        assert r.status == 200
        r.read()

        def refused():
            c.request("GET", "/readyz")
            r = c.getresponse()
            text = r.read().decode()
            return r.status == 503 and "127.0.0.1:1" in text
        await_(refused)
        assert p.poll() is None
        p.terminate()
        assert p.wait(90) == DONE
    finally:
        p.kill()


def test_errors_have_no_colour_off_a_terminal():
    assert "\033" not in weir("list", env=clean_env(TERM="xterm")).stderr


def test_broken_pipe_is_quiet():
    job = job_file()
    with open(os.path.join(TMP, "many.jsonl"), "w") as f:
        for i in range(20000):
            f.write(json.dumps({"value": event("u", 10**12 + i)}) + "\n")
    r = os.popen(f"{{ {BIN} try {job} --events {TMP}/many.jsonl; echo rc=$? >&2; }} 2>&1 >/dev/full "
                 "| tail -3").read()
    assert "rc=3" in r, r  # a full disk is no broken pipe
    r = os.popen(f"{{ {BIN} try {job} --events {TMP}/many.jsonl; echo rc=$? >&2; }} 2>{TMP}/err "
                 f"| head -1 >/dev/null; cat {TMP}/err").read()
    assert "rc=0" in r and "Broken pipe" not in r, r


def event(user, at, shop="s", amount=1.0, paid=True, **more):
    return {"user": user, "shop": shop, "at": at, "amount": amount, "paid": paid, **more}


# -- check --

def test_check_of_a_good_job():
    r = exits(DONE, "check", job_file())
    assert "job contract is fine" in r.stdout and not r.stderr


def test_check_reports_place_caret_and_suggestion():
    path = job_file("bad.yaml", change=lambda s: s.replace("sum(amount)", "sum(amuont)"))
    r = exits(NO, "check", path)
    assert re.search(r"bad\.yaml:\d+:\d+: error: ", r.stderr) and "^" in r.stderr
    assert "amount" in r.stderr.split("^")[-1] and not r.stdout


def test_check_reports_every_error():
    path = job_file("bad.yaml", change=lambda s: s.replace("sum(amount)", "sum(amuont)")
                    .replace("top(shop, 2)", "topp(shop, 2)").replace("owner:", "ownr:"))
    assert exits(NO, "check", path).stderr.count(": error: ") == 3


def test_check_json():
    path = job_file("bad.yaml", change=lambda s: s.replace("sum(amount)", "sum(amuont)"))
    answer = json.loads(exits(NO, "check", path, "--format", "json").stdout)
    assert answer["ok"] is False
    (one,) = answer["diagnostics"]
    assert {"file", "line", "column", "message", "suggestion"} <= set(one)
    assert one["suggestion"] == "amount"
    answer = json.loads(exits(DONE, "check", job_file(), "--format", "json").stdout)
    assert answer["ok"] is True and answer["job"] == "contract" and answer["diagnostics"] == []


def test_check_of_no_file_is_wrong_use():
    r = exits(USAGE, "check", "/no/such/job.yaml")
    assert "/no/such/job.yaml" in r.stderr


def test_check_plan_names_what_will_be():
    plan = exits(DONE, "check", job_file(), "--plan").stdout
    for name in ("weir.contract.events.changelog", "weir.contract.events.by.shop-paid",
                 "weir.by_user.v1", "weir.by_shop.v1", "weir.contract.late", "weir.contract.dead",
                 "weir:by_user:1:<entity>", "group weir.contract"):
        assert name in plan, (name, plan)
    assert "may cause up to 1 row later" in plan
    plan = exits(DONE, "check", job_file(), "--plan", "--prefix", "mine").stdout
    assert "mine.contract.events.changelog" in plan and "weir." not in plan


def test_check_does_not_go_to_brokers_of_the_environment():
    exits(DONE, "check", job_file(), env=clean_env(WEIR_BROKERS="127.0.0.1:1"))
    exits(OUTSIDE, "check", job_file(), "--brokers", "127.0.0.1:1")


# -- try --

T = 1357000000000


def tried(lines, *more, code=DONE, job=None):
    text = "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines)
    r = exits(code, "try", job or job_file(), "--events", write("events.jsonl", text), *more)
    return [json.loads(line) for line in r.stdout.splitlines()], r.stderr


def drift_files():
    train = write("train.csv", "score,carrier,late\n" + "".join(f"{i / 200},{'ab'[i % 2]},{i % 3 // 2}\n"
                                                              for i in range(200)))
    now = write("now.csv", "score,carrier,late\n" + "".join(f"{0.5 + i / 200},{'abc'[i % 3]},0\n"
                                                          for i in range(100)))
    return train, now


def test_drift_json():
    train, now = drift_files()
    assert exits(DONE, "drift", train, train).stdout
    answer = json.loads(exits(NO, "drift", train, now, "--format", "json").stdout)
    assert list(answer) == ["mode", "drifted", "columns"]
    assert answer["mode"] == "weir" and answer["drifted"] is True
    score = answer["columns"][0]
    assert list(score) == ["column", "segment", "rows", "nulls", "reference_rows", "drifted", "tests"]
    assert (score["column"], score["segment"], score["rows"], score["reference_rows"]) == ("score", {}, 100, 200)
    for t in score["tests"]:
        assert list(t) == ["test", "value", "p_value", "threshold", "breached"]
    assert [t["test"] for t in score["tests"]] == ["psi", "ks", "js", "wasserstein", "mean_shift", "null_rate",
                                                   "out_of_range", "rows"]
    assert {t["test"]: t["threshold"] for t in score["tests"] if t["threshold"]} == {"psi": 0.25, "ks": 0.2}
    exits(DONE, "drift", train, now, "--tests", "rows=100")
    exits(USAGE, "drift", train)
    exits(USAGE, "drift", train, "/no/such.parquet")


def test_baseline_file():
    train, now = drift_files()
    out = os.path.join(TMP, "baseline.json")
    answer = json.loads(exits(DONE, "baseline", "--data", train, "--by", "carrier", "--score", "score", "--label",
                              "late", "--out", out, "--format", "json").stdout)
    assert answer == {"file": out, "rows": 200, "columns": 1, "segments": 2}
    with open(out) as f:
        b = json.load(f)
    assert list(b) == ["format", "version", "weir", "job", "monitor", "view", "view_version", "origin", "by", "score",
                       "label", "segments"]
    assert (b["format"], b["version"]) == ("weir-baseline", 1)
    assert list(b["segments"][1]) == ["segment", "rows", "errors", "columns"]
    assert len(b["segments"][0]["columns"][0]["quantiles"]) == 1001
    exits(NO, "drift", out, now, "--by", "carrier")
    exits(USAGE, "baseline", "--data", train)


def test_try_row():
    rows, err = tried([{"value": event("a", T, amount=None)}])
    user, shop = (next(r for r in rows if r["view"] == v) for v in ("by_user", "by_shop"))
    assert list(user) == ["view", "user", "event_time", "known_at", "source_partition",
                          "source_offset", "n_1h", "sum_1h", "share", "last_at", "last_paid", "shops"]
    assert user["event_time"] == user["known_at"] == T
    assert (user["source_partition"], user["source_offset"]) == (0, 0)
    assert user["sum_1h"] == 0 and user["last_paid"] is True and user["shops"] == ["s"]
    assert list(shop) == ["view", "shop", "paid", "event_time", "known_at", "source_partition",
                          "source_offset", "n_5m"]
    assert "1 records, 0 late, 0 dead; 2 rows" in err


def test_try_fields_of_an_event():
    rows, _ = tried([{"source": "events", "partition": 2, "offset": 40, "timestamp": T + 5,
                      "key": "k", "value": event("a", T)}])
    assert all((r["source_partition"], r["source_offset"], r["known_at"]) == (2, 40, T + 5)
               for r in rows)


def test_try_expiry_row_has_no_source_and_nothing_fires_at_the_end():
    rows, _ = tried([{"value": event("a", T)}, {"value": event("b", T + 2 * 3600000)}])
    expired = [r for r in rows if r["source_offset"] is None]
    assert len(expired) == 1 and expired[0]["user"] == "a" and expired[0]["n_1h"] == 0
    assert expired[0]["source_partition"] is None
    assert expired[0]["event_time"] == expired[0]["known_at"]


def test_try_counts_late_and_dead():
    _, err = tried([{"value": event("a", T)}, {"value": event("a", T - 61000)},
                    {"value": "not json"}, {"value": None}])
    assert "4 records, 1 late, 2 dead" in err
    for reason in "late", "invalid_record", "empty_value":
        assert reason in err, err
    _, err = tried([{"value": event("a", T)}], "--format", "json")
    assert json.loads(err.splitlines()[-1]) == {
        "records": 1, "late": 0, "dead": 0, "rows": 2, "expiry_rows": 0, "drift": 0, "alerts": 0}


def test_try_refuses_records_as_large_as_a_node_does():
    sized = [event("a", T) | {"filler": "x" * n} for n in (1 << 20, 900_000)]
    rows, err = tried([{"value": value} for value in sized])
    assert "2 records, 0 late, 1 dead" in err and "too_large" in err, err
    assert {r["source_offset"] for r in rows} == {1}


def test_try_line_that_is_no_event():
    _, err = tried([{"value": event("a", T)}, "{broken"], code=USAGE)
    assert "events.jsonl:2" in err


def test_try_from_standard_input():
    r = exits(DONE, "try", job_file(), "--events", "-",
              input=json.dumps({"value": event("a", T)}) + "\n")
    assert len(r.stdout.splitlines()) == 2


# -- test --

TEST = """description: one event
events:
  - {{ timestamp: 2013-01-01T00:26:40Z, value: {{ user: a, shop: s, at: 1357000000000, paid: true, amount: 2 }} }}
  - {{ value: {{ user: a, shop: s, at: 1356990000000, paid: true }} }}
rows:
  by_user:
    - {{ user: a, n_1h: {n}, sum_1h: 2.0000000001, event_time: 2013-01-01T00:26:40Z }}
final:
  by_shop:
    - {{ shop: s, paid: true, n_5m: 1 }}
bad:
  - {{ reason: late, offset: 1 }}
counts: {{ records: 2, dead: 0 }}
"""


def test_test_passes_and_fails():
    job = job_file("job/job.yaml")
    write("job/event.avsc", open(os.path.join(TMP, "event.avsc")).read())
    write("job/tests/a.yaml", TEST.format(n=1))
    assert exits(DONE, "test", job).stdout.splitlines()[-1] == "1 passed, 0 failed"
    bad = write("job/tests/b.yaml", TEST.format(n=2))
    out = exits(NO, "test", job).stdout
    assert out.splitlines()[-1] == "1 passed, 1 failed"
    assert "- n_1h: 2\n" in out and "+ n_1h: 1\n" in out
    answer = json.loads(exits(NO, "test", job, bad, "--format", "json").stdout)
    assert answer["failed"] == 1
    assert answer["tests"][0]["failures"][0]["fields"] == ["n_1h"]


def test_test_file_with_a_misspelt_name():
    job = job_file()
    bad = write("misspelt.yaml", TEST.format(n=1).replace("n_1h", "n_1hh"))
    out = exits(NO, "test", job, bad).stdout
    assert "misspelt.yaml:7:" in out and "did you mean n_1h" in out


def test_test_file_with_a_key_twice():
    job = job_file()
    twice = write("twice.yaml", TEST.format(n=1) + "bad: []\n")
    out = exits(NO, "test", job, twice).stdout
    assert "'bad' is here twice" in out


def test_test_that_loses_records_silently_fails():
    text = TEST.format(n=1).replace("bad:\n  - { reason: late, offset: 1 }\n", "")
    text = re.sub("counts:.*\n", "", text)
    out = exits(NO, "test", job_file(), write("silent.yaml", text)).stdout
    assert "late" in out


def test_test_without_tests_is_wrong_use():
    exits(USAGE, "test", job_file("alone/job.yaml", change=lambda s: s.replace(
        "event.avsc", "../event.avsc")))


def test_completion_is_bash():
    script = exits(DONE, "completion", "bash").stdout
    path = write("completion.bash", script)
    words = os.popen(f"bash -c 'source {path}; COMP_WORDS=(weir re); COMP_CWORD=1; _weir; "
                     "echo ${COMPREPLY[@]}'").read().split()
    assert words == ["resume", "remove"], words
    words = os.popen(f"bash -c 'source {path}; COMP_WORDS=(weir check --pl); COMP_CWORD=2; _weir; "
                     "echo ${COMPREPLY[@]}'").read().split()
    assert words == ["--plan"], words
    exits(USAGE, "completion", "fish")
