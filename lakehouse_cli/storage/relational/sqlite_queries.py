"""A query in SQLite: over temporary views, into a temporary table; an authorizer sees to what it reads beside them."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import Any

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.queries import DatabaseQuery
from lakehouse_cli.storage.relational import sqlite_conversions
from lakehouse_cli.storage.relational.dialect import Order, QueryDialect, RefusedQueryError, Staged
from lakehouse_cli.storage.relational.session import Relation
from lakehouse_cli.storage_types.names import MANIFESTS_HINT, OWN, ascii_lower
from lakehouse_cli.storage_types.sqlite_sql import tokens, with_clauses, with_names, without_fallback
from lakehouse_cli.text.sql import literal, quote

_RESULT = f"temp.{quote('result of the query')}"
#: The result over decimals that are reals, with which the result is compared.
_OF_REALS = f"temp.{quote('result of reals')}"
_SCHEMA = "sqlite_temp_master"
#: Table functions of their arguments alone.
_OF_VALUES = frozenset(("json_each", "json_tree", "generate_series"))
#: What gives something else each time, or says what the connection did.
_VOLATILE = frozenset(("random", "randomblob", "changes", "total_changes", "last_insert_rowid"))
_CLOCK = frozenset(("current_date", "current_time", "current_timestamp"))
#: Names of the number of a row, which only tables have; of a view it is null, or an error, by how SQLite was compiled.
_ROWIDS = ("rowid", "oid", "_rowid_")
#: What SQLite calls any of these to an authorizer.
_ROWID = "ROWID"
#: The end of a name that SQLite gives to the second of two columns of one name.
_RENAMED = re.compile(r":\d+$")
_INT64 = 1 << 63
_NEVER = frozenset(("load_extension",))


class SQLiteQuery(QueryDialect):
    """A query in a transaction of SQLite, whose connection is closed after it."""

    is_ordered = True
    natural = staticmethod(sqlite_conversions.natural)
    conversion = staticmethod(sqlite_conversions.conversion)

    @staticmethod
    def moment(moment: datetime, kind: ColumnType) -> str:
        """As the begin of its text, behind which fractions and a zone follow: it comes right before them."""
        return literal(moment.date().isoformat() if kind.id == "date32" else moment.isoformat(" ", "seconds"))

    def __init__(self, session: Any, query: DatabaseQuery) -> None:
        super().__init__(session, query)
        # The columns of each input.
        self._names: dict[str, list[str]] = {}
        # The name by which SQLite says that a view reads: one that no WITH of the query's can have.
        self._within = f"lakehouse_input_{secrets.token_hex(8)}"
        # Tables of which the query may know how many rows they have, which no view is said to read.
        self._counted: set[str] = set()
        # The columns of each input that are decimals; and whether the query reads any of them.
        self._decimals: dict[str, set[str]] = {}
        self._reads_decimals = False
        self._refused: RefusedQueryError | None = None
        # Names that the query may give by WITH, and of subqueries, which have none.
        self._clauses = {"", *with_clauses(query.text)}

    def begin(self) -> None:
        """Have decimals compared, and functions known, of which the first use in a connection looks like a write."""
        self.session.collate(sqlite_conversions.DECIMALS, sqlite_conversions.compare_decimals)
        for name in _OF_VALUES & {each.name for each in tokens(self.query.text)}:
            with suppress(sqlite3.Error):  # not compiled in
                self.session.rows(f"SELECT 1 FROM {name}(NULL)")

    def show(self, name: str, select: str, of: Relation) -> None:
        """By a temporary view of another, which alone may read the table."""
        inner = f"{self._within}_{len(self._names)}"
        self._view(inner, select)
        self._view(name, f"SELECT * FROM temp.{quote(inner)}")
        folded = ascii_lower(name)
        self._names[folded] = self.session.names(f"SELECT * FROM temp.{quote(name)} LIMIT 0", {})
        columns = self.query.inputs[name].table.columns or ()
        self._decimals[folded] = {each.name for each in columns if _is_decimal(each.type)}
        self._counted.add(ascii_lower(of.name))

    def _view(self, name: str, select: str) -> None:
        # With a limit SQLite makes one table of the values that it computes, and an index where two are joined.
        limit = " LIMIT -1" if "CAST(" in select else ""
        self.session.do(f"CREATE TEMP VIEW {quote(name)} AS {select}{limit}")

    def stage(self, order: Order) -> Staged:
        """Run it into a temporary table; where it reads decimals, over reals as well."""
        params = {name: _bound(name, value) for name, value in self.query.params.items()}
        with self._authorized():
            self._check_rowids(params)
            self._check_quoted(params)
            names = self.session.names(_without_rows(self.query.text), params)
            self._check_names(names, params)
            self._run(_RESULT, names, params, order(names))
        if self._reads_decimals:
            self._show_reals()
            with self._authorized():
                self._run(_OF_REALS, names, params, ())
            self._check_decimals(names)
            self.session.do(f"DROP TABLE {_OF_REALS}")
        return Staged(_RESULT, {name: self._kind(_RESULT, name) for name in names})

    @contextmanager
    def _authorized(self) -> Iterator[None]:
        """Let statements do what the query may."""
        self.session.authorize(self._allows)
        try:
            yield
        except sqlite3.Error as error:
            # By how SQLite was compiled, views have none.
            unknown = next((name for name in _ROWIDS if str(error).lower().endswith((f": {name}", f".{name}"))), None)
            refused = self._refused or (_rowid_refused(unknown) if unknown else None)
            if refused is None:
                raise
            raise refused from error
        finally:
            self.session.authorize(None)

    def _run(self, into: str, names: Sequence[str], params: Mapping[str, Any], order: Sequence[str]) -> None:
        by = f" ORDER BY {', '.join(f'{quote(name)} NULLS LAST' for name in order)}" if order else ""
        # With a sign values lose their affinity, and of a column of reals a zero would lose its own.
        values = ", ".join(f"+{quote(name)} AS {quote(name)}" for name in names)
        table = into.removeprefix("temp.")
        self.session.do(f"CREATE TEMP TABLE {table} AS SELECT {values} FROM ({self.query.text}\n){by}", params)

    def _show_reals(self) -> None:
        """Let the query read reals in the place of decimals."""
        for position, (name, columns) in enumerate(self._names.items()):
            decimals = self._decimals[name]
            if decimals:
                # A cast alone would keep the collation, by which a text that is made of a real was a number too.
                real = "CAST({0} AS REAL) COLLATE BINARY AS {0}"
                values = (real.format(quote(c)) if c in decimals else quote(c) for c in columns)
                self.session.do(f"DROP VIEW temp.{quote(name)}")
                self._view(name, f"SELECT {', '.join(values)} FROM temp.{quote(f'{self._within}_{position}')}")

    def _check_decimals(self, names: Sequence[str]) -> None:
        """Refuse a query that gives other rows where decimals are reals, which SQLite compares wherever they stand.

        A decimal is a text, which keeps all of its digits, and which SQLite compares as a number only as long as it
        knows it for a column of decimals.
        """
        kinds = {name: (self._kind(_RESULT, name), self._kind(_OF_REALS, name)) for name in names}
        values = [_compared(name, *kinds[name]) for name in names]
        listed = ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
        by = ", ".join(f"c{number}" for number in range(len(values)))
        first, second = (
            f"SELECT *, count(*) FROM (SELECT {listed} FROM {result}) GROUP BY {by}" for result in (_RESULT, _OF_REALS)
        )
        # Of as many rows, one that only the second has would leave one that only the first has.
        counts = {self.session.rows(f"SELECT count(*) FROM {result}")[0] for result in (_RESULT, _OF_REALS)}
        if len(counts) == 1 and not self.session.rows(f"SELECT 1 FROM ({first} EXCEPT {second}) LIMIT 1"):
            return
        if any(each.name in _VOLATILE | _CLOCK or each.value.lower() == "now" for each in tokens(self.query.text)):
            raise RefusedQueryError(
                "it reads decimals, for which it must give the same rows twice, and asks for the time or for chance",
                "take these from a table of their own, or give the time as a param; or remove `engine: storage`",
            )
        raise RefusedQueryError(
            "it gives other rows where SQLite takes decimals for texts than where it takes them for numbers",
            "write `cast(… as real)` around a decimal that is compared where it is not a column alone, such as"
            " `max(total)` or `(select total …)`, or with one of another scale; write `printf('%.2f', …)` where it"
            " becomes part of a text; or remove `engine: storage`",
        )

    def _check_quoted(self, params: Mapping[str, Any]) -> None:
        """Refuse a name in double quotes that nothing is called by: SQLite takes it for a text."""
        text = without_fallback(self.query.text)
        if text == self.query.text:
            return
        try:
            self.session.names(_without_rows(text), params)
        except sqlite3.Error as error:
            doubled = (each.value for each in tokens(self.query.text) if each.written[0] == '"')
            unknown = next((name for name in doubled if str(error).endswith(f": {name}")), None)
            if self._refused is not None or unknown is None:
                raise
            hint = f"correct the name; a text goes in single quotes: {literal(unknown)}"
            raise RefusedQueryError(f"it has no column called `{unknown}`", hint) from error

    def _check_rowids(self, params: Mapping[str, Any]) -> None:
        """Refuse a query in which a name of row numbers is nothing that an input or the query itself calls so.

        The authorizer is not asked of subqueries; so each of these names is made one that nothing has.
        """
        columns = {ascii_lower(name) for names in self._names.values() for name in names}
        others = {
            name: f"lakehouse{number}{self._within}" for number, name in enumerate(_ROWIDS) if name not in columns
        }
        text = with_names(self.query.text, others)
        if text == self.query.text:
            return
        try:
            self.session.names(_without_rows(text), params)
        except sqlite3.Error as error:
            unknown = next((name for name, other in others.items() if other in str(error)), None)
            if unknown is not None:
                raise _rowid_refused(unknown) from error

    def _check_names(self, names: Sequence[str], params: Mapping[str, Any]) -> None:
        """Refuse two columns of one name, of which SQLite renames the second, to such as `id:1`.

        Only where one is called so is the query itself asked, as that runs it up to its first row.
        """
        if not any(map(_RENAMED.search, names)):
            return
        own = self.session.names(self.query.text, params)
        folded = list(map(ascii_lower, own))
        twice = next((name for name in own if folded.count(ascii_lower(name)) > 1), None)
        if twice is not None:
            raise RefusedQueryError(f"it returns two columns called `{twice}`", "give one another name with AS")

    def _kind(self, result: str, name: str) -> str:
        kinds = [kind for (kind,) in self.session.rows(f"SELECT DISTINCT typeof({quote(name)}) FROM {result}")]
        known = [kind for kind in kinds if kind != "null"]
        return " and ".join(sorted(known)) or "null"

    def end(self) -> None:
        """Drop the views."""
        for position, name in enumerate(self._names):
            self.session.do(f"DROP VIEW temp.{quote(name)}")
            self.session.do(f"DROP VIEW temp.{quote(f'{self._within}_{position}')}")

    def cast(self, declared: ColumnType, returned: ColumnType | None) -> str:
        """SQLite has no such notation."""
        del declared, returned
        return "CAST(… AS …)"

    def _allows(self, action: int, first: str | None, second: str | None, schema: str | None, by: str | None) -> int:
        """Say whether SQLite may do what a statement asks for; see https://www.sqlite.org/c3ref/c_alter_table.html."""
        if self._may(action, first or "", second or "", schema, by or ""):
            return sqlite3.SQLITE_OK
        if self._refused is None:
            self._refused = _refusal(action, first or "", second or "")
        return sqlite3.SQLITE_DENY

    def _may(self, action: int, first: str, second: str, schema: str | None, by: str) -> bool:
        name = ascii_lower(first)
        if action == sqlite3.SQLITE_READ:
            if by.startswith(self._within) or (name == _SCHEMA and schema == "temp"):
                return True
            if name in self._counted and not second:
                return True
            if name in _OF_VALUES or name.startswith(self._within):
                return True
            if schema in (None, "temp") and name in self._names:
                self._reads_decimals |= second in self._decimals[name]
                return second != _ROWID or _ROWID in self._names[name]
            return schema is None and name in self._clauses
        if action == sqlite3.SQLITE_FUNCTION:
            called = ascii_lower(second)
            return called not in _NEVER and (called not in _VOLATILE or not self.query.reproducible)
        if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
            return name == _SCHEMA
        return action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_CREATE_TEMP_TABLE, sqlite3.SQLITE_RECURSIVE)


def _without_rows(text: str) -> str:
    return f"SELECT * FROM ({text}\n) LIMIT 0"


def _is_decimal(kind: ColumnType) -> bool:
    return kind.plain.id == "decimal128"


def _compared(name: str, kind: str, of_reals: str) -> str:
    """A column of the result as it is compared with the same of reals, as SQL; floats may be added up in another order.

    Args:
        name: Its name.
        kind: The types of its values.
        of_reals: The types where decimals are reals.
    """
    column = quote(name)
    if kind == of_reals:
        return f"CASE typeof({column}) WHEN 'real' THEN printf('%.11e', {column} + 0.0) ELSE {column} END"
    is_other = f"typeof({column}) IN ('null', 'blob') OR {column} GLOB '*[^0-9.-]*' AND typeof({column}) = 'text'"
    return f"CASE WHEN {is_other} THEN {column} ELSE printf('%.14e', {column} + 0.0) END"


def _refusal(action: int, first: str, second: str) -> RefusedQueryError:
    """Say what a query may not do that it asks an authorizer for."""
    if action == sqlite3.SQLITE_READ and second == _ROWID:
        return _rowid_refused(_ROWIDS[0])
    if action == sqlite3.SQLITE_FUNCTION:
        hint = "leave it out, or set `reproducible: false` if it gives something else each time"
        return RefusedQueryError(f"it uses `{second}()`, which it may not", hint)
    hint = "declare it as a table of the project, list it under `inputs:`, and name it as there, without a schema"
    if ascii_lower(first) in OWN:
        hint = MANIFESTS_HINT
    return RefusedQueryError(f"it uses `{first or second or 'a statement'}`, which it may not", hint)


def _rowid_refused(name: str) -> RefusedQueryError:
    return RefusedQueryError(
        f"it reads `{name}`, which neither inputs nor subqueries have",
        "use a column of the table's key, or number the rows: `row_number() OVER (ORDER BY …)`",
    )


def _bound(name: str, value: Any) -> Any:
    """A param as SQLite has it; a number with a point is a real, as SQLite has no other."""
    if isinstance(value, (list, tuple, Mapping)):
        raise RefusedQueryError(
            f"param `{name}` is a list or a map", "SQLite has none: make it several params, or a text"
        )
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise RefusedQueryError(f"param `{name}` goes beyond SQLite's integers of 64 bits", "write it as a text")
    return value.isoformat(" ") if isinstance(value, datetime) else str(value) if isinstance(value, date) else value
