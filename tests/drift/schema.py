# SPDX-License-Identifier: Apache-2.0
"""schemas/baseline.schema.json against a file: as much of JSON Schema as it uses, and no more."""
import json
import os

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../schemas/baseline.schema.json")) as f:
    SCHEMA = json.load(f)
KNOWN = {"$schema", "$defs", "$ref", "title", "description", "type", "required", "properties", "additionalProperties",
         "items", "minItems", "maxItems", "minimum", "maximum", "const", "anyOf"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}


def is_type(v, name):
    return isinstance(v, TYPES[name]) and not (isinstance(v, bool) and name in ("integer", "number"))


def problems(v, s, where):
    assert set(s) <= KNOWN, set(s) - KNOWN
    if "$ref" in s:
        yield from problems(v, SCHEMA["$defs"][s["$ref"].rsplit("/", 1)[1]], where)
    if "anyOf" in s:
        all_of = [list(problems(v, one, where)) for one in s["anyOf"]]
        if all(all_of):
            yield min(all_of, key=len)
    types = s.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and not any(is_type(v, t) for t in types):
        yield f"{where}: {v!r:.60} is no {types}"
        return
    if "const" in s and v != s["const"]:
        yield f"{where}: {v!r:.60} is not {s['const']!r}"
    if isinstance(v, (int, float)) and not s.get("minimum", v) <= v <= s.get("maximum", v):
        yield f"{where}: {v} is out of range"
    if isinstance(v, list):
        if not s.get("minItems", 0) <= len(v) <= s.get("maxItems", len(v)):
            yield f"{where}: {len(v)} items"
        for i, item in enumerate(v):
            yield from problems(item, s.get("items", {}), f"{where}[{i}]")
    if isinstance(v, dict):
        yield from (f"{where}: {k} is missing" for k in s.get("required", []) if k not in v)
        for k, item in v.items():
            more = s.get("properties", {}).get(k, s.get("additionalProperties", {}))
            if more is False:
                yield f"{where}: {k} is not known"
            else:
                yield from problems(item, more, f"{where}.{k}")


def check(baseline):
    found = list(problems(baseline, SCHEMA, "baseline"))
    assert not found, found[:5]
    assert list(problems({**baseline, "version": 2}, SCHEMA, "baseline")), "the schema takes anything"
