"""Checks bound to the columns of their table before there are data: conditions, queries, patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.conditions import Conditions
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.text.patterns import full_match
from lakehouse_cli.text.sql import without_semicolon

_INVALID = "Invalid regular expression: "
#: What is wrong, and which part of the check: ``text``, ``where``; None for the check as a whole.
Wrong = tuple[QueryProblem, "str | None"]


def bind_checks(of_tables: Sequence[tuple[Sequence[Column] | None, Sequence[Check]]]) -> list[list[Wrong | None]]:
    """Bind the checks of tables.

    Args:
        of_tables: The declared columns of each table, None where none are, and those of its checks that have SQL or a
            pattern.

    Returns:
        Of each check what is wrong; None for nothing.
    """
    with closing(_Binding()) as binding:
        return [[binding.wrong(columns, check) for check in checks] for columns, checks in of_tables]


class _Binding:
    def __init__(self) -> None:
        self._conditions: Conditions | None = None

    def wrong(self, columns: Sequence[Column] | None, check: Check) -> Wrong | None:
        part = None
        try:
            if check.kind == "matches":
                pattern = check.arguments["pattern"]
                for each in (pattern, full_match(pattern)):  # by itself as well: it must close what it opens
                    pc.match_substring_regex(av.array([""], pa.string()), pattern=each)
            for part, bind in self._parts(check):  # noqa: B007  # which is wrong
                bind(columns)
        except TransformError as error:  # DuckDB is not installed
            return QueryProblem(error.message, error.hint), None
        except pa.ArrowException as error:
            message = f"is no regular expression of RE2: {str(error).removeprefix(_INVALID)}"
            return QueryProblem(message, "write one of RE2: https://github.com/google/re2/wiki/Syntax"), None
        except ConditionError as error:
            return QueryProblem(str(error), error.hint, error.line, error.column), part
        return None

    def _parts(self, check: Check) -> Iterator[tuple[str, Callable[[Sequence[Column] | None], None]]]:
        """Its texts in SQL, and what binds each."""
        if check.where is not None:
            yield "where", partial(self._bind, check.where)
        if check.kind == "expression":
            yield "text", partial(self._bind, check.arguments["text"])
        if check.kind == "sql":
            yield "text", partial(self._bind_query, without_semicolon(check.arguments["text"]))

    def _bind(self, text: str, columns: Sequence[Column] | None) -> None:
        if columns is None:
            self._opened().parse(text, ())
        else:
            empty = _empty(columns)
            self._opened().bind(self._opened().parse(text, empty.column_names), empty)

    def _bind_query(self, text: str, columns: Sequence[Column] | None) -> None:
        if columns is None:
            self._opened().parse_query(text)
        else:
            self._opened().bind_query(text, _empty(columns))

    def _opened(self) -> Conditions:
        if self._conditions is None:
            self._conditions = Conditions(None)
        return self._conditions

    def close(self) -> None:
        if self._conditions is not None:
            self._conditions.close()


def _empty(columns: Sequence[Column]) -> pa.Table:
    return pa.table({column.name: pa.nulls(0, to_arrow(column.type)) for column in columns})
