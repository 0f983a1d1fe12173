"""Conditions and queries of checks in SQL, run by DuckDB on the batches under judgement, with the columns they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse_cli.checks.condition_error import ONE_CONDITION, ONE_QUERY, ConditionError, Sent, error_of
from lakehouse_cli.checks.operand_types import refuse_operands
from lakehouse_cli.checks.raising import surely_raising
from lakehouse_cli.errors import KEPT_ROWS, TransformError
from lakehouse_cli.model.query import OF_CONNECTION
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.transforms.queries.connection import private_connection, share_of
from lakehouse_cli.transforms.queries.inputs import registered
from lakehouse_cli.transforms.queries.reading import REACHING, read_queries
from lakehouse_cli.transforms.shared_tables import StreamedTable

#: What queries of checks call the table.
THIS = "this"
_NULL, _RAISED = 2, 3
# A row of a query as one value, by a name that none of its columns has.
_ROW = '"a row of the query"'
_AS_QUERY = "write it as a check `sql: select * from this {} …`"
_REFUSED = {
    "SUBQUERY": ("holds a query", _AS_QUERY.format("where")),
    "WINDOW": ("looks at other rows", _AS_QUERY.format("qualify")),
    "PARAMETER": ("has a parameter", "write its value"),
    "STAR": ("has a `*`", "name the columns"),
}
# Functions, by what they do.
_OTHER_ROWS = ("looks at other rows (`{}`)", _AS_QUERY.format("group by … having"))
_NOT_OF_THE_ROW = ("calls `{}`, whose value does not come from the row alone", "leave it out")
_MANY_ROWS = ("makes rows of its own (`{}`)", "call a function of lists, such as `list_contains`")
# Optimizers by which it would depend on other rows whether one raises: `a + 1 > 0` becomes `a > -1`, and what stands
# twice is computed before, where no `TRY` is around it.
_UNFIT = ("expression_rewriter", "common_subexpressions")
#: Parts of a SELECT beside its columns.
_CLAUSES = ("group_expressions", "having", "qualify", "sample", "modifiers", "cte_map")


class Condition(NamedTuple):
    """A condition as it is parsed.

    Attributes:
        text: As it is written.
        columns: The columns of the table that it names, in the table's order.
    """

    text: str
    columns: tuple[str, ...]


class Conditions:
    """Judges conditions on pieces of a table; to be closed.

    Args:
        now: What `now()` returns.
        workers: How many tables are computed at once, which share the cores.
    """

    def __init__(self, now: datetime | None, workers: int = 1) -> None:
        self._stack = ExitStack()
        settings = {**share_of(workers), "disabled_optimizers": ", ".join(_UNFIT)}
        self.connection = self._stack.enter_context(private_connection(now, **settings))
        self._refused: dict[str, tuple[str, str]] | None = None
        self._volatile: frozenset[str] = frozenset()

    def parse(self, text: str, names: Sequence[str]) -> Condition:
        """Parse a condition on each row.

        Raises:
            ConditionError: It is none.
        """
        sent = Sent(text, "SELECT ", columns=names)
        node = self._tree(sent)["statements"][0]["node"]
        if node["type"] == "SELECT_NODE" and len(node["select_list"]) == 1 and node["from_table"]["type"] == "EMPTY":
            [expression] = node["select_list"]
            alone = not expression["alias"] and not any(_is_there(node[each]) for each in ("where_clause", *_CLAUSES))
        else:
            alone = False
        if not alone:
            raise ConditionError("is no single condition", ONE_CONDITION)
        named: set[str] = set()
        self._walk(expression, named, sent)
        found = tuple(name for name in names if ascii_lower(name) in named)
        return Condition(text, found)

    def _tree(self, sent: Sent) -> Any:
        import duckdb

        try:
            statements = self.connection.extract_statements(sent.whole)
        except duckdb.Error as error:
            raise error_of(error, sent) from None
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            what, hint = ("SELECT", ONE_QUERY) if sent.is_query else ("condition", ONE_CONDITION)
            raise ConditionError(f"is no single {what}", hint)
        [(tree,)] = self.connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sent.whole]).fetchall()
        found = json.loads(tree)
        if found.get("error"):
            raise ConditionError(str(found.get("error_message", "cannot be read")), ONE_QUERY)
        return found

    def _walk(self, node: Any, named: set[str], sent: Sent) -> None:
        if isinstance(node, list):
            for each in node:
                self._walk(each, named, sent)
        if not isinstance(node, dict):
            return
        kind = node.get("class", "")
        refused = _REFUSED.get(kind)
        if kind == "COLUMN_REF":
            named.update(ascii_lower(part) for part in node["column_names"])
        if kind == "FUNCTION":
            refused = self._refused_functions().get(name := str(node.get("function_name", "")).lower())
            refused = refused and (refused[0].format(name), refused[1])
        if refused is not None:
            line, column = sent.place_at(node.get("query_location"))
            raise ConditionError(*refused, line=line, column=column)
        for each in node.values():
            self._walk(each, named, sent)

    def _refused_functions(self) -> Mapping[str, tuple[str, str]]:
        """What is wrong with the functions that no condition may call, by their names."""
        if self._refused is None:
            rows = self.connection.execute(
                "SELECT DISTINCT function_name, function_type FROM duckdb_functions() "
                "WHERE function_type = 'aggregate' OR stability = 'VOLATILE'"
            ).fetchall()
            self._refused = dict.fromkeys((*(name for name, _ in rows), *REACHING), _NOT_OF_THE_ROW)
            self._volatile = frozenset(name for name, kind in rows if kind != "aggregate")
            self._refused |= {name: _OTHER_ROWS for name, kind in rows if kind == "aggregate"}
            self._refused["unnest"] = _MANY_ROWS
        return self._refused

    def _refuse_volatile(self, node: Any) -> None:
        """Refuse a part of a tree with a function whose values are others each time, or a sample without a seed."""
        if isinstance(node, dict):
            name = str(node.get("function_name", "")).lower()
            sample = node.get("sample")
            if isinstance(sample, dict) and sample.get("seed") in (None, -1):
                name = "sample"
            self._refused_functions()
            if name == "sample" or name in self._volatile:
                raise ConditionError(f"is different each time (`{name}`)", "leave it out")
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self._refuse_volatile(each)

    def bind(self, condition: Condition, schema: pa.Table) -> None:
        """Bind a condition to the columns of a table.

        Raises:
            ConditionError: It names what is not there, has a value that is none of its type, or is not true or false.
        """
        if not condition.columns:
            self._run(Sent(condition.text, "SELECT (", ")", schema.column_names))
            raise ConditionError("names no column of the table", f"name one; of all rows, {_AS_QUERY.format('where')}")
        sent = Sent(condition.text, "SELECT (", f") FROM {THIS}", schema.column_names)
        empty = schema.select(list(condition.columns)).slice(0, 0)
        with self._bound(empty):
            self._run(sent)
            [kind] = self.connection.sql(sent.whole).types
            refuse_operands(self.connection, self._tree(sent), sent)
        if str(kind) not in ("BOOLEAN", '"NULL"', "NULL"):
            raise ConditionError(f"is {kind}, not true or false", "compare it: `… = …`, `… > …`")
        with self._bound(pa.table([pa.nulls(1, each.type) for each in empty.schema], names=empty.column_names)):
            self._find_misfits(sent)

    def _find_misfits(self, sent: Sent) -> None:
        """Refuse literals that no cast makes a value of; what else raises may not do so for other rows."""
        import duckdb

        try:
            self.connection.execute(sent.whole).fetchall()
        except duckdb.ConversionException as error:
            found = error_of(error, sent)
            if found.line is not None and found.column is not None:
                at = sent.text.split("\n")[found.line - 1][found.column - 1 :]
                if at.startswith("'"):
                    message = str(found).replace("cannot be judged:", "has a value that does not fit:")
                    hint = "write a value of the type that it is compared with"
                    raise ConditionError(message, hint, line=found.line, column=found.column) from None
        except duckdb.Error:
            pass

    def _run(self, sent: Sent) -> None:
        """Run a text of the user's on no rows, with errors in words."""
        import duckdb

        try:
            self.connection.execute(sent.whole).fetchall()  # of `sql`, errors have no place
        except duckdb.Error as error:
            raise error_of(error, sent) from None

    @contextmanager
    def _bound(self, data: pa.Table | StreamedTable) -> Iterator[None]:
        try:
            with registered(self.connection, {THIS: data}):
                yield
        except TransformError as error:
            raise ConditionError(f"cannot be judged: {error.message}", error.hint, quotes=True) from None

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
        with self._bound(data.select(names)):
            selected = ", ".join(f"({each.text}\n)::BOOLEAN" for each in conditions)
            try:
                found = self._read(selected)
                return {each.text: found.column(at) for at, each in enumerate(conditions)}, {}
            except duckdb.Error:
                pass
        for each in conditions:
            try:
                masks[each.text], errored[each.text] = self._judge_apart(each, data.select(list(each.columns)))
            except duckdb.Error as error:
                raise error_of(error, Sent(each.text)) from None
        return masks, errored

    def _judge_apart(self, condition: Condition, data: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """The verdicts of a condition, and the rows in which it raises."""
        import duckdb

        from lakehouse_cli.arrow.values import compute as pc

        raising = None
        with self._bound(data):
            [expression] = self._tree(Sent(condition.text, "SELECT "))["statements"][0]["node"]["select_list"]
            try:
                if (sure := surely_raising(self.connection, expression, THIS)) is not None:
                    raising = self._read(sure)[0].combine_chunks()
            except duckdb.Error:  # by something else
                pass
        if raising is None or not raising.true_count:
            return self._judge_trying(condition, data)
        others = pc.invert(raising)
        verdict, errored = self._judge_trying(condition, data.filter(others))
        nulls = pa.nulls(len(raising), pa.bool_())
        return (
            pa.chunked_array([pc.replace_with_mask(nulls, others, verdict.combine_chunks())]),
            pc.fill_null(pa.chunked_array([pc.replace_with_mask(nulls, others, errored.combine_chunks())]), True),
        )

    def _judge_trying(self, condition: Condition, data: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """As `_judge_apart`, by `TRY`, which goes row by row where one of 2,048 raises."""
        import duckdb

        judged = f"coalesce((({condition.text}\n)::BOOLEAN)::TINYINT, {_NULL})"
        with self._bound(data):
            try:
                return _apart(self._read(judged)[0])
            except duckdb.Error:
                return _apart(self._read(f"coalesce(TRY({judged}), {_RAISED})")[0])

    def _read(self, selected: str) -> pa.Table:
        return self.connection.sql(_select(selected)).to_arrow_table()

    def why(self, condition: Condition, row: pa.Table) -> str:
        """What is said of a row in which a condition raises."""
        import duckdb

        with self._bound(row.select(list(condition.columns))):
            try:
                self._read(f"({condition.text}\n)::BOOLEAN")
            except duckdb.Error as error:
                return str(error_of(error, Sent(condition.text))).removeprefix("cannot be judged: ")
        return "an error in SQL"

    def row_condition(self, text: str, schema: pa.Table) -> str | None:
        """The condition of a query that returns all rows which fulfil it; None for any other query.

        Raises:
            ConditionError: It is no query.
        """
        tree = self._tree(Sent(text, is_query=True))
        node = tree["statements"][0]["node"]
        plain = node.get("type") == "SELECT_NODE" and not any(_is_there(node.get(each)) for each in _CLAUSES)
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

    def parse_query(self, text: str, columns: Sequence[str] = ()) -> Sent:
        """Parse a query of `this`.

        Raises:
            ConditionError: It is none, or returns others each time.
        """
        self._refuse_volatile(self._tree(Sent(text, is_query=True)))
        [reading] = read_queries(self.connection, [text], frozenset())
        if reading.problem is not None or reading.params:  # as its parameters have no names
            raise ConditionError(*_REFUSED["PARAMETER"])
        for each in reading.tables or ():
            if ascii_lower(each.name) != THIS:
                hint = "a query of a check reads `this`, and no other table"
                raise ConditionError(f"reads table `{each.name}`", hint, line=each.line, column=each.column)
        if reading.tables is not None and not reading.tables:
            raise ConditionError("does not read `this`", ONE_QUERY)
        asked = [
            each for each in reading.outside if each.removesuffix("()") in REACHING or re.match(OF_CONNECTION, each)
        ]
        if asked:
            message, hint = _NOT_OF_THE_ROW
            raise ConditionError(message.format(asked[0]).replace("row", "rows"), hint)
        return Sent(text, "SELECT * FROM (", ") LIMIT 0", columns, is_query=True)

    def bind_query(self, text: str, schema: pa.Table) -> None:
        """Bind a query to the columns of a table.

        Raises:
            ConditionError: It cannot be.
        """
        sent = self.parse_query(text, schema.column_names)
        with self._bound(schema.slice(0, 0)):
            self._run(sent)
            alone = Sent(text, is_query=True)
            refuse_operands(self.connection, self._tree(alone), alone)

    def query(self, text: str, data: pa.Table | StreamedTable) -> tuple[int, pa.Table]:
        """Run a query of the table.

        Returns:
            How many rows it returns, and the first of them: by its own order, else by their values.

        Raises:
            ConditionError: It failed.
        """
        with self._querying(text, data):
            if self._is_ordered(text):
                reader = self.connection.sql(_select("*", text)).to_arrow_reader(1 << 16)
                count, first = 0, []
                for batch in reader:
                    if count < KEPT_ROWS:
                        first.append(batch)
                    count += batch.num_rows
                return count, pa.Table.from_batches(first, reader.schema).slice(0, KEPT_ROWS)
            least = f"count(*), min({_ROW}, {KEPT_ROWS})"
            counted = self.connection.sql(f"{_select(least, text)} AS {_ROW}").to_arrow_table()
            rows = pa.record_batch(counted.column(1).combine_chunks().flatten())
            return counted.column(0)[0].as_py(), pa.Table.from_batches([rows])

    def rows(self, text: str, data: pa.Table | StreamedTable) -> Iterator[pa.Table]:
        """All rows that a query of the table returns, piece by piece, in the order of those that `query` gives.

        Raises:
            ConditionError: It failed.
        """
        with self._querying(text, data):
            whole = _select("*", text) if self._is_ordered(text) else f"{_select('*', text)} ORDER BY ALL"
            for batch in self.connection.sql(whole).to_arrow_reader(1 << 16):
                yield pa.Table.from_batches([batch])

    def _is_ordered(self, text: str) -> bool:
        node = self._tree(Sent(text, is_query=True))["statements"][0]["node"]
        return any(each["type"] == "ORDER_MODIFIER" for each in node["modifiers"])

    @contextmanager
    def _querying(self, text: str, data: pa.Table | StreamedTable) -> Iterator[None]:
        import duckdb

        with self._bound(data):
            try:
                yield
            except duckdb.Error as error:
                raise error_of(error, Sent(text, is_query=True)) from None

    def close(self) -> None:
        """Close the connection."""
        self._stack.close()


def _apart(found: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    from lakehouse_cli.arrow import values as av
    from lakehouse_cli.arrow.values import compute as pc

    known = pc.less(found, av.scalar(_NULL, found.type))
    verdict = pc.if_else(known, pc.equal(found, av.scalar(1, found.type)), av.scalar(None, pa.bool_()))
    return verdict, pc.equal(found, av.scalar(_RAISED, found.type))


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
