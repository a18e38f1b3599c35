# SPDX-License-Identifier: Apache-2.0
"""Expressions of a job file: text -> tree -> Python function.

What it is for: the oracle's own reading of the expression language, written from the design alone so
that it shares no mistake with the engine. Values are Python's: int, float, str, bool, None for null;
a timestamp is an int, ms since the epoch.

What it does not do: it checks no types (the engine refuses a wrong job; the oracle only ever gets
right ones) and does not implement hash(). Where the design leaves a function's corner open, it
follows PostgreSQL; docs/decisions/semantics-notes.md lists those.
"""
import datetime
import math
import re

AGGREGATES = {"count", "sum", "avg", "min", "max", "var", "var_pop", "stddev", "stddev_pop", "first", "last",
              "distinct", "approx_distinct", "quantile", "median", "top"}
KEYWORDS = {"and", "or", "not", "is", "null", "true", "false", "in", "between", "case", "when", "then", "else", "end",
            "cast", "as", "over", "where", "every", "tumbling", "session"}
UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1

TOKEN = re.compile(r"""\s*(?:
    (?P<duration>\d+(?:ms|s|m|h|d)\b)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<symbol><=|>=|!=|[-+*/%=<>(),])
)""", re.VERBOSE)


class ExprError(Exception):
    pass


def duration_ms(text):
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d)", str(text).strip())
    if not found:
        raise ExprError(f"not a duration: {text!r}")
    return int(found.group(1)) * UNIT_MS[found.group(2)]


def tokens_of(text):
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ExprError(f"cannot read {text[at:]!r} in {text!r}")
        kind = found.lastgroup
        value = found.group(kind)
        tokens.append(("keyword" if kind == "name" and value in KEYWORDS else kind, value))
        at = found.end()
    return tokens


class Window:
    """What an aggregate looks back over. kind: hop, tumbling or lifetime; size and hop in ms."""

    __slots__ = ("kind", "size", "hop")

    def __init__(self, kind, size=0, hop=0):
        self.kind, self.size, self.hop = kind, size, hop

    def key(self):
        return self.kind, self.size, self.hop

    def __repr__(self):
        return f"Window({self.kind}, {self.size}, {self.hop})"


def default_hop(size):
    if size >= 12 * UNIT_MS["d"]:
        return UNIT_MS["d"]
    if size >= 12 * UNIT_MS["h"]:
        return UNIT_MS["h"]
    if size >= UNIT_MS["h"]:
        return 5 * UNIT_MS["m"]
    return max(size // 12, UNIT_MS["s"])


class Parser:
    """Recursive descent; the tree is nested tuples whose first element is the kind of node."""

    def __init__(self, text):
        self.text, self.tokens, self.at = text, tokens_of(text), 0

    def parse(self):
        tree = self.either()
        if self.at != len(self.tokens):
            raise ExprError(f"{self.tokens[self.at][1]!r} is too much in {self.text!r}")
        return tree

    # -- tokens
    def peek(self, *values):
        return self.at < len(self.tokens) and self.tokens[self.at][0] in ("keyword", "symbol") \
            and self.tokens[self.at][1] in values

    def take(self, *values):
        if self.peek(*values):
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def need(self, value):
        if not self.take(value):
            raise ExprError(f"{value!r} expected in {self.text!r}")

    def next(self, *kinds):
        if self.at >= len(self.tokens) or self.tokens[self.at][0] not in kinds:
            raise ExprError(f"{' or '.join(kinds)} expected in {self.text!r}")
        self.at += 1
        return self.tokens[self.at - 1]

    def peek_name(self, value):
        return self.at < len(self.tokens) and self.tokens[self.at] == ("name", value)

    # -- grammar, loosest first
    def either(self):
        tree = self.both()
        while self.take("or"):
            tree = ("or", tree, self.both())
        return tree

    def both(self):
        tree = self.negated()
        while self.take("and"):
            tree = ("and", tree, self.negated())
        return tree

    def negated(self):
        return ("not", self.negated()) if self.take("not") else self.compared()

    def compared(self):
        tree = self.added()
        while True:
            operator = self.take("=", "!=", "<", "<=", ">", ">=")
            if operator:
                tree = ("compare", operator, tree, self.added())
            elif self.take("is"):
                negative = bool(self.take("not"))
                self.need("null")
                tree = ("isnull", tree, negative)
            elif self.peek("in", "between", "not"):
                tree = self.membership(tree)
            else:
                return tree

    def membership(self, tree):
        negative = bool(self.take("not"))
        if self.take("between"):
            low = self.added()
            self.need("and")
            found = ("and", ("compare", ">=", tree, low), ("compare", "<=", tree, self.added()))
        else:
            self.need("in")
            found = ("in", tree, self.arguments())
        return ("not", found) if negative else found

    def added(self):
        tree = self.multiplied()
        while self.peek("+", "-"):
            tree = ("arith", self.take("+", "-"), tree, self.multiplied())
        return tree

    def multiplied(self):
        tree = self.signed()
        while self.peek("*", "/", "%"):
            tree = ("arith", self.take("*", "/", "%"), tree, self.signed())
        return tree

    def signed(self):
        if self.take("-"):
            return ("minus", self.signed())
        return self.signed() if self.take("+") else self.primary()

    def primary(self):
        if self.take("("):
            tree = self.either()
            self.need(")")
            return tree
        if self.peek("true", "false", "null"):
            return ("literal", {"true": True, "false": False, "null": None}[self.take("true", "false", "null")])
        if self.take("case"):
            return self.case()
        if self.take("cast"):
            self.need("(")
            tree = self.either()
            self.need("as")
            wanted = self.next("name", "keyword")[1]
            self.need(")")
            return ("cast", tree, wanted)
        kind, value = self.next("number", "string", "name")
        if kind == "number":
            return ("literal", float(value) if re.search(r"[.eE]", value) else int(value))
        if kind == "string":
            return ("literal", value[1:-1].replace("''", "'"))
        return self.call(value) if self.peek("(") else ("name", value)

    def arguments(self):
        self.need("(")
        found = []
        if not self.take(")"):
            found.append(self.either())
            while self.take(","):
                found.append(self.either())
            self.need(")")
        return found

    def case(self):
        branches, otherwise = [], ("literal", None)
        while self.take("when"):
            condition = self.either()
            self.need("then")
            branches.append((condition, self.either()))
        if self.take("else"):
            otherwise = self.either()
        self.need("end")
        return ("case", branches, otherwise)

    def call(self, name):
        arguments = self.arguments()
        if name not in AGGREGATES:
            return ("call", name, arguments)
        window = self.window() if self.take("over") else Window("lifetime")
        condition = self.either() if self.take("where") else None
        return ("aggregate", name, arguments, window, condition)

    def window(self):
        if self.take("tumbling"):
            return Window("tumbling", duration_ms(self.next("duration")[1]))
        if self.peek("session") or self.peek_name("last"):
            raise ExprError(f"session and last windows are not supported yet: {self.text!r}")
        size = duration_ms(self.next("duration")[1])
        hop = duration_ms(self.next("duration")[1]) if self.take("every") else default_hop(size)
        return Window("hop", size, hop)


def parse(text):
    return Parser(str(text)).parse()


def walk(tree):
    """Every node of a tree, the tree first."""
    if isinstance(tree, tuple):
        yield tree
    if isinstance(tree, (tuple, list)):
        for part in tree:
            yield from walk(part)


def names_in(tree):
    return {node[1] for node in walk(tree) if node and node[0] == "name"}


# ---------------------------------------------------------------- evaluation

def number(value):
    """A computed number, or null when it overflowed or is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if LONG_MIN <= value <= LONG_MAX else None


def divide(a, b):
    if b == 0:
        return None
    return number(float(a) / float(b))


def remainder(a, b):
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return number(int(math.copysign(1, a)) * (abs(a) % abs(b)))
    return number(math.fmod(a, b))


ARITHMETIC = {"+": lambda a, b: number(a + b), "-": lambda a, b: number(a - b), "*": lambda a, b: number(a * b),
              "/": divide, "%": remainder}
COMPARISON = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
              ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


def compiled(tree):
    """A function from an environment (name -> value) to the value of the tree."""
    return NODES[tree[0]](*tree[1:])


def node_literal(value):
    return lambda env: value


def node_name(name):
    return lambda env: env[name]


def node_minus(tree):
    inner = compiled(tree)

    def value(env):
        got = inner(env)
        return None if got is None else number(-got)
    return value


def node_strict(function, left, right):
    first, second = compiled(left), compiled(right)

    def value(env):
        a = first(env)
        if a is None:
            return None
        b = second(env)
        return None if b is None else function(a, b)
    return value


def node_and(left, right):
    first, second = compiled(left), compiled(right)

    def value(env):
        a = first(env)
        if a is False:
            return False
        b = second(env)
        if b is False:
            return False
        return None if a is None or b is None else True
    return value


def node_or(left, right):
    first, second = compiled(left), compiled(right)

    def value(env):
        a = first(env)
        if a is True:
            return True
        b = second(env)
        if b is True:
            return True
        return None if a is None or b is None else False
    return value


def node_not(tree):
    inner = compiled(tree)

    def value(env):
        got = inner(env)
        return None if got is None else not got
    return value


def node_isnull(tree, negative):
    inner = compiled(tree)
    return lambda env: (inner(env) is None) != negative


def node_in(tree, choices):
    inner, options = compiled(tree), [compiled(c) for c in choices]

    def value(env):
        got = inner(env)
        if got is None:
            return None
        found = [option(env) for option in options]
        if any(f is not None and f == got for f in found):
            return True
        return None if None in found else False
    return value


def node_case(branches, otherwise):
    arms = [(compiled(c), compiled(v)) for c, v in branches]
    last = compiled(otherwise)

    def value(env):
        for condition, result in arms:
            if condition(env) is True:
                return result(env)
        return last(env)
    return value


def node_cast(tree, wanted):
    inner = compiled(tree)

    def value(env):
        got = inner(env)
        return None if got is None else cast(got, wanted)
    return value


def node_call(name, arguments):
    function, keeps_nulls = FUNCTIONS[name]
    inner = [compiled(a) for a in arguments]

    def value(env):
        got = [f(env) for f in inner]
        if not keeps_nulls and None in got:
            return None
        try:
            return function(*got)
        except (ValueError, OverflowError, ZeroDivisionError):
            return None
    return value


NODES = {"literal": node_literal, "name": node_name, "minus": node_minus, "and": node_and, "or": node_or,
         "not": node_not, "isnull": node_isnull, "in": node_in, "case": node_case, "cast": node_cast,
         "call": node_call, "arith": lambda op, a, b: node_strict(ARITHMETIC[op], a, b),
         "compare": lambda op, a, b: node_strict(COMPARISON[op], a, b)}


# ---------------------------------------------------------------- functions

def cast(value, wanted):
    try:
        if wanted in ("int", "long"):
            if isinstance(value, str):
                value = int(value.strip())
            elif isinstance(value, float):
                value = int(round_half_away(value))
            value = int(value)
            low, high = (-(1 << 31), (1 << 31) - 1) if wanted == "int" else (LONG_MIN, LONG_MAX)
            return value if low <= value <= high else None
        if wanted in ("float", "double"):
            return number(float(value))
        if wanted == "boolean":
            return {"true": True, "false": False}.get(value) if isinstance(value, str) else bool(value)
        if wanted == "string":
            if isinstance(value, bool):
                return "true" if value else "false"
            return shortest(value) if isinstance(value, float) else str(value)
    except (ValueError, OverflowError):
        return None
    raise ExprError(f"cast to {wanted} is not in the oracle")


def shortest(value):
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def round_half_away(value, digits=0):
    scale = 10 ** digits
    size = abs(value) * scale
    whole = math.floor(size)
    if size - whole >= 0.5:
        whole += 1
    result = math.copysign(whole / scale, value)
    return result if isinstance(value, float) else int(result)


def like_input(function):
    return lambda x: float(function(x)) if isinstance(x, float) else x


def substr(text, start, length=None):
    """1-based, as SQL: positions before the text count towards the length."""
    first = start - 1
    end = len(text) if length is None else first + length
    return text[max(first, 0):max(end, 0)]


def split_part(text, mark, part):
    parts = text.split(mark)
    return parts[part - 1] if 1 <= part <= len(parts) else ""


def utc(ms):
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)


def date_diff(unit, start, end):
    """Whole units from start to end, towards zero."""
    if unit in ("month", "year"):
        a, b = utc(start), utc(end)
        months = (b.year - a.year) * 12 + b.month - a.month
        return months if unit == "month" else b.year - a.year
    unit_ms = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000,
               "week": 604_800_000}[unit]
    return int(math.copysign(1, end - start)) * (abs(end - start) // unit_ms)


def not_implemented(*_):
    raise ExprError("hash() is not in the oracle")


# name -> (function, whether it is called with nulls too)
FUNCTIONS = {
    "abs": (lambda x: number(abs(x)), False),
    "ceil": (like_input(math.ceil), False),
    "floor": (like_input(math.floor), False),
    "round": (round_half_away, False),
    "sqrt": (lambda x: number(math.sqrt(x)), False),
    "ln": (lambda x: number(math.log(x)), False),
    "exp": (lambda x: number(math.exp(x)), False),
    "pow": (lambda x, y: number(math.pow(x, y)), False),
    "least": (lambda *a: min((x for x in a if x is not None), default=None), True),
    "greatest": (lambda *a: max((x for x in a if x is not None), default=None), True),
    "coalesce": (lambda *a: next((x for x in a if x is not None), None), True),
    "nullif": (lambda a, b: None if a is not None and a == b else a, True),
    "lower": (str.lower, False),
    "upper": (str.upper, False),
    "length": (len, False),
    "substr": (substr, False),
    "concat": (lambda *a: "".join(x for x in a if x is not None), True),
    "split_part": (split_part, False),
    "starts_with": (lambda text, prefix: text.startswith(prefix), False),
    "hash": (not_implemented, True),
    "year": (lambda t: utc(t).year, False),
    "month": (lambda t: utc(t).month, False),
    "day": (lambda t: utc(t).day, False),
    "hour": (lambda t: utc(t).hour, False),
    "dow": (lambda t: utc(t).isoweekday() % 7, False),
    "date_diff": (date_diff, False),
}
