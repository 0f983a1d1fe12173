"""The error of declared columns that a file does not have, whatever the format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import normalize

from lakehouse_cli.errors import DataError, Location, Violation
from lakehouse_cli.model import Column
from lakehouse_cli.text.close_names import alike, did_you_mean
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.invisible import unseen_characters, visible
from lakehouse_cli.text.name_lists import first_few, first_named

_LISTED_MISSING, _LISTED_THERE = 5, 8
_NO_HEADER = (
    "if that line is data, set `header: false` in its options; "
    "if it stands before the header, set `skip_rows` to the number of such lines"
)


def check_positions(name: str, columns: Sequence[Column], width: int, line: int | None = None) -> None:
    """Refuse columns whose `from` is a position that the file does not have.

    Args:
        name: The file as messages show it.
        columns: As declared.
        width: How many columns the file has.
        line: Of the header.

    Raises:
        DataError: Some are missing.
    """
    beyond = [column for column in columns if isinstance(column.from_, int) and column.from_ > width]
    if beyond:
        first = beyond[0].from_
        hint = f'`from: {first}` is a position; if it is a name, put it in quotes: `from: "{first}"`'
        raise missing_columns(
            name, beyond, (), columns, reason=f"the file has {plural(width, 'column')}", hint=hint, line=line
        )


def missing_columns(
    name: str,
    missing: Sequence[Column],
    there: Sequence[str],
    declared: Sequence[Column] | None,
    *,
    reason: str = "the file has no such column",
    called: str = "columns",
    otherwise: str = "it has no columns",
    hint: str | None = None,
    headed: bool = False,
    nameless: int | None = None,
    line: int | None = None,
) -> DataError:
    """Make the error of a file that lacks declared columns, a violation each, with close matches.

    Args:
        name: The file as messages show it.
        missing: The columns.
        there: Names of those that the file has.
        declared: All columns that are; none of them is meant by the name of another.
        reason: What is wrong with each.
        called: What the file's own columns are called.
        otherwise: The hint where it has none.
        hint: What to do next, where more is known than the names.
        headed: Whether the names are those of a line that may not be the header.
        nameless: Position of a column without a name, which may be meant.
        line: Of the header.
    """
    taken = {str(column.from_ or column.name) for column in declared or ()}
    free = [name for name in there if name not in taken]
    called_so = {column.name: str(column.from_ or column.name) for column in missing}
    other_cases = {column: found for column, name in called_so.items() if (found := other_case(name, free))}
    close = {column: _look_alike(in_file, free) for column, in_file in called_so.items()}
    is_near = {column for column, alike in close.items() if alike} | other_cases.keys()
    if hint is None:  # another close match is not what it says to do
        close = {column: close[column] or did_you_mean(in_file, free) for column, in_file in called_so.items()}
    if len(missing) == 1:
        hint = hint or close[missing[0].name]
    if hint is None and nameless is not None and not any(close.values()):
        hint = f"column {nameless} of the file has no name: read it with `from: {nameless}`"
    violations = []
    for column in missing:
        also = close[column.name]
        # The hint of a single one is shown once.
        message = f"column `{visible(column.name)}`: {reason}{f'; {also}' if also and also != hint else ''}"
        violations.append(Violation(column.name, "missing", 1, message, location=column.location))
    if hint is None:
        hint = f"its {called} are {first_named(there, _LISTED_THERE)}" if there else otherwise
        if headed and there and len(missing) == len(declared or ()):
            hint += f"; {_NO_HEADER}"
    names = [
        str(each.from_) if type(each.from_) is int else f"`{visible(str(each.from_ or each.name))}`" for each in missing
    ]
    listed = first_few(names, _LISTED_MISSING)
    message = f"`{name}` lacks {'column' if len(missing) == 1 else 'columns'} {listed}"
    error = DataError(message, violations, hint=hint, location=Location(name, line))
    error.misnamed = frozenset(is_near)
    if headed:  # a line of data, where it is not the header
        in_words = [f"`{visible(each)}`" for each in free]
        error.shown_data = tuple(each for each in in_words if not any(each in (said or "") for said in close.values()))
    return error


def other_case(name: str, there: Iterable[str]) -> str | None:
    """The name there that is the same but for capitals and spaces around it."""
    folded = _folded(name)
    return next((each for each in there if _folded(each) == folded), None)


def _folded(name: str) -> str:
    return normalize("NFKC", name).strip().casefold()


def _look_alike(name: str, there: Sequence[str]) -> str | None:
    """What to do about a name in the file that only differs in characters that cannot be seen or told apart."""
    found = next(iter(alike(name, there)), None)
    if found is None:
        return None
    if unseen := unseen_characters(found, name):
        called = visible(found, name)
        return f'the file calls it "{called}" ({unseen}): rename it there, or declare it so, in double quotes'
    other = "" if unseen_characters(name) else unseen_characters(name, found)
    return f"the declared name has {other}: write `{found}`, as the file does" if other else None
