"""Columns of sources that have other names in the source than in the project, as `Column.from_` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import DataError
from lakehouse_cli.formats import form_of
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage.base import AssetStorage, Pieces, Read, ReadPieces, Scan

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.time_span import TimeSpan


def renamed_scan(storage: AssetStorage, table: Table, columns: Sequence[Column] | None) -> Scan:
    """Scan a stored table as `AssetStorage.scan`, which knows nothing of other names.

    Formats that find columns by position go by `Column.from_` themselves.
    """
    if not columns or not table.contract.has_other_names or (table.format and form_of(table).by_position):
        return storage.scan(table, columns)
    names = {str(each.from_ or each.name): each.name for each in columns}
    there = tuple(replace(each, name=str(each.from_ or each.name), from_=None) for each in columns)
    inner = storage.scan(replace(table, contract=replace(table.contract, columns=there)), there)
    read_pieces = None if inner.read_pieces is None else _renaming_pieces(inner.read_pieces, names)
    found = Scan(storage, table, _renaming(inner.read, names), read_pieces)
    if (read_within := inner.read_within) is not None:
        in_storage = {name: there for there, name in names.items()}

        def within(known: tuple[InputRecord, ...], span: TimeSpan) -> Pieces:
            there = span._replace(column=in_storage[span.column])
            return _renaming_pieces(lambda known: read_within(known, there), names)(known)

        found.read_within = within
    return found


def _renaming(read: Read, names: Mapping[str, str]) -> Read:
    """Give what is read the declared names, by those in the storage; violations too."""

    def renamed(known: tuple[InputRecord, ...] | None) -> tuple[pa.Table, InputRecord | None]:
        with _renamed_violations(names):
            data, record = read(known)
        return _renamed(data, names), record

    return renamed


def _renaming_pieces(read_pieces: ReadPieces, names: Mapping[str, str]) -> ReadPieces:
    """As `_renaming`, piece by piece."""

    def renamed(known: tuple[InputRecord, ...]) -> Pieces:
        with _renamed_violations(names):
            opened, record = read_pieces(known)

        def pieces() -> Iterator[pa.Table]:
            with _renamed_violations(names):
                for piece in opened():
                    yield _renamed(piece, names)

        return pieces, record

    return renamed


def _renamed(data: pa.Table, names: Mapping[str, str]) -> pa.Table:
    return data.rename_columns([names[name] for name in data.column_names])


@contextmanager
def _renamed_violations(names: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        found = error.violations
        error.violations = tuple(replace(each, column=names.get(each.column or "", each.column)) for each in found)
        raise
