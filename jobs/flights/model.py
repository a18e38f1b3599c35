#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small honest model: will a flight that is just leaving arrive 15 minutes late or more?

    model.py spine --events FILE --out labels.parquet
    model.py fit --train train.parquet --split 2013-07-01 --out DIR

`spine` writes a row for each flight that left, at its departure, with what the airline itself knows by then and
what came of it: late is null when the flight never arrived or was diverted. `fit` takes what weir train has made of
it and splits it by time: flights before the split are the reference, those from it on are only ever scored.

    DIR/reference.parquet     inputs, score, label; each half is scored by a model of the other half, so that
                              these scores are no better than later ones
    DIR/predictions.parquet   the same of the flights from the split on, as they are logged
    DIR/skill.json            what the scores were worth there, beside three simpler answers

The same file gives the same bytes. It knows no Kafka and no weir; watch.py calls both. It does not search for the
best model: nothing was tuned on the flights that it is measured on.
"""
import argparse
import json
import os
import sys

# Threads that wait do so asleep: the machine may be busy.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import duckdb  # noqa: E402
import numpy as np  # noqa: E402

OWN = ("dep_delay", "distance", "hour")          # what is known without any features
FEATURES = {
    "aircraft": ("flights_24h", "late_share_30d", "mean_arr_delay_24h", "last_arr_delay", "p90_arr_delay_30d",
                 "minutes_flown_7d"),
    "destination": ("arrivals_3h", "mean_arr_delay_3h", "late_share_24h", "spread_24h"),
    "origin": ("departures_1h", "mean_dep_delay_1h", "p90_dep_delay_3h", "cancel_share_24h"),
    "carrier": ("late_share_7d", "mean_arr_delay_7d", "made_up_24h"),
    "airport_weather": ("temp_now", "visib_now", "wind_now", "precip_6h", "pressure_trend_6h"),
}
SERVED = tuple(f"{view}__{name}" for view, names in FEATURES.items() for name in names)
SHAPE = {"at": "TIMESTAMPTZ", "scheduled_at": "BIGINT", "cancelled": "BOOLEAN", "departed_at": "BIGINT",
         "arrived_at": "BIGINT", "carrier": "VARCHAR", "flight": "INTEGER", "tailnum": "VARCHAR", "origin": "VARCHAR",
         "dest": "VARCHAR", "distance": "INTEGER", "dep_delay": "INTEGER", "arr_delay": "INTEGER"}
LATE_MINUTES = 15


def feature_list():
    """As weir train --features wants them."""
    return ",".join(f"{view}:{name}" for view, names in FEATURES.items() for name in names)


def connect():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    return con


# ---------------------------------------------------------------- the spine

def write_spine(events, out):
    """How many rows. Invented events are none of the table's; (carrier, flight, origin, scheduled_at) is a flight."""
    con = connect()
    con.execute(f"""CREATE TABLE event AS SELECT source, e.* RENAME ("at" AS departure) FROM (
        SELECT source, json_transform(value, '{json.dumps(SHAPE)}') AS e
        FROM read_json(?, format = 'newline_delimited', columns = {{source: 'VARCHAR', value: 'JSON'}})
        WHERE source IN ('departures', 'arrivals') AND json_type(value) = 'OBJECT'
          AND NOT json_exists(value, '$.invented'))""", [events])
    con.execute(f"""CREATE TABLE spine AS
        SELECT d.departure AS event_time, d.carrier || d.flight || '-' || d.origin || '-' ||
            strftime(make_timestamp(d.scheduled_at * 1000), '%Y%m%dT%H%M') AS id,
            d.tailnum, d.carrier, d.flight, d.origin, d.dest, d.distance, d.dep_delay,
            hour(make_timestamp(d.scheduled_at * 1000)) AS hour,
            make_timestamptz(a.arrived_at * 1000) AS arrived_at, a.arr_delay >= {LATE_MINUTES} AS late
        FROM event d LEFT JOIN event a ON a.source = 'arrivals' AND a.carrier = d.carrier AND a.flight = d.flight
            AND a.origin = d.origin AND a.departed_at = epoch_ms(d.departure)
        WHERE d.source = 'departures' AND NOT d.cancelled
        ORDER BY event_time, id""")
    con.execute("COPY spine TO '" + out.replace("'", "''") + "' (FORMAT parquet)")
    rows, ids = con.execute("SELECT count(*), count(DISTINCT id) FROM spine").fetchone()
    if rows != ids:
        raise RuntimeError(f"{rows:,} flights have {ids:,} ids")
    return rows


# ---------------------------------------------------------------- the model

def train(inputs, late):
    """Gradient-boosted trees, which take missing values as they are."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    model = HistGradientBoostingClassifier(max_iter=30, learning_rate=0.25, max_leaf_nodes=15, min_samples_leaf=100,
                                           early_stopping=False, random_state=0)
    return model.fit(inputs, late)


def scores(model, inputs):
    return model.predict_proba(inputs)[:, 1]


def worth(name, late, score):
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
    return {"model": name, "auc": roc_auc_score(late, score), "log_loss": log_loss(late, score),
            "brier": brier_score_loss(late, score)}


class Flights:
    """The training set: inputs as a matrix, the label (NaN: unknown), and what is before the split."""

    def __init__(self, path, split):
        con = connect()
        names = ", ".join(f'CAST("{c}" AS DOUBLE) AS "{c}"' for c in OWN + SERVED)
        table = con.execute(f"SELECT epoch_ms(event_time) AS at, CAST(late AS DOUBLE) AS late, {names} FROM '{path}'").fetchnumpy()
        self.column = {c: np.ma.filled(v.astype(float), np.nan) for c, v in table.items()}
        self.late = self.column["late"]
        at = self.column["at"]
        self.before = at < con.execute("SELECT epoch_ms(CAST(? AS TIMESTAMPTZ))", [split]).fetchone()[0]
        self.half = at < np.median(at[self.before]) if self.before.any() else self.before
        self.labelled = ~np.isnan(self.late)

    def inputs(self, columns, rows):
        return np.column_stack([self.column[c][rows] for c in columns])

    def fit(self, columns, rows):
        rows = rows & self.labelled
        return train(self.inputs(columns, rows), self.late[rows])


def fit(path, split, out):
    f, every = Flights(path, split), OWN + SERVED
    later, reference = ~f.before, f.before
    judged = later & f.labelled
    if not (judged.any() and (reference & f.labelled).any()):
        raise RuntimeError(f"no flights on both sides of {split}")
    score, late = np.empty(len(f.late)), f.late[judged]
    score[later] = scores(f.fit(every, reference), f.inputs(every, later))
    for mine, others in ((f.half, reference & ~f.half), (reference & ~f.half, f.half)):
        score[mine] = scores(f.fit(every, others), f.inputs(every, mine))
    rate = f.late[reference & f.labelled].mean()
    skill = [worth("always the reference's rate", late, np.full(len(late), rate))]
    for name, columns in (("departure delay, distance, hour", OWN), ("weir's features", SERVED)):
        skill.append(worth(name, late, scores(f.fit(columns, reference), f.inputs(columns, judged))))
    skill.append(worth("both: the model", late, score[judged]))
    write(path, out, score, split)
    found = {"split": split, "trained_on": int((reference & f.labelled).sum()), "measured_on": int(judged.sum()),
             "inputs": len(every), "rate_reference": rate, "rate_measured": late.mean(), "mean_score": score[judged].mean(),
             "models": skill}
    with open(os.path.join(out, "skill.json"), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)


def write(path, out, score, split):
    """The training set's rows with their scores, on both sides of the split."""
    con = connect()
    con.register("scored", {"score": score})
    con.execute(f"""CREATE TABLE t AS SELECT event_time AS "at", id, '{split}' AS model_version, * EXCLUDE (event_time, id)
        FROM '{path}' POSITIONAL JOIN scored""")
    for name, side in (("reference", "<"), ("predictions", ">=")):
        con.execute(f"""COPY (SELECT * FROM t WHERE "at" {side} TIMESTAMPTZ '{split}') TO
            '{os.path.join(out, name)}.parquet' (FORMAT parquet)""")


def main(argv=None):
    parser = argparse.ArgumentParser(description="A model of late arrivals, from weir's features.")
    commands = parser.add_subparsers(dest="command", required=True)
    part = commands.add_parser("spine")
    part.add_argument("--events", required=True, metavar="FILE", help="events.jsonl, as data.py writes it")
    part.add_argument("--out", required=True, metavar="FILE")
    part = commands.add_parser("fit")
    part.add_argument("--train", required=True, metavar="FILE", help="what weir train wrote")
    part.add_argument("--split", default="2013-07-01", metavar="DATE", help="UTC; flights from it on are only scored")
    part.add_argument("--out", required=True, metavar="DIR")
    args = parser.parse_args(argv)
    try:
        if args.command == "spine":
            print(f"{write_spine(args.events, args.out):,} flights")
        else:
            fit(args.train, args.split, args.out)
    except (OSError, RuntimeError, duckdb.Error) as error:
        print(f"model.py: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
