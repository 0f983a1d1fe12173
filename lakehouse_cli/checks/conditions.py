"""Conditions and queries of checks in SQL, run by DuckDB on the batches under judgement, with the columns they name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse_cli.engines.duckdb_queries import without_settings
from lakehouse_cli.errors import KEPT_ROWS, TransformError
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.transforms.queries.connection import private_connection, share_of
from lakehouse_cli.transforms.queries.inputs import registered
from lakehouse_cli.transforms.shared_tables import StreamedTable

#: What queries of checks call the table.
THIS = "this"
_NULL, _RAISED = 2, 3
_REFUSED = {
    "SUBQUERY": ("holds a query", "write it as a check `sql: select * from this where …`"),
    "WINDOW": ("looks at other rows", "write it as a check `sql: select * from this qualify …`"),
    "PARAMETER": ("has a parameter", "write its value"),
    "STAR": ("has a `*`", "name the columns"),
}
# Functions whose values are others each time, and those that reach beyond the rows.
_VOLATILE = frozenset(("random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed", "nextval", "currval"))


class Condition(NamedTuple):
    """A condition as it is parsed.

    Attributes:
        text: As it is written.
        columns: The columns of the table that it names, in the table's order.
    """

    text: str
    columns: tuple[str, ...]


class ConditionError(Exception):
    """What is wrong with a condition, a query or a function.

    Attributes:
        hint: What to do.
        quotes: Whether it quotes what others say, who may show values.
    """

    def __init__(self, message: str, hint: str | None = None, *, quotes: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.quotes = quotes


class Conditions:
    """Judges conditions on pieces of a table; to be closed.

    Args:
        now: What `now()` returns.
        workers: How many tables are computed at once, which share the cores.
    """

    def __init__(self, now: datetime | None, workers: int = 1) -> None:
        self._stack = ExitStack()
        settings = share_of(workers)
        self.connection = self._stack.enter_context(private_connection(now, **settings))
        self._aggregates: frozenset[str] | None = None

    def parse(self, text: str, names: Sequence[str]) -> Condition:
        """Parse a condition on each row.

        Raises:
            ConditionError: It is none.
        """
        tree = self._tree(f"SELECT ({text}\n)")
        node = tree["statements"][0]["node"]
        alone = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY"
        if not alone or len(node["select_list"]) != 1 or node.get("where_clause") or node.get("modifiers"):
            raise ConditionError("is no condition", "write a condition on a row, such as `high >= low`")
        expression = node["select_list"][0]
        named: set[str] = set()
        self._walk(expression, named)
        found = tuple(name for name in names if ascii_lower(name) in named)
        if not found:
            raise ConditionError("names no column of the table", "name a column; a query of the table is a check `sql`")
        return Condition(text, found)

    def _tree(self, text: str) -> Any:
        import duckdb

        try:
            statements = self.connection.extract_statements(text)
        except duckdb.Error as error:
            raise ConditionError(_said(error), quotes=True) from None
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            raise ConditionError("is no single SELECT", "write one, without semicolons")
        [(tree,)] = self.connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()
        found = json.loads(tree)
        if found.get("error"):
            raise ConditionError(str(found.get("error_message", "cannot be read")))
        return found

    def _walk(self, node: Any, named: set[str]) -> None:
        if isinstance(node, list):
            for each in node:
                self._walk(each, named)
        if not isinstance(node, dict):
            return
        kind = node.get("class", "")
        if kind in _REFUSED:
            raise ConditionError(*_REFUSED[kind])
        if kind == "COLUMN_REF":
            named.update(ascii_lower(part) for part in node["column_names"])
        if kind == "FUNCTION":
            name = str(node.get("function_name", "")).lower()
            if name in self._aggregate_names():
                raise ConditionError(f"looks at other rows (`{name}`)", "write it as a check `sql`")
        _refuse_volatile(node, inside=False)
        for each in node.values():
            self._walk(each, named)

    def _aggregate_names(self) -> frozenset[str]:
        if self._aggregates is None:
            rows = self.connection.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
            ).fetchall()
            self._aggregates = frozenset(name for (name,) in rows)
        return self._aggregates

    def bind(self, condition: Condition, schema: pa.Table) -> None:
        """Bind a condition to the columns of a table.

        Raises:
            ConditionError: It names what is not there, or is not true or false.
        """
        with self._bound(schema.select(list(condition.columns)).slice(0, 0)) as relation:
            [kind] = relation(_select(f"({condition.text}\n)")).types
        if str(kind) not in ("BOOLEAN", '"NULL"', "NULL"):
            raise ConditionError(f"is {kind}, not true or false", "compare it: `… = …`, `… > …`")

    @contextmanager
    def _bound(self, data: pa.Table | StreamedTable) -> Iterator[Any]:
        import duckdb

        def run(text: str) -> Any:
            try:
                return self.connection.sql(text)
            except duckdb.Error as error:
                raise ConditionError(_said(error), quotes=True) from None

        try:
            with registered(self.connection, {THIS: data}):
                yield run
        except TransformError as error:
            raise ConditionError(error.message, error.hint, quotes=True) from None

    def judge(
        self, conditions: Sequence[Condition], data: pa.Table
    ) -> tuple[dict[str, pa.ChunkedArray], dict[str, pa.ChunkedArray]]:
        """The verdicts of conditions on rows, and the rows in which they raised, both by their text.

        Raises:
            ConditionError: One cannot be judged at all.
        """
        import duckdb

        names = [name for name in data.column_names if any(name in each.columns for each in conditions)]
        masks: dict[str, pa.ChunkedArray] = {}
        errored: dict[str, pa.ChunkedArray] = {}
        with self._bound(data.select(names)) as run:
            selected = ", ".join(f"({each.text}\n)::BOOLEAN AS c{at}" for at, each in enumerate(conditions))
            try:
                found = run(_select(selected)).to_arrow_table()
                return {each.text: found.column(at) for at, each in enumerate(conditions)}, {}
            except duckdb.Error:
                pass
            for each in conditions:
                tried = f"coalesce(TRY(coalesce((({each.text}\n)::BOOLEAN)::TINYINT, {_NULL})), {_RAISED})"
                try:
                    found = run(_select(f"{tried} AS c")).to_arrow_table()["c"]
                except duckdb.Error as error:
                    raise ConditionError(_said(error), quotes=True) from None
                masks[each.text], errored[each.text] = _apart(found)
        return masks, errored

    def row_condition(self, text: str, schema: pa.Table) -> str | None:
        """The condition of a query that returns all rows which fulfil it; None for any other query.

        Raises:
            ConditionError: It is no query.
        """
        tree = self._tree(text)
        node = tree["statements"][0]["node"]
        others = ("group_expressions", "having", "qualify", "sample", "modifiers", "cte_map")
        plain = node.get("type") == "SELECT_NODE" and not any(_is_there(node.get(each)) for each in others)
        if not plain or not node.get("where_clause") or [each["class"] for each in node["select_list"]] != ["STAR"]:
            return None
        of = node["from_table"]
        star = node["select_list"][0]
        if of.get("table_name", "").lower() != THIS or of.get("alias") or any(_is_there(each) for each in _parts(star)):
            return None
        alone = {**node, "select_list": [node["where_clause"]], "where_clause": None}
        [(found,)] = self.connection.execute(
            "SELECT json_deserialize_sql(?::JSON)",
            [json.dumps({**tree, "statements": [{"node": alone, "named_param_map": []}]})],
        ).fetchall()
        condition: str = found.removeprefix("SELECT ").rpartition(" FROM ")[0]
        try:
            self.bind(self.parse(condition, schema.column_names), schema)
        except ConditionError:
            return None
        return condition

    def parse_query(self, text: str) -> None:
        """Parse a query.

        Raises:
            ConditionError: It is none, or returns others each time.
        """
        _refuse_volatile(self._tree(text))

    def bind_query(self, text: str, schema: pa.Table) -> None:
        """Bind a query to the columns of a table.

        Raises:
            ConditionError: It cannot be.
        """
        self.parse_query(text)
        with self._bound(schema.slice(0, 0)) as run:
            run(_select("*", text))

    def query(self, text: str, data: pa.Table | StreamedTable) -> tuple[int, pa.Table]:
        """Run a query of the table.

        Returns:
            How many rows it returns, and the first of them.

        Raises:
            ConditionError: It failed.
        """
        import duckdb

        with self._bound(data) as run:
            try:
                reader = run(_select("*", text)).to_arrow_reader(1 << 16)
                count, first = 0, []
                for batch in reader:
                    if count < KEPT_ROWS:
                        first.append(batch)
                    count += batch.num_rows
                return count, pa.Table.from_batches(first, reader.schema).slice(0, KEPT_ROWS)
            except duckdb.Error as error:
                raise ConditionError(_said(error), quotes=True) from None

    def close(self) -> None:
        """Close the connection."""
        self._stack.close()


def _apart(found: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    from lakehouse_cli.arrow import values as av
    from lakehouse_cli.arrow.values import compute as pc

    known = pc.less(found, av.scalar(_NULL, found.type))
    verdict = pc.if_else(known, pc.equal(found, av.scalar(1, found.type)), av.scalar(None, pa.bool_()))
    return verdict, pc.equal(found, av.scalar(_RAISED, found.type))


def _said(error: Exception) -> str:
    """What an error of DuckDB says, in one line."""
    first = without_settings(str(error)).split("\n")[0]
    _, _, rest = first.partition("Error: ")
    return f"cannot be judged: {rest or first}"


def _select(what: str, query: str = "") -> str:
    """A query of `this`, or of another query; both are the user's own, on a connection that has nothing else."""
    source = f"({query}\n)" if query else THIS
    return f"SELECT {what} FROM {source}"  # noqa: S608


def _is_there(part: Any) -> bool:
    """Whether a part of a tree holds anything."""
    if isinstance(part, dict):
        return any(map(_is_there, part.values()))
    return bool(part)


def _parts(star: Any) -> Iterator[Any]:
    """What a `*` may leave out or replace."""
    yield from (
        star.get(name) for name in ("exclude_list", "qualified_exclude_list", "replace_list", "expr", "columns")
    )
    yield star.get("rename_list")


def _refuse_volatile(node: Any, *, inside: bool = True) -> None:
    """Refuse functions whose values are others each time, and samples without a seed.

    Raises:
        ConditionError: There is one in a part of a tree; or it is one, where its parts are looked at elsewhere.
    """
    if isinstance(node, dict):
        name = str(node.get("function_name", "")).lower()
        sample = node.get("sample")
        if isinstance(sample, dict) and sample.get("seed") in (None, -1):
            name = "sample"
        if name == "sample" or name in _VOLATILE:
            raise ConditionError(f"is different each time (`{name}`)", "leave it out")
    for each in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()) if inside else ():
        _refuse_volatile(each)
