# SPDX-License-Identifier: Apache-2.0
"""The benchmark's queries, as the oracle and the tables know them; bench/queries has the job files."""
from dataclasses import dataclass

MINUTE = 60_000
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Window:
    """`over width every hop`, or `tumbling width` when hop is 0; milliseconds."""
    label: str
    width: int
    hop: int

    def first(self, clock):
        """The first event time that the window covers at the clock."""
        if not self.hop:
            return clock // self.width * self.width
        return (clock - self.width) // self.hop * self.hop

    def leaves(self, time):
        """When the tile of an event at this time leaves the window."""
        if not self.hop:
            return (time // self.width + 1) * self.width
        return (time // self.hop + 1) * self.hop + self.width

    def spans(self, time):
        """[start, end) of every fixed window with this event in it: weir's, but cut into whole hops, as other
        engines have them. At any clock weir's window is what such a one, which ends with the clock's hop, has so far."""
        step = self.hop or self.width
        long = self.width + self.hop
        end = (time // step + 1) * step
        while end - long <= time:
            yield end - long, end
            end += step


@dataclass(frozen=True)
class Query:
    name: str
    view: str
    entity: str
    windows: tuple
    aggregates: tuple
    emit: bool = False

    def fields(self):
        return [f"{a}_{w.label}" for w in self.windows for a in self.aggregates]


MULTI = (Window("5m", 5 * MINUTE, 25_000), Window("1h", HOUR, 5 * MINUTE), Window("24h", 24 * HOUR, HOUR))
ALL = ("count", "sum", "avg", "max")
SOME = ("count", "sum", "max")
QUERIES = {q.name: q for q in (
    Query("multi", "users", "user_id", MULTI, ALL),
    Query("tumble", "users", "user_id", (Window("5m", 5 * MINUTE, 0),), SOME),
    Query("hop", "users", "user_id", (Window("1h", HOUR, 5 * MINUTE),), SOME),
    Query("items", "items", "item_id", MULTI, ALL),
    Query("emit", "users", "user_id", MULTI, ALL, emit=True),
)}

# CPU seconds per million events that are aimed at; what is not here has no target.
TARGETS = {
    ("multi", "json", "rows"): 1.2,
    ("multi", "json", "both"): 1.5,
    ("multi", "json", "blocks"): 0.7,
    ("multi", "json", "blocks+redis"): 1.0,
    ("multi", "avro", "blocks+redis"): 0.8,
    ("tumble", "json", "rows"): 1.0,
    ("hop", "json", "rows"): 1.1,
    ("items", "json", "both"): 2.6,
}
