"""What checks say of other columns and tables, judged on values: columns that exist, references of the same type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Column, ProjectSpec, Table
from lakehouse_cli.model.check import Check, Limit, Ratio
from lakehouse_cli.text.close_names import did_you_mean

#: Gives the parts of a table that could not be read, by dotted path.
Unread = Callable[[Table], Collection[str]]
_LOWER, _UPPER, _ENDS = frozenset(("min", "above")), frozenset(("max", "below")), ("min", "max")
_HAVE_AGES = ("date32", "timestamp")


def check_problems(table: Table, spec: ProjectSpec, unread: Unread) -> Iterator[Problem]:
    """What is wrong with the checks of a table.

    Args:
        table: With checks.
        spec: The project; nothing is said of tables that could not be read.
        unread: Gives the parts of a table that could not be read, by dotted path.
    """
    declared = None if table.columns is None else {column.name: column for column in table.columns}
    for check in table.contract.checks:
        what = f"check {quoted(check.name)} of table {quoted(table.name)}"
        if declared is not None and table.extra_columns != "keep":
            for name in check.columns:
                if name not in declared and _is_read(name, unread(table)):
                    hint = did_you_mean(name, declared) or "declare it under `columns`"
                    yield Problem(f"{what} names column {quoted(name)}, which is not declared", hint, check.location)
        if check.kind == "function" and ":" not in check.arguments["function"]:
            hint = f'name its module: `function: "checks:{check.arguments["function"]}"`'
            yield Problem(f"{what} names no module, and the project has none", hint, check.location)
        column = (declared or {}).get(check.columns[0]) if check.kind == "freshness" else None
        if column is not None and column.type.id not in _HAVE_AGES:
            message = f"{what} is for a date or timestamp, and {quoted(column.name)} is {column.type}"
            yield Problem(message, "name a column with the time of a row", check.location)
        if column is not None and column.sensitive:
            message = f"{what} shows the newest {quoted(column.name)}, which is sensitive"
            yield Problem(message, "name another column, or remove `sensitive`", check.location)
        if (other := check.references) is not None:
            yield from _reference_problems(check, what, other, declared or {}, spec, unread)
        yield from _limit_problems(check, what)
    for column in table.columns or ():
        yield from _bound_problems(column, table)


def _limit_problems(check: Check, what: str) -> Iterator[Problem]:
    """Limits that nothing can exceed, or that another one comes before; and counts that no table has."""
    limits = {"warn_above": check.warn_above, "error_above": check.error_above}
    read = {name: Limit.of(text) for name, text in limits.items() if text is not None}
    for name, limit in read.items():
        if limit.is_share and limit.value.numerator >= limit.value.denominator:
            hint = (
                f"name a smaller share, or write `severity: {'info' if name == 'warn_above' else 'warn'}` in its place"
            )
            yield Problem(f"{what}: no share of the rows is above `{name}: {limits[name]}`", hint, check.location)
            return
    if len(read) == 2 and read["warn_above"].is_share == read["error_above"].is_share:
        (warn, of_warn), (error, of_error) = read["warn_above"].value, read["error_above"].value
        if warn * of_error >= error * of_warn:
            message = f"{what} never warns: `error_above: {check.error_above}` is no more than `warn_above`"
            yield Problem(message, "let it be an error above more than it warns of", check.location)
    counts = check.arguments if check.kind == "row_count" else {}
    change = {name: Limit.of(text).value for name, text in counts.get("change", {}).items()}
    ranges = {"row_count": [counts.get("min"), counts.get("max")], "change": [change.get("min"), change.get("max")]}
    for where, (least, most) in ranges.items():
        if least is not None and most is not None and _is_above(least, most):
            message = f"{what}: `min` of `{where}` is above its `max`, so that every table breaks it"
            yield Problem(message, "exchange the two", check.location)


def _is_above(one: int | Ratio, other: int | Ratio) -> bool:
    (a, b), (c, d) = (each if isinstance(each, Ratio) else (each, 1) for each in (one, other))
    return a * d > c * b


def _bound_problems(column: Column, table: Table) -> Iterator[Problem]:
    """Two bounds of a column between which there is no value."""
    from lakehouse_cli.model.exact_value import exact_value  # not needed where there are no bounds

    kind = column.type.plain
    bounds = [check for check in column.checks if check.kind in _LOWER | _UPPER and check.where is None]
    for low in (each for each in bounds if each.kind in _LOWER):
        for high in (each for each in bounds if each.kind in _UPPER):
            least, most = (exact_value(each.arguments["bound"], column.type) for each in (low, high))
            kinds = {low.kind, high.kind}
            # Of numbers in steps, as all but floats are, none lies between two neighbours.
            neighbours = not kind.is_float and (most - least) * 10 ** (kind.scale or 0) <= 1
            if (
                least > most
                or (least == most and kinds != {"min", "max"})
                or (kinds == {"above", "below"} and neighbours)
            ):
                message = (
                    f"no value of column {quoted(column.name)} of table {quoted(table.name)} keeps both"
                    f" `{low.kind}: {low.arguments['bound']}` and `{high.kind}: {high.arguments['bound']}`"
                )
                yield Problem(message, "correct one of the two", high.location)
                return


def _reference_problems(
    check: Check,
    what: str,
    other: str,
    declared: Mapping[str, Column],
    spec: ProjectSpec,
    unread: Unread,
) -> Iterator[Problem]:
    """What is wrong with another table that a check names."""
    if other in spec.broken:
        return
    parent = spec.tables.get(other)
    if parent is None or parent.serializer:
        why = "is not a table" if parent is None else f"is stored as {parent.serializer}, which is no table"
        hint = did_you_mean(other, spec.tables) or "name one of `tables`"
        yield Problem(f"{what} names {quoted(other)}, which {why}", hint, check.location)
        return
    if parent.columns is None:
        return
    known = {column.name: column.type for column in parent.columns}
    for name, referenced in zip(check.columns, check.arguments.get("references", ()), strict=False):
        if referenced not in known:
            if parent.extra_columns != "keep" and _is_read(referenced, unread(parent)):
                hint = did_you_mean(referenced, known) or f"declare it in {quoted(other)}"
                message = f"{what} names column {quoted(referenced)} of {quoted(other)}, which is not declared"
                yield Problem(message, hint, check.location)
        elif name in declared and declared[name].type.plain != known[referenced].plain:
            message = (
                f"{what}: {quoted(name)} is {declared[name].type}, and {quoted(f'{other}.{referenced}')} is"
                f" {known[referenced]}"
            )
            yield Problem(message, "declare both with one type", check.location)


def _is_read(column: str, unread: Collection[str]) -> bool:
    return "columns" not in unread and f"columns.{column}" not in unread
