"""The inputs of a job, read from where they are stored: whole, piece by piece, or by time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.contracts import Check, Findings, check
from lakehouse_cli.contracts.findings import ReadAgain
from lakehouse_cli.contracts.hiding import hide_sensitive
from lakehouse_cli.contracts.keys import at_key
from lakehouse_cli.errors import CORRECT_DATA, DataError, LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runner.jobs import InputError, Job
from lakehouse_cli.runner.within import TimedInput
from lakehouse_cli.runner.workplace import Workplace, own_place
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import find_lines
from lakehouse_cli.storage.errors import changed_while_read
from lakehouse_cli.storage.object_partitions import read_objects
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.transforms import FrameType, StreamedTable, load_transform

if TYPE_CHECKING:
    from lakehouse_cli.model.time_span import TimeSpan

# Bytes of a stored table that is read whole, for all who take it.
_SHARED = 1 << 26
# Formats of files that queries read by themselves.
_BY_QUERIES = frozenset(("parquet",))


def read_input(job: Job, place: Workplace, name: str) -> tuple[pa.Table, InputRecord]:
    """Read an input's data from its storage, with the record of their content.

    A source is validated against its contract here; a computed table was when it was published.

    Raises:
        InputError: It is missing, cannot be read, or is not as declared.
    """
    table, expected = job.tables[name], job.expected_inputs.get(name)
    try:
        known = () if expected is None else (expected,)
        return read_table(place.storages[table.storage], table, known)
    except LakehouseError as error:
        raise InputError(name, error) from error


def read_table(
    storage: AssetStorage, table: Table, known: tuple[InputRecord, ...] = ()
) -> tuple[pa.Table, InputRecord]:
    """Read a table's data with the record of their content, and validate a source against its contract.

    Raises:
        LakehouseError: It is missing, cannot be read, or is not as declared.
    """
    if table.serializer and table.is_many_units:
        return read_objects(storage, table)
    try:
        data, record = scan(storage, table, table.columns).table_with_content(known)
    except DataError as error:
        _add_rest(error, table, storage)
        raise
    if table.kind == "source":
        _check_source(data, table, storage)
    return data, record


def judge_source(storage: AssetStorage, table: Table) -> None:
    """Read a source piece by piece, and validate it against its contract.

    Raises:
        LakehouseError: As of `read_table`.
    """
    if table.serializer:
        read_table(storage, table)
        return
    try:
        pieces, _ = scan(storage, table, table.columns).pieces_with_content(())
    except DataError as error:
        _add_rest(error, table, storage)
        raise
    for _ in _checked(pieces, table, storage, table.key):
        pass


def _add_rest(error: DataError, table: Table, storage: AssetStorage) -> None:
    """Add to the error of a source with values that do not fit their types what nulls and key of the rest break."""
    from lakehouse_cli.runner.unfit_columns import add_violations, without_unfit  # slow to load, and seldom needed

    rest = without_unfit(error, table) if table.kind == "source" else None
    if rest is not None:
        try:
            judge_source(storage, rest)
        except DataError as more:
            add_violations(error, more, table.contract.sensitive)
        except LakehouseError:  # it changed meanwhile: what was found first is said
            return


def open_input(job: Job, place: Workplace, name: str, by_itself: Collection[str]) -> StreamedTable:
    """Begin to read an input piece by piece; else as `read_input`, of which some is raised as it is read.

    Args:
        job: The table that it is an input of.
        place: Storages of this process.
        name: The input.
        by_itself: The formats of files that what takes it reads by itself.

    Raises:
        InputError: It is missing, or cannot be read.
    """
    table, expected = job.tables[name], job.expected_inputs.get(name)
    storage = place.storages[table.storage]

    try:
        found = scan(storage, table, table.columns)
        pieces, record = found.pieces_with_content(() if expected is None else (expected,))
        # Whether a key is there once is judged from all rows.
        is_judged_whole = table.kind == "source" and bool(table.key)
        file = found.native(record) if table.format in by_itself and not is_judged_whole else None
        of_rows = None if found.read_rows is None or not place.is_unpacked else RowsOfInput(table, record)
        if table.kind == "source":
            return StreamedTable(lambda: _checked(pieces, table, storage, table.key), record, file, of_rows=of_rows)
        of_columns = partial(found.read_columns, record) if found.reads_columns else None
        return StreamedTable(pieces, record, file, is_judged=True, of_columns=of_columns, of_rows=of_rows)
    except LakehouseError as error:
        if isinstance(error, DataError):
            _add_rest(error, table, storage)
        raise InputError(name, error) from error


class RowsOfInput(Struct, frozen=True):
    """Reads rows of an input by their numbers, in any process of the run that shares nothing.

    Attributes:
        table: The input.
        record: Of its content.
    """

    table: Table
    record: InputRecord

    def __call__(self, rows: range, names: Collection[str] | None) -> pa.Table:
        """Read rows that it has, of some columns or of all.

        Raises:
            LakehouseError: It cannot be read, or has another content by now.
        """
        table, storage = self.table, own_place().storages[self.table.storage]
        columns = table.columns
        if columns and names and table.extra_columns != "keep":
            columns = tuple(each for each in columns if each.name in names)
        pieces, found = scan(storage, table, columns).pieces_of((self.record,), rows)
        if found.content_hash != self.record.content_hash:
            raise changed_while_read(table, storage.uri(table))
        data = pa.concat_tables(pieces())
        return data if names is None else data.select(list(names))


def _checked(
    pieces: Callable[[], Iterator[pa.Table]], table: Table, storage: AssetStorage, key: Sequence[str]
) -> Iterator[pa.Table]:
    """The pieces of a source, whose nulls and key are judged as they pass; read again for rows that the end names."""
    with closing(Check(table.columns, key)) as checking:
        try:
            for piece in pieces():
                checking.piece(piece)
                yield piece
        except DataError as error:
            _add_rest(error, table, storage)
            raise
        _refuse(checking.finish(), table, storage, pieces)


def open_by_time(job: Job, place: Workplace, name: str, *, streams: bool) -> TimedInput:
    """Open an input of which each parameter gets rows by time; nothing is read before one asks for its rows.

    Rows that are not read are not judged: of a source, nulls in rows of other times.

    Args:
        job: The table that it is an input of.
        place: Storages of this process.
        name: The input.
        streams: Whether all that takes it does so piece by piece.
    """
    table, expected = job.tables[name], job.expected_inputs.get(name)
    storage = place.storages[table.storage]

    def open_span(span: TimeSpan) -> tuple[Callable[[], Iterator[pa.Table]], InputRecord]:
        found = scan(storage, table, table.columns)
        opened, record = found.pieces_within(() if expected is None else (expected,), span)

        def judged(pieces: Callable[[], Iterator[pa.Table]]) -> Iterator[pa.Table]:
            return _checked(pieces, table, storage, ()) if table.kind == "source" else pieces()

        def pieces() -> Iterator[pa.Table]:
            try:
                yield from judged(opened)
            except DataError:
                # Rows are counted among those that were read. All of them show how many are wrong, and which.
                for _ in judged(found.pieces_with_content((record,))[0]):
                    pass
                raise

        return pieces, record

    return TimedInput(open_span, table, streams=streams)


def reads_by_time(job: Job, name: str, *, shares: bool) -> bool:
    """Whether rows of an input are read by time, for each parameter by itself, and not the whole of it.

    Not where all of its rows decide what is wrong with it, or which columns it has.

    Args:
        job: The table that it is an input of.
        name: The input.
        shares: Whether what is read is there for the next job, so that a small one is read whole.
    """
    table, expected = job.tables[name], job.expected_inputs.get(name)
    parameters = [each.parameter for each in job.inputs if each.table == name]
    is_small = shares and expected is not None and expected.bytes <= _SHARED
    decides = table.kind == "source" and (bool(table.key) or table.extra_columns == "keep")
    return bool(table.columns) and not is_small and not decides and all(each in job.within for each in parameters)


def _check_source(data: pa.Table, table: Table, storage: AssetStorage) -> None:
    """Judge nulls and key of a source.

    Raises:
        DataError: They break its contract.
    """
    _refuse(check(data, table.columns, key=table.key), table, storage)


def _refuse(found: Findings, table: Table, storage: AssetStorage, read_again: ReadAgain | None = None) -> None:
    if found.violations:
        first = found.violations[0]
        error = DataError(first.message, location=first.location, hint=CORRECT_DATA)
        places = partial(find_lines, storage, table)
        found.describe(error, places(found.row_numbers()), find_places=places, read_again=read_again)
        hide_sensitive(error, table.contract.sensitive, table.key)
        raise at_key(error, table)


def streamed_inputs(job: Job, folder: Path) -> dict[str, frozenset[str]]:
    """The inputs that a job's computation takes piece by piece, where no other left them in memory.

    Each with the formats of files that it reads by itself. Queries share small inputs, whole.
    """
    if job.table.function is None:
        sizes = {name: record.bytes for name, record in job.expected_inputs.items() if record is not None}
        return {name: _BY_QUERIES for name in job.tables if sizes.get(name, 0) > _SHARED}
    return {
        name: frozenset.intersection(*(each.reads_files for each in types))
        for name, types in input_frames(job, folder).items()
        if all(each.streams for each in types)
    }


def input_frames(job: Job, folder: Path) -> dict[str, list[FrameType]]:
    """The frame types that a job's transform takes each input as; none for a query, or where they are not known."""
    frames: dict[str, list[FrameType]] = {}
    if job.table.function is None:
        return frames
    try:
        transform = load_transform(job.table.function, folder, of_table=job.table.returns_table)
        for each, parameter in zip(job.inputs, transform.parameters_of(job.inputs), strict=True):
            if parameter is not None and not job.tables[each.table].serializer:
                frames.setdefault(each.table, []).append(parameter.frame_type)
    except LakehouseError:  # reported as it is called
        return {}
    return frames
