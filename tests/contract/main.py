# SPDX-License-Identifier: Apache-2.0
"""Runs the functions test_* of the modules, in their order; each is one check.

main.py [WORD...]   only those with a WORD in their name, or of the module WORD
"""
import os
import sys
import traceback

import offline
import online

words = sys.argv[1:]
passed = failed = 0
for module in (offline, online):
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_")]
    tests = [t for t in tests if not words or any(w in t[0] or w == module.__name__ for w in words)]
    if tests and module is online and not (online.BROKERS and online.REDIS):
        failed += 1
        print("FAILED online: no servers (WEIR_BROKERS, WEIR_REDIS)")
        continue
    for name, test in tests:
        label = f"{module.__name__}: {name[5:].replace('_', ' ')}"
        try:
            test()
            passed += 1
            print("ok    ", label)
        except Exception:
            failed += 1
            print("FAILED", label)
            traceback.print_exc(limit=-3, file=sys.stdout)
    if hasattr(module, "end"):
        module.end()
print(f"suite: {passed} passed, {failed} failed")
sys.stdout.flush()
os._exit(failed != 0)  # client threads of a failed test must not keep us
