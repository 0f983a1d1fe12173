"""The `storages` and the `execution` of a project."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.code.source import SourceError
from lakehouse_cli.config.cluster_options import executor_options, size_in_bytes
from lakehouse_cli.config.keys import (
    EXECUTION_KEYS,
    SPARK_KEYS,
    SPARK_OWN,
    SPARK_REMOTE,
    STORAGE_KEYS,
)
from lakehouse_cli.config.options import option_conflict, read_options
from lakehouse_cli.config.paths import mistaken_root, root_problem, url_problem
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Reader, is_misspelt, read_keys
from lakehouse_cli.config.value_types import NAME_PATTERN, NAME_RULE
from lakehouse_cli.config.variables import Filled, template_of
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar
from lakehouse_cli.errors import Location
from lakehouse_cli.formats import FORMATS, FormatSpec
from lakehouse_cli.model import SparkSpec, StorageSpec
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, StorageType, find_type, known_names, scheme_of
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.redaction import without_password

DEFAULT_ROOT = "data"
#: Stands for a format that could not be read, of which nothing more is said.
UNKNOWN = "unknown"


class Execution(Struct, frozen=True):
    """Where and how transforms are computed."""

    executor: str = "threads"
    workers: int | None = None
    memory: int | None = None
    spark: SparkSpec = SparkSpec()
    together: bool = False
    options: AnyMapping[str, Any] = {}
    location: Location | None = None


def default_storage(folder: Path) -> StorageSpec:
    """The storage that is there without being declared."""
    return StorageSpec("default", str(folder / DEFAULT_ROOT), DEFAULT_ROOT, folder=folder)


def named_entries(reader: Reader, section: Mapping | None, name_of: str) -> dict[str, tuple[Scalar, Node]]:
    """The entries of a section by name, each with its key; those that are named wrongly left out after a report.

    Args:
        reader: Of the file it stands in.
        section: Its map.
        name_of: What messages call a name in it.
    """
    named = {}
    for name, entry in section.entries.items() if section is not None else ():
        if re.fullmatch(NAME_PATTERN, name) is None:
            reader.report(entry[0], f"{quoted(name)} is not {name_of}", NAME_RULE)
        else:
            named[name] = entry
    return named


def read_storage(
    reader: Reader, key: Scalar, node: Node, folder: Path, of: str = "", *, home: Path | None = None
) -> StorageSpec:
    """One storage, variables filled in; as far as it could be read where something is wrong with it.

    Args:
        reader: Of the file it stands in.
        key: Its name.
        node: Its value.
        folder: The project's.
        of: What messages say of it beyond its name.
        home: The folder below which relative roots are, where that is not the project's.
    """
    name = key.text
    owner = f"storage `{name}`{of}"
    place = reader.at(key)
    nowhere = f":{name}"  # no place of another storage
    fallback = StorageSpec(name, str(folder / nowhere), DEFAULT_ROOT, folder=folder, is_known=False, location=place)
    if not isinstance(node, Mapping):
        if isinstance(node, Scalar) and node.is_null:
            reader.report(key, f"{owner} is empty", "give it a `root`")
        else:
            hint = None
            if isinstance(node, Scalar):
                mistaken = mistaken_root(node.text, node.shown)
                hint = mistaken[1] if mistaken else f"write {quoted(f'{{root: {node.shown}}}')}"
            reader.mismatch(node, owner, "a map with `root`, `format` and `options`", hint)
        return fallback
    values, invalid = read_keys(reader, node, STORAGE_KEYS, owner)
    if "format" in invalid:
        values["format"] = UNKNOWN
    storage_type = _type(reader, node, values, owner, folder)
    if storage_type is None:
        if (open_root := _open_root(node)) is None:
            return replace(fallback, format=UNKNOWN)
        root, root_text = os.path.normpath(folder / open_root.text), without_password(open_root.shown)
        return replace(fallback, format=UNKNOWN, root=root, root_text=root_text)
    rooted = _root(reader, key, node, values, storage_type, owner)
    root, root_text = rooted or (nowhere, DEFAULT_ROOT)
    if scheme_of(root) is None and storage_type.root not in ("text", "none"):
        root = os.path.normpath((home or folder) / root)
    format_name = _format(reader, node, values, storage_type, owner)
    spec = FORMATS.get(format_name)
    options: dict[str, Any] = {}
    connection: dict[str, Any] = {}
    if "options" in values and (spec is not None or not storage_type.formats):
        options, connection = _options(reader, node, values["options"], storage_type, spec, owner)
    if "options" not in invalid and ("options" in values or not is_misspelt("options", node.entries, STORAGE_KEYS)):
        written = dict.fromkeys(values["options"].entries) if "options" in values else {}
        _check_options(reader, key, written, storage_type, spec)
    return StorageSpec(
        name,
        root,
        root_text,
        format_name,
        options,
        storage_type.name,
        connection,
        folder,
        shared=values.get("shared", False),
        template=template_of(node),
        is_known=rooted is not None and _open_root(node) is None and "shared" not in invalid,
        location=place,
    )


def _options(
    reader: Reader, storage: Mapping, node: Mapping, storage_type: StorageType, spec: FormatSpec | None, owner: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the format, and those of the storage itself."""
    specs: list[FormatSpec | StorageType] = [storage_type] if spec is None else [spec, storage_type]
    given = read_options(reader, node, [each for each in specs if each.options or each is specs[0]], owner)
    options = {name: value for name, value in given.items() if spec is not None and spec.option(name)}
    connection = {name: value for name, value in given.items() if name not in options}
    if spec is not None and (conflict := option_conflict(options, spec)):
        reader.report(storage.entries["options"][0], f"{owner}: {conflict[0]}", conflict[1])
    if "schema" in connection and storage_type.names is not None:
        why = storage_type.names.problem(str(connection["schema"]))
        if why is not None:
            reader.report(node.entries["schema"][1], f"the schema of {owner} {why}", "name another one")
    return options, connection


def _type(reader: Reader, node: Mapping, values: dict[str, Any], owner: str, folder: Path) -> StorageType | None:
    """What it is: as `type` says, else by its root; None where that cannot be read, after a report."""
    if "type" in node.entries:
        if "type" not in values:
            return None
        return _named_type(reader, node.entries["type"][1], values["type"], owner, folder)
    if _open_root(node) is not None or isinstance(node.get("root"), Broken):
        return None
    scheme = scheme_of(values.get("root", ""))
    if scheme is None:
        return STORAGE_TYPES["files"]
    if scheme in SCHEMES:
        return STORAGE_TYPES[SCHEMES[scheme]]
    written = node.entries["root"][1]
    shown = without_password(written.shown) if isinstance(written, Scalar) else ""
    wrong = mistaken_root(values["root"], shown) or url_problem(values["root"], tuple(SCHEMES))
    if wrong:
        reader.report(written, f"root {quoted(shown)} of {owner} {wrong[0]}", wrong[1])
    return None


def _open_root(node: Mapping) -> Filled | None:
    """The root where it begins with a variable that is not set, as it may in an environment that was not chosen."""
    root = node.get("root")
    return root if isinstance(root, Filled) and root.unset and root.text.startswith("${") else None


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
        hint = "remove it, or write `type: files` for a folder of files"
        reader.report(node.entries["format"][0], message, hint if storage_type.root != "url" else "remove it")
    return ""


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
    if _open_root(node) is not None:
        return root, without_password(written.shown)
    wrong = _wrong_root(root, without_password(written.shown), storage_type)
    if wrong:
        reader.report(written, f"root {quoted(without_password(written.shown))} of {owner} {wrong[0]}", wrong[1])
        return None
    return values["root"], without_password(written.shown)


def _wrong_root(root: str, shown: str, storage_type: StorageType) -> tuple[str, str] | None:
    """What is wrong with a root for a type that has one, and what to do."""
    scheme = scheme_of(root)
    is_url = storage_type.root == "url" or ("url" in storage_type.root and scheme is not None)
    wrong = url_problem(root, storage_type.schemes, storage_type) if is_url else root_problem(root)
    if storage_type.root == "text":
        return wrong
    if mistaken := mistaken_root(root, shown):
        return mistaken
    if is_url or scheme is None:
        return wrong
    hint = "name a path"
    if storage_type.name == "files" and scheme in SCHEMES:
        hint = f"leave out `type: files`: the root says that it is of type {SCHEMES[scheme]}"
    return f"is a URL, and type {storage_type.name} is kept in files of this machine", hint


def read_execution(reader: Reader, node: Node | None) -> Execution:
    """The `execution` of a project; what is wrong in it is as if it were not there."""
    if not isinstance(node, Mapping):
        return Execution()
    values, _ = read_keys(reader, node, EXECUTION_KEYS, "`execution`")
    executor = values.get("executor", "threads")
    is_named = "executor" in values or node.get("executor") is None  # else its options are not known
    known = executor_options(reader, node, executor, node.get("options")) if is_named else {}
    memory = size_in_bytes(values["memory"]) if "memory" in values else None
    spark = _read_spark(reader, values["spark"]) if "spark" in values else SparkSpec()
    together = values.get("publish") == "together"
    place = reader.at(node.entries["executor"][1]) if "executor" in node.entries else None
    return Execution(executor, values.get("workers"), memory, spark, together, known, place)


def _read_spark(reader: Reader, node: Mapping) -> SparkSpec:
    """The `spark` of `execution`; no message has the URL of the server, which may hold a token."""
    values, _ = read_keys(reader, node, SPARK_KEYS, "`spark`")
    remote, config = values.get("remote"), values.get("config", {})
    if remote is not None and (re.match(SPARK_REMOTE, remote) is None):
        reader.report(
            node.entries["remote"][1], "`remote` is no URL of Spark Connect", "name a server, as in `sc://host:15002`"
        )
    if remote is not None and "master" in values:
        hint = "keep one of them: a server has a master of its own"
        reader.report(node.entries["master"][0], "`spark` has `remote` and `master`", hint)
    entries = node.get("config")
    for name, (key, _) in entries.entries.items() if isinstance(entries, Mapping) and config else ():
        if name in SPARK_OWN:
            reader.report(key, f"{quoted(name)} cannot be configured", SPARK_OWN[name])
    return SparkSpec(remote, values.get("master", "local[*]"), config, location=reader.at(node))
