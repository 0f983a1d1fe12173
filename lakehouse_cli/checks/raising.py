"""Rows in which a condition surely raises, found without raising: a row that does costs DuckDB up to 100 µs.

Casts, `strptime`, divisions of integers by zero, and integers and decimals that overflow are found in the rows that
come to them; what else raises is found by `TRY`. See docs/checks.md.
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
_OF_FIRST = ("OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN")
# Beyond this no sum and no product of decimals has a place, whatever their scale.
_BEYOND = "1.000001e38"
#: A part of a condition, and the test that a row must pass by it to come to another part.
_Step = tuple[Any, str]


class _Candidate(NamedTuple):
    """A part of a condition that may raise.

    Attributes:
        node: The part.
        operands: What it is computed of.
        path: The tests by which rows come to it, in their order.
    """

    node: Any
    operands: Sequence[Any]
    path: Sequence[_Step]


def surely_raising(connection: Any, expression: Any, table: str) -> str | None:
    """A condition in SQL that is true only in rows in which another raises; None where there is none.

    Args:
        connection: Of DuckDB, with the table.
        expression: The other, as a tree of `json_serialize_sql`.
        table: The table's name.
    """
    if _has_null(expression):  # DuckDB does not compute what is beside
        return None
    found = [*_candidates(expression, (), _scalar_functions(connection))]
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
            for node, test in reversed(each.path):  # nothing behind a test is computed of what fails it
                raises = f"CASE WHEN ({text(node)}) {test} THEN {raises} ELSE false END"
            cases.append(f"WHEN {raises} THEN true")
    # One after the other, so that none is computed of what raises.
    return f"CASE {' '.join(cases)} ELSE false END" if cases else None


def _has_null(node: Any) -> bool:
    """Whether NULL is written in a part, but for what a CASE without ELSE has."""
    if isinstance(node, list):
        return any(map(_has_null, node))
    if not isinstance(node, dict):
        return False
    if node.get("class") == "CONSTANT":
        return bool(node["literal"]["kind"] == "NULL_LITERAL")
    is_case = node.get("class") == "CASE" and node["else_expr"]["class"] == "CONSTANT"
    return any(_has_null(each) for name, each in node.items() if not (is_case and name == "else_expr"))


def _scalar_functions(connection: Any) -> frozenset[str]:
    """The functions whose arguments are all computed; macros may be anything."""
    rows = connection.execute(
        "SELECT function_name FROM duckdb_functions() GROUP BY 1 HAVING bool_and(function_type = 'scalar')"
    ).fetchall()
    return frozenset(name for (name,) in rows) - {"error", "nullif", "ifnull", "if"}


def _candidates(node: Any, path: Sequence[_Step], scalars: frozenset[str]) -> Iterator[_Candidate]:
    """What rows come to, operands first: nothing below a lambda or a function that is no scalar one."""
    kind = node["class"]
    for part, steps in _computed(node, path, scalars):
        yield from _candidates(part, steps, scalars)
    if kind == "CAST" and not node["try_cast"]:
        yield _Candidate(node, [node["child"]], path)
    if kind == "FUNCTION" and node["function_name"] in (*_ARITHMETIC, "strptime") and len(node["arguments"]) == 2:
        yield _Candidate(node, [each["expression"] for each in node["arguments"]], path)


def _computed(node: Any, path: Sequence[_Step], scalars: frozenset[str]) -> Iterator[tuple[Any, Sequence[_Step]]]:
    """What a part is computed of, as far as that is sure, with the tests by which rows come to it."""
    kind, children = node["class"], node.get("children", ())
    if kind == "CONJUNCTION" and not any(each["class"] == "CONSTANT" for each in children):
        yield from ((each, path) for each in children)
    elif kind == "OPERATOR" and node["type"] in _OF_FIRST:
        yield children[0], path
    elif kind == "OPERATOR" and node["type"] == "OPERATOR_COALESCE":
        yield from _behind(children, path, "IS NULL")
    elif kind == "CASE":
        for each in node["case_checks"]:
            yield each["when_expr"], path
            yield each["then_expr"], (*path, (each["when_expr"], "IS TRUE"))
            path = (*path, (each["when_expr"], "IS NOT TRUE"))
        yield node["else_expr"], path
    elif kind == "COMPARISON":
        yield from _behind([node["left"], node["right"]], path, "IS NOT NULL")
    elif kind == "BETWEEN":
        yield node["input"], path
    elif kind == "CAST" and not node["try_cast"]:
        yield node["child"], path
    elif kind == "FUNCTION" and (node["function_name"] in scalars or node["function_name"] in _ARITHMETIC):
        yield from _behind([each["expression"] for each in node["arguments"]], path, "IS NOT NULL")


def _behind(parts: Sequence[Any], path: Sequence[_Step], test: str) -> Iterator[tuple[Any, Sequence[_Step]]]:
    """Parts that are computed one after the other where those before pass a test, or perhaps not where they do not."""
    for at, each in enumerate(parts):
        yield each, (*path, *((former, test) for former in parts[:at]))


def _raises(node: Any, kind: str, operands: Sequence[str], of: Sequence[str], text: Callable[[Any], str]) -> str | None:
    """When a part raises; None where nothing says so."""
    if node["class"] == "CAST":
        if not all(each.startswith(_PLAIN) and not each.endswith("]") for each in (kind, *of)):
            return None
        return f"({operands[0]}) IS NOT NULL AND ({text({**node, 'try_cast': True})}) IS NULL"
    left, right = operands
    sign = node["function_name"]
    if sign == "strptime":
        is_plain = node["arguments"][1]["expression"]["class"] == "CONSTANT" and of[0] == "VARCHAR"
        return f"({left}) IS NOT NULL AND try_strptime({left}, {right}) IS NULL" if is_plain else None
    if sign in ("+", "-", "*") and kind.startswith("DECIMAL(38") and _are_exact(of):
        scale = int(kind.partition(",")[2].rstrip(") "))
        return f"abs(({left})::DOUBLE {sign} ({right})::DOUBLE) * 1e{scale} > {_BEYOND}"
    numbers = (*_RANGES, "FLOAT", "DOUBLE", "DECIMAL") if sign == "//" else (*_RANGES,)
    if not all(each.startswith(numbers) for each in (kind, *of)):
        return None
    if sign in ("//", "%"):
        return f"({left}) IS NOT NULL AND ({right}) = 0"
    least, most = _RANGES[kind]
    return f"(({left})::HUGEINT {sign} ({right})::HUGEINT) NOT BETWEEN {least} AND {most}"


def _are_exact(kinds: Sequence[str]) -> bool:
    return all(each.startswith((*_RANGES, "DECIMAL")) for each in kinds)


def _text(connection: Any, node: Any) -> str:
    """A part of a tree as SQL."""
    [(tree,)] = connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    whole = json.loads(tree)
    whole["statements"][0]["node"]["select_list"] = [node]
    [(found,)] = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]).fetchall()
    return str(found).removeprefix("SELECT ")
