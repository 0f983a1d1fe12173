"""What Dagster knows of each table: its key, dependencies, group, columns, owner and version of code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster

from lakehouse_cli.model import Table
from lakehouse_cli.project.facade import Project
from lakehouse_cli.runs.events import StoredColumn

#: What Dagster accepts as the name of no output; an asset's is its key's. Python's keywords besides.
RESERVED = frozenset(
    (
        *("arg_dict", "bool", "conf", "config", "context", "dict", "float", "input", "input_arg_dict", "int", "meta"),
        *("output", "output_arg_dict", "str", "type"),
    )
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG = re.compile("[A-Za-z0-9_.-]{1,63}")
_NOT_IN_GROUPS = re.compile("[^A-Za-z0-9_]+")


def asset_keys(names: Collection[str], prefix: Sequence[str]) -> dict[str, dagster.AssetKey]:
    """The key of each table: the prefix and its name, with `_` behind it where Dagster has reserved the name.

    Args:
        names: Of all tables of the project.
        prefix: Of all keys; below one, no name is reserved.
    """
    found: dict[str, dagster.AssetKey] = {}
    for name in names:
        key = name
        if not prefix and (key in RESERVED or keyword.iskeyword(key)):
            key += "_"
            while key in names:
                key += "_"
        found[name] = dagster.AssetKey([*prefix, key])
    return found


def asset_specs(project: Project, keys: Mapping[str, dagster.AssetKey]) -> dict[str, dagster.AssetSpec]:
    """The specification of each table; reads the project's code and runs none of it.

    Raises:
        ProjectError: Code cannot be read, or files that tables use cannot be looked at.
    """
    versions = project.planner.code_versions()
    return {
        name: dagster.AssetSpec(
            keys[name],
            deps=[keys[each] for each in project.graph.upstream(name)],
            description=table.description,
            metadata=_metadata(table),
            # A table that failed, or that an upstream table kept from being computed, is never yielded.
            skippable=table.kind == "computed",
            group_name=_group(table.tags),
            code_version=versions.get(name),
            owners=[table.owner] if _is_owner(table.owner) else None,
            tags={tag: "" for tag in table.tags if _TAG.fullmatch(tag)},
            kinds=_kinds(project, table),
        )
        for name, table in project.tables.items()
    }


def column_schema(table: Table, stored: Sequence[StoredColumn] | None = None) -> dagster.TableSchema:
    """The columns of a table as Dagster shows them.

    Args:
        table: The table, with what it declares.
        stored: Its columns as they are stored; None for those it declares.
    """
    declared = {column.name: column for column in table.columns or ()}
    known = stored if stored is not None else [StoredColumn(each.name, str(each.type)) for each in declared.values()]
    shown = [
        dagster.TableColumn(
            column.name,
            column.type,
            declared[column.name].description if column.name in declared else None,
            dagster.TableColumnConstraints(
                nullable=table.contract.may_be_null(column.name), unique=table.key == (column.name,)
            ),
        )
        for column in known
    ]
    together = [f"key: {', '.join(table.key)}"] if len(table.key) > 1 else []
    return dagster.TableSchema(shown, dagster.TableConstraints(together))


def _metadata(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if table.columns is not None:
        found["dagster/column_schema"] = column_schema(table)
    if table.owner is not None and not _is_owner(table.owner):
        found["owner"] = table.owner
    if unfit := [tag for tag in table.tags if not _TAG.fullmatch(tag)]:
        found["tags"] = ", ".join(unfit)
    return found


def _is_owner(text: str | None) -> bool:
    """Whether Dagster takes it as an owner: an address, or ``team:…``."""
    return text is not None and (_EMAIL.fullmatch(text) is not None or (text.startswith("team:") and len(text) > 5))


def _group(tags: Sequence[str]) -> str | None:
    """The group of a table, of which it has one: its first tag, in characters that groups have."""
    groups = (_NOT_IN_GROUPS.sub("_", tag) for tag in tags)
    return next((group for group in groups if group.strip("_")), None)


def _kinds(project: Project, table: Table) -> set[str]:
    """What Dagster shows an icon of: what computes the table, and what it is stored as."""
    stored = {table.format or project.spec.storages[table.storage].type}
    if table.kind == "source":
        return stored
    return stored | {"sql" if table.query is not None else "python"}
