"""Collecting the problems of a project, and showing the user's own texts in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from lakehouse_cli.errors import Location, Problem, in_order
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.python_words import in_words_of
from lakehouse_cli.text.redaction import without_password
from lakehouse_cli.text.terminal import printable

# One place reached from many tables (an anchor, the defaults) or from many environments is reported once.
_REACHED_FROM = r"^environment `[^`]*`: | (?:of|in) (?:table|environment) `[^`]*`"
_SHOWN = 60


def quoted(text: str) -> str:
    """A text of the user's in backticks: on one line, shortened, fit to be shown, without the password of a URL.

    >>> quoted("a" * 100)
    '`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…`'
    """
    text = without_password(text) if "://" in text else text
    return f"`{cut_end(printable(text), _SHOWN)}`"


def in_its_words(problem: Problem) -> Problem:
    """A problem of what is declared, in the words of the file that declares it."""
    file, hint = problem.location.file if problem.location is not None else None, problem.hint
    return replace(problem, message=in_words_of(file, problem.message), hint=hint and in_words_of(file, hint))


class Problems:
    """All problems found so far."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._environment = ""

    @property
    def count(self) -> int:
        """How many were found so far."""
        return len(self._found)

    def add(self, problem: Problem) -> None:
        """Keep a problem, in the words of the file that it is about, and fit to be shown."""
        message, hint = printable(problem.message), problem.hint and printable(problem.hint)
        problem = in_its_words(replace(problem, message=message, hint=hint))
        if self._environment:
            problem = replace(problem, message=f"environment `{self._environment}`: {problem.message}")
        self._found.append(problem)

    def report(self, message: str, hint: str | None, location: Location | None) -> None:
        """Keep a problem, by its parts."""
        self.add(Problem(message, hint, location))

    @contextmanager
    def of_environment(self, name: str) -> Iterator[None]:
        """Have the problems that are found meanwhile name an environment."""
        self._environment = name
        yield
        self._environment = ""

    def sorted(self, first: str) -> tuple[Problem, ...]:
        """All of them, each once, by file and place; those of the file `first` before all others."""
        unique: dict[tuple[object, ...], Problem] = {}
        for problem in self._found:
            place = problem.location
            where = (place.file, place.line, place.column) if place else ()
            unique.setdefault((where, re.sub(_REACHED_FROM, "", problem.message)), problem)
        return tuple(in_order(unique.values(), first))
