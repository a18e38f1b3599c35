# SPDX-License-Identifier: Apache-2.0
"""Deploy, pause, resume, remove, by command and over HTTP, with nodes running and not."""
import json

from nodes import DONE, NO, exits
from until import stays, until
from world import Case, await_online, events, shared, totals

HALF, ALL = events(100), events(200)


def deployed_case():
    case = Case(shared(), 2)
    case.produce(HALF)
    case.deploy()
    return case


def edited(case, old, new):
    with open(case.file) as f:
        text = f.read()
    assert old in text
    return case.write(text.replace(old, new), "edited.yaml")


def jobs_records(case):
    return sum(case.kafka.ends(f"{case.prefix}.jobs").values())


def test_deployed_before_a_node_starts_then_paused_and_resumed():
    case = deployed_case()
    with case.node() as node:
        await_online(case, totals(HALF), node=node)
        case.command("pause", case.job)
        node.await_state(case.job, "paused")
        case.produce(ALL[100:])
        stays(lambda: right_half(case), 2)
        case.command("pause", case.job)  # once more is no error
        case.command("resume", case.job)
        await_online(case, totals(ALL), node=node)
        node.stops()


def right_half(case):
    return all(int(case.row(u)["n"]) == n for u, (n, _) in totals(HALF).items())


def test_paused_outlives_the_node():
    case = deployed_case()
    case.command("pause", case.job)
    with case.node() as node:
        node.await_state(case.job, "paused")
        stays(lambda: not case.row("u1"), 1)
        case.command("resume", case.job)
        await_online(case, totals(HALF), node=node)


def test_removed_and_deployed_again_goes_on():
    case = deployed_case()
    with case.node() as node:
        await_online(case, totals(HALF), node=node)
        case.await_consumed(node=node)
        case.command("remove", case.job)
        until(lambda: node.request("/jobs/j")[0] == 404, 20)
        assert case.row("u1"), "remove keeps the online rows"
        case.command("remove", case.job, want=NO)
        case.produce(ALL[100:])
        case.deploy()
        await_online(case, totals(ALL), node=node)
    keys = [m.key() for m in case.offline() if not m.key().endswith(b"|x")]
    assert len(keys) == len(set(keys)) == 200


def test_remove_with_purge_deletes_the_online_rows():
    case = deployed_case()
    with case.node() as node:
        await_online(case, totals(HALF), node=node)
        exits(DONE, "remove", case.job, "--purge", "--redis", case.servers.redis, *case.options())
        until(lambda: not case.row("u1"), 20)
        assert not list(case.redis.scan_iter(f"{case.prefix}:by_user:1:*", count=10000))


def test_changed_plan_is_refused_with_the_difference():
    case = deployed_case()
    before = jobs_records(case)
    r = case.deploy(edited(case, "sum(n) over 1h", "sum(n) over 2h"), want=NO)
    assert "1h" in r.stderr + r.stdout and "2h" in r.stderr + r.stdout and "by_user" in r.stderr + r.stdout, r
    assert jobs_records(case) == before
    case.deploy(case.file)  # the same again is fine


def test_changed_metadata_is_taken():
    case = deployed_case()
    with case.node() as node:
        await_online(case, totals(HALF), node=node)
        case.deploy(edited(case, "    entity: [user]\n", "    entity: [user]\n    owner: ops\n    freshness: 10m\n"))
        until(lambda: '"ops"' in node.request("/jobs/j")[1], 20, lambda: node.request("/jobs/j"))
        case.produce(ALL[100:])
        await_online(case, totals(ALL), node=node)


def test_view_of_another_job_is_refused():
    case = deployed_case()
    r = case.deploy(edited(case, "job: j\n", "job: other\n"), want=NO)
    assert "by_user" in r.stderr + r.stdout and "j" in r.stderr + r.stdout, r


def test_new_version_beside_the_old():
    case = deployed_case()
    with case.node() as node:
        await_online(case, totals(HALF), node=node)
        case.await_consumed(node=node)
        old = case.row("u1")
        case.deploy(edited(case, "    entity: [user]\n",
                           "    entity: [user]\n    version: 2\n"))
        # A new version begins at the job's position: events that the old one still takes in
        # would be none of its own.
        until(lambda: "jobs@1" in node.log(), 20, lambda: node.log()[-2000:])
        case.produce(ALL[100:])
        until(lambda: case.row("u1", version=2), 30, lambda: node.log()[-2000:])
        until(lambda: case.redis.get(f"{case.prefix}:by_user") == b"2", 30, lambda: node.log()[-2000:])
        assert case.row("u1") == old, "the old version's rows stay"
        assert case.offline(version=2) and case.offline(version=1)


def job_yaml(case):
    """The job with its schema inside, as HTTP takes no files: (what a deploy wrote)."""
    status, text = case_node(case).request("/jobs/j", headers={"Accept": "application/yaml"})
    assert status == 200, text
    return text


_node = {}


def case_node(case):
    return _node[case.prefix]


def test_http_put_get_pause_resume_delete():
    case = deployed_case()
    with case.node() as node:
        _node[case.prefix] = node
        await_online(case, totals(HALF), node=node)
        text = job_yaml(case)
        status, answer = node.request("/jobs/j", "PUT", text)
        assert status == 200 and json.loads(answer)["job"] == "j", answer
        changed = text.replace("sum(n) over 1h", "sum(n) over 2h")
        assert changed != text
        status, answer = node.request("/jobs/j", "PUT", changed)
        assert status == 409 and "2h" in json.loads(answer)["error"]["diff"], answer
        assert node.request("/jobs/j/pause", "POST")[0] == 200
        node.await_state("j", "paused")
        assert node.request("/jobs/j/resume", "POST")[0] == 200
        node.await_state("j", "running")
        assert node.request("/jobs/j", "DELETE")[0] == 200
        until(lambda: node.request("/jobs/j")[0] == 404, 20)
        assert node.request("/jobs/j", "DELETE")[0] == 404
        status, answer = node.request("/jobs/j", "PUT", text)
        assert status == 200, answer
        case.produce(ALL[100:])
        await_online(case, totals(ALL), node=node)


def test_http_put_of_a_bad_job_has_the_errors_of_check():
    case = deployed_case()
    with case.node() as node:
        _node[case.prefix] = node
        node.await_state("j", "running")
        bad = job_yaml(case).replace("sum(n) over 1h", "sum(m) over 1h").replace("avg(amount)", "averag(amount)")
        status, answer = node.request("/jobs/j", "PUT", bad)
        error = json.loads(answer)["error"]
        assert status == 400 and error["code"] == "invalid_job", answer
        r = exits(NO, "check", case.write(bad, "bad.yaml"), "--format", "json")
        of_check = [(d["line"], d["column"], d["message"]) for d in json.loads(r.stdout)["diagnostics"]]
        assert len(of_check) == 2, of_check
        assert [(d["line"], d["column"], d["message"]) for d in error["diagnostics"]] == of_check, answer
        assert node.json("/jobs/j")["state"] == "running"
