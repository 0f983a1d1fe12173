"""Operands that a check is not meant to have: of types that have no order or equality in common, and null.

`amount = day` compares texts, `flag = 2` numbers, by casts of DuckDB's own: such a check passes or fails for other
reasons than it says. `code = null` is null in every row, which is not judged, so that such a check always passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lakehouse_cli.checks.condition_error import ConditionError, Sent

#: The types that are compared with one another, each by the beginning of its name; any other with its own kind alone.
_FAMILIES = (
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
     "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"),
    ("DATE", "TIMESTAMP"),
    ("VARCHAR", "ENUM"),
    ("TIME",),
)  # fmt: skip
_UNKNOWN = ("NULL", '"NULL"', "UNKNOWN")
_NO_OFFSET = 1 << 63
# What DuckDB calls LIKE, ILIKE, GLOB, SIMILAR TO, `~`, with NOT and ESCAPE.
_MATCHES = frozenset(
    (
        *("~~", "!~~", "~~*", "!~~*", "~~~", "like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape"),
        *("regexp_full_match", "regexp_matches"),
    )
)


def refuse_operands(connection: Any, tree: Any, sent: Sent) -> None:
    """Refuse a statement that compares values of types which have nothing in common, or null, or takes others as true.

    Args:
        connection: Of DuckDB, with the tables of the statement.
        tree: The statement, of `json_serialize_sql`.
        sent: Its text.

    Raises:
        ConditionError: It does.
    """
    for null in _nulls(tree):
        raise _error("compares with null, which is true of no row", "write `… is null` or `… is not null`", null, sent)
    for select in _selects(tree["statements"][0]["node"]):
        compared = [*_operands({name: part for name, part in select.items() if name != "cte_map"})]
        for parts, kinds in zip(compared, _all_types(connection, tree, select, compared), strict=True):
            message, hint = _wrong(kinds, parts)
            if message:
                raise _error(message, hint, parts[0], sent)


def _error(message: str, hint: str, part: Any, sent: Sent) -> ConditionError:
    offset = part.get("query_location")
    line, column = sent.place_at(offset if isinstance(offset, int) and offset < _NO_OFFSET else None)
    return ConditionError(message, hint, line=line, column=column)


def _nulls(node: Any) -> Iterator[Any]:
    """The literals NULL that a tree compares with something, alone or in a list, and as null of a type too."""
    kind = str(node.get("type")) if isinstance(node, dict) else ""
    compared: list[Sequence[Any]] = []
    if kind == "FUNCTION" and node.get("function_name") in _MATCHES:
        compared = [[each["expression"] for each in node["arguments"]]]
    elif kind.startswith("COMPARE_") and not kind.endswith("DISTINCT_FROM"):
        compared = [*_parts(node)]
    inner = (_without_casts(part) for parts in compared for part in parts)
    yield from (part for part in inner if part.get("literal", {}).get("kind") == "NULL_LITERAL")
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nulls(each)


def _without_casts(part: Any) -> Any:
    return _without_casts(part["child"]) if part.get("class") == "CAST" else part


def _all_types(connection: Any, tree: Any, select: Any, compared: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """The types of what is compared, at once where that can be asked; none where they are not known."""
    if not compared:
        return []
    types = _types(connection, tree, select, [part for parts in compared for part in parts])
    if types is None:
        return [_types(connection, tree, select, parts) or () for parts in compared]
    kinds = iter(types)
    return [[next(kinds) for _ in parts] for parts in compared]


def _wrong(kinds: Sequence[Any], parts: Sequence[Any]) -> tuple[str | None, str]:
    if not kinds:
        return None, ""
    if len(parts) == 1:
        takes = str(kinds[0])
        is_fit = takes in ("BOOLEAN", *_UNKNOWN) or _is_text(parts[0])
        return None if is_fit else f"takes {takes} as true or false", "compare it: `… = …`, `… > …`"
    known = [(kind, _family(kind)) for kind, part in zip(kinds, parts, strict=True) if not _is_text(part)]
    known = [(kind, family) for kind, family in known if family is not None]
    other = next((kind for kind, family in known if family != known[0][1]), None)
    return other and f"compares {known[0][0]} with {other}", "cast one of the two, as with `…::VARCHAR`"


def _family(kind: Any) -> Any:
    """What a type can be compared with; None for everything."""
    name = str(kind)
    if name in _UNKNOWN:
        return None
    if kind.id in ("list", "array", "struct", "map"):
        return ("list" if kind.id == "array" else kind.id), [
            _family(child) for label, child in kind.children if label != "size"
        ]
    for family in _FAMILIES:
        if name.startswith(family):
            return family
    return name


def _is_text(part: Any) -> bool:
    """Whether it is a literal that stands for a value of whatever it is compared with."""
    return bool(part.get("class") == "CONSTANT" and part["literal"]["kind"] == "STRING")


def _selects(node: Any) -> Iterator[Any]:
    """The SELECTs of a tree, with those within them."""
    if isinstance(node, dict) and node.get("type") == "SELECT_NODE":
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _selects(each)


def _operands(node: Any) -> Iterator[Sequence[Any]]:
    """What a SELECT compares with one another, without those within it; alone what it takes as a truth value."""
    if isinstance(node, dict):
        yield from _parts(node)
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if not (isinstance(each, dict) and each.get("type") == "SELECT_NODE"):
            yield from _operands(each)


def _parts(node: Any) -> Iterator[Sequence[Any]]:
    """The same of one part of a tree."""
    kind, type_ = node.get("class"), node.get("type")
    if kind == "COMPARISON":
        yield [node["left"], node["right"]]
    elif kind == "BETWEEN":
        yield [node["input"], node["lower"], node["upper"]]
    elif type_ in ("COMPARE_IN", "COMPARE_NOT_IN"):
        yield node["children"]
    elif kind == "FUNCTION" and node["function_name"] == "nullif":
        yield [each["expression"] for each in node["arguments"]]
    elif kind == "CONJUNCTION" or type_ == "OPERATOR_NOT":
        yield from ([each] for each in node["children"])
    elif kind == "CASE":
        yield from ([each["when_expr"]] for each in node["case_checks"])
    elif type_ == "SELECT_NODE":
        yield from ([node[name]] for name in ("where_clause", "having", "qualify") if node[name])


def _types(connection: Any, tree: Any, select: Any, parts: Sequence[Any]) -> Sequence[Any] | None:
    """The types of parts of a SELECT; None where they cannot be told apart from it, as those of queries within."""
    import duckdb

    asked = {
        **select, "select_list": [{**each, "alias": ""} for each in parts], "where_clause": None, "having": None,
        "qualify": None, "modifiers": [], "sample": None,
    }  # fmt: skip
    whole = {**tree, "statements": [{"node": asked, "named_param_map": []}]}
    try:
        [(text,)] = connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]).fetchall()
        types: Sequence[Any] = connection.sql(text).types
    except duckdb.Error:
        return None
    return types
