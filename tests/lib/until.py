# SPDX-License-Identifier: Apache-2.0
"""Waiting for a thing with a deadline; no other kind of waiting is done in tests."""
import time

# Deadlines are bounds against hanging, given as on a machine with nothing else to do. This one has.
PATIENCE = 3


def until(what, seconds=30, say=None):
    """The first true answer of what(); fails when PATIENCE is at its end, with say() if there is one."""
    end = time.monotonic() + PATIENCE * seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE * seconds} s: {say() if say else what.__doc__ or what}")
        time.sleep(0.05)


def stays(what, seconds):
    """what() holds all the time: for things that must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = what()
        assert answer, f"it did not stay so: {answer}"
        time.sleep(0.1)
