"""Delta Lake tables in a local folder or an S3 bucket."""

from __future__ import annotations

from lakehouse_cli.formats.spec import first_refused
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.names import Names
from lakehouse_cli.storage_types.objects import S3
from lakehouse_cli.storage_types.spec import StorageType

# Of https://github.com/delta-io/delta/blob/master/PROTOCOL.md#primitive-types: no such type at all, or none that is as
# wide or as fine. Narrower unsigned integers are stored in the next wider signed ones.
_LACKING = frozenset(("uint64", "time32", "time64", "duration"))


def _refusal(column_type: ColumnType) -> str | None:
    lacking = first_refused(column_type, lambda t: t.id in _LACKING or (t.id == "timestamp" and t.unit == "ns"))
    if lacking is not None:
        finest = "; its timestamps are timestamp[us]" if lacking.id == "timestamp" else ""
        return f"Delta Lake has no {lacking}{finest}"
    unmakeable = first_refused(column_type, lambda t: t.id == "map" and first_refused(t, _is_wall_clock) is not None)
    if unmakeable is not None:
        return f"Delta Lake has no {unmakeable} that delta-rs can make, for its timestamps have no zone; declare tz=UTC"
    if first_refused(column_type, _is_ambiguous) is not None:
        return "two fields of a struct differ only in upper and lower case, which Delta Lake does not distinguish"
    if first_refused(column_type, lambda t: any("\0" in name for name, _ in t.fields)) is not None:
        return f"{column_type} has a field with a NUL character in its name"
    return None


def _dimension_refusal(column_type: ColumnType) -> str | None:
    if column_type.id in ("string", "dictionary", "date32") or column_type.id.startswith(("int", "uint")):
        return None
    return f"Delta Lake is not divided by {column_type} here"


def _is_wall_clock(column_type: ColumnType) -> bool:
    return column_type.id == "timestamp" and column_type.timezone is None


def _is_ambiguous(column_type: ColumnType) -> bool:
    names = {name.lower() for name, _ in column_type.fields}
    return len(names) < len(column_type.fields)


NAMES = Names("Delta Lake", keeps_manifests=False, has_schemas=False, fold=str.lower)

DELTA = StorageType(
    "delta",
    "lakehouse_cli.storage.delta.partitioned:DeltaStorage",
    root="folder or url",
    schemes=("s3",),
    refusal=_refusal,
    dimension_refusal=_dimension_refusal,
    needs=("deltalake",),
    install="pip install 'lakehouse-cli[delta]'",
    options=tuple(option for option in S3.options if option.name != "profile"),
    names=NAMES,
)
