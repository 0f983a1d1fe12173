"""Checks bound to the columns of their table before there are data: conditions, queries, patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.conditions import ConditionError, Conditions
from lakehouse_cli.errors import TransformError, did_you_mean
from lakehouse_cli.model import Column
from lakehouse_cli.model.check import Check
from lakehouse_cli.text.patterns import full_match
from lakehouse_cli.text.sql import without_semicolon

_NOT_FOUND = re.compile(r'column "([^"]+)" not found', re.IGNORECASE)
_TABLE = re.compile(r"Table with name (\S+) does not exist")
_INVALID = "Invalid regular expression: "
#: What is wrong, and what to do.
Wrong = tuple[str, "str | None"]


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
        try:
            if check.kind == "matches":
                pattern = check.arguments["pattern"]
                for each in (pattern, full_match(pattern)):  # by itself as well: it must close what it opens
                    pc.match_substring_regex(av.array([""], pa.string()), pattern=each)
            self._bind(columns, check)
        except TransformError as error:  # DuckDB is not installed
            return error.message, error.hint
        except pa.ArrowException as error:
            return (
                f"is no regular expression of RE2: {str(error).removeprefix(_INVALID)}",
                "write one of RE2: https://github.com/google/re2/wiki/Syntax",
            )
        except ConditionError as error:
            names = [column.name for column in columns or ()]
            found = _NOT_FOUND.search(str(error))
            close = did_you_mean(found[1], names) if found else None
            if _TABLE.search(str(error)):
                close = "a query of a check reads `this`, and no other table"
            return str(error), close or error.hint or "correct it"
        return None

    def _bind(self, columns: Sequence[Column] | None, check: Check) -> None:
        texts = [check.where] if check.where is not None else []
        texts += [check.arguments["text"]] if check.kind == "expression" else []
        if not texts and check.kind != "sql":
            return
        if self._conditions is None:
            self._conditions = Conditions(None)
        conditions = self._conditions
        if columns is None:
            for text in texts:
                conditions.names_in(text)
            if check.kind == "sql":
                conditions.parse_query(without_semicolon(check.arguments["text"]))
            return
        empty = pa.table({column.name: pa.nulls(0, to_arrow(column.type)) for column in columns})
        for text in texts:
            conditions.bind(conditions.parse(text, empty.column_names), empty)
        if check.kind == "sql":
            conditions.bind_query(without_semicolon(check.arguments["text"]), empty)

    def close(self) -> None:
        if self._conditions is not None:
            self._conditions.close()
