"""What is wrong with a condition, a query or a function of a check, in words and with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import first_few, first_named
from lakehouse_cli.transforms.queries.reading import problem_of

ONE_CONDITION = "write one condition on a row, such as `high >= low`"
ONE_QUERY = "write one SELECT, such as `select * from this where high > 100`"
_DOCS = "https://duckdb.org/docs/stable/sql/"
_SHOWN = 8
_CANDIDATES = 3


class ConditionError(Exception):
    """What is wrong with a condition, a query or a function.

    Attributes:
        hint: What to do.
        quotes: Whether it quotes what others say, who may show values.
        line: 1-based, in the text; None where it is not known.
        column: 1-based.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        quotes: bool = False,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.quotes = quotes
        self.line = line
        self.column = column


class Sent(NamedTuple):
    """A text of the user's as DuckDB gets it.

    Attributes:
        text: The text.
        before: What stands before it, in one line.
        behind: What stands behind it, from a new line on.
        columns: Those of the table.
        is_query: Whether it is a query, and no condition.
    """

    text: str
    before: str = ""
    behind: str = ""
    columns: Sequence[str] = ()
    is_query: bool = False

    @property
    def whole(self) -> str:
        """All of it."""
        return f"{self.before}{self.text}\n{self.behind}"

    def place(self, line: int | None, column: int | None) -> tuple[int | None, int | None]:
        """A place of the whole as one of the text; none where that is behind it."""
        if line is None or column is None or line > self.text.count("\n") + 1:
            return None, None
        column -= len(self.before) if line == 1 else 0
        return (line, column) if column > 0 else (None, None)

    def place_at(self, offset: object) -> tuple[int | None, int | None]:
        """As `place`, of an offset in bytes."""
        before = self.whole.encode()[: offset if isinstance(offset, int) else 0].decode(errors="replace")
        return self.place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def error_of(error: Exception, sent: Sent) -> ConditionError:
    """The error that one of DuckDB is."""
    problem = problem_of(error, sent.whole)
    line, column = sent.place(problem.line, problem.column)
    for pattern, say in _RULES:
        if found := re.search(pattern, problem.message):
            message, hint = say(found, sent, problem, str(error))
            break
    else:
        message, hint = f"cannot be judged: {problem.message}", problem.hint
    return ConditionError(message, hint or f"correct it: {_DOCS}introduction", quotes=True, line=line, column=column)


_Say = Callable[[re.Match[str], Sent, QueryProblem, str], tuple[str, "str | None"]]


def _no_column(found: re.Match[str], sent: Sent, problem: QueryProblem, whole: str) -> tuple[str, str | None]:
    del problem, whole
    name = found[1]
    hint = did_you_mean(name, sent.columns)
    if hint is None and f'"{name}"' in sent.text:
        hint = f"a text stands in single quotes: `'{name}'`"
    known = f"its columns are {first_named(sent.columns, _SHOWN)}" if sent.columns else None
    return f"names column `{name}`, which the table does not have", hint or known


def _no_table(found: re.Match[str], sent: Sent, problem: QueryProblem, whole: str) -> tuple[str, str | None]:
    del sent, problem, whole
    return f"names a column of `{found[1]}`", f"write the column alone, without `{found[1]}.`"


def _no_function(found: re.Match[str], sent: Sent, problem: QueryProblem, whole: str) -> tuple[str, str | None]:
    del sent, whole
    others = re.findall("`([^`]+)`", problem.hint or "")
    hint = did_you_mean(found[1], others) or f"write one of DuckDB's: {_DOCS}functions/overview"
    return f"calls `{found[1]}`, which DuckDB does not have", hint


def _no_match(found: re.Match[str], sent: Sent, problem: QueryProblem, whole: str) -> tuple[str, str | None]:
    del sent, problem
    there = [f"`{line.strip()}`" for line in whole.splitlines() if line.startswith("\t") and "->" in line]
    hint = f"cast its values: DuckDB has {first_few(there, _CANDIDATES)}" if there else "cast its values"
    return f"calls `{found[1]}`, which DuckDB does not have", hint


def _syntax(found: re.Match[str], sent: Sent, problem: QueryProblem, whole: str) -> tuple[str, str | None]:
    del problem, whole
    hint = ONE_QUERY if sent.is_query else ONE_CONDITION
    return "has a syntax error" + (f" at or near `{found[1]}`" if found.lastindex and found[1] else ""), hint


def _says(message: str, hint: str) -> _Say:
    return lambda found, *_: (message.format(*found.groups()), hint.format(*found.groups()))


_RULES: Sequence[tuple[str, _Say]] = (
    (r'Referenced column "(.+?)" (?:was )?not found', _no_column),
    (r'does not have a column named "(.+)"', _no_column),
    (r'Referenced table "(.+?)" not found', _no_table),
    (
        r"Table with name \"?(.+?)\"? does not exist",
        _says("reads table `{0}`", "a query of a check reads `this` alone"),
    ),
    (r"Function with name (.+?) does not exist", _no_function),
    (r"No function matches the given name and argument types '(.+)'", _no_match),
    (
        r"Type with name (.+?) does not exist",
        _says("names type `{0}`, which DuckDB does not have", f"write one of DuckDB's: {_DOCS}data_types/overview"),
    ),
    (
        r'Function "(.+?)" is a table function',
        _says("calls `{0}`, which returns a table", "leave it out: a condition is about one row"),
    ),
    (
        r"Cannot extract field '(.+?)' from expression \"(.+?)\"",
        _says("takes field `{0}` of `{1}`, which has none", "write `{1}` alone, or call a function of it"),
    ),
    (
        r"Cannot compare values of type (\S+) and (?:type )?(\S+)",
        _says("compares {0} with {1}", "cast one of the two, as with `…::VARCHAR`"),
    ),
    (r'syntax error at or near "(.*)"', _syntax),
    (r"^(?:SELECT clause without selection list|syntax error)", _syntax),
    (r"^(unterminated .+)", _says("has an {0}", "write the quote, or the sign, that ends it")),
    (
        "disabled by configuration",
        _says("reads what is outside of its table", "a check reads the rows of its table alone: leave it out"),
    ),
)
