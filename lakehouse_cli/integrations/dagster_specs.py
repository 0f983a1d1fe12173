"""What Dagster knows of each table: its key, dependencies, group, columns, owner and version of code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import dagster

from lakehouse_cli.model import Column, Table
from lakehouse_cli.project.facade import Project

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


def column_schema(columns: Iterable[Column], key: Sequence[str]) -> dagster.TableSchema:
    """Columns as Dagster shows them.

    Args:
        columns: Declared, or as they are stored.
        key: Names of the columns of the key.
    """
    shown = [
        dagster.TableColumn(
            column.name,
            str(column.type),
            column.description,
            dagster.TableColumnConstraints(
                nullable=column.nullable and column.name not in key, unique=[column.name] == list(key)
            ),
        )
        for column in columns
    ]
    together = [f"key: {', '.join(key)}"] if len(key) > 1 else []
    return dagster.TableSchema(shown, dagster.TableConstraints(together))


def _metadata(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if table.columns is not None:
        found["dagster/column_schema"] = column_schema(table.columns, table.key)
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
