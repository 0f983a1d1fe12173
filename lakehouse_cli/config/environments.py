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
from collections.abc import Collection, Iterable
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.config.keys import DESCRIPTION, ENVIRONMENT_KEYS
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Invalid, Reader
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.storages import (
    UNKNOWN,
    Execution,
    default_storage,
    named_entries,
    read_execution,
    read_storage,
)
from lakehouse_cli.config.url_variables import url_encoding
from lakehouse_cli.config.variables import Unset, as_it_is, fill, unset_in
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location, did_you_mean
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, EnvironmentSpec, StorageSpec
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, scheme_of
from lakehouse_cli.text.redaction import names_a_secret, without_password, without_values

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
    storages = named_entries(reader, reader.section(root, "storages"), "storages", "a storage's name")
    layers = {DEFAULT_ENVIRONMENT: _Layer(DEFAULT_ENVIRONMENT, storages, reader.section(root, "execution"))}
    declared = named_entries(reader, reader.section(root, "environments"), "environments", "an environment's name")
    for name, (key, node) in declared.items():
        if name == DEFAULT_ENVIRONMENT:
            hint = "its `storages` and `execution` stand at the top of the file"
            hint += "; move them there, or choose another name"
            reader.report(key, f"environment `{name}` is the base that others are over", hint)
        else:
            layers[name] = _layer(reader, environ, key, node, layers[DEFAULT_ENVIRONMENT])
    chosen = wanted if wanted in layers else DEFAULT_ENVIRONMENT
    every: dict[str, EnvironmentSpec] = {}
    executions: dict[str, Execution] = {}
    for name, layer in layers.items():
        complete = name == chosen and not incomplete
        every[name] = _environment(reader, folder, layer, environ, complete=complete)
        executions[name] = read_execution(reader, layer.execution, environ, "report" if complete else "pass over")
    return Environments(every, chosen, executions[chosen])


def _layer(reader: Reader, environ: AnyMapping[str, str], key: Scalar, node: Node, base: _Layer) -> _Layer:
    """The layer of one environment: what it overrides, over the base."""
    owner, location = f"environment `{key.text}`", reader.at(key)
    if not isinstance(node, Mapping):
        if isinstance(node, Scalar) and node.is_null:
            reader.report(key, f"{owner} is empty", "write `{}` after its name for one that is as the base is")
        else:
            reader.mismatch(node, owner, "a map with `storages` and `execution`")
        return replace(base, name=key.text, location=location)
    reader.unknown_keys(node, ENVIRONMENT_KEYS, owner)
    storages = dict(base.storages)
    known = list(dict.fromkeys(["default", *base.storages]))
    overrides = named_entries(reader, reader.section(node, "storages"), "storages", "a storage's name")
    for name, (storage_key, override) in overrides.items():
        if name in known:
            under = base.storages[name][1] if name in base.storages else override
            storages[name] = storage_key, _storage_over(environ, under, override)
        else:
            hint = did_you_mean(name, known)
            hint = hint or f"declare it under `storages` at the top, or choose one of: {', '.join(known)}"
            reader.report(storage_key, f"storage {quoted(name)} in {owner} is not declared", hint)
    description = None
    if DESCRIPTION.type is not None and (text := reader.section(node, "description")) is not None:
        read = DESCRIPTION.type.read(reader, text, f"`description` of {owner}")
        description = None if isinstance(read, Invalid) else str(read)
    execution = _execution_over(environ, base.execution, reader.section(node, "execution"))
    return _Layer(key.text, storages, execution, description, location)


def _storage_over(environ: AnyMapping[str, str], base: Node, override: Node) -> Node:
    """A storage over another; see this module's own text for what goes along."""
    if not isinstance(base, Mapping) or not isinstance(override, Mapping) or base is override:
        return override
    both = base.having({**base.entries, **override.entries})
    before, after = _type(environ, base), _type(environ, both)
    known = STORAGE_TYPES.get(after or "")
    moved = None not in (before, after) and before != after
    # Of what it was nobody knows: what the new type cannot have was the former's.
    replaced = before is None and known is not None and "root" in override.entries
    stays = {"format", "options"} if moved else base.entries.keys()
    if (moved or replaced) and (known is None or not known.formats):
        stays -= {"format", "options"} if moved else {"format"}
    kept = {name: entry for name, entry in base.entries.items() if name in stays}
    former = _text(environ, base.having(kept), "format", "csv")
    format_name = _text(environ, base.having({**kept, **override.entries}), "format", "csv")
    foreign = _former_options(FORMATS, former, format_name)
    options = kept["options"][1] if "options" in kept else None
    if moved:
        foreign |= _former_options(STORAGE_TYPES, before, after)
    elif replaced and isinstance(options, Mapping):
        foreign |= _unusable_options(options.entries, after, format_name)
    return _merged(base.having(kept), override, foreign)


def _execution_over(environ: AnyMapping[str, str], base: Node | None, override: Node | None) -> Node | None:
    if not isinstance(base, Mapping) or not isinstance(override, Mapping):
        return base if override is None else override
    both = base.having({**base.entries, **override.entries})
    same = _text(environ, base, "executor") == _text(environ, both, "executor")
    kept = {name: entry for name, entry in base.entries.items() if same or name != "options"}
    return _merged(base.having(kept), override)


def _merged(under: Mapping, over: Mapping, foreign: Collection[str] = ()) -> Mapping:
    """One map over another, and the `options` of one over those of the other, but for some of the lower one."""
    entries = {**under.entries, **over.entries}
    lower, upper = under.get("options"), over.get("options")
    if isinstance(lower, Mapping) and (upper is None or isinstance(upper, Mapping)):
        kept = {name: entry for name, entry in lower.entries.items() if name not in foreign}
        merged = lower.having(kept) if upper is None else upper.having({**kept, **upper.entries})
        entries["options"] = entries["options"][0], merged
    return over.having(entries)


def _text(environ: AnyMapping[str, str], mapping: Mapping, key: str, default: str | None = None) -> str | None:
    """What a key says; None where it says nothing, or its variable is not set."""
    node = mapping.get(key)
    if node is None:
        return default
    filled = fill(None, node, environ, "pass over")
    return filled.text if isinstance(filled, Scalar) else None


def _type(environ: AnyMapping[str, str], storage: Mapping) -> str | None:
    """The name of a storage's type; None where it cannot be known."""
    if "type" in storage.entries:
        return _text(environ, storage, "type")
    root, written = _text(environ, storage, "root", ""), storage.get("root")
    if root is None and isinstance(written, Scalar) and not written.text.startswith("${"):
        root = written.text  # its scheme may be known all the same, as in `s3://${BUCKET}`
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


def _environment(
    reader: Reader, folder: Path, layer: _Layer, environ: AnyMapping[str, str], *, complete: bool
) -> EnvironmentSpec:
    """One environment of its layer, variables filled in; all must be set where it is to be `complete`."""
    of = f" of environment `{layer.name}`" if layer.name != DEFAULT_ENVIRONMENT else ""
    storages = {"default": default_storage(folder)}
    for name, (key, node) in layer.storages.items():
        storages[name] = _storage(reader, folder, key, node, environ, of, complete=complete)
    written: dict[str, dict[str, Any]] = {}
    for name in {**layer.storages, **storages}:  # the implied one last
        storage = storages[name]
        _, declared = layer.storages.get(name, (None, None))
        own = _written(declared, _secret_options(storage)) if isinstance(declared, Mapping) else {}
        known = {} if storage.format == UNKNOWN else {"type": storage.type, "format": storage.format or None}
        # The root as it is shown elsewhere: the password in it hidden.
        shown = {"type": None, **known, **own, "root": storage.root_text or None}
        written[name] = {key: value for key, value in shown.items() if value is not None}
    execution = _written(layer.execution) if isinstance(layer.execution, Mapping) else {}
    nodes = [*(node for _, node in layer.storages.values()), *([layer.execution] if layer.execution else ())]
    unset = tuple(dict.fromkeys(name for node in nodes for name in unset_in(node, environ)))
    return EnvironmentSpec(layer.name, layer.description, storages, written, execution, unset, location=layer.location)


def _storage(
    reader: Reader,
    folder: Path,
    key: Scalar,
    node: Node,
    environ: AnyMapping[str, str],
    of: str,
    *,
    complete: bool,
) -> StorageSpec:
    if not isinstance(node, Mapping):
        return read_storage(reader, key, fill(reader, node, environ), folder, of)
    entries = {}
    for name, (each, value) in node.entries.items():
        unset: Unset = "report" if complete else "keep" if name == "root" else "pass over"
        encoding = url_encoding(node) if name == "root" else as_it_is
        entries[name] = each, fill(reader, value, environ, unset, encoding)
    root = entries["root"][1] if "root" in entries and not complete else None
    if not isinstance(root, Scalar) or root.text != root.shown or not root.text.startswith("${"):
        return read_storage(reader, key, node.having(entries), folder, of)
    # What it is cannot be known before its variable is set; nothing is said of what depends on it.
    entries.setdefault("type", (key, Broken(key.start, key.end)))
    storage = read_storage(reader, key, node.having(entries), folder, of)
    return replace(storage, root=os.path.normpath(folder / root.text), root_text=root.shown)


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
