"""A query in PostgreSQL: analysed by the server as a view, which shows all that it reads, then run into a new table.

Params are a row of a temporary table, and `$name` a subquery of it: the text has no value in it, and the server has no
type to guess.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.queries import DatabaseQuery
from lakehouse_cli.storage.relational import postgresql_conversions
from lakehouse_cli.storage.relational.dialect import (
    Order,
    QueryDialect,
    QueryPlace,
    RefusedQueryError,
    Staged,
    place_in,
)
from lakehouse_cli.storage.relational.session import Relation
from lakehouse_cli.storage_types.names import MANIFESTS_HINT, OWN
from lakehouse_cli.storage_types.postgresql_casts import way_to
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.sql import literal, placeholders, quote

_SHOWN = 3
#: How the types begin that are ordered by a collation.
_COLLATED = ("text", "character")
_INT64 = 1 << 63
#: What the driver calls the place of an error in a statement, in characters from 1.
_POSITION = "PG_DIAG_STATEMENT_POSITION"


class PostgreSQLQuery(QueryDialect):
    """A query in a transaction of PostgreSQL."""

    natural = staticmethod(postgresql_conversions.natural)
    conversion = staticmethod(postgresql_conversions.conversion)

    @staticmethod
    def moment(moment: datetime, kind: ColumnType) -> str:
        """In the type itself, whatever the zone of the connection."""
        text = moment.isoformat(" ", "seconds")
        if kind.id == "date32":
            return f"date {literal(text[:10])}"
        return f"timestamptz {literal(f'{text}+00')}" if kind.timezone else f"timestamp {literal(text)}"

    def __init__(self, session: Any, query: DatabaseQuery) -> None:
        super().__init__(session, query)
        token = secrets.token_hex(8)
        self._params, self._view, self._result = (f"lakehouse_{what}_{token}" for what in ("params", "query", "result"))
        self._views: list[str] = []
        self._prefix = f"CREATE TEMP VIEW {quote(self._view)} AS "
        self._rewritten = ""
        #: Where in the rewritten text each reference to a param ends, and how much longer the text has become by then.
        self._shifts: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Look for names among the inputs first, then where the connection looks for them; keep the params."""
        schema = quote(self.session.manifests.schema)
        self.session.rows(
            f"SELECT set_config('search_path', 'pg_temp, ' || {literal(schema)}"
            " || coalesce(', ' || nullif(current_setting('search_path'), ''), ''), true)"
        )
        self.session.do("SET LOCAL synchronize_seqscans = off")  # a result is read in the order in which it was stored
        if self.query.params:
            self._keep_params()

    def _keep_params(self) -> None:
        bound = {name: _bound(value) for name, value in self.query.params.items()}
        columns = ", ".join(f"{quote(name)} {kind}" for name, (_, kind) in bound.items())
        self.session.do(f"CREATE TEMP TABLE {quote(self._params)} ({columns}) ON COMMIT DROP")
        marks = ", ".join(
            f"${position}::{'text[]' if kind.endswith('[]') else 'text'}::{kind}"
            for position, (_, kind) in enumerate(bound.values(), 1)
        )
        row = pa.table(
            [
                pa.array([value], pa.list_(pa.string()) if kind.endswith("[]") else pa.string())
                for value, kind in bound.values()
            ],
            names=[str(position) for position in range(len(bound))],
        )
        self.session.bind(f"INSERT INTO {quote(self._params)} SELECT {marks}", row)

    def show(self, name: str, select: str, of: Relation) -> None:
        """By a temporary view, which hides tables of the same name."""
        del of
        self.session.do(f"CREATE TEMP VIEW {quote(name)} AS {select}")
        self._views.append(name)

    def stage(self, order: Order) -> Staged:
        """Have the server analyse the query as a view, refuse what it reads beside its inputs, then run it."""
        self._rewritten = self._with_params(self.query.text)
        # One statement, as the server itself sees it.
        self.session.do_one(self._prefix + self._rewritten)
        self._views.append(self._view)
        self._refuse_others()
        columns = self._columns(self._view)
        keys = [
            f'{quote(name)} COLLATE "C"' if columns[name].startswith(_COLLATED) else quote(name)
            for name in order(list(columns))
        ]
        by = f" ORDER BY {', '.join(keys)}" if keys else ""
        result = quote(self._result)
        self.session.do(f"CREATE TEMP TABLE {result} ON COMMIT DROP AS SELECT * FROM {quote(self._view)}{by}")
        return Staged(f"pg_temp.{result}", columns)

    def end(self) -> None:
        """Drop the views: the connection is used again."""
        for name in reversed(self._views):
            self.session.do(f"DROP VIEW pg_temp.{quote(name)}")

    def cast(self, declared: ColumnType, returned: ColumnType | None) -> str | None:
        """As PostgreSQL writes it."""
        return way_to(declared, returned)

    def _with_params(self, text: str) -> str:
        """The text with a reference to a bound value in the place of each `$name`."""
        parts, position, length = [], 0, 0
        for name, begin, end in placeholders(text):
            kind = _bound(self.query.params[name])[1]
            # A cast, so that ANY takes an array for one, and not for the rows of a subquery.
            reference = f"(CAST((SELECT {quote(name)} FROM {quote(self._params)}) AS {kind}))"
            parts += [text[position:begin], reference]
            length += begin - position + len(reference)
            self._shifts.append((length, length - end))
            position = end
        return "".join([*parts, text[position:]])

    def place(self, error: Exception) -> QueryPlace | None:
        """As the server gives it, counted in the text as it was written."""
        details = {
            str(key, "utf-8") if isinstance(key, bytes) else key: v for key, v in getattr(error, "details", None) or ()
        }
        position = details.get(_POSITION)
        if position is None or not self._rewritten:
            return None
        offset = int(position) - 1 - len(self._prefix)
        shift = max((by for end, by in self._shifts if end <= offset), default=0)
        offset -= shift
        return place_in(self.query.text, offset) if 0 <= offset <= len(self.query.text) else None

    def _columns(self, view: str) -> Mapping[str, str]:
        rows = self.session.rows(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
            f" WHERE attrelid = {literal(f'pg_temp.{quote(view)}')}::regclass AND attnum > 0 ORDER BY attnum"
        )
        return dict(rows)

    def _refuse_others(self) -> None:
        """Refuse what the server's own analysis of the query shows it to use beside its inputs.

        The tree of a view names every relation (`relid`) and function by its number; the blanks of a text in it are
        escaped.
        """
        tree = (
            "SELECT DISTINCT m[1] AS kind, m[2]::oid AS id FROM pg_rewrite r,"
            r" regexp_matches(r.ev_action::text, ':(relid|funcid|aggfnoid|winfnoid|opno) (\d+)', 'g') AS m"
            f" WHERE r.ev_class = {literal(f'pg_temp.{quote(self._view)}')}::regclass"
        )
        mine = ", ".join(literal(name) for name in (*self._views, self._params))
        others = self.session.rows(
            f"SELECT c.oid::regclass::text FROM ({tree}) AS t JOIN pg_class c ON t.kind = 'relid' AND c.oid = t.id"
            f" WHERE NOT (c.relnamespace = pg_my_temp_schema() AND c.relname IN ({mine})) ORDER BY 1"
        )
        if others:
            names = first_few([f"`{name}`" for (name,) in others], _SHOWN)
            hint = (
                "declare it as a table of the project, list it under `inputs:`, and name it as there, without a schema"
            )
            if any(name.rpartition(".")[2] in OWN for (name,) in others):
                hint = MANIFESTS_HINT
            raise RefusedQueryError(f"it reads {names}, which its `inputs` do not list", hint)
        if not self.query.reproducible:
            return
        volatile = self.session.rows(
            f"SELECT DISTINCT p.oid::regprocedure::text FROM ({tree}) AS t"
            " LEFT JOIN pg_operator o ON t.kind = 'opno' AND o.oid = t.id"
            " JOIN pg_proc p ON p.oid = CASE WHEN t.kind = 'opno' THEN o.oprcode::oid ELSE t.id END"
            " WHERE t.kind <> 'relid' AND p.provolatile = 'v' ORDER BY 1"
        )
        if volatile:
            names = first_few([f"`{name}`" for (name,) in volatile], _SHOWN)
            raise RefusedQueryError(
                f"it calls {names}, which PostgreSQL knows as VOLATILE: it may give something else each time, or write",
                "leave it out, mark a function of your own as STABLE or IMMUTABLE, or set `reproducible: false`",
            )


def _bound(value: Any) -> tuple[Any, str]:
    """A param as text, in which it is handed over, and its type; a list as a list of texts."""
    if isinstance(value, (list, tuple)):
        kinds = {_kind(each) for each in value if each is not None}
        if kinds and kinds <= {"bigint", "numeric"}:
            kinds = {max(kinds)}
        if len(kinds) <= 1 and "jsonb" not in kinds:
            return [None if each is None else _text(each) for each in value], f"{next(iter(kinds), 'text')}[]"
    return (None, "text") if value is None else (_text(value), _kind(value))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "bigint" if -_INT64 <= value < _INT64 else "numeric"
        case float():
            return "numeric" if isfinite(value) else "double precision"
        case str():
            return "text"
        case datetime():
            return "timestamp"
        case date():
            return "date"
    return "jsonb"


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case date():  # and a time
            return value.isoformat()
        case float():
            return f"{Decimal(repr(value)):f}" if isfinite(value) else repr(value)
        case bool() | int():
            return str(value).lower()
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
