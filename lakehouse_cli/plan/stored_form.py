"""The form of a stored table, its format, options and columns, against the one that is declared now.

CSV, JSON Lines and JSON are text: read with other options or as other types than it was written with, it is
other values. SQLite has no truth values and timestamps, and takes numbers and texts for those of a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import FormatSpec, form_of
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, ColumnType, ColumnTypeError, Table, parse_column_type
from lakehouse_cli.model.manifest import ColumnRecord, Manifest
from lakehouse_cli.model.option_hash import option_hash
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.schema_change import column_changes, listed
from lakehouse_cli.model.unit import selected_alone, unit_name
from lakehouse_cli.plan.reasons import storage_changes

if TYPE_CHECKING:
    from lakehouse_cli.plan.units import StoredPartitions


def options_changed(table: Table, manifest: Manifest, now: str) -> str:
    """Describe how format and options differ from those a table was stored with; empty where it reads the same.

    Args:
        table: A computed table.
        manifest: Of what is stored.
        now: What the table is `stored_as` by its declaration.
    """
    return reading_changed(table, manifest.recipe.storage if manifest.recipe is not None else now, now)


def form_changed(table: Table, manifest: Manifest, now: str) -> str:
    """Describe how format and options, or else columns, differ; arguments as of `options_changed`."""
    return options_changed(table, manifest, now) or columns_changed(table, manifest)


def reading_changed(table: Table, before: str, now: str) -> str:
    """Describe how format and options, as what a table is `stored_as`, differ; empty where it reads the same."""
    if before == now or not table.format:
        return ""
    spec = form_of(table)
    (was, old), (is_, new) = _parts(before), _parts(now)
    if was == is_:
        same = {name for name in old | new if _is_read_the_same(spec, name, old, new)}
        before, now = (_text(kind, options, same) for kind, options in ((was, old), (is_, new)))
    return listed(storage_changes(before, now))


def _parts(stored_as: str) -> tuple[str, dict[str, str]]:
    kind, *options = stored_as.split(",")
    return kind, dict(option.partition("=")[::2] for option in options)


def _text(kind: str, options: Mapping[str, str], without: set[str]) -> str:
    return ",".join([kind, *(f"{name}={value}" for name, value in options.items() if name not in without)])


def _is_read_the_same(spec: FormatSpec, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether an option says nothing of reading, or says the same; one that is not set has its default."""
    of_table = name.partition("@")[0]
    option = spec.option(of_table)
    if spec.typed or (option is not None and not option.reading):
        return True
    default = "" if option is None else option_hash(option.default)
    was, is_ = (options.get(name, options.get(of_table, default)) for options in (old, new))
    return was == is_


def columns_changed(table: Table, manifest: Manifest) -> str:
    """Describe which columns would be read as other values than were stored; empty for none.

    Args:
        table: A computed table.
        manifest: Of what is stored.
    """
    before = manifest.recipe.storage if manifest.recipe is not None else ""
    if table.columns is None or _has_types(table, before):
        return ""
    contract = manifest.recipe.contract if manifest.recipe is not None else None
    records = table.contract.records or ()
    if contract == records:
        return ""
    types = dict(manifest.columns) | {column.name: column.type for column in contract or ()}
    stored = [ColumnRecord(name, types[name]) for name, _ in manifest.columns]
    now = [ColumnRecord(name, type_) for name, type_, _ in records]
    if stored == now:
        return ""
    declared = {column.name: column.type for column in table.columns}
    if not table.format:
        return listed(list(_column_changes(types, {n: t for n, t in declared.items() if _is_taken(types.get(n), t)})))
    # Of tables that keep other columns, the manifest has the positions.
    if not table.options.get("header", True) and table.extra_columns != "keep":
        names = [column.name for column in stored]
        if names != [column.name for column in now]:
            return listed([message for message, _ in column_changes(stored, now)])
    return listed(list(_column_changes(types, declared)))


def _has_types(table: Table, stored_as: str) -> bool:
    """Whether what is stored has the types of its columns with it."""
    return form_of(table).typed if table.format else _parts(stored_as)[0] != "sqlite"


def _is_taken(before: str | None, now: ColumnType) -> bool:
    """Whether SQLite takes values for those of another type; what else it holds it refuses, or gives exactly."""
    if before is None or now.id not in ("bool", "timestamp", "string", "dictionary"):
        return False
    try:
        was = parse_column_type(before)
    except ColumnTypeError:
        return False
    if now.id == "timestamp":
        return was.is_integer or was.is_float
    return was.id != "bool" if now.id == "bool" else was.id not in ("string", "dictionary")


def _column_changes(before: Mapping[str, str], now: Mapping[str, ColumnType]) -> Iterator[str]:
    for name, type_ in now.items():
        if name not in before:
            yield f"column `{name}` added"
        elif not _is_exact(before[name], type_):
            yield f"column `{name}` {before[name]} → {type_}"


def stored_as_another(table: Table, manifest: Manifest, environment: str, uri: str) -> StorageError:
    """The error of a table whose place holds another one."""
    message = f"`{table.name}` is not stored{_within(environment)}: {uri} was stored as table `{manifest.table}`"
    return _not_as_declared(table, environment, message, "path")


def misread(table: Table, environment: str, changes: str) -> StorageError | None:
    """The error of a table that would be read as something else, given what changed; None where nothing did."""
    return _misread(table, table.name, environment, changes) if changes else None


def _misread(table: Table, name: str, environment: str, changes: str) -> StorageError:
    message = f"`{name}` was stored{_within(environment)} in another way than it is declared now ({changes})"
    return _not_as_declared(table, environment, message, "options", "columns")


def misread_partitions(
    table: Table, environment: str, stored: StoredPartitions, now: str, recipe: str
) -> dict[Partition, StorageError]:
    """The errors of stored partitions that would be read as something else; of most tables of none.

    Args:
        table: A computed table.
        environment: Where it is stored.
        stored: What is stored of it.
        now: What the table is `stored_as` by its declaration.
        recipe: The digest of what it would be made by now; empty where that is not known.
    """
    if _has_types(table, now):
        return {}
    found = {}
    changes: dict[tuple[object, ...], str] = {}  # what many were made by, looked at once
    for partition, record in stored.records.items():
        if record.recipe == recipe != "":
            continue
        made_by = record.recipe, record.columns
        if made_by not in changes:
            manifest = stored.manifest(partition)
            changes[made_by] = ""
            if isinstance(manifest, Manifest):
                changes[made_by] = form_changed(table, manifest, now)
        if not changes[made_by] or partition.dimensions != table.partitions:
            continue
        content = stored.contents.get(partition)
        if content is not None and content.content_hash == record.content_hash:  # else read as it is declared
            found[partition] = _misread(table, unit_name(table.name, partition), environment, changes[made_by])
    return found


def _within(environment: str) -> str:
    return "" if environment == DEFAULT_ENVIRONMENT else f" in `{environment}`"


def _not_as_declared(table: Table, environment: str, message: str, *keys: str) -> StorageError:
    """The error of a table that cannot be read for what is written under one of `keys`."""
    chosen = "" if environment == DEFAULT_ENVIRONMENT else f" -e {environment}"
    hint = f"`lakehouse run {selected_alone(table)}{chosen}` stores it anew; or take the change back"
    return StorageError(message, hint=hint, location=table.where(*keys))


def _is_exact(before: str, now: ColumnType) -> bool:
    """Whether the text of one type is read as the same value of another, or refused."""
    if before in ("null", str(now)):
        return True
    try:
        return _kind(parse_column_type(before)) == _kind(now)
    except ColumnTypeError:
        return False


def _kind(column_type: ColumnType) -> str:
    """What types have in common whose values are written alike."""
    if column_type.id in ("timestamp", "time32", "time64", "duration"):
        return f"{column_type.id.rstrip('3264')} {column_type.timezone}"
    if column_type.is_integer:
        return "integer"
    if column_type.id == "decimal128":
        return "decimal"
    return "string" if str(column_type) == "dictionary<string>" else str(column_type)
