# SPDX-License-Identifier: Apache-2.0
"""Runs the functions test_* of the modules; each is one check.

Most of the time passes in waiting, so two modules run side by side.
"""
import io
import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import bad_records
import crashes
import deploys
import growth
import limits
import monitors
import names
import outages
import refusals
import skew
import topics
import world

MODULES = (outages, bad_records, crashes, growth, names, deploys, limits, monitors, refusals, skew, topics)
SIDE_BY_SIDE = 2


def run_one(label, test):
    since = time.monotonic()
    try:
        test()
        print(f"ok     {label} ({time.monotonic() - since:.1f} s)", flush=True)
        return True
    except Exception:
        text = io.StringIO()
        traceback.print_exc(limit=-4, file=text)
        print(f"FAILED {label}\n{text.getvalue()}", flush=True)
        return False


def run_module(module, words):
    tests = [(f"{module.__name__}: {n[5:].replace('_', ' ')}", f)
             for n, f in vars(module).items() if n.startswith("test_")]
    tests = [t for t in tests if not words or any(w in t[0] for w in words)]
    results = [run_one(*t) for t in tests]
    if tests and hasattr(module, "end"):
        module.end()
    return results


def main(words):
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = sum(pool.map(lambda m: run_module(m, words), MODULES), [])
    if all(results):
        world.cleanup()
    passed = sum(results)
    print(f"suite: {passed} passed, {len(results) - passed} failed")
    sys.stdout.flush()
    os._exit(passed != len(results))  # client threads of a failed test must not keep us


main(sys.argv[1:])
