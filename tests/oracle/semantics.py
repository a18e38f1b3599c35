# SPDX-License-Identifier: Apache-2.0
"""The semantics of weir, written a second time: records in, offline rows out.

What it is for: lateness and dead letters at the source, entity clock, windows of tiles, expiry rows,
out-of-order events, forgetting, known_at: as docs/decisions/semantics-notes.md reads the design.

How it differs from the engine on purpose: it works entity by entity, not record by record. The rows
of an entity depend on its own events and on the stream time at each of them, on nothing else; the
limit of 64 due rows per record moves rows of different entities past each other and can leave rows
unfired at the end of the input, but changes no row. So the limit is modelled only to know which rows
may be missing at the end.

What it does not do: no idle partitions, no tables, no joins.
"""
import bisect
import collections
import heapq

from job import Dead

BURST = 64          # due rows of other entities that follow one input record

# A record of a source partition, and one of a repartition partition.
Record = collections.namedtuple("Record", "partition offset timestamp value")
Moved = collections.namedtuple("Moved", "partition offset entity columns event_time known_at source_partition "
                                        "source_offset source_stream_time")

# An on-time event. `index` is its place among those of its input partition. (Late and dead records are not
# counted: whether they let due rows through as well is left open, and this is the slower reading.)
Event = collections.namedtuple("Event", "index time known_at partition offset stream_time columns")

# One offline row. `due` is the index of the record that made an expiry row due when no event of its own
# entity has forced it out (so it may be missing at the end of the input), else None.
Row = collections.namedtuple("Row", "event_time known_at partition offset values due")


class Partition:
    """What one input partition gave: its events, how stream time moved, counts."""

    def __init__(self, number):
        self.number, self.events, self.stream_time, self.records = number, [], None, 0
        self.late, self.dead = [], []
        self.steps, self.step_at = [], []      # stream time after each move, and the record that moved it

    def move(self, time):
        if self.stream_time is None or time > self.stream_time:
            self.stream_time = time
            self.steps.append(time)
            self.step_at.append(len(self.events))

    def due_at(self, instant):
        """Index of the first event after which stream time had reached the instant."""
        return self.step_at[bisect.bisect_left(self.steps, instant)]


def read_source(source, records):
    """Records of one source in offset order per partition -> {number: Partition}."""
    partitions = {}
    for record in records:
        part = partitions.get(record.partition)
        if part is None:
            part = partitions[record.partition] = Partition(record.partition)
        try:
            columns, time = source.decode(record.value, record.timestamp)
            if part.stream_time is not None and time < part.stream_time - source.lateness:
                part.late.append(record.offset)
            else:
                part.move(time)
                known_at = time if record.timestamp is None else record.timestamp
                part.events.append(Event(len(part.events), time, known_at, record.partition, record.offset,
                                         part.stream_time, columns))
        except Dead as dead:
            part.dead.append((record.offset, dead))
        part.records += 1
    return partitions


def read_moved(records):
    """Records of a repartition topic -> {number: Partition}; lateness was decided at the source."""
    partitions = {}
    for record in records:
        part = partitions.setdefault(record.partition, Partition(record.partition))
        part.move(record.event_time)
        part.events.append(Event(len(part.events), record.event_time, record.known_at, record.source_partition,
                                 record.source_offset, part.stream_time, record.columns))
        part.records += 1
    return partitions


class WindowState:
    """One window of one entity: tiles, and the merge of those inside the window at `start`."""

    __slots__ = ("window", "makers", "tiles", "running", "start", "oldest")

    def __init__(self, window, makers):
        self.window, self.makers = window, makers
        self.tiles, self.running = {}, [make() for make in makers]
        self.start = self.oldest = None

    def tile_of(self, time):
        width = self.window.hop or self.window.size
        return time // width * width

    def advance(self, clock):
        """Drops the tiles that have left at `clock`."""
        if self.window.kind == "tumbling":
            start = clock // self.window.size * self.window.size
        else:
            start = (clock - self.window.size) // self.window.hop * self.window.hop
        if start == self.start:
            return
        self.start = start
        if self.oldest is None or self.oldest >= start:
            return
        gone = [self.tiles.pop(key) for key in [k for k in self.tiles if k < start]]
        self.oldest = min(self.tiles) if self.tiles else None
        for i, make in enumerate(self.makers):
            if not self.tiles:
                self.running[i] = make()
                continue
            again = False
            for tile in gone:
                again = self.running[i].take(tile[i]) or again
            if again:
                self.running[i] = make()
                for tile in self.tiles.values():
                    self.running[i].merge(tile[i])

    def add(self, time, sequence, values):
        """Takes the event's values; returns the instant at which its tile leaves if it was empty so far."""
        key = self.tile_of(time)
        if key < self.start:
            return None
        tile = self.tiles.get(key)
        instant = None
        if tile is None:
            tile = self.tiles[key] = [make() for make in self.makers]
            self.oldest = key if self.oldest is None or key < self.oldest else self.oldest
            instant = key + self.window.size + self.window.hop     # a tumbling window has hop 0
        for value, own, running in zip(values, tile, self.running):
            if value is not None:
                own.add(value, time, sequence)
                running.add(value, time, sequence)
        return instant


class Lifetime:
    __slots__ = ("running",)

    def __init__(self, makers):
        self.running = [make() for make in makers]

    def advance(self, clock):
        pass

    def add(self, time, sequence, values):
        for value, running in zip(values, self.running):
            if value is not None:
                running.add(value, time, sequence)


class EntityState:
    """Everything that a view knows of one entity; `rows` collects what it emits."""

    def __init__(self, view, lateness, partition):
        self.view, self.lateness, self.part = view, lateness, partition
        self.rows = []
        self.sequence = 0
        self.clear()

    def clear(self):
        view = self.view
        self.clock = self.known_at = self.last_instant = None
        self.instants = []
        self.windows = []
        for window, members in zip(view.windows, view.members):
            makers = [view.aggregates[i].make for i in members]
            self.windows.append(Lifetime(makers) if window.kind == "lifetime" else WindowState(window, makers))

    def emit(self, partition, offset, due=None):
        results = {}
        for members, window in zip(self.view.members, self.windows):
            for i, aggregate in zip(members, window.running):
                results[i] = aggregate.value()
        for feature in self.view.features:
            results[feature.name] = feature.value(results)
        values = [results[feature.name] for feature in self.view.features]
        self.rows.append(Row(self.clock, self.known_at, partition, offset, values, due))

    def set_clock(self, time):
        self.clock = time
        for window in self.windows:
            window.advance(time)

    def fire(self, stream_time, forced_by=None, at_once=False):
        """Expiry rows for every instant that stream time has reached."""
        while self.instants and self.instants[0] <= stream_time:
            instant = heapq.heappop(self.instants)
            if instant <= self.clock:
                continue
            self.set_clock(instant)
            self.known_at = max(self.known_at, instant)
            due = None if at_once else self.part.due_at(instant)
            self.emit(None, None, None if due == forced_by else due)

    def forget_if_due(self, stream_time):
        view = self.view
        if view.lifetime and view.forget is None:
            return
        if self.last_instant is not None and self.last_instant > stream_time:
            return
        grace = view.forget if view.lifetime else 0
        if stream_time - self.lateness > self.clock + grace:
            self.clear()

    def take(self, event, values):
        if self.clock is not None:
            if self.view.emits_expiry:
                self.fire(event.stream_time, forced_by=event.index)
            self.forget_if_due(event.stream_time)
        fresh = self.clock is None
        self.set_clock(event.time if fresh else max(self.clock, event.time))
        self.known_at = event.known_at if fresh else max(self.known_at, event.known_at)
        for members, window in zip(self.view.members, self.windows):
            instant = window.add(event.time, self.sequence, [values[i] for i in members])
            if instant is not None:
                self.last_instant = instant if self.last_instant is None else max(self.last_instant, instant)
                if self.view.emits_expiry and instant > self.clock:
                    heapq.heappush(self.instants, instant)
        self.sequence += 1
        self.emit(event.partition, event.offset)
        if self.view.emits_expiry:
            self.fire(event.stream_time, at_once=True)


class ViewRun:
    """One view over its input partitions: rows per entity, and what is optional at the end."""

    def __init__(self, view, source, partitions, burst=BURST, wanted=lambda entity: True):
        self.view, self.source, self.partitions, self.burst, self.wanted = view, source, partitions, burst, wanted
        self.null_entities = self.filtered = 0
        self.due = {number: collections.Counter() for number in partitions}

    def by_entity(self):
        """{entity: [(partition, event, values)]}, in arrival order per partition."""
        view, found = self.view, {}
        takes = [aggregate.taken for aggregate in view.aggregates]
        for number in sorted(self.partitions):
            for event in self.partitions[number].events:
                columns = event.columns
                if view.where(columns) is not True:
                    self.filtered += 1
                    continue
                entity = tuple([columns[name] for name in view.entity])
                if None in entity:
                    self.null_entities += 1
                    continue
                if self.wanted(entity):
                    found.setdefault(entity, []).append((number, event, [take(columns) for take in takes]))
        return found

    def rows(self):
        """Yields (entity, partition, rows in the order in which they were emitted)."""
        for entity, events in self.by_entity().items():
            state = None
            for number, event, values in events:
                if state is None or state.part.number != number:
                    if state is not None:
                        yield self.finish(entity, state)
                    state = EntityState(self.view, self.source.lateness, self.partitions[number])
                state.take(event, values)
            yield self.finish(entity, state)

    def finish(self, entity, state):
        if self.view.emits_expiry:
            state.fire(state.part.stream_time)
        due = self.due[state.part.number]
        for row in state.rows:
            if row.due is not None:
                due[row.due] += 1
        return entity, state.part.number, state.rows

    def drained_at(self, number):
        """Index of the last event of the partition after which no due row can have been waiting. A row that
        became due after it may be missing at the end. Call it when rows() is exhausted."""
        waiting, previous, drained = 0, -1, -1
        for index, rows in sorted(self.due[number].items()):
            waiting = max(0, waiting - self.burst * (index - previous))
            if waiting == 0:
                drained = index - 1
            waiting += rows
            previous = index
        total = len(self.partitions[number].events)
        return total - 1 if waiting <= self.burst * (total - previous) else drained
