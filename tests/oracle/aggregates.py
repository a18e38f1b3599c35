# SPDX-License-Identifier: Apache-2.0
"""Aggregates of the oracle: exact, mergeable, one class each.

What it is for: the true value of an aggregate over a set of events. Sums of doubles are kept as
integers (a double is an integer times 2^-1074), so they are exact, no order of adding shows, and
taking a tile out again is exact too. Where the engine approximates (quantile, approx_distinct, top)
this gives the exact value and compare.py allows the stated error.

What it does not do: no sketches, no caps. Nulls never reach add().

Each class: add(value, time, sequence), merge(other), take(other) -> True if the value must be merged
again from what is left, value(). `take` is only ever given something that was merged before.
"""
import bisect
import collections
import math

SCALE = 1 << 1074


def scaled(value):
    numerator, denominator = value.as_integer_ratio()
    return numerator * (SCALE // denominator)


def finite(numerator, denominator):
    """Correctly rounded quotient of two integers, or null when no double can hold it."""
    try:
        return numerator / denominator
    except OverflowError:
        return None


class Count:
    __slots__ = ("n",)

    def __init__(self):
        self.n = 0

    def add(self, value, time, sequence):
        self.n += 1

    def merge(self, other):
        self.n += other.n

    def take(self, other):
        self.n -= other.n
        return False

    def value(self):
        return self.n


class Sum:
    __slots__ = ("n", "longs", "doubles", "any_double")

    def __init__(self):
        self.n = self.longs = self.doubles = 0
        self.any_double = False

    def add(self, value, time, sequence):
        self.n += 1
        if isinstance(value, float):
            self.any_double = True
            self.doubles += scaled(value)
        else:
            self.longs += value

    def merge(self, other):
        self.n += other.n
        self.longs += other.longs
        self.doubles += other.doubles
        self.any_double = self.any_double or other.any_double

    def take(self, other):
        self.n -= other.n
        self.longs -= other.longs
        self.doubles -= other.doubles
        return False

    def value(self):
        if self.any_double:
            return finite(self.longs * SCALE + self.doubles, SCALE)
        return self.longs if -(1 << 63) <= self.longs < 1 << 63 else None


class Avg(Sum):
    __slots__ = ()

    def value(self):
        if self.n == 0:
            return None
        if self.any_double:
            return finite(self.longs * SCALE + self.doubles, self.n * SCALE)
        return self.longs / self.n


class Variance:
    """Sample variance unless `population`; `root` makes it a standard deviation."""

    __slots__ = ("n", "total", "squares", "scale", "population", "root")

    def __init__(self, population, root):
        self.n = self.total = self.squares = 0
        self.scale = 1
        self.population, self.root = population, root

    def rescale(self):
        self.total *= SCALE
        self.squares *= SCALE * SCALE
        self.scale = SCALE

    def add(self, value, time, sequence):
        if isinstance(value, float):
            if self.scale == 1:
                self.rescale()
            value = scaled(value)
        else:
            value *= self.scale
        self.n += 1
        self.total += value
        self.squares += value * value

    def match(self, other):
        if self.scale != other.scale:
            (self if self.scale == 1 else other).rescale()

    def merge(self, other):
        self.match(other)
        self.n += other.n
        self.total += other.total
        self.squares += other.squares

    def take(self, other):
        self.match(other)
        self.n -= other.n
        self.total -= other.total
        self.squares -= other.squares
        return False

    def value(self):
        n = self.n
        if n < (1 if self.population else 2):
            return None
        below = n * n if self.population else n * (n - 1)
        found = finite(n * self.squares - self.total * self.total, below * self.scale * self.scale)
        return found if found is None or not self.root else math.sqrt(found)


class Smallest:
    __slots__ = ("best",)

    def __init__(self):
        self.best = None

    def better(self, a, b):
        return a < b

    def add(self, value, time, sequence):
        if self.best is None or self.better(value, self.best):
            self.best = value

    def merge(self, other):
        if other.best is not None:
            self.add(other.best, 0, 0)

    def take(self, other):
        return other.best is not None and other.best == self.best

    def value(self):
        return self.best


class Largest(Smallest):
    __slots__ = ()

    def better(self, a, b):
        return a > b


class First:
    """By event time, ties by arrival."""

    __slots__ = ("at", "what")

    def __init__(self):
        self.at = self.what = None

    def better(self, a, b):
        return a < b

    def put(self, at, what):
        if self.at is None or self.better(at, self.at):
            self.at, self.what = at, what

    def add(self, value, time, sequence):
        self.put((time, sequence), value)

    def merge(self, other):
        if other.at is not None:
            self.put(other.at, other.what)

    def take(self, other):
        return other.at is not None and other.at == self.at

    def value(self):
        return self.what


class Last(First):
    __slots__ = ()

    def better(self, a, b):
        return a > b


class Bag:
    """Multiset of values: base of distinct and top."""

    __slots__ = ("counts",)

    def __init__(self):
        self.counts = collections.Counter()

    def add(self, value, time, sequence):
        self.counts[value] += 1

    def merge(self, other):
        for value, n in other.counts.items():
            self.counts[value] += n

    def take(self, other):
        for value, n in other.counts.items():
            left = self.counts[value] - n
            if left:
                self.counts[value] = left
            else:
                del self.counts[value]
        return False


class Distinct(Bag):
    __slots__ = ()

    def value(self):
        return len(self.counts)


class Top(Bag):
    """The k commonest values; equally common ones by value. A list subclass keeps the counts for comparing."""

    __slots__ = ("k",)

    def __init__(self, k):
        super().__init__()
        self.k = k

    def value(self):
        return Ranked(self.counts, self.k)


class Ranked(list):
    def __init__(self, counts, k):
        super().__init__(v for v, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:k])
        self.counts = dict(counts)


class Quantile:
    """The value of rank floor(q * (n - 1)) of the sorted values, counted from 0."""

    __slots__ = ("q", "sorted")

    def __init__(self, q):
        self.q, self.sorted = q, []

    def add(self, value, time, sequence):
        bisect.insort(self.sorted, value)

    def merge(self, other):
        self.sorted += other.sorted
        self.sorted.sort()

    def take(self, other):
        if len(other.sorted) * 8 > len(self.sorted):
            left = collections.Counter(self.sorted)
            left.subtract(other.sorted)
            self.sorted = sorted(left.elements())
            return False
        for value in other.sorted:
            del self.sorted[bisect.bisect_left(self.sorted, value)]
        return False

    def value(self):
        if not self.sorted:
            return None
        return float(self.sorted[math.floor(self.q * (len(self.sorted) - 1))])


def maker(name, arguments):
    """A function that makes an empty aggregate; `arguments` are the literals after the first."""
    if name == "quantile":
        q = float(arguments[0])
        return lambda: Quantile(q)
    if name == "top":
        k = int(arguments[0])
        return lambda: Top(k)
    return {"count": Count, "sum": Sum, "avg": Avg, "min": Smallest, "max": Largest, "first": First, "last": Last,
            "distinct": Distinct, "approx_distinct": Distinct, "median": lambda: Quantile(0.5),
            "var": lambda: Variance(False, False), "var_pop": lambda: Variance(True, False),
            "stddev": lambda: Variance(False, True), "stddev_pop": lambda: Variance(True, True)}[name]
