# SPDX-License-Identifier: Apache-2.0
"""What scipy, Evidently and NannyML themselves say of pairs.py: writes expected.json.

    python -m venv V && V/bin/pip install -r tests/drift/requirements.txt
    V/bin/python tests/drift/tools.py            # again, when pairs.py or the tools change

Each tool is called on what it would be given: Evidently drops nulls first, NannyML by itself. A test
that a tool refuses is left out.
"""
import json
import os
import warnings

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import (chi_stat_test, jensenshannon_stat_test, ks_stat_test,
                                                     psi_stat_test, wasserstein_stat_test)
from evidently.legacy.core import ColumnType
from nannyml.chunk import SizeBasedChunker
from nannyml.drift.univariate.methods import FeatureType, MethodFactory
from nannyml.thresholds import ConstantThreshold
from scipy import stats
from scipy.spatial import distance

import pairs

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


def number(v):
    v = float(v)
    return v if np.isfinite(v) else None


def deciles(base, now):
    """Counts between the reference's deciles, by their definition: a bin is (c, next c]."""
    base = np.sort(base)
    cuts = sorted({base[(k * len(base) + 9) // 10 - 1] for k in range(1, 10)})
    edges = ([-np.inf, np.nextafter(base[0], -np.inf)] if cuts[0] == base[0] else [-np.inf]) + cuts + [np.inf]
    both = []
    for values in (base, np.sort(now)):
        upto = np.searchsorted(values, edges, side="right")
        both.append(np.diff(upto))
    return both


def psi(p, q):
    p, q = np.maximum(p / p.sum(), 1e-4), np.maximum(q / q.sum(), 1e-4)
    return np.sum((p - q) * np.log(p / q))


def scipy_numbers(base, now):
    a, b = (np.array([v for v in x if v is not None], float) for x in (base, now))
    p, q = deciles(a, b)
    ks = stats.ks_2samp(a, b, method="asymp")
    out = {"ks": [ks.statistic, ks.pvalue], "wasserstein": [stats.wasserstein_distance(a, b)],
           "js": [distance.jensenshannon(p, q, 2)], "psi": [psi(p, q)]}
    return out


def scipy_categories(base, now):
    a, b = (pd.Series([v for v in x if v is not None]).value_counts() for x in (base, now))
    t = pd.concat([a, b], axis=1).fillna(0).to_numpy()
    chi2 = stats.chi2_contingency(t, correction=False)
    return {"chi2": [chi2.statistic, chi2.pvalue], "psi": [psi(t[:, 0], t[:, 1])],
            "js": [distance.jensenshannon(t[:, 0], t[:, 1], 2)]}


def evidently(base, now, kind, tests):
    a, b = (pd.Series(x).replace([-np.inf, np.inf], np.nan).dropna() for x in (base, now))
    out = {}
    for name, test in tests.items():
        value = test.func(a, b, kind, 0.1)[0]
        out[name] = [None, value] if name in ("ks", "chi2") else [value]
    return out


def nannyml(base, now, kind, tests):
    a, b = pd.Series(base, name="x"), pd.Series(now, name="x")
    out = {}
    for name, key in tests.items():
        method = MethodFactory.create(key=key, feature_type=kind, chunker=SizeBasedChunker(len(a)),
                                      threshold=ConstantThreshold())
        method._fit(a)
        value = method._calculate(b)
        out[name] = [value, method._p_value] if name == "chi2" else [value]
    return out


def attempt(function, *args):
    try:
        return {k: [None if x is None else number(x) for x in v] for k, v in function(*args).items()}
    except Exception as e:  # the tool's own refusal
        return {"refused": f"{type(e).__name__}: {e}"[:80]}


def each(function, base, now, kind, tests):
    out = {}
    for name, test in tests.items():
        got = attempt(function, base, now, kind, {name: test})
        if "refused" not in got:
            out.update(got)
    return out


def main():
    expected = {"numbers": {}, "categories": {}}
    for name, base, now in pairs.numbers():
        expected["numbers"][name] = {
            "weir": attempt(scipy_numbers, base, now),
            "evidently": each(evidently, base, now, ColumnType.Numerical,
                              {"psi": psi_stat_test, "js": jensenshannon_stat_test, "ks": ks_stat_test,
                               "wasserstein": wasserstein_stat_test}),
            "nannyml": each(nannyml, base, now, FeatureType.CONTINUOUS,
                            {"js": "jensen_shannon", "ks": "kolmogorov_smirnov", "wasserstein": "wasserstein"})}
    for name, base, now in pairs.categories():
        expected["categories"][name] = {
            "weir": attempt(scipy_categories, base, now),
            "evidently": each(evidently, base, now, ColumnType.Categorical,
                              {"psi": psi_stat_test, "js": jensenshannon_stat_test, "chi2": chi_stat_test}),
            "nannyml": each(nannyml, base, now, FeatureType.CATEGORICAL, {"js": "jensen_shannon", "chi2": "chi2"})}
    with open(os.path.join(HERE, "expected.json"), "w") as f:
        json.dump(expected, f, indent=0)
        f.write("\n")


main()
