"""Tables of databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from lakehouse_cli.errors import DataError, LakehouseError
from lakehouse_cli.inference.description import InferredColumn, InferredTable
from lakehouse_cli.inference.typed_file import table_of_pieces
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.storage_types.names import OWN

_SQLITE = "SELECT '', name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' ORDER BY name"
_OTHERS = (
    "SELECT CASE WHEN table_schema = current_schema() THEN '' ELSE table_schema END, table_name"
    " FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2"
)
# Of a sum of integers; Arrow has no such type.
_HUGE = (
    "SELECT CASE WHEN table_schema = current_schema() THEN '' ELSE table_schema END, table_name, column_name"
    " FROM information_schema.columns WHERE data_type = 'HUGEINT'"
)
_HUGE_COMMENT = "HUGEINT as text; `int64` or `decimal128(38, 0)` where all values fit"


def infer_database(type_: str, root: str, shown: str) -> Iterator[tuple[str, InferredTable]]:
    """Describe each table and view of a database, by its path; one that cannot be read has no columns, and a comment.

    Args:
        type_: Of the storage.
        root: The file, absolute, or the URL.
        shown: The database as messages show it.

    Raises:
        LakehouseError: The database cannot be read.
    """
    spec = StorageSpec(shown, root, shown, "", type=type_, folder=Path())
    storage = cast(RelationalStorage, open_storage(spec))
    from lakehouse_cli.storage.relational.session import Relation

    with storage.session(reading=Relation("", "")) as session:
        names = session.rows(_SQLITE if type_ == "sqlite" else _OTHERS) if session is not None else []
        huge = session.rows(_HUGE) if session is not None and type_ == "duckdb" else []
    for schema, name in names:
        if name in OWN:
            continue
        path = f"{schema}/{name}" if schema else name
        table = Table(name=path, kind="source", storage=shown, path=path, format="")
        try:
            found = _infer_table(storage, table, f"{shown}, table {path}", has_dates=type_ != "sqlite")
            columns = [
                replace(each, comment=_HUGE_COMMENT) if (schema, name, each.from_ or each.name) in huge else each
                for each in found.columns
            ]
            yield path, replace(found, columns=columns)
        except LakehouseError as error:
            yield path, InferredTable(f"{shown}, table {path}", [], comments=[error.message], is_readable=False)


def _infer_table(storage: RelationalStorage, table: Table, shown: str, *, has_dates: bool) -> InferredTable:
    """Describe a table; columns whose values have no type in common are left out, with what these hold.

    Raises:
        LakehouseError: It cannot be read, or none of its columns can.
    """
    from lakehouse_cli.storage.relational.result_conversion import ResultConversion

    relation, uri, left_out = storage.relation(table), storage.uri(table), dict[str, str]()
    with translate_errors(storage, table, "read"), storage.session(reading=relation) as session:
        found = None if session is None else session.find_one(relation)
        if session is None or found is None:
            raise missing_data(table, uri, "see whether it was dropped meanwhile")
        present = [name for name, _ in found.columns]
        while True:
            names = [name for name in present if name not in left_out]
            conversion = ResultConversion(None, uri, None)
            with closing(session.read_pieces(relation, found, names, careful=True)) as raw:
                pieces = (piece for each in raw if (piece := conversion.piece(each)) is not None)
                inferred = table_of_pieces(shown, pieces, has_dates=has_dates)
            try:
                conversion.finish()
                break
            except DataError as error:
                for each in error.violations:
                    left_out[str(each.column)] = each.message.removeprefix(f"{uri}: ").removeprefix(f"`{each.column}` ")
                if len(left_out) == len(present):
                    raise DataError("; ".join(f"`{name}` {why}" for name, why in left_out.items()), []) from error
    columns = iter(inferred.columns)
    kept = [InferredColumn(each, "", comment=left_out[each]) if each in left_out else next(columns) for each in present]
    return replace(inferred, columns=kept)
