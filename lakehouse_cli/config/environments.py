"""The `environments` of a project: what each overrides, deep-merged over what stands at the top.

Maps are merged key by key, all else is replaced. But what belonged to the former format or type of a storage does not
go along into another one:

- An override that makes a storage another type (it says so, or its root does) takes over nothing but the format with
  its options, where tables of the new type are files as well.
- One that sets another format takes over none of the former format's options.
- One that sets another executor takes over none of the former executor's options.

Where the former root begins with a variable that is not set, an override with another root takes over none of the
options that the new type cannot have.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.config.keys import DESCRIPTION, ENVIRONMENT_KEYS, NAME_PATTERN
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Invalid, Reader
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.storages import (
    UNKNOWN,
    Execution,
    default_storage,
    read_execution,
    read_storage,
    storage_entries,
)
from lakehouse_cli.config.url_variables import url_encoding
from lakehouse_cli.config.variables import Unset, fill, unset_in
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location, did_you_mean
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, EnvironmentSpec, StorageSpec
from lakehouse_cli.secret_values import names_a_secret, without_password, without_values
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, scheme_of

_Entries = dict[str, tuple[Scalar, Node]]


class Environments(Struct, frozen=True):
    """What was read.

    Attributes:
        all: By name, `default` first.
        chosen: Name of the chosen one; `default` where there is none of the name asked for.
        execution: Of the chosen one.
    """

    all: AnyMapping[str, EnvironmentSpec]
    chosen: str
    execution: Execution

    @property
    def storages(self) -> AnyMapping[str, StorageSpec]:
        """Those of the chosen one."""
        return self.all[self.chosen].storages


class _Layer(Struct, frozen=True):
    """The nodes of one environment, before anything is filled in."""

    name: str
    storages: _Entries = field(default_factory=dict)
    execution: Node | None = None
    description: str | None = None
    location: Location | None = None


def read_environments(
    reader: Reader, root: Mapping, folder: Path, environ: AnyMapping[str, str], wanted: str, *, incomplete: bool = False
) -> Environments:
    """The base and all environments over it; every one is read, and what is wrong with any is reported.

    Args:
        reader: Of the project file.
        root: Its top.
        folder: The project's.
        environ: Fills in ``${VAR}``; that one is not set matters in the chosen environment alone.
        wanted: Name of the environment to choose.
        incomplete: Whether that one's variables may be unset as well.
    """

    def section(name: str) -> Node | None:
        return reader.value(*root.entries[name]) if name in root.entries else None

    base = _Layer(DEFAULT_ENVIRONMENT, storage_entries(reader, section("storages")), section("execution"))
    layers = {base.name: base}
    for key, node in _named(reader, section("environments")):
        layers[key.text] = _Overriding(reader, environ).over(key, node, base)
    chosen = wanted if wanted in layers else DEFAULT_ENVIRONMENT
    every: dict[str, EnvironmentSpec] = {}
    execution = Execution()
    for name, layer in layers.items():
        complete = name == chosen and not incomplete
        reading = _Reading(reader, folder, layer, environ, complete)
        every[name] = reading.environment()
        unset: Unset = "report" if complete else "pass over"
        read = read_execution(reader, layer.execution, environ, unset)
        execution = read if name == chosen else execution
    return Environments(every, chosen, execution)


def _named(reader: Reader, node: Node | None) -> list[tuple[Scalar, Node]]:
    if node is None:
        return []
    if not isinstance(node, Mapping):
        reader.mismatch(node, "`environments`", "a map of names to environments")
        return []
    named = []
    for name, (key, value) in node.entries.items():
        if name == DEFAULT_ENVIRONMENT:
            hint = (
                "its `storages` and `execution` stand at the top of the file; move them there, or choose another name"
            )
            reader.report(key, f"environment `{name}` is the base that others are over", hint)
        elif re.fullmatch(NAME_PATTERN, name) is None:
            hint = "names are letters, digits and `_`, and begin with no digit"
            reader.report(key, f"{quoted(name)} is not an environment's name", hint)
        else:
            named.append((key, value))
    return named


class _Overriding(Struct, frozen=True):
    """Merges nodes; looks at what variables stand for only to tell types and formats apart."""

    reader: Reader
    environ: AnyMapping[str, str]

    def over(self, key: Scalar, node: Node, base: _Layer) -> _Layer:
        """The layer of one environment: what it overrides, over the base."""
        reader, owner, location = self.reader, f"environment `{key.text}`", self.reader.at(key)
        if not isinstance(node, Mapping):
            if isinstance(node, Scalar) and node.is_null:
                reader.report(key, f"{owner} is empty", "write `{}` after its name for one that is as the base is")
            else:
                reader.mismatch(node, owner, "a map with `storages` and `execution`")
            return replace(base, name=key.text, location=location)
        reader.unknown_keys(node, ENVIRONMENT_KEYS, owner)

        def section(name: str) -> Node | None:
            return reader.value(*node.entries[name]) if name in node.entries else None

        storages = dict(base.storages)
        known = list(dict.fromkeys(["default", *base.storages]))
        for name, (storage_key, override) in storage_entries(reader, section("storages")).items():
            if name in base.storages:
                storages[name] = storage_key, self._storage_over(base.storages[name][1], override)
            elif name == "default":
                storages[name] = storage_key, override
            else:
                hint = (
                    did_you_mean(name, known)
                    or f"declare it under `storages` at the top, or choose one of: {', '.join(known)}"
                )
                reader.report(storage_key, f"storage {quoted(name)} in {owner} is not declared", hint)
        description = None
        if DESCRIPTION.type is not None and (text := section("description")) is not None:
            read = DESCRIPTION.type.read(reader, text, f"`description` of {owner}")
            description = None if isinstance(read, Invalid) else str(read)
        execution = self._execution_over(base.execution, section("execution"))
        return _Layer(key.text, storages, execution, description, location)

    def _storage_over(self, base: Node, override: Node) -> Node:
        """A storage over another; see this module's own text for what goes along."""
        if not isinstance(base, Mapping) or not isinstance(override, Mapping):
            return override
        before, after = self._type(base.entries), self._type({**base.entries, **override.entries})
        kept = dict(base.entries)
        moved = before is not None and after is not None and before != after
        if moved:
            known = STORAGE_TYPES.get(after or "")
            stays = ("format", "options") if known is not None and known.formats else ()
            kept = {key: kept[key] for key in stays if key in kept}
        # Of what it was nobody knows: what the new type cannot have was the former's.
        replaced = before is None and after in STORAGE_TYPES and "root" in override.entries
        if replaced and not STORAGE_TYPES[after or ""].formats:
            kept.pop("format", None)
        formats = self._word(kept, "format", "csv"), self._word({**kept, **override.entries}, "format", "csv")
        if "options" in kept and isinstance(kept["options"][1], Mapping):
            key, options = kept["options"][0], kept["options"][1]
            foreign = _former_options(FORMATS, formats[0], formats[1])
            if moved:
                foreign |= _former_options(STORAGE_TYPES, before, after)
            elif replaced:
                foreign |= _unusable_options(options.entries, after, formats[1])
            own = {name: entry for name, entry in options.entries.items() if name not in foreign}
            kept["options"] = key, _mapping(options, own)
        return _mapping(override, _merged(kept, override.entries))

    def _execution_over(self, base: Node | None, override: Node | None) -> Node | None:
        if not isinstance(base, Mapping) or not isinstance(override, Mapping):
            return base if override is None else override
        kept = dict(base.entries)
        if self._word(kept, "executor") != self._word({**kept, **override.entries}, "executor"):
            kept.pop("options", None)
        return _mapping(override, _merged(kept, override.entries))

    def _word(self, entries: _Entries, key: str, default: str | None = None) -> str | None:
        """What a key says; None where it says nothing, or its variable is not set."""
        if key not in entries:
            return default
        apart = Reader(self.reader.source, Problems())
        node = fill(apart, entries[key][1], self.environ, "pass over")
        return node.text if isinstance(node, Scalar) else None

    def _type(self, entries: _Entries) -> str | None:
        """The name of a storage's type; None where it cannot be known."""
        if "type" in entries:
            return self._word(entries, "type")
        if "root" not in entries:
            return "files"
        node = entries["root"][1]
        root = self._word(entries, "root")
        if root is None:
            # Its scheme may be known all the same, as in `s3://${BUCKET}`.
            root = node.text if isinstance(node, Scalar) and not node.text.startswith("${") else None
        if root is None:
            return None
        scheme = scheme_of(root)
        return "files" if scheme is None else SCHEMES.get(scheme, scheme)


def _former_options(specs: AnyMapping[str, Any], before: str | None, after: str | None) -> set[str]:
    """Names of the options of what was, where something else came after it and both are known."""
    if before is None or before == after or before not in specs or after not in specs:
        return set()
    return {option.name for option in specs[before].options}


def _unusable_options(options: Iterable[str], storage_type: str | None, format_name: str | None) -> set[str]:
    """Those of some options that neither a type of storage nor a format takes; none where either is not known."""
    known = STORAGE_TYPES.get(storage_type or "")
    spec = FORMATS.get(format_name or "")
    if known is None or (known.formats and spec is None):
        return set()
    taken = (known, spec) if known.formats and spec is not None else (known,)
    return {name for name in options if all(each.option(name) is None for each in taken)}


def _merged(under: _Entries, over: _Entries) -> _Entries:
    """One map over another, and the `options` of one over those of the other."""
    entries = {**under, **over}
    if "options" in under and "options" in over:
        (_, lower), (key, upper) = under["options"], over["options"]
        if isinstance(lower, Mapping) and isinstance(upper, Mapping):
            entries["options"] = key, _mapping(upper, {**lower.entries, **upper.entries})
    return entries


def _mapping(like: Mapping, entries: _Entries) -> Mapping:
    return Mapping(entries, like.size, like.start, like.end)


class _Reading(Struct, frozen=True):
    """Makes one environment of its layer."""

    reader: Reader
    folder: Path
    layer: _Layer
    environ: AnyMapping[str, str]
    complete: bool

    def environment(self) -> EnvironmentSpec:
        layer = self.layer
        storages = {"default": default_storage(self.folder)}
        written: dict[str, dict[str, Any]] = {}
        for name, (key, node) in layer.storages.items():
            storages[name] = self._storage(key, node)
            secrets = _secret_options(storages[name]) if isinstance(node, Mapping) and "options" in node.entries else ()
            written[name] = _written(node, secrets) if isinstance(node, Mapping) else {}
        for name, storage in storages.items():
            known = storage.format != UNKNOWN
            resolved = {"type": storage.type, "format": storage.format or None} if known else {}
            own = {**resolved, **written.get(name, {})}
            # The root as it is shown elsewhere: the password in it hidden.
            ordered = {"type": None, **own, "root": storage.root_text or None}
            written[name] = {key: value for key, value in ordered.items() if value is not None}
        execution = _written(layer.execution) if isinstance(layer.execution, Mapping) else {}
        nodes = [node for _, node in layer.storages.values()]
        nodes += [layer.execution] if layer.execution is not None else []
        unset = tuple(dict.fromkeys(name for node in nodes for name in unset_in(node, self.environ)))
        return EnvironmentSpec(
            layer.name, layer.description, storages, written, execution, unset, location=layer.location
        )

    def _storage(self, key: Scalar, node: Node) -> StorageSpec:
        of = f" of environment `{self.layer.name}`" if self.layer.name != DEFAULT_ENVIRONMENT else ""
        if not isinstance(node, Mapping):
            return read_storage(self.reader, key, fill(self.reader, node, self.environ), self.folder, of)
        entries = {}
        for name, (each, value) in node.entries.items():
            unset: Unset = "report" if self.complete else "keep" if name == "root" else "pass over"
            if name == "root":
                entries[name] = each, fill(self.reader, value, self.environ, unset, url_encoding(node))
            else:
                entries[name] = each, fill(self.reader, value, self.environ, unset)
        if self.complete:
            return read_storage(self.reader, key, _mapping(node, entries), self.folder, of)
        root = entries["root"][1] if "root" in entries else None
        unknown = isinstance(root, Scalar) and root.text == root.shown and root.text.startswith("${")
        if unknown and "type" not in entries:
            # What it is cannot be known before its variable is set; nothing is said of what depends on it.
            entries["type"] = key, Broken(key.start, key.end)
        storage = read_storage(self.reader, key, _mapping(node, entries), self.folder, of)
        if unknown and isinstance(root, Scalar):
            storage = replace(storage, root=os.path.normpath(self.folder / root.text), root_text=root.shown)
        return storage


def _secret_options(storage: StorageSpec) -> frozenset[str]:
    """Names of the options that are credentials; those of every type where the storage's is not known."""
    known = STORAGE_TYPES.keys() if storage.format == UNKNOWN else {storage.type} & STORAGE_TYPES.keys()
    return frozenset(option.name for name in known for option in STORAGE_TYPES[name].options if option.secret)


def _written(node: Node, secrets: Collection[str] = (), name: str = "") -> Any:
    """A node as it stands in the file, with secrets that are written there hidden.

    Args:
        node: The node.
        secrets: Names of what is never shown, whatever they tell.
        name: Of the node.
    """
    if isinstance(node, Mapping):
        return {key: _written(value, secrets, key) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [_written(item, secrets, name) for item in node.items]
    if not isinstance(node, Scalar):
        return None
    if (name in secrets or names_a_secret(name)) and not node.is_null:
        return without_values(node.shown)
    if "${" in node.shown:
        return without_password(node.shown)
    return core_value(node.text) if node.plain else without_password(node.text)
