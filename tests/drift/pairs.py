# SPDX-License-Identifier: Apache-2.0
"""Pairs of columns to compare, the same ones on every machine: Python's Mersenne twister and its
random() alone, whose sequence Python promises to keep. A value is a float, an int, a text or None.
"""
import math
import random


def normal(rnd):
    """Box and Muller's, by random() alone."""
    return math.sqrt(-2 * math.log(1 - rnd.random())) * math.cos(2 * math.pi * rnd.random())


SHAPES = {
    "normal": lambda r: normal(r),
    "uniform": lambda r: r.random(),
    "heavy": lambda r: math.tan(math.pi * (r.random() - 0.5)),  # Cauchy: no mean at all
    "lognormal": lambda r: math.exp(2 * normal(r)),
    "ties": lambda r: math.floor(normal(r) * 4) / 4,
    "zeroes": lambda r: 0.0 if r.random() < 0.6 else r.random(),
    "tiny": lambda r: normal(r) * 1e-12 + 1,
    "huge": lambda r: 1e12 + math.floor(r.random() * 1000),
    "few": lambda r: float(math.floor(r.random() * 7)),
    "count": lambda r: math.floor(-30 * math.log(1 - r.random())),  # ints
    "digit": lambda r: math.floor(r.random() * 10),
}
SIZES = [(1, 1), (1, 7), (5, 3), (30, 30), (100, 64), (400, 1000), (1024, 1024), (3000, 2500), (12000, 4000)]
SHIFTS = [(1, 0), (1.1, 0), (1, 0.3), (0.5, 2)]


def moved(values, scale, shift):
    if all(isinstance(v, int) for v in values):
        return [math.floor(v * scale + 10 * shift) for v in values]
    return [v * scale + shift for v in values]


def with_nulls(rnd, values, share):
    return [None if rnd.random() < share else v for v in values]


def numbers():
    """(name, reference, now)"""
    for s, shape in enumerate(SHAPES):
        for z, (n, m) in enumerate(SIZES):
            for k, (scale, shift) in enumerate(SHIFTS):
                if (s + z + k) % 2 and n > 100:
                    continue  # half of the large ones are enough
                rnd = random.Random(10000 * s + 100 * z + k)
                base = [SHAPES[shape](rnd) for _ in range(n)]
                now = moved([SHAPES[shape](rnd) for _ in range(m)], scale, shift)
                if k == 3 and n > 10:
                    base, now = with_nulls(rnd, base, 0.1), with_nulls(rnd, now, 0.2)
                yield f"{shape}-{n}-{m}-{scale}-{shift}", base, now
    yield "constant", [5.0] * 50, [5.0] * 30
    yield "constant-moved", [5.0] * 50, [6.0] * 30
    yield "constant-large", [5.0] * 10500, [6.0] * 30
    yield "disjoint", [float(i) for i in range(200)], [float(i) + 1000 for i in range(100)]
    yield "same", [float(i % 37) for i in range(500)], [float(i % 37) for i in range(500)]
    yield "outside", [float(i % 11000) for i in range(11000)], [float(i) - 5 for i in range(0, 11500, 3)]


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def categories():
    for k in (1, 2, 3, 8, 26):
        for n, m in ((1, 1), (20, 30), (500, 400), (3000, 5000)):
            for tilt in (1.0, 1.5):
                rnd = random.Random(1000 * k + n + int(10 * tilt))
                base = [LETTERS[int(k * rnd.random())] for _ in range(n)]
                now = [LETTERS[int(k * rnd.random() ** tilt)] for _ in range(m)]
                yield f"k{k}-{n}-{m}-{tilt}", base, now
    rnd = random.Random(7)
    yield "nulls", with_nulls(rnd, list("aaabbc" * 40), 0.2), with_nulls(rnd, list("abbbcc" * 30), 0.3)
    yield "new", list("aabbb" * 40), list("aabbcd" * 30)
    yield "gone", list("aabbbcd" * 40), list("aabb" * 30)
    yield "other", ["x"] * 40, ["y"] * 30
