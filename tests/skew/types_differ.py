# SPDX-License-Identifier: Apache-2.0
"""Pairs of values of each two types, and whether they differ, as docs/reference/drift.md says of skew."""
import os

from world import T0, View, connect

BIG = 2 ** 53
# (type of the feature, of the served column): (the engine's, served, whether they differ)
CASES = {
    ("DOUBLE", "DOUBLE"): [
        (12.5, 12.5, False), (12.5, 12.5 * (1 + 1e-9), False), (12.5, 12.6, True), (12.5, "nan", True),
        (12.5, "inf", True), (12.5, None, True), (None, "nan", False), (None, "-inf", False), (None, None, False),
        (None, 0.0, True), (1e308, -1e308, True), (0.0, -0.0, False)],
    ("FLOAT", "DOUBLE"): [(0.1, 0.1, False), (16777216, 16777217, False), (0.1, 0.2, True), (0.1, 1e300, True)],
    ("DOUBLE", "FLOAT"): [(0.1, 0.1, False), (0.1, "nan", True), (None, "nan", False)],
    ("DOUBLE", "BIGINT"): [(2.0, 2, False), (2.5, 2, True)],
    ("DECIMAL(9,2)", "DOUBLE"): [("1.25", 1.25, False), ("1.25", 1.26, True), (None, "nan", False)],
    ("DOUBLE", "VARCHAR"): [(12.5, "12.5", False), (12.5, "12.6", True), (None, "NaN", False), (12.5, "NaN", True),
                            (12.5, "none", True), (None, "none", True)],
    ("BIGINT", "BIGINT"): [(2000000, 2000001, True), (BIG, BIG + 1, True), (BIG + 1, BIG + 1, False), (0, None, True),
                           (None, None, False)],
    ("BIGINT", "INTEGER"): [(7, 7, False), (7, 8, True)],
    ("BIGINT", "UBIGINT"): [(7, 7, False), (-1, 2 ** 64 - 1, True)],
    ("BIGINT", "DOUBLE"): [(7, 7.0, False), (7, 7.5, True), (None, "nan", False), (7, "nan", True)],
    ("BIGINT", "VARCHAR"): [(BIG + 1, str(BIG + 1), False), (BIG + 1, str(BIG), True), (13, "12.7", True),
                            (13, "13.0", False), (None, "nan", False), (13, "", True)],
    ("VARCHAR", "VARCHAR"): [("007", "7", True), ("007", "007", False), ("nan", "nan", False), (None, "nan", True),
                             ("1.0", "1", True)],
    ("VARCHAR", "BIGINT"): [("007", 7, False), ("008", 7, True), ("x", 7, True), (None, None, False)],
    ("BOOLEAN", "BOOLEAN"): [(True, True, False), (True, False, True), (None, False, True)],
    ("BOOLEAN", "INTEGER"): [(True, 1, False), (False, 0, False), (True, 0, True), (False, 1, True), (True, 2, True),
                             (None, 0, True), (None, None, False)],
    ("BOOLEAN", "DOUBLE"): [(True, 1.0, False), (None, "nan", False), (True, "nan", True), (True, 0.0, True)],
    ("BOOLEAN", "VARCHAR"): [(True, "1", False), (True, "true", False), (False, "true", True), (True, "x", True)],
    ("TIMESTAMPTZ", "TIMESTAMPTZ"): [
        ("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.678Z", False),
        ("2013-01-02 03:04:05.678Z", "2013-01-02 05:04:05.678+02", False),
        ("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.679Z", True), (None, "2013-01-02 00:00:00Z", True)],
    ("TIMESTAMPTZ", "TIMESTAMP"): [("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.678", False),
                                   ("2013-01-02 03:04:05.678Z", "2013-01-02 04:04:05.678", True),
                                   ("2013-01-02 03:04:05.678Z", "infinity", True), (None, "infinity", False)],
    ("TIMESTAMPTZ", "TIMESTAMP_MS"): [("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.678", False)],
    ("TIMESTAMPTZ", "TIMESTAMP_NS"): [("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.678", False)],
    ("TIMESTAMPTZ", "BIGINT"): [("2013-01-02 03:04:05.678Z", 1357095845678, False),
                                ("2013-01-02 03:04:05.678901Z", 1357095845678901, False),
                                ("2013-01-02 03:04:05.678Z", 1357095845679, True),
                                ("2013-01-02 03:04:05.678Z", 2 ** 63 - 1, True), (None, 0, True)],
    ("TIMESTAMPTZ", "DOUBLE"): [("2013-01-02 03:04:05.678Z", 1357095845678.0, False), (None, "nan", False),
                                ("2013-01-02 03:04:05.678Z", "nan", True)],
    ("TIMESTAMPTZ", "VARCHAR"): [("2013-01-02 03:04:05.678Z", "1357095845678", False),
                                 ("2013-01-02 03:04:05.678Z", "2013-01-02T03:04:05.678Z", False),
                                 ("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05.678", False),
                                 ("2013-01-02 03:04:05.678Z", "2013-01-02 03:04:05", True),
                                 ("2013-01-02 03:04:05.678Z", "soon", True)],
    ("DATE", "DATE"): [("2013-01-02", "2013-01-02", False), ("2013-01-02", "2013-01-03", True)],
    ("DATE", "INTEGER"): [("2013-01-02", 15707, False), ("2013-01-02", 15708, True)],
    ("DATE", "TIMESTAMP"): [("2013-01-02", "2013-01-02", False), ("2013-01-02", "2013-01-02 00:00:01", True)],
    ("TIME", "TIME"): [("03:04:05", "03:04:05", False), ("03:04:05", "03:04:06", True)],
    ("TIME", "BIGINT"): [("03:04:05.678", 11045678, False), ("03:04:05.678", 11045678000, False),
                         ("03:04:05.678", 11045679, True)],
    ("VARCHAR[]", "VARCHAR[]"): [(["a"], ["a"], False), (["a"], ["b"], True), (None, None, False)],
    ("BOOLEAN", "DATE"): [(True, "2013-01-02", True), (None, None, False)],
}
# Names that the comparison has for itself: they are columns of the predictions like others.
NAMES = ["s", "x", "n", "a", "b", "seg", "differs", "given", "s_given", "x_there", "d"]


def write(folder):
    """An export, typed/ and predictions typed.parquet; the arguments and {feature: rows that differ}."""
    features = [f"f{i}" for i in range(len(CASES))]
    view = View("typed", [("k", "VARCHAR")], [(f, t) for f, (t, _) in zip(features, CASES)])
    rows = max(map(len, CASES.values()))
    cell = [[c[k] if k < len(c) else (None, None, False) for c in CASES.values()] for k in range(rows)]
    for k in range(rows):
        view.rows.append({"k": f"e{k}", "event_time": T0, "known_at": T0, "source_partition": 0, "source_offset": k,
                          "_p": 0} | {f: c[0] for f, c in zip(features, cell[k])})
    view.export(folder)
    names = [NAMES[i] if i < len(NAMES) else f"served{i}" for i in range(len(features))]
    con = connect()
    con.execute('CREATE TABLE p(k VARCHAR, "at" BIGINT, ' +
                ", ".join(f'"{n}" {t}' for n, (_, t) in zip(names, CASES)) + ")")
    con.executemany("INSERT INTO p VALUES (" + ",".join("?" * (len(names) + 2)) + ")",
                    [[f"e{k}", T0, *(c[1] for c in cell[k])] for k in range(rows)])
    path = os.path.join(folder, "typed.parquet")
    con.execute(f"COPY p TO '{path}' (FORMAT parquet)")
    args = ["--predictions", path, "--data", folder, "--time", "at"]
    for n, f in zip(names, features):
        args += ["--served", f"{n}=typed:{f}"]
    differ = {f: {k for k in range(rows) if cell[k][i][2]} for i, f in enumerate(features)}
    return args, differ, dict(zip(features, CASES))
