"""What of a project cannot work on a cluster, whose workers are on other machines and are sent no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import ProjectSpec, SparkSpec, StorageSpec
from lakehouse_cli.storage_types import STORAGE_TYPES, scheme_of
from lakehouse_cli.text.redaction import without_password

_FOLDER = "a folder of this machine"


def cluster_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """What is wrong with a project whose tables are computed by the workers of a cluster."""
    used = dict.fromkeys(table.storage for table in spec.tables.values())
    for name in used:
        if name in spec.storages:
            storage = spec.storages[name]
            # The default one stands nowhere, unless it is declared.
            yield from _storage_problems(storage, storage.location or spec.execution_location)
    if spec.together:
        yield from waiting_problems(spec)
    if spec.spark != SparkSpec():
        hint = "run Spark transforms with another executor, such as `threads`: their work is done by Spark's cluster"
        yield Problem("`spark` under `execution` does not reach the workers of a cluster", hint, spec.spark.location)


def waiting_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """What is wrong where the results of workers are to be published together."""
    if waiting_root(spec) is None and all(storage.is_known for storage in spec.storages.values()):
        message = "results cannot wait to be published together where the workers of a cluster share no folder"
        hint = "declare a storage with `shared: true`, below whose root they wait, whether it has tables or not; or"
        hint += " publish each by itself (without `publish: together`, `--together`)"
        yield Problem(message, hint, spec.execution_location)


def waiting_root(spec: ProjectSpec) -> str | None:
    """The first of the folders that every worker sees; None where there is none."""
    shared = (storage for storage in spec.storages.values() if storage.shared)
    return next((each.root for each in shared if _of_this_machine(each) == _FOLDER), None)


def _storage_problems(storage: StorageSpec, place: Location | None) -> Iterator[Problem]:
    if not storage.is_known:
        pass  # what is wrong there is said
    elif storage.type == "memory":
        hint = "choose another root, or another executor: `threads`"
        yield Problem(f"storage {quoted(storage.name)} is in the memory of one process", hint, place)
    elif not storage.shared and (what := _of_this_machine(storage)) is not None:
        hint = "use an object store or a database server, or say `shared: true` if every worker sees the same path"
        message = f"storage {quoted(storage.name)} is {what}, which the workers of a cluster may not see"
        yield Problem(message, hint, place)
    for option in _written_secrets(storage):
        hint = "put it into an environment variable, and write `${NAME}`: workers have their own"
        message = f"`{option}` of storage {quoted(storage.name)} has a secret, and none is sent to workers"
        yield Problem(message, hint, place)


def _of_this_machine(storage: StorageSpec) -> str | None:
    """What a storage is, where that is on one machine."""
    known = STORAGE_TYPES.get(storage.type)
    root = known.root if known is not None else "text"
    if storage.type in ("sqlite", "duckdb"):
        return "a file of this machine"
    if root in ("folder", "file") or (root == "folder or url" and scheme_of(storage.root) is None):
        return _FOLDER
    return None


def _written_secrets(storage: StorageSpec) -> Iterator[str]:
    """The keys of a storage with a secret that stands in the file itself."""
    template: Any = storage.template
    if not isinstance(template, dict):
        return
    root = template.get("root")
    if isinstance(root, tuple) and without_password(root[0]) != root[0]:
        yield "root"
    known = STORAGE_TYPES.get(storage.type)
    secret = {option.name for option in known.options if option.secret} if known is not None else set()
    options = template.get("options")
    for name, value in options.items() if isinstance(options, dict) else ():
        if name in secret and isinstance(value, tuple) and value[0] and "${" not in value[0]:
            yield name
