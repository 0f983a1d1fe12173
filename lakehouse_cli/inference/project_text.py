"""The project file that declares sources as they were found, and the module beside it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.editor_schema import SCHEMA_LINE
from lakehouse_cli.inference.description import InferredColumn
from lakehouse_cli.inference.names import table_name, table_names
from lakehouse_cli.inference.sources import FoundTable
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.invisible import visible

# What YAML makes no text of, in any version of it that is in use.
_WORDS = frozenset(("yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[-./][A-Za-z0-9_]+)*|\.\.(?:/[A-Za-z0-9_.-]+)*")
_TYPE = re.compile(r"[a-z0-9]+(?:\[[^,:]*\])?")
_COMMENT_AT = 100
_VARIABLE = "${PGPASSWORD}"


class _Place(Struct, frozen=True):
    """Where a table lives: its storage, and its path in it."""

    storage: str
    path: str


def project_text(name: str, folder: Path, found: Sequence[FoundTable]) -> str:
    """Write the project file.

    Args:
        name: Of the project.
        folder: Where it will be; paths are relative to it.
        found: Its sources, in order.
    """
    files = [each for each in found if not each.source.is_database]
    storages, places = _storages(found, folder)
    formats = Counter(each.source.format for each in files)
    main = formats.most_common(1)[0][0] if formats else "csv"
    is_taken = any(_is_in(each, folder / "data") for each in files) or (not files and (folder / "data").exists())
    default = "results" if is_taken else "data"
    lines = [
        f"{SCHEMA_LINE}# Every row was read. Say `nullable: false` of columns that never are null: here they may be.",
        f"name: {name}",
        "module: transforms # transforms.py, beside this file",
        "",
        "storages:",
        f"  default: {{root: {default}}} # of what is computed",
        *(
            f"  {storage}: {{{written}}}{' # set PGPASSWORD, or put it into .env' if _VARIABLE in written else ''}"
            for storage, written in storages.items()
        ),
        "",
        "tables:",
    ]
    names = table_names([_name_parts(each) for each in found])
    for table, each, place in zip(names, found, places, strict=True):
        lines += _table_lines(table, each, place, main)
        lines.append("")
    first = names[0]
    lines += [
        "  # A table that is computed, by the function of its name in transforms.py; declare `columns:` of it too:",
        f"  # {first}_clean:",
        f"  #   inputs: [{first}]",
    ]
    return "\n".join(lines) + "\n"


def transforms_text(tables: Sequence[str]) -> str:
    """Write the module of transforms: an example, to be uncommented."""
    table = tables[0]
    return (
        '"""The computed tables: one function each, frame in, frame out."""\n\n'
        "# Declare the table in lakehouse.yaml, too.\n#\n"
        f"# import pandas as pd\n#\n#\n# def {table}_clean({table}: pd.DataFrame) -> pd.DataFrame:\n"
        f'#     """The rows of `{table}`."""\n#     return {table}\n'
    )


def names_of(found: Sequence[FoundTable]) -> list[str]:
    """Return the names of the tables, in order."""
    return table_names([_name_parts(each) for each in found])


def _name_parts(found: FoundTable) -> list[str]:
    source = found.source
    if source.is_database:
        stem = source.file.stem if source.file is not None else source.shown.rpartition("/")[2] or "postgresql"
        return [stem, *found.path.split("/")]
    assert source.file is not None  # noqa: S101  # only databases have none
    stem = re.sub(r"\{[^{}]*\}", "", source.stem).strip("_-. ") if source.folder else source.stem.removesuffix(".")
    own = [stem or "table"]
    folders = [source.file.absolute().parent.name]
    return [*folders, own[0] if not _several_sheets(found) else f"{own[0]}_{found.path}"]


def _several_sheets(found: FoundTable) -> bool:
    return bool(found.path) and "sheet" in found.table.options


def _is_in(found: FoundTable, folder: Path) -> bool:
    """Whether a file lies in a folder, or below it."""
    assert found.source.file is not None  # noqa: S101  # only databases have none
    inside = os.path.abspath(folder)
    return os.path.commonpath([os.path.abspath(found.source.file), inside]) == inside


def _root_text(root: Path, folder: Path) -> str:
    relative = os.path.relpath(root, os.path.abspath(folder))
    if relative.startswith("../../.."):
        return str(root)
    return f"./{relative}" if relative.startswith("~") or ":" in relative else relative


def _storages(found: Sequence[FoundTable], folder: Path) -> tuple[dict[str, str], list[_Place]]:
    """The storages of sources as they are written, by name, and where each table is."""
    files = [each for each in found if not each.source.is_database]
    formats = Counter(each.source.format for each in files)
    storages: dict[str, str] = {}
    roots: dict[bool, str] = {}
    for inside, name in ((True, "sources"), (False, "elsewhere")):
        folders = [
            os.path.abspath(each.source.file.parent)
            for each in files
            if each.source.file is not None and _is_in(each, folder) == inside
        ]
        if folders:
            roots[inside] = root = os.path.commonpath(folders)
            main = formats.most_common(1)[0][0]
            storages[name] = f"root: {_scalar(_root_text(Path(root), folder))}, format: {main}"
    databases: dict[str, str] = {}
    places = []
    for each in found:
        source = each.source
        if source.is_database:
            if source.shown not in databases:
                stem = source.file.stem if source.file is not None else source.shown.rpartition("/")[2] or "server"
                name = table_name(stem)
                while name in ("default", *storages):
                    name += "_db"
                databases[source.shown] = name
                written = source.written if source.file is None else _root_text(source.file.absolute(), folder)
                storages[name] = f"type: {source.format}, root: {_scalar(written)}"
            places.append(_Place(databases[source.shown], each.path))
            continue
        assert source.file is not None  # noqa: S101  # only databases have none
        inside = _is_in(each, folder)
        relative = os.path.relpath(os.path.abspath(source.file.parent), roots[inside])
        path = source.stem if relative == "." else f"{Path(relative).as_posix()}/{source.stem}"
        places.append(_Place("sources" if inside else "elsewhere", path))
    return storages, places


def _table_lines(name: str, found: FoundTable, place: _Place, main: str) -> Iterator[str]:
    table, source = found.table, found.source
    count = f": {plural(table.rows, 'row')}" if table.rows is not None else ""
    if not table.is_readable:
        yield f"  # {name} is left out ({_shown(table.source)}): {_shown(table.comments[0])}"
        return
    yield f"  {name}: # {_shown(table.source)}{count}"
    for comment in table.comments:
        yield f"    # {_shown(comment)}"
    yield "    kind: source"
    yield f"    storage: {place.storage}"
    if place.path != name:
        yield f"    path: {_scalar(place.path)}"
    options = {**source.options, **table.options}
    if not source.is_database and source.format != main:
        yield f"    format: {source.format}"
    if options:
        yield f"    options: {{{_pairs(options)}}}"
    if table.key and table.key_is_sure:
        yield f"    key: {_scalar(table.key)} # unique, and never null"
    elif table.key:
        yield f"    # key: {_scalar(table.key)}, if it identifies a row: it is unique, and never null"
    if any(each.type for each in table.columns):
        yield "    columns:"
        for column in table.columns:
            yield from _column_lines(column)


def _column_lines(column: InferredColumn) -> Iterator[str]:
    options = {} if column.from_ is None else {"from": column.from_}
    options |= column.options
    type_ = column.type if not options else _type_in_braces(column.type)
    value = f"{{type: {type_}, {_pairs(options)}}}" if options else _type_in_block(column.type)
    line = f"      {_scalar(column.name)}: {value}" if column.type else f"      # {_scalar(column.name)} is left out"
    if not column.comment:
        yield line
        return
    comment = _shown(column.comment)
    if column.type and len(line) + len(comment) > _COMMENT_AT:
        yield f"      # {comment}:" if not comment.endswith(("`", '"')) else f"      # {comment}"
        yield line
    else:
        yield f"{line}{' #' if column.type else ':'} {comment}"


def _type_in_braces(text: str) -> str:
    return text if _TYPE.fullmatch(text) and "[" not in text else json.dumps(text)


def _type_in_block(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if ": " in text or "#" in text else text


def _pairs(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_value(value)}" for name, value in options.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    return str(value) if isinstance(value, int) else "null" if value == "null" else _scalar(str(value))


def _scalar(text: str) -> str:
    """A text as YAML reads it as this text, in a flow or a block."""
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    shown = visible(json.dumps(text, ensure_ascii=False))
    return re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", shown)


def _shown(text: str) -> str:
    """A text in a comment: of one line, without what cannot be seen."""
    return visible(" ".join(text.split()))
