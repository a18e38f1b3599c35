# SPDX-License-Identifier: Apache-2.0
"""Columns into Parquet files, with exact values."""
import csv
import os

import duckdb

TYPES = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN"}


def type_of(values):
    return next((TYPES[type(v)] for v in values if v is not None), "DOUBLE")


def write(path, columns):
    """{name: values}, all of one length."""
    text = path + ".csv"
    with open(text, "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(columns)
        for row in zip(*columns.values()):
            rows.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in row])
    types = "{" + ", ".join(f"'{n}': '{type_of(v)}'" for n, v in columns.items()) + "}"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT * FROM read_csv('{text}', header=true, nullstr='', columns={types})) "
                    f"TO '{path}' (FORMAT parquet)")
    os.unlink(text)
    return path
