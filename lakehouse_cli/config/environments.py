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

from collections.abc import Collection, Iterable
from collections.abc import Mapping as AnyMapping
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.keys import ENVIRONMENT_KEYS
from lakehouse_cli.config.params import NO_PARAMS, is_needed, read_param
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Reader, free_value, read_keys
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.storages import (
    UNKNOWN,
    Execution,
    default_storage,
    named_entries,
    read_execution,
    read_storage,
)
from lakehouse_cli.config.variables import Encoding, Filled, as_it_is, fill, settle, unset_in
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, EnvironmentSpec, StorageSpec, UnsetValue
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES, scheme_of
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.redaction import names_a_secret, names_a_secret_option, without_password, without_values

_Entries = dict[str, tuple[Scalar, Node]]


class _Layer(Struct, frozen=True):
    """What one environment declares, over the base, variables filled in."""

    name: str
    storages: _Entries = field(default_factory=dict)
    execution: Node | None = None
    params: _Entries = field(default_factory=dict)
    description: str | None = None
    location: Location | None = None


class Environments:
    """The base and all environments over it.

    What several share is read once, so that a problem of the base is reported once.

    Args:
        reader: Of the project file.
        folder: The project's.
        environ: Fills in ``${VAR}``; that one is not set matters in the chosen environment alone.
        given: Values of params that the command gives, which need no variables; None where no param does.
        thorough: Whether what is wrong in storages and execution of environments that are not chosen is reported too.

    Attributes:
        all: By name, `default` first.
        chosen: Name of the chosen one; `default` where there is none of the name asked for.
        execution: Of the chosen one.
    """

    def __init__(
        self,
        reader: Reader,
        folder: Path,
        environ: DotEnv,
        given: AnyMapping[str, Any] | None = NO_PARAMS,
        *,
        thorough: bool,
    ) -> None:
        self.reader = reader
        self.unchosen = reader if thorough else Reader(reader.source, Problems())
        self.folder = folder
        self.environ = environ
        self.given = given
        self.all: AnyMapping[str, EnvironmentSpec] = {}
        self.chosen = DEFAULT_ENVIRONMENT
        self.execution = Execution()
        self._base = _Layer(DEFAULT_ENVIRONMENT)
        self._storages: dict[tuple[str, int], StorageSpec] = {}  # by name and id of the node, which a layer keeps

    def read(
        self,
        storages: Mapping | None,
        execution: Mapping | None,
        environments: Mapping | None,
        params: Node | None,
        wanted: str,
        *,
        incomplete: bool = False,
    ) -> None:
        """Read them from the sections of the project file.

        Args:
            storages: Those of the base.
            execution: That of the base.
            environments: The others.
            params: Those of the base.
            wanted: Name of the environment to choose.
            incomplete: Whether that one's variables may be unset as well.
        """
        reader = self.reader
        named = named_entries(reader, storages, "a storage's name")
        filled = {name: (key, self._filled(node)) for name, (key, node) in named.items()}
        filled_execution = execution and fill(reader, execution, self.environ)
        self._base = _Layer(DEFAULT_ENVIRONMENT, filled, filled_execution, _entries(params))
        layers = {DEFAULT_ENVIRONMENT: self._base}
        declared = named_entries(reader, environments, "an environment's name")
        for name, (key, node) in declared.items():
            if name == DEFAULT_ENVIRONMENT:
                hint = "its `storages`, `execution` and `params` stand at the top of the file: move them, or rename it"
                reader.report(key, f"environment `{name}` is the base that others are over", hint)
            else:
                layers[name] = self._layer(key, node)
        self.chosen = wanted if wanted in layers else DEFAULT_ENVIRONMENT
        # The chosen one first: there, variables have to be set.
        found = {
            name: self._environment(layers[name], complete=name == self.chosen and not incomplete)
            for name in sorted(layers, key=lambda name: name != self.chosen)
        }
        self.all = {name: found[name] for name in layers}

    def _filled(self, storage: Node, base: Node | None = None) -> Node:
        """A storage, over another perhaps, with its variables filled in."""
        if not isinstance(storage, Mapping):
            return fill(self.reader, storage, self.environ)
        encoding: Encoding = as_it_is
        root = storage.get("root")
        if isinstance(root, Scalar) and "${" in root.text:
            from lakehouse_cli.config.url_variables import url_encoding  # not loaded where no root has variables

            encoding = url_encoding(storage, base if isinstance(base, Mapping) else None)

        def filled(name: str, value: Node) -> Node:
            return fill(self.reader, value, self.environ, encoding if name == "root" else as_it_is)

        return storage.having({name: (key, filled(name, value)) for name, (key, value) in storage.entries.items()})

    def _layer(self, key: Scalar, node: Node) -> _Layer:
        """The layer of one environment: what it overrides, over the base."""
        reader, base = self.reader, self._base
        owner, location = f"environment `{key.text}`", reader.at(key)
        if not isinstance(node, Mapping):
            if isinstance(node, Scalar) and node.is_null:
                reader.report(key, f"{owner} is empty", "write `{}` after its name for one that is as the base is")
            else:
                reader.mismatch(node, owner, "a map with `storages`, `execution` and `params`")
            return replace(base, name=key.text, location=location)
        values, _ = read_keys(reader, node, ENVIRONMENT_KEYS, owner)
        storages = dict(base.storages)
        known = list(dict.fromkeys(["default", *base.storages]))
        overrides = named_entries(reader, values.get("storages"), "a storage's name")
        for name, (storage_key, override) in overrides.items():
            if name in known:
                under = base.storages[name][1] if name in base.storages else None
                storages[name] = storage_key, _storage_over(under, self._filled(override, under))
            else:
                hint = did_you_mean(name, known)
                hint = hint or f"declare it under `storages` at the top, or choose one of: {', '.join(known)}"
                reader.report(storage_key, f"storage {quoted(name)} in {owner} is not declared", hint)
        execution = values.get("execution") and fill(reader, values["execution"], self.environ)
        execution = _execution_over(base.execution, execution)
        params = dict(base.params)
        for name, (param_key, value) in _entries(node.get("params")).items():
            if name in params:
                params[name] = param_key, value
            else:
                hint = did_you_mean(name, params) or "declare it under `params` at the top"
                reader.report(param_key, f"param {quoted(name)} in {owner} is not declared", hint)
        return _Layer(key.text, storages, execution, params, values.get("description"), location)

    def _environment(self, layer: _Layer, *, complete: bool) -> EnvironmentSpec:
        """One environment; all variables must be set where it is to be `complete`."""
        reader = self.reader if layer.name == self.chosen else self.unchosen
        report_to = reader if complete else None
        storages = {"default": default_storage(self.folder)}
        for name, (key, node) in layer.storages.items():
            read = name, id(node)
            if read not in self._storages:
                of_base = name in self._base.storages and self._base.storages[name][1] is node
                of = "" if of_base or layer is self._base else f" of environment `{layer.name}`"
                settled = _settled_storage(node, report_to)
                self._storages[read] = read_storage(reader, key, settled, self.folder, of)
            storages[name] = self._storages[read]
        execution = read_execution(reader, layer.execution and settle(layer.execution, report_to))
        if layer.name == self.chosen:
            self.execution = execution
        params = {
            name: read_param(reader, key, node, self.environ, needed=complete and is_needed(name, self.given))[0]
            for name, (key, node) in layer.params.items()
        }
        unset_params = (each.value.variables for each in params.values() if isinstance(each.value, UnsetValue))
        nodes = [*(node for _, node in layer.storages.values()), *([layer.execution] if layer.execution else ())]
        return EnvironmentSpec(
            layer.name,
            layer.description,
            storages,
            {name: _written_storage(layer, storages[name]) for name in {**layer.storages, **storages}},
            _written(layer.execution) if isinstance(layer.execution, Mapping) else {},
            params,
            {name: _written_param(name, node) for name, (_, node) in layer.params.items()},
            tuple(dict.fromkeys(chain((name for node in nodes for name in unset_in(node)), *unset_params))),
            location=layer.location,
        )


def _entries(node: Node | None) -> _Entries:
    return node.entries if isinstance(node, Mapping) else {}


def _settled_storage(node: Node, reader: Reader | None) -> Node:
    """A storage as `settle` has it; a root with variables that are not set is kept where nothing is reported."""
    settled = settle(node, reader)
    root = node.get("root") if isinstance(node, Mapping) else None
    if reader is not None or not isinstance(settled, Mapping) or not isinstance(root, Filled) or root.malformed:
        return settled
    return settled.having({**settled.entries, "root": (settled.entries["root"][0], root)})


def _storage_over(base: Node | None, override: Node) -> Node:
    """A storage over another; see this module's own text for what goes along."""
    if not isinstance(base, Mapping) or not isinstance(override, Mapping):
        return override
    both = base.having({**base.entries, **override.entries})
    before, after = _type(base), _type(both)
    known = STORAGE_TYPES.get(after or "")
    moved = None not in (before, after) and before != after
    # Of what it was nobody knows: what the new type cannot have was the former's.
    replaced = before is None and known is not None and "root" in override.entries
    stays = {"format", "options"} if moved else base.entries.keys()
    if (moved or replaced) and (known is None or not known.formats):
        stays -= {"format", "options"} if moved else {"format"}
    kept = {name: entry for name, entry in base.entries.items() if name in stays}
    former = _text(base.having(kept), "format", "csv")
    format_name = _text(base.having({**kept, **override.entries}), "format", "csv")
    foreign = _former_options(FORMATS, former, format_name)
    options = kept["options"][1] if "options" in kept else None
    if moved:
        foreign |= _former_options(STORAGE_TYPES, before, after)
    elif replaced and isinstance(options, Mapping):
        foreign |= _unusable_options(options.entries, after, format_name)
    return _merged(base.having(kept), override, foreign)


def _execution_over(base: Node | None, override: Node | None) -> Node | None:
    if not isinstance(base, Mapping) or not isinstance(override, Mapping):
        return base if override is None else override
    both = base.having({**base.entries, **override.entries})
    same = _text(base, "executor") == _text(both, "executor")
    kept = {name: entry for name, entry in base.entries.items() if same or name != "options"}
    merged = _merged(base.having(kept), override)
    under, over = base.get("spark"), override.get("spark")
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        spark = merged.entries["spark"][0], _spark_over(under, over)
        merged = merged.having({**merged.entries, "spark": spark})
    return merged


def _spark_over(base: Mapping, override: Mapping) -> Mapping:
    """One session over another; a server takes the place of a master, and the other way round."""
    elsewhere = {"remote", "master"} & override.entries.keys()
    kept = {name: entry for name, entry in base.entries.items() if not elsewhere or name not in ("remote", "master")}
    entries = {**kept, **override.entries}
    under, over = base.get("config"), override.get("config")
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        entries["config"] = entries["config"][0], over.having({**under.entries, **over.entries})
    return override.having(entries)


def _merged(under: Mapping, over: Mapping, foreign: Collection[str] = ()) -> Mapping:
    """One map over another, and the `options` of one over those of the other, but for some of the lower one."""
    entries = {**under.entries, **over.entries}
    lower, upper = under.get("options"), over.get("options")
    if isinstance(lower, Mapping) and (upper is None or isinstance(upper, Mapping)):
        kept = {name: entry for name, entry in lower.entries.items() if name not in foreign}
        merged = lower.having(kept) if upper is None else upper.having({**kept, **upper.entries})
        entries["options"] = entries["options"][0], merged
    return over.having(entries)


def _text(mapping: Mapping, key: str, default: str | None = None) -> str | None:
    """What a key says; None where it says nothing, or its variable is not set."""
    node = mapping.get(key)
    if node is None:
        return default
    return node.text if isinstance(node, Scalar) and not (isinstance(node, Filled) and not node.known) else None


def _type(storage: Mapping) -> str | None:
    """The name of a storage's type; None where it cannot be known."""
    if "type" in storage.entries:
        return _text(storage, "type")
    root, written = _text(storage, "root", ""), storage.get("root")
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


def _written_storage(layer: _Layer, storage: StorageSpec) -> dict[str, Any]:
    """The keys of a storage as they are written, and what its type, format and root come to."""
    _, declared = layer.storages.get(storage.name, (None, None))
    own = _written(declared, _secret_options(storage)) if isinstance(declared, Mapping) else {}
    known = {} if storage.format == UNKNOWN else {"type": storage.type, "format": storage.format or None}
    # The root as it is shown elsewhere: the password in it hidden.
    shown = {"type": None, **known, **own, "root": storage.root_text or None}
    return {key: value for key, value in shown.items() if value is not None}


def _written_param(name: str, node: Node) -> Any:
    """A param as it is written; a text that is named as a secret hidden."""
    is_secret = names_a_secret_option(name) and not isinstance(free_value(node), bool | int | float)
    return _written(node, {name}, name) if is_secret else _written(node)


def _secret_options(storage: StorageSpec) -> frozenset[str]:
    """Names of the options that are credentials; those of every type where the storage's is not known."""
    known = STORAGE_TYPES.keys() if storage.format == UNKNOWN else {storage.type} & STORAGE_TYPES.keys()
    return frozenset(option.name for name in known for option in STORAGE_TYPES[name].options if option.secret)


def _written(node: Node, secrets: Collection[str] = (), name: str = "") -> Any:
    """A node as it stands in the file, with secrets that are written there hidden.

    Args:
        node: The node.
        secrets: Names of what is never shown.
        name: Of the node.
    """
    if isinstance(node, Mapping):
        return {key: _written(value, secrets, key) for key, (_, value) in node.entries.items()}
    if isinstance(node, Sequence):
        return [_written(item, secrets, name) for item in node.items]
    if not isinstance(node, Scalar):
        return None
    text = node.written if isinstance(node, Filled) else node.text
    if (name in secrets or names_a_secret(name)) and not node.is_null:
        return without_values(text)
    if "${" in text:
        return without_password(text)
    value = core_value(node.text) if node.plain else node.text
    return without_password(value) if isinstance(value, str) else value
