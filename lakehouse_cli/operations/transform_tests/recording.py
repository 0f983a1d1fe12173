"""Tests recorded from what is stored: the first rows of the inputs, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.config.transform_tests import TransformTest
from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.operations.transform_tests.checked_rows import CheckedRows
from lakehouse_cli.operations.transform_tests.computing import transforms_of
from lakehouse_cli.operations.transform_tests.running import case_checks, read_cases
from lakehouse_cli.operations.transform_tests.yaml_edit import source_of, with_expectation, with_test, write_text
from lakehouse_cli.operations.transform_tests.yaml_rows import quoted_text, yaml_rows
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.registry import install_command
from lakehouse_cli.text.close_names import did_you_mean

# Another year, month, day and weekday, hour, minute and second.
_LATER = timedelta(days=400, hours=1, minutes=1, seconds=1)


class Recorded(Struct, frozen=True):
    """A test that was recorded.

    Attributes:
        table: The table.
        name: The test's name.
        lines: The test as YAML, or what it expects.
        rows: How many rows came.
        file: The file that has it now; None where it could not be put there, and is to be pasted.
        left_out: The sensitive columns that it does not hold.
    """

    table: str
    name: str
    lines: tuple[str, ...]
    rows: int
    file: str | None
    left_out: tuple[str, ...] = ()


def record_test(
    code: ProjectCode, stored: StoredEnvironment, table: Table, name: str, rows: int, known: tuple[TransformTest, ...]
) -> Recorded:
    """Write a new test of a table into the file that declares it.

    Args:
        code: The project's.
        stored: Where its inputs are.
        table: The table.
        name: Of the test.
        rows: How many rows to take of each input.
        known: The tests that the table has.

    Raises:
        UsageError: It cannot be recorded, comes to something else each time, or there is a test of that name.
        LakehouseError: An input cannot be read, or the transform failed.
    """
    if any(each.name == name for each in known):
        hint = "`--update` records what it expects anew; or choose another name"
        raise UsageError(f"table `{table.name}` has a test `{name}` already", hint=hint)
    _check_recordable(code, table)
    tables = code.spec.tables
    read = {each: _first_rows(stored, each, rows) for each in code.graph.upstream(table.name)}
    given = {each: _with_nulls(data, tables[each].contract.sensitive) for each, data in read.items()}
    nulled = _left_out(read, tables)
    members = [tables[each] for each in code.graph.siblings(table.name)]
    try:
        with transforms_of(code) as compute:

            def computed(at: datetime | None, checked_at: datetime | None) -> pa.Table:
                checks = CheckedRows(code.folder.resolve(), given, checked_at)
                return compute(members, code.graph.inputs[table.name], given, at, checks)[table.name]

            result, now = _repeatable(computed, table, None)
    except LakehouseError as error:
        if nulled:
            columns = ", ".join(f"`{each}`" for each in nulled)
            error.hint = f"sensitive columns are null in a recorded test ({columns}): write this test by hand"
        raise
    left_out = (*nulled, *_left_out({table.name: result}, tables))
    result = _without(result, table.contract.sensitive)
    lines = [f"- name: {quoted_text(name)}", *([] if now is None else [f"  now: {_now_text(now)}"])]
    lines += ["  given:"] if given else []
    for each, data in given.items():
        found = yaml_rows(data, with_nulls=False)
        lines += [f"    {each}:", *(f"      - {row}" for row in found)] if found else [f"    {each}: []"]
    expected = [f"- {row}" for row in yaml_rows(result, with_nulls=True)]
    if result.num_columns:
        lines += ["  expect:", *(f"    {row}" for row in expected)] if expected else ["  expect: []"]
    else:  # all are sensitive
        lines += [f"  expect: {{rows: {result.num_rows}}}"]
    file = _edited(code, table, lambda source: with_test(source, table.name, lines))
    return Recorded(table.name, name, tuple(lines), result.num_rows, file, left_out)


def update_test(code: ProjectCode, table: Table, name: str, known: Mapping[str, tuple[TransformTest, ...]]) -> Recorded:
    """Put what comes now in the place of the rows that a test expects; what it gives stays.

    Raises:
        UsageError: There is no such test, it expects no rows that are written in it, or it depends on a clock that it
            does not set.
        ProjectError: A value of the test does not fit.
        LakehouseError: The transform failed.
    """
    names = [each.name for each in known.get(table.name, ())]
    if name not in names:
        hint = did_you_mean(name, names) or "without `--update`, it is recorded as a new one"
        raise UsageError(f"table `{table.name}` has no test `{name}`", hint=hint)
    (test,) = (each for each in known[table.name] if each.name == name)
    expect = test.expect.get("")
    if expect is None or expect.rows is None or expect.rows.csv is not None or len(test.expect) > 1:
        hint = "edit what it expects by hand"
        raise UsageError(f"test `{name}` expects no list of rows of its table", hint=hint, location=test.location)
    (case,) = read_cases(code, {table.name: [test]})
    with transforms_of(code) as compute:

        def computed(at: datetime | None, checked_at: datetime | None) -> pa.Table:
            del checked_at  # as the test says
            result = compute(case.members, case.inputs, case.given, at, case_checks(case, code))[table.name]
            there = result.schema.names
            compared = [each for each in case.expected[table.name].names if each in there]
            return result.select(compared or [each for each in there if each not in test.ignore])

        shown, now = _repeatable(computed, table, test.now)
    if now != test.now and now is not None:
        message = f"what `{table.name}` computes depends on the clock, and test `{name}` has no `now`"
        raise UsageError(message, hint=f"add `now: {_now_text(now)}` to the test", location=test.location)
    rows = shown.num_rows
    left_out = _left_out({table.name: shown}, code.spec.tables)
    shown = _without(shown, table.contract.sensitive)
    if left_out and not shown.num_columns:
        hint = "expect `{rows: …}`, or write made-up values by hand"
        raise UsageError(f"all columns that test `{name}` compares are sensitive", hint=hint, location=test.location)
    lines = [f"- {row}" for row in yaml_rows(shown, with_nulls=True)]
    file = _edited(code, table, lambda source: with_expectation(source, table.name, name, lines))
    written = ("expect:", *(f"  {line}" for line in lines)) if lines else ("expect: []",)
    return Recorded(table.name, name, written, rows, file, left_out)


def _repeatable(
    computed: Callable[[datetime | None, datetime | None], pa.Table], table: Table, now: datetime | None
) -> tuple[pa.Table, datetime | None]:
    """What a table comes to, and what clocks must show for it to come again; None where that does not matter.

    Args:
        computed: Computes it at a time, None for the time it is; its checks are judged at another.
        table: The table.
        now: What clocks show; None for nothing in particular.

    Raises:
        UsageError: It comes to something else each time.
    """
    stands_still = table.function is None or find_spec("time_machine") is not None
    at = datetime.now(UTC).replace(microsecond=0) if now is None and stands_still else now
    first = computed(at, now)
    if now is None and at is not None:
        try:
            if _are_alike(computed(at + _LATER, None), first, table):
                return first, None
        except LakehouseError:
            pass  # there is no result at another time
    if _are_alike(computed(at, at), first, table):
        return first, at
    hint = "take random numbers from a seed, and ids from the rows"
    if not stands_still:
        hint = f"if it is the clock, {install_command('time_machine')}; else {hint}"
    raise UsageError(f"`{table.name}` comes to something else each time it is computed", hint=hint)


def _are_alike(one: pa.Table, other: pa.Table, table: Table) -> bool:
    """Whether a test that holds one result passes with another: the same rows in any order."""
    texts = [yaml_rows(_without(each, table.contract.sensitive), with_nulls=True) for each in (one, other)]
    return sorted(texts[0]) == sorted(texts[1])


def _now_text(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _with_nulls(data: pa.Table, hidden: Collection[str]) -> pa.Table:
    """A table with nulls in sensitive columns, as in a test that leaves them out."""
    for at, field in enumerate(data.schema):
        if field.name in hidden:
            data = data.set_column(at, field, pa.chunked_array([pa.nulls(data.num_rows, field.type)], field.type))
    return data


def _without(data: pa.Table, hidden: Collection[str]) -> pa.Table:
    """A table without its sensitive columns."""
    return data.select([name for name in data.schema.names if name not in hidden])


def _left_out(of: Mapping[str, pa.Table], tables: Mapping[str, Table]) -> tuple[str, ...]:
    """The sensitive columns that tables have, with the names of these."""
    return tuple(
        f"{name}.{column}"
        for name, data in of.items()
        for column in data.schema.names
        if column in tables[name].contract.sensitive
    )


def _check_recordable(code: ProjectCode, table: Table) -> None:
    if table.kind == "source":
        raise UsageError(f"`{table.name}` is a source, which no transform computes", hint="name a computed table")
    if table.serializer or table.runs_in_storage:
        what = f"is stored as {table.serializer}" if table.serializer else "is computed in its database"
        raise UsageError(f"`{table.name}` {what}, and tests compare tables that are computed here")
    if table.partitions:
        hint = f"write it by hand, with `partition: {{{table.partitions[0]}: …}}`"
        raise UsageError(f"`{table.name}` has partitions, and its tests are not recorded yet", hint=hint)
    for each in code.graph.upstream(table.name):
        if serializer := code.spec.tables[each].serializer:
            raise UsageError(f"input `{each}` of `{table.name}` is stored as {serializer}, which a test cannot give")


def _first_rows(stored: StoredEnvironment, name: str, rows: int) -> pa.Table:
    """The first rows of a stored table."""
    kept: list[pa.Table] = []
    count = 0
    reading = stored.pieces(name)
    for piece in reading:
        kept.append(piece.slice(0, rows - count))
        count += kept[-1].num_rows
        if count >= rows:
            break
    if isinstance(reading, Generator):
        reading.close()
    return pa.concat_tables(kept)


def _edited(code: ProjectCode, table: Table, edit: Callable[..., str | None]) -> str | None:
    """Edit the file that declares a table; None where that is not YAML in lines of its own."""
    name = table.location.file if table.location is not None else ""
    path: Path = code.folder / name
    source = source_of(path, name) if path.suffix in (".yaml", ".yml") else None
    text = edit(source) if source is not None else None
    if text is None:
        return None
    write_text(path, text)
    return name
