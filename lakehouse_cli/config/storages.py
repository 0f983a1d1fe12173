"""The `storages` and the `execution` of a project."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.code.source import SourceError
from lakehouse_cli.config.keys import EXECUTION_KEYS, NAME_PATTERN, NAME_RULE, STORAGE_KEYS, Key
from lakehouse_cli.config.options import option_conflict, read_options
from lakehouse_cli.config.paths import root_problem, url_problem
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Invalid, Reader, is_misspelt
from lakehouse_cli.config.variables import Unset, fill
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar
from lakehouse_cli.errors import did_you_mean
from lakehouse_cli.formats import FORMATS, FormatSpec
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, StorageType, find_type, known_names, scheme_of
from lakehouse_cli.text.redaction import without_password

DEFAULT_ROOT = "data"
#: Stands for a format that could not be read, of which nothing more is said.
UNKNOWN = "unknown"


class Execution(Struct, frozen=True):
    """Where and how transforms are computed."""

    executor: str = "threads"
    workers: int | None = None
    memory: int | None = None
    options: AnyMapping[str, Any] = field(default_factory=dict)


def default_storage(folder: Path) -> StorageSpec:
    """The storage that is there without being declared."""
    return StorageSpec("default", str(folder / DEFAULT_ROOT), DEFAULT_ROOT, folder=folder)


def named_entries(reader: Reader, node: Node | None, section: str, name_of: str) -> dict[str, tuple[Scalar, Node]]:
    """The entries of a section by name, each with its key; those that are named wrongly left out after a report.

    Args:
        reader: Of the file it stands in.
        node: The section's value.
        section: What it is called.
        name_of: What messages call a name in it.
    """
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        reader.mismatch(node, f"`{section}`", f"a map of names to {section}")
        return {}
    for name, (key, _) in node.entries.items():
        if re.fullmatch(NAME_PATTERN, name) is None:
            reader.report(key, f"{quoted(name)} is not {name_of}", NAME_RULE)
    return {name: entry for name, entry in node.entries.items() if re.fullmatch(NAME_PATTERN, name)}


def read_storage(reader: Reader, key: Scalar, node: Node, folder: Path, of: str = "") -> StorageSpec:
    """One storage, variables filled in; as far as it could be read where something is wrong with it.

    Args:
        reader: Of the file it stands in.
        key: Its name.
        node: Its value.
        folder: The project's.
        of: What messages say of it beyond its name.
    """
    name = key.text
    owner = f"storage `{name}`{of}"
    place = reader.at(key)
    fallback = StorageSpec(name, str(folder / DEFAULT_ROOT), DEFAULT_ROOT, folder=folder, location=place)
    if not isinstance(node, Mapping):
        if isinstance(node, Scalar) and node.is_null:
            reader.report(key, f"{owner} is empty", "give it a `root`")
        else:
            reader.mismatch(node, owner, "a map with `root`, `format` and `options`", _root_hint(node))
        return fallback
    values = _read_keys(reader, node, STORAGE_KEYS, owner)
    storage_type = _type(reader, node, values, owner, folder)
    if storage_type is None:
        return replace(fallback, format=UNKNOWN)
    root = _root(reader, key, node, values, storage_type, owner)
    format_name = _format(reader, node, values, storage_type, owner)
    spec = FORMATS.get(format_name)
    options: dict[str, Any] = {}
    connection: dict[str, Any] = {}
    if "options" in values and (spec is not None or not storage_type.formats):
        if spec is None:
            (connection,) = read_options(reader, values["options"], [storage_type], owner)
        else:
            wanted: list[FormatSpec | StorageType] = [spec, storage_type] if storage_type.options else [spec]
            options, connection = (*read_options(reader, values["options"], wanted, owner), {})[:2]
            conflict = option_conflict(options, spec)
            if conflict:
                reader.report(node.entries["options"][0], f"{owner}: {conflict[0]}", conflict[1])
    unread = "options" not in values and (
        "options" in node.entries or is_misspelt("options", node.entries, STORAGE_KEYS)
    )
    if not unread:
        # One that is there and wrong was told.
        written = dict.fromkeys(values["options"].entries) if "options" in values else {}
        _check_options(reader, key, written, storage_type, spec)
    if "schema" in connection and storage_type.names is not None:
        why = storage_type.names.problem(str(connection["schema"]))
        if why is not None:
            node_of = values["options"].entries["schema"][1]
            reader.report(node_of, f"the schema of {owner} {why}", "name another one")
    text, shown_text = (DEFAULT_ROOT, DEFAULT_ROOT) if root is None else root
    if scheme_of(text) is None and storage_type.root not in ("text", "none"):
        text = os.path.normpath(folder / text)
    return StorageSpec(
        name, text, shown_text, format_name, options, storage_type.name, connection, folder, location=place
    )


def _type(reader: Reader, node: Mapping, values: dict[str, Any], owner: str, folder: Path) -> StorageType | None:
    """What it is: as `type` says, else as the root tells; None where that cannot be read, after a report."""
    if "type" in node.entries:
        if "type" not in values:
            return None
        return _named_type(reader, node.entries["type"][1], values["type"], owner, folder)
    if _is_open(node) or isinstance(node.get("root"), Broken):
        return None
    scheme = scheme_of(values.get("root", ""))
    if scheme is None:
        return STORAGE_TYPES["files"]
    if scheme in SCHEMES:
        return STORAGE_TYPES[SCHEMES[scheme]]
    wrong = url_problem(values["root"], tuple(SCHEMES))
    if wrong:
        written = node.entries["root"][1]
        shown = without_password(written.shown) if isinstance(written, Scalar) else ""
        reader.report(written, f"root {quoted(shown)} of {owner} {wrong[0]}", wrong[1])
    return None


def _is_open(node: Mapping) -> bool:
    """Whether the root begins with a variable that is not set, as it may in an environment that was not chosen."""
    root = node.get("root")
    return isinstance(root, Scalar) and root.text.startswith("${") and root.text == root.shown


def _named_type(reader: Reader, node: Node, name: str, owner: str, folder: Path) -> StorageType | None:
    try:
        found = find_type(name, folder)
    except SourceError as error:
        reader.report(node, f"`type` of {owner}: {error}", error.hint)
        return None
    if found is None:
        known = list(known_names())
        hint = did_you_mean(name, known) or f"choose one of: {', '.join(known)}; one of your own is `module:Class`"
        reader.report(node, f"`type` of {owner}: there is no {quoted(name)}", hint)
    return found


def _check_options(
    reader: Reader, key: Scalar, options: AnyMapping[str, Any], storage_type: StorageType, spec: FormatSpec | None
) -> None:
    """Report options that must be given and are not, and those that would be taken for the format's."""
    owner = f"storage `{key.text}`"
    known = [option.name for option in storage_type.options]
    for name in storage_type.required:
        if name not in options and not is_misspelt(name, options, known):
            reader.report(key, f"{owner} lacks option `{name}` of type {storage_type.name}", "give it under `options`")
    for option in storage_type.options if spec is not None and storage_type.own else ():
        if spec is not None and spec.option(option.name) is not None:
            message = f"option `{option.name}` of storage type {storage_type.name} is also one of format {spec.name}"
            reader.report(key, message, "give the field of the class another name")


def _format(reader: Reader, node: Mapping, values: dict[str, Any], storage_type: StorageType, owner: str) -> str:
    if storage_type.formats:
        return str(values.get("format", "csv"))
    if "format" in node.entries:
        message = f"`format` of {owner}: tables of type {storage_type.name} are no files"
        reader.report(node.entries["format"][0], message, "remove it")
    return ""


def _root_hint(node: Node) -> str | None:
    return f"write {quoted(f'{{root: {node.shown}}}')}" if isinstance(node, Scalar) else None


def _root(
    reader: Reader, key: Scalar, node: Mapping, values: dict[str, Any], storage_type: StorageType, owner: str
) -> tuple[str, str] | None:
    """The root as it is and as it is written; None where there is none, a problem reported if there should be."""
    if storage_type.root == "none":
        if "root" in node.entries:
            reader.report(node.entries["root"][0], f"`root` of {owner}: type {storage_type.name} has none", "remove it")
        return "", ""
    if "root" not in node.entries:
        if key.text == "default" and "folder" in storage_type.root:
            return DEFAULT_ROOT, DEFAULT_ROOT
        if not storage_type.root_required:
            return "", ""
        hint = "name the folder its tables live in: `root: …`"
        if "folder" not in storage_type.root:
            hint = f"say where it is: `root: {storage_type.schemes[0]}://…`" if storage_type.schemes else "`root: …`"
        if not is_misspelt("root", node.entries, STORAGE_KEYS):
            reader.report(key, f"{owner} has no `root`", hint)
        return None
    written = node.entries["root"][1]
    if "root" not in values or not isinstance(written, Scalar):
        return None
    root = values["root"]
    if _is_open(node):
        return root, without_password(written.shown)
    is_url = storage_type.root == "url" or ("url" in storage_type.root and scheme_of(root) is not None)
    wrong = url_problem(root, storage_type.schemes, storage_type) if is_url else root_problem(root)
    if wrong is None and not is_url and storage_type.root != "text" and scheme_of(root) is not None:
        wrong = f"is a URL, and type {storage_type.name} is kept in files of this machine", "name a path"
    if wrong:
        reader.report(written, f"root {quoted(without_password(written.shown))} of {owner} {wrong[0]}", wrong[1])
        return None
    return values["root"], without_password(written.shown)


def _read_keys(reader: Reader, node: Mapping, known: AnyMapping[str, Key], owner: str) -> dict[str, Any]:
    """The values of the known keys; those that are wrong are left out after being reported."""
    reader.unknown_keys(node, known, owner)
    values: dict[str, Any] = {}
    for name, (key, value) in node.entries.items():
        kind = known[name].type if name in known else None
        if kind is None:
            continue
        read = kind.read(reader, reader.value(key, value), f"`{name}` of {owner}")
        if not isinstance(read, Invalid):
            values[name] = read
    if "format" in node.entries and "format" not in values:
        values["format"] = UNKNOWN
    return values


def read_execution(
    reader: Reader, node: Node | None, environ: AnyMapping[str, str], unset: Unset = "report"
) -> Execution:
    """The `execution` of a project; what is wrong in it is as if it were not there."""
    if node is None:
        return Execution()
    if not isinstance(node, Mapping):
        reader.mismatch(node, "`execution`", "a map with `executor`, `workers`, `memory` and `options`")
        return Execution()
    filled = fill(reader, node, environ, unset)
    if not isinstance(filled, Mapping):
        return Execution()
    values = _read_keys(reader, filled, EXECUTION_KEYS, "`execution`")
    if values.get("options") and isinstance(filled.entries["options"][1], Mapping):
        # None of the executors takes any; an option that does nothing would be ignored.
        for name, (key, _) in filled.entries["options"][1].entries.items():
            reader.report(key, f"unknown option {quoted(name)} of the executor", "remove it: it has no options")
    memory = size_in_bytes(values["memory"]) if "memory" in values else None
    return Execution(values.get("executor", "threads"), values.get("workers"), memory)


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def size_in_bytes(text: str) -> int:
    """The bytes of a size such as ``4GiB``.

    >>> size_in_bytes("1.5 kB")
    1500
    """
    digits = text.rstrip("BkKMGi ")
    return int(float(digits) * _UNITS[text[len(digits) :].strip()])
