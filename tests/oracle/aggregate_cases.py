# SPDX-License-Identifier: Apache-2.0
"""Writes tests/unit/aggregate_cases.inc: random values and what the oracle's exact aggregates make of
them, for tests/unit/operators_oracle.c. Run it again after a change here: python3
tests/oracle/aggregate_cases.py > tests/unit/aggregate_cases.inc"""
import math
import random

import aggregates

CALLS = [("count", []), ("sum", []), ("avg", []), ("min", []), ("max", []), ("var", []), ("stddev", []),
         ("var_pop", []), ("stddev_pop", []), ("first", []), ("last", []), ("distinct", []), ("median", []),
         ("quantile", ["0.9"]), ("quantile", ["0.25"])]

LONGS = {
    "small": lambda r: r.randint(-20, 20),
    "wide": lambda r: r.randint(-10**15, 10**15),
    "far": lambda r: 4 * 10**18 + r.randint(-1000, 1000),
    "one": lambda r: 7,
}
DOUBLES = {
    "normal": lambda r: r.gauss(0, 1),
    "lognormal": lambda r: r.lognormvariate(0, 3),
    "far": lambda r: 1e12 + r.random(),
    "cancelling": lambda r: r.choice([1e17, -1e17, r.random()]),
    "tiny": lambda r: r.random() * 1e-300,
    "cents": lambda r: r.randint(-1000, 1000) / 100,
    "one": lambda r: 0.1,
}


def result(name, arguments, values, times):
    made = aggregates.maker(name, arguments)()
    for i, value in enumerate(values):
        made.add(value, times[i], i)
    return made.value()


def literal(value):
    return "NAN" if value is None else float(value).hex()


def main():
    draw = random.Random(1)
    print("/* SPDX-License-Identifier: Apache-2.0\n * Written by tests/oracle/aggregate_cases.py; do not edit. */")
    for kind, shapes in (("LONG", LONGS), ("DOUBLE", DOUBLES)):
        for shape, one in shapes.items():
            for n in (2, 3, 24):
                values = [one(draw) for _ in range(n)]
                times = [draw.randint(0, n) for _ in range(n)]
                texts = ", ".join(f"INT64_C({v})" if kind == "LONG" else v.hex() for v in values)
                print(f"{kind}({n}, \"{shape}\", ({texts}), ({', '.join(map(str, times))}))")
                for name, arguments in CALLS:
                    call = name + (f"({arguments[0]})" if arguments else "")
                    found = result(name, arguments, values, times)
                    assert found is None or math.isfinite(found)
                    print(f"RESULT(\"{call}\", {literal(found)})")
                print("END")


if __name__ == "__main__":
    main()
