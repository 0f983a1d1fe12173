"""Validation of `partitions` and of what is said of them, as far as a table shows it by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from lakehouse_cli.config.made_dimensions import placeholders_of
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Column, ProjectSpec, Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import file_pattern
from lakehouse_cli.model.nesting import of_time
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.model.period import SAMPLES

_ONLY_PARTITIONED = ("gone", "on_code_change")
_KEYS = ("partitions", *_ONLY_PARTITIONED)


def partition_problems(spec: ProjectSpec, unread: Callable[[Table], Collection[str]]) -> Iterator[Problem]:
    """Everything wrong with the partitions of tables that can be known without their code.

    Args:
        spec: The project.
        unread: Parts of a table that could not be read, which was reported.
    """
    makers: dict[str, str] = {}
    for table in spec.tables.values():
        if not (table.partitions or table.input_options or any(key in table.locations for key in _KEYS)):
            continue  # as most are
        owner = f"table {quoted(table.name)}"
        if table.kind == "source":
            yield from _source_problems(table, owner, spec, makers)
            continue
        if not table.partitions and "partitions" in unread(table):
            continue
        for key in _ONLY_PARTITIONED:
            if not table.partitions and _is_own(table, key) and key not in unread(table):
                message = f"`{key}` of {owner} speaks of partitions, and it has none"
                yield Problem(message, "remove it, or add `partitions:`", table.locations[key])
        if not table.partitions:
            for parameter in table.input_options:
                message = f"input `{parameter}` of {owner} is chosen by partition, and {owner} has none"
                hint = "name the table alone, or add `partitions:`"
                yield Problem(message, hint, table.where(f"inputs.{parameter}", "inputs"))
            continue
        yield from _computed_problems(table, owner, spec)
        for column in table.columns or ():
            if column.name in table.partitions:
                yield from _column_problems(column, owner, spec.dimensions.get(column.name))


def _is_own(table: Table, key: str) -> bool:
    """Whether a table says something itself; defaults speak of all tables, and mean those that it fits."""
    place, own = table.locations.get(key), table.location
    if place is None or own is None:
        return False
    return place.file == own.file and (place.line or 0) >= (own.line or 0)


def _source_problems(table: Table, owner: str, spec: ProjectSpec, makers: dict[str, str]) -> Iterator[Problem]:
    if "partitions" in table.locations:
        pattern, written = file_pattern(table.path), table.locations["partitions"]
        if placeholders_of(table):
            message = f"`partitions` of {owner} are the placeholders of its path"
            yield Problem(message, "remove `partitions`", written)
        elif pattern is None or not table.format or table.serializer or not pattern.is_folder:
            hint = "remove it; a source has partitions by placeholders in its path, such as `raw/{month:%Y-%m}`"
            yield Problem(f"`partitions` of {owner} are for folders with `name=value` folders in them", hint, written)
        elif FILE in table.partitions:
            hint = "remove it; a computed table that reads the source may have `partitions: [file]`"
            yield Problem(f"`partitions` of {owner}: `{FILE}` is for computed tables", hint, written)
    for name, placeholder in placeholders_of(table).items():
        place = table.where("path")
        if name == FILE:
            message = f"`path` of {owner} has a placeholder `{{{FILE}}}`, and that dimension is lakehouse's own"
            yield Problem(message, "give it another name", place)
            continue
        known, every = spec.dimensions.get(name), placeholder.every
        if known is None or placeholder.format is None or known.values == ():
            continue
        is_, declared = (
            "a text" if every is None else "an hour" if every == "hour" else f"a {every}",
            known.location is not None,
        )
        other = f"dimension `{name}`" if declared else f"that of {makers.get(name, '')}"
        if known.every != every:
            of_other = "a list of values" if known.values else f"by {known.every}" if known.every else "of texts"
            message = f"placeholder `{{{name}:{placeholder.format}}}` of {owner} is {is_} by its format,"
            hint = "give it another name, or another format"
            yield Problem(f"{message} and {other} is {of_other}", hint, place)
        makers.setdefault(name, owner)


def _computed_problems(table: Table, owner: str, spec: ProjectSpec) -> Iterator[Problem]:
    place = table.where("partitions")
    if FILE in table.partitions and len(table.partitions) > 1:
        message = f"`partitions` of {owner} have `{FILE}` beside {_other_than(table.partitions)}"
        yield Problem(message, f"write `[{FILE}]` alone, or leave it out", place)
    times = of_time(table.partitions, spec.dimensions)
    if len(times) > 1:
        message = f"`partitions` of {owner} have two dimensions of time, `{times[0]}` and `{times[1]}`"
        yield Problem(message, "keep the one with the shorter periods: longer ones follow from it", place)
    for parameter, options in table.input_options.items():
        for name in options.at:
            where = table.where(f"inputs.{parameter}.at.{name}", f"inputs.{parameter}", "inputs")
            what = f"`at` of input `{parameter}` of {owner} names `{name}`"
            if name not in table.partitions:
                has = ", ".join(f"`{each}`" for each in table.partitions)
                yield Problem(f"{what}, which it is not partitioned by", f"it is partitioned by {has}", where)
            elif name not in times and spec.dimensions[name].values != ():
                hint = "remove it: neighbours are those of periods"
                yield Problem(f"{what}, which is no dimension of time", hint, where)
        unknown = any(spec.dimensions[each].values == () for each in table.partitions if each != FILE)
        if options.within is not None and not times and not unknown:
            where = table.where(f"inputs.{parameter}.within", f"inputs.{parameter}", "inputs")
            message = f"`within` of input `{parameter}` of {owner} is of time, and {owner} has no dimension of time"
            yield Problem(message, "remove it", where)


def _other_than(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in names if each != FILE)


def _column_problems(column: Column, owner: str, dimension: Dimension | None) -> Iterator[Problem]:
    """Whether a column can hold the values of a dimension."""
    kind, every = column.type, None if dimension is None else dimension.every
    what = f"column {quoted(column.name)} of {owner} is {kind}, which cannot hold"
    if every is not None:
        is_date = kind.id in ("date32", "date64", "timestamp") and "tz" not in str(kind)
        is_year = every == "year" and kind.is_integer
        if kind.id in ("string", "dictionary") or is_year or (is_date and (every != "hour" or kind.id == "timestamp")):
            return
        good = "a timestamp without a zone" if every == "hour" else "`date32`"
        hint = f"declare it as `string`, or as {good}, which is its first {'moment' if every == 'hour' else 'day'}"
        yield Problem(f"{what} a key such as `{SAMPLES[every]}`", hint, column.location)
    elif kind.is_nested:
        yield Problem(f"{what} the value of a partition", "declare it as `string`", column.location)
