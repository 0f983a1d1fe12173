"""What is found in a query before there are data: its tables, its parameters, whether it orders its rows.

DuckDB's own parser says so, by the tree of `json_serialize_sql`
(https://duckdb.org/docs/stable/data/json/sql_to_and_from_json); see ADR 22.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from lakehouse_cli.engines.duckdb_queries import without_settings
from lakehouse_cli.model.query import OF_CONNECTION, Mention, QueryProblem, QueryReading
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.text.sql import placeholders, tokens
from lakehouse_cli.text.terminal import beginning
from lakehouse_cli.transforms.queries.connection import no_room

# Aggregates of which neither the order of rows nor the number of threads changes the result.
_ORDERLESS = frozenset(
    ("count", "count_star", "min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor", "count_if", "countif")
)
_KIND = re.compile(r"^[\w ]+? Error: ")
_NO_TABLE = re.compile("Table with name .* does not exist")
_JINJA = re.compile("{[{%]")
_HINTS = ("Did you mean", "Candidate bindings", "Either add it")
_DIFFERENT_EACH_TIME = frozenset(
    ("random", "setseed", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "txid_current")
)
_NO_SEED = -1
# Table functions of their arguments alone.
_OF_VALUES = frozenset(("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"))
# Those that read tables by names that they are given, as the first argument or as `source`.
_BY_NAME = frozenset(("query_table", "histogram", "histogram_values"))
_LISTS = frozenset(("list_value", "list_pack", "array_value"))
#: Other functions that reach beyond them.
REACHING = frozenset(
    (
        *("nextval", "currval", "getvariable", "current_setting", "query", "query_table", "txid_current"),
        *("current_connection_id", "current_query", "current_query_id", "current_transaction_id"),
        *("stats", "vector_type", "pg_get_viewdef", "pg_get_constraintdef"),
    )
)
# Before the name of a recursive query with USING KEY: all of its rows so far.
_RECURRING = "recurring"
# DuckDB's own, whose tables have no names without it, and what else may stand about a name.
_SCHEMA = "information_schema"
_BESIDE_NAMES = re.compile(r"^[eE](?=')|^\$\w*\$|\$\w*\$$")
# Joins that pair a row with one of several, by where they stand.
_BY_PLACE = ("ASOF", "POSITIONAL")


def read_queries(connection: Any, texts: Sequence[str], aggregates: frozenset[str]) -> list[QueryReading]:
    """Parse queries; nothing is bound or run.

    Args:
        connection: Of DuckDB.
        texts: The queries, without semicolons.
        aggregates: From `aggregates_of`.
    """
    read = [_statement(connection, text) for text in texts]
    parsed = [text for text, each in zip(texts, read, strict=True) if isinstance(each, _Statement)]
    trees = iter(connection.execute("SELECT json_serialize_sql(unnest(?::VARCHAR[]))", [parsed]).fetchall())
    return [
        _reading(text, each, json.loads(next(trees)[0]), aggregates, connection)
        if isinstance(each, _Statement)
        else each
        for text, each in zip(texts, read, strict=True)
    ]


class _Statement(NamedTuple):
    params: tuple[str, ...]
    is_one: bool  # a PIVOT becomes several


def _statement(connection: Any, text: str) -> _Statement | QueryReading:
    import duckdb

    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        return QueryReading(problem=problem_of(error, text))
    if len(statements) != 1:
        many = "is empty" if not statements else f"has {len(statements)} statements"
        return QueryReading(problem=QueryProblem(f"it {many}", "write one SELECT"))
    [statement] = statements
    kind = statement.type.name
    params = tuple(sorted(statement.named_parameters))
    if any(name.isdigit() for name in params):
        hint = "name each as `$name`, and give its value under `params:`"
        return QueryReading(problem=QueryProblem("it has parameters without names", hint))
    if kind not in ("SELECT", "MULTI"):
        return QueryReading(problem=QueryProblem(f"it is no SELECT but {kind}", "write one SELECT"))
    return _Statement(params, kind == "SELECT")


def _reading(
    text: str, statement: _Statement, parsed: Any, aggregates: frozenset[str], connection: Any
) -> QueryReading:
    """What is found in a query by its tree."""
    if not statement.is_one and (found := placeholders(text)):
        hint = "put it in parentheses, with its values: `from (pivot … on … in (…) using …)`"
        place = _place(text[: found[0][1]])
        problem = QueryProblem(f"a statement PIVOT has no params, and this has `${found[0][0]}`", hint, *place)
        return QueryReading(params=statement.params, problem=problem)
    if not statement.is_one or parsed["error"]:
        words = _called(text)
        for word in words:
            if word in _BY_NAME and word != "histogram":  # which is an aggregate, too
                return QueryReading(params=statement.params, problem=_not_by_name(word, 1, 1))
        reaching = [f"{name}()" for name in words if name in REACHING or re.match(OF_CONNECTION, f"{name}()")]
        return QueryReading(
            params=statement.params,
            sensitive=("PIVOT",),
            random=tuple(f"{name}()" for name in words if name in _DIFFERENT_EACH_TIME),
            outside=(*reaching, *_of_catalog(text, connection)),
        )
    node = parsed["statements"][0]["node"]
    mentioned: dict[str, Mention] = {}
    raw = text.encode()
    for name, offset in _tables(node, frozenset()):
        # DESCRIBE and SUMMARIZE have none, which is a number beyond the text.
        place = _place(raw[:offset].decode(errors="replace")) if offset < len(raw) else (1, 1)
        if isinstance(name, _Unknown):
            return QueryReading(params=statement.params, problem=_not_by_name(name.function, *place))
        mentioned.setdefault(name, Mention(name, *place))
    nodes: list[dict[str, Any]] = []
    _collect(node, nodes)
    called = [(each["function_name"].lower(), each) for each in nodes if each.get("class") in ("FUNCTION", "WINDOW")]
    ordered = any(each["type"] == "ORDER_MODIFIER" for each in node.get("modifiers", ()))
    # Rows that are equal by what they are ordered by.
    ties = ["ORDER BY"] if ordered else []
    return QueryReading(
        tuple(mentioned.values()),
        statement.params,
        ordered,
        tuple(dict.fromkeys([*ties, *_sensitive(nodes, called, aggregates)])),
        tuple(dict.fromkeys(_random(nodes, called))),
        outside=tuple(dict.fromkeys(_outside(nodes, called))),
    )


def _place(before: str) -> tuple[int, int]:
    """The line and column, from 1, behind the beginning of a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _not_by_name(function: str, line: int, column: int) -> QueryProblem:
    message = f"`{function}()` reads a table of which the name is known only when it runs"
    return QueryProblem(message, "name the table itself, as in `from orders`", line, column)


def _called(text: str) -> list[str]:
    """What a statement may call, where DuckDB gives no tree; each once, in lower case."""
    found = [token.strip('"').lower().rpartition(".")[2] for token in tokens(text)]
    return [*dict.fromkeys(name for name, after in pairwise(found) if after == "(")]


def _of_catalog(text: str, connection: Any) -> Iterator[str]:
    """What a statement may read of DuckDB's own tables, where DuckDB gives no tree; as a name or as a text."""
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE internal AND schema_name <> ?", [_SCHEMA])
    known = frozenset(name for (name,) in views.fetchall())
    found = tokens(text)
    for token, after in pairwise([*found, ")"]):
        if token.lower() == "show" or (token.lower() == "describe" and after == ")"):
            yield "SHOW"
        parts = [part.strip("\"'").lower() for part in _BESIDE_NAMES.sub("", token).split(".")]
        yield from (part for part in parts if part in (_SCHEMA, parts[-1]) and part in {_SCHEMA, *known})


def aggregates_of(connection: Any) -> frozenset[str]:
    """The names of all aggregate functions."""
    rows = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'")
    return frozenset(name for (name,) in rows.fetchall())


def problem_of(error: Exception, query: str = "") -> QueryProblem:
    """The problem that an error of DuckDB is, with the place that its text shows.

    Args:
        error: What DuckDB raised.
        query: As DuckDB got it: of a long line it shows but a part.
    """
    text, _, shown = str(error).partition("\n\nLINE ")
    first, *others = text.strip().splitlines() or [type(error).__name__]
    message = without_settings(_KIND.sub("", first)).partition(" You might need to")[0].rstrip(".!")
    hint = next((f"{each[0].lower()}{each[1:]}".replace('"', "`") for each in others if each.startswith(_HINTS)), None)
    if _NO_TABLE.match(message):  # DuckDB would name one of its own
        hint = "name it where a table stands, or list it under `inputs:`"
    if "syntax error" in message and _JINJA.search(query):
        hint = "there is no Jinja: name a table as it is called, and write `$name` for a param"
    if "disabled by configuration" in message:
        hint = "a query reads the project's tables and nothing else: declare a file as a source, and name that"
    message, hint = no_room(message) or (message, hint)
    number, _, rest = shown.partition(": ")
    line, _, marks = rest.partition("\n")
    if not number.isdigit():
        return QueryProblem(message, hint)
    caret = marks.partition("\n")[0].find("^") - len(f"LINE {number}: ")
    before = 0
    if line.startswith("..."):
        part = line[3:].removesuffix("...")
        whole = next(iter(query.split("\n")[int(number) - 1 :]), "")
        # One that stands there twice may be either.
        before = whole.find(part) - 3 if whole.count(part) == 1 else -caret - 1
    # The mark stands below in columns of a terminal.
    at = before + len(beginning(line, caret)) + 1 if caret >= 0 else 0
    return QueryProblem(message, hint, int(number), at if at > 0 else None)


class _Unknown(NamedTuple):
    function: str  # that reads a table by a name


def _tables(node: Any, known: frozenset[str]) -> Iterator[tuple[str | _Unknown, int]]:
    """Tables that a part of the tree reads, and where, but for the names that WITH gives to queries."""
    if isinstance(node, list):
        for each in node:
            if isinstance(each, (dict, list)):
                yield from _tables(each, known)
        return
    for entry in (node.get("cte_map") or {}).get("map", ()):
        # Each sees those before it; one that reads itself is a node of its own.
        yield from _tables(entry["value"], known)
        known |= {ascii_lower(entry["key"])}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        known |= {ascii_lower(node["cte_name"])}
    if node.get("schema_name") == _RECURRING and ascii_lower(node["table_name"]) in known:
        return
    is_named = bool(node.get("schema_name")) or ascii_lower(str(node.get("table_name"))) not in known
    if node.get("type") == "BASE_TABLE" and is_named:
        yield _full_name(node).removeprefix("main."), node.get("query_location") or 0
    if node.get("type") == "TABLE_FUNCTION":
        yield from (each for each in _given_names(node["function"]) if ascii_lower(str(each[0])) not in known)
    for key, value in node.items():
        if key != "cte_map" and isinstance(value, (dict, list)):
            yield from _tables(value, known)


def _given_names(function: Any) -> Iterator[tuple[str | _Unknown, int]]:
    """The tables that a function is given by texts, names or lists of these, and where."""
    name = function["function_name"].lower()
    if name not in _BY_NAME:
        return
    given = function["arguments"]
    named = [each for each in given if ascii_lower(each["name"]) == "source"]
    waiting = [each["expression"] for each in named or given[:1]]
    while waiting:
        each = waiting.pop(0)
        if each["type"] == "VALUE_CONSTANT" and each["literal"]["kind"] == "STRING":
            found: str | _Unknown = each["literal"]["text"].removeprefix("main.")
        elif each["type"] == "COLUMN_REF":
            found = ".".join(each["column_names"]).removeprefix("main.")
        elif each["type"] == "FUNCTION" and each["function_name"].lower() in _LISTS:
            waiting += [part["expression"] for part in each["arguments"]]
            continue
        else:
            found = _Unknown(name)
        yield found, each["query_location"]


def _sensitive(nodes: Sequence[Any], called: list[tuple[str, Any]], aggregates: frozenset[str]) -> Iterator[str]:
    """What depends on the order of rows, or on how many threads add them up."""
    for name, each in called:
        if each["class"] == "WINDOW" or (name in aggregates and name not in _ORDERLESS) or name == "histogram_values":
            yield name
    for each in nodes:
        kind = each.get("type")
        if kind in ("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"):
            yield "LIMIT"
        if kind == "DISTINCT_MODIFIER" and each.get("distinct_on_targets"):
            yield "DISTINCT ON"
        if each.get("class") == "COLLATE":  # which of those that are equal by it
            yield "COLLATE"
        if each.get("show_type") == "SUMMARY":
            yield "SUMMARIZE"
        if each.get("ref_type") in _BY_PLACE:
            yield f"{each['ref_type']} JOIN"
        if each.get("key_targets"):
            yield "USING KEY"
        if each.get("sample"):
            yield "SAMPLE"


def _random(nodes: Sequence[Any], called: list[tuple[str, Any]]) -> Iterator[str]:
    """What gives something else each time."""
    yield from (f"{name}()" for name, _ in called if name in _DIFFERENT_EACH_TIME)
    if any(each.get("sample") and each["sample"].get("seed") == _NO_SEED for each in nodes):
        yield "SAMPLE without REPEATABLE"


def _outside(nodes: Sequence[Any], called: list[tuple[str, Any]]) -> Iterator[str]:
    """What reaches beyond tables by their names alone, where there are other things to reach."""
    yield from (f"{name}()" for name, _ in called if name in REACHING)
    for each in nodes:
        kind = each.get("type")
        if kind == "BASE_TABLE" and (each.get("catalog_name") or each.get("schema_name")):
            yield _full_name(each)
        if kind == "TABLE_FUNCTION" and (name := each["function"]["function_name"].lower()) not in _OF_VALUES:
            yield f"{name}()"
        if kind == "SHOW_REF" and not each.get("query"):
            yield "SHOW"


def _full_name(node: Any) -> str:
    return ".".join(filter(None, (node.get("catalog_name"), node.get("schema_name"), node["table_name"])))


def _collect(node: Any, nodes: list[dict[str, Any]]) -> None:
    """Add a part of the tree, and all parts of it."""
    if isinstance(node, dict):
        nodes.append(node)
        node = node.values()
    for each in node:
        if isinstance(each, (dict, list)):
            _collect(each, nodes)
