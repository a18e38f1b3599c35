# SPDX-License-Identifier: Apache-2.0
"""The program under test, and small helpers."""
import os
import shutil
import subprocess
import tempfile
import time

BIN = os.environ["WEIR_BIN"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TMP = tempfile.mkdtemp(prefix="contract.", dir=os.environ.get("WEIR_TMP"))
DONE, NO, USAGE, OUTSIDE = 0, 1, 2, 3


def clean_env(**more):
    """No WEIR_* of whoever calls us, but the cache."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}
    env.update(more)
    return env


def weir(*args, env=None, cwd=None, input=None, timeout=180):
    return subprocess.run([BIN, *args], env=env or clean_env(), cwd=cwd or TMP, input=input,
                          capture_output=True, text=True, timeout=timeout)


def exits(want, *args, **more):
    r = weir(*args, **more)
    assert r.returncode == want, (args, r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    return r


def write(name, text):
    path = os.path.join(TMP, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def await_(what, seconds=90):
    """The first true answer of what(), before the deadline."""
    until = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def cleanup():
    shutil.rmtree(TMP, ignore_errors=True)


SCHEMA = """{"type": "record", "name": "event", "fields": [
  {"name": "user", "type": "string"},
  {"name": "shop", "type": "string"},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "amount", "type": ["null", "double"], "default": null},
  {"name": "paid", "type": "boolean"},
  {"name": "blob", "type": ["null", "bytes"], "default": null}]}
"""

JOB = """job: {job}
sources:
  events:
    topic: {topic}
    format: json
    schema: event.avsc
    time: at
    key: user
    lateness: 1m
views:
  {view}_user:
    entity: [user]
    from: events
    owner: them
    features:
      n_1h: count() over 1h
      sum_1h: sum(amount) over 1h
      share: sum_1h / n_1h
      last_at: last(at)
      last_paid: last(paid)
      shops: top(shop, 2) over 1h
  {view}_shop:
    entity: [shop, paid]
    from: events
    expiry: none
    features:
      n_5m: count() over 5m
"""


def job_file(name="job.yaml", job="contract", topic="events", view="by", change=lambda s: s):
    write("event.avsc", SCHEMA)
    return write(name, change(JOB.format(job=job, topic=topic, view=view)))
