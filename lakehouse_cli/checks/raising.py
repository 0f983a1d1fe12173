"""Rows in which a condition surely raises, found without raising: a row that does costs DuckDB more than ten µs.

Casts, divisions of integers by zero and integers that overflow are found where every row comes to them; what else
raises is found by `TRY`. See docs/checks.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
#: The integers that a type has.
_RANGES = {
    **{name: (-(1 << bits - 1), (1 << bits - 1) - 1) for name, bits in _BITS.items()},
    **{f"U{name}": (0, (1 << bits) - 1) for name, bits in _BITS.items()},
}
# A cast of these, from one to the other, is null for null alone.
_PLAIN = (*_RANGES, "VARCHAR", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "DATE", "TIMESTAMP")
_ARITHMETIC = ("+", "-", "*", "//", "%")
_OF_FIRST = ("OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")


class _Candidate(NamedTuple):
    """A part of a condition that may raise.

    Attributes:
        node: The part.
        operands: What it is computed of.
        before: Parts without whose values it is not computed.
    """

    node: Any
    operands: Sequence[Any]
    before: Sequence[Any]


def surely_raising(connection: Any, expression: Any, table: str) -> str | None:
    """A condition in SQL that is true only in rows in which another raises; None where there is none.

    Args:
        connection: Of DuckDB, with the table.
        expression: The other, as a tree of `json_serialize_sql`.
        table: The table's name.
    """
    if "NULL_LITERAL" in json.dumps(expression):  # DuckDB does not compute what is beside
        return None
    found = [*_candidates(expression, ())]
    if not found:
        return None

    def text(node: Any) -> str:
        return _text(connection, node)

    parts = [[text(each.node), *map(text, each.operands)] for each in found]
    # Of no row: nothing is computed.
    selected = ", ".join(f"({part})" for each in parts for part in each)
    kinds = iter(map(str, connection.sql(f"SELECT {selected} FROM {table}").types))  # noqa: S608  # the user's own
    cases = []
    for each, [_, *operands] in zip(found, parts, strict=True):
        kind, of = next(kinds), [next(kinds) for _ in operands]
        if (raises := _raises(each.node, kind, operands, of, text)) is not None:
            is_there = "".join(f"({text(before)}) IS NOT NULL AND " for before in each.before)
            cases.append(f"WHEN {is_there}{raises} THEN true")
    # One after the other, so that none is computed of what raises.
    return f"CASE {' '.join(cases)} ELSE false END" if cases else None


def _candidates(node: Any, before: Sequence[Any]) -> Iterator[_Candidate]:
    """What every row comes to, operands first: nothing below CASE, COALESCE, or another function."""
    kind, children = node["class"], node.get("children", ())
    if kind == "CONJUNCTION" and not any(each["class"] == "CONSTANT" for each in children):
        for each in children:
            yield from _candidates(each, before)
    elif kind == "OPERATOR" and node["type"] in _OF_FIRST:
        yield from _candidates(children[0], before)
    elif kind == "COMPARISON":
        yield from _candidates(node["left"], before)
        yield from _candidates(node["right"], (*before, node["left"]))
    elif kind == "BETWEEN":
        yield from _candidates(node["input"], before)
    elif kind == "CAST" and not node["try_cast"]:
        yield from _candidates(node["child"], before)
        yield _Candidate(node, [node["child"]], before)
    elif kind == "FUNCTION" and node["function_name"] in _ARITHMETIC and len(node["arguments"]) > 1:
        left, right = (each["expression"] for each in node["arguments"])
        yield from _candidates(left, before)
        yield from _candidates(right, (*before, left))
        yield _Candidate(node, [left, right], before)


def _raises(node: Any, kind: str, operands: Sequence[str], of: Sequence[str], text: Callable[[Any], str]) -> str | None:
    """When a part raises; None where nothing says so."""
    if node["class"] == "CAST":
        if not all(each.startswith(_PLAIN) and not each.endswith("]") for each in (kind, *of)):
            return None
        return f"({operands[0]}) IS NOT NULL AND ({text({**node, 'try_cast': True})}) IS NULL"
    left, right = operands
    sign = node["function_name"]
    numbers = (*_RANGES, "FLOAT", "DOUBLE", "DECIMAL") if sign == "//" else (*_RANGES,)
    if not all(each.startswith(numbers) for each in (kind, *of)):
        return None
    if sign in ("//", "%"):
        return f"({left}) IS NOT NULL AND ({right}) = 0"
    least, most = _RANGES[kind]
    return f"(({left})::HUGEINT {sign} ({right})::HUGEINT) NOT BETWEEN {least} AND {most}"


def _text(connection: Any, node: Any) -> str:
    """A part of a tree as SQL."""
    [(tree,)] = connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    whole = json.loads(tree)
    whole["statements"][0]["node"]["select_list"] = [node]
    [(found,)] = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]).fetchall()
    return str(found).removeprefix("SELECT ")
