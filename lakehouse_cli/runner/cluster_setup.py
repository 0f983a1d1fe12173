"""What a run takes to the workers of a cluster: code, files, and declarations of storages without their secrets."""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.code.fingerprints.packages import find_distributions
from lakehouse_cli.code.importing import is_own_file
from lakehouse_cli.code.snapshot import CodeSnapshot, file_key
from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.templates import storage_of, value_of, variables_of
from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.clusters.bundle import FILES, Bundle
from lakehouse_cli.executors.clusters.differences import hash_of, installed_version
from lakehouse_cli.executors.clusters.requirements import ALWAYS, Requirements
from lakehouse_cli.model import FunctionRef, StorageSpec, Table
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.uses import UsedContent
from lakehouse_cli.runner.entry import WorkerSetup
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.version import __version__

_PACKAGE = "package "
# Folders, hidden so that no project has them, of modules that are not in the project's.
_ELSEWHERE = ".elsewhere"
# What Python says of a file that is not there, with its path below the project's files.
_NOT_FOUND = re.compile(rf"^FileNotFoundError: .*'(?:.*/lakehouse/[0-9a-f]{{32}}/{FILES}/)?([^/'][^']*)'$")


class ClusterNeeds(Struct, frozen=True):
    """What a plan needs on workers.

    Attributes:
        storages: Names of the storages that are read or written.
        packages: Names by which installed packages are imported.
        tables: Those that declare what they use beside their inputs.
        params: Those that are never shown, as they are written, by table.
    """

    storages: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    tables: tuple[Table, ...] = ()
    params: Mapping[str, Mapping[str, Any]] = {}

    @classmethod
    def of(cls, plan: Plan, graph: AssetGraph, elsewhere: Mapping[str, Table]) -> ClusterNeeds:
        """What the tables need that a plan computes or checks."""
        named = dict.fromkeys(name for each in plan.due for name in (each.name, *each.inputs, *each.needs))
        tables = [elsewhere.get(name) or graph.tables[name] for name in named]
        recipes = (each.recipe for each in plan.runs if each.recipe is not None)
        parts = (part for recipe in recipes for part in recipe.code_parts)
        packages = frozenset(part.removeprefix(_PACKAGE) for part in parts if part.startswith(_PACKAGE))
        due = {each.name for each in plan.due}
        uses = tuple(table for table in tables if table.uses is not None and table.name in due)
        params = {table_of(table).name: table.private for table in tables if table.private and table.name in due}
        return cls(frozenset(table.storage for table in tables), packages, uses, params)


class ToCluster(Struct, frozen=True):
    """The setup of a run as it is taken to a cluster.

    Attributes:
        setup: As for processes of this machine.
        needs: What the plan needs.
    """

    setup: WorkerSetup
    needs: ClusterNeeds

    def __call__(self) -> None:
        """Prepare nothing in this process, in which nothing is computed."""

    def bundle(self) -> Bundle:
        """What is taken to the workers."""
        here, needs = self.setup, self.needs
        folder = here.folder
        used = {name: spec for name, spec in sorted(here.specs.items()) if name in needs.storages}
        roots = _roots_elsewhere(folder, here.code.files)
        written = {name: spec.as_written for name, spec in used.items()}
        setup = ClusterSetup(folder, written, here.transforms, len(roots), needs.params, here.staging)
        templates = [*(spec.template for spec in used.values()), needs.params]
        named = dict.fromkeys(name for template in templates for name in variables_of(template))
        requirements = replace(_requirements(folder, used.values(), needs), modules=here.missing)
        key = msgspec.json.encode([__version__, setup], order="deterministic", enc_hook=str)
        return Bundle(setup, files_of(folder, here.code, needs), requirements, tuple(named), key)


def files_of(folder: Path, code: CodeSnapshot, needs: ClusterNeeds) -> dict[str, bytes]:
    """The files that are taken to workers, by path.

    Args:
        folder: The project's, absolute and with links resolved.
        code: The project's Python files as the plan read them.
        needs: What the plan needs.
    """
    files = dict(_code_files(folder, code.files, _roots_elsewhere(folder, code.files)))
    content = UsedContent(folder)
    for table in needs.tables:
        for path in content.files(table):
            files[path] = (folder / path).read_bytes()
    return dict(sorted(files.items()))


def _requirements(folder: Path, specs: Iterable[StorageSpec], needs: ClusterNeeds) -> Requirements:
    packages = {name: installed_version(name) or "" for name in ALWAYS}
    for top in sorted(needs.packages):
        packages |= find_distributions(top, sys.path)
    variables: dict[str, bool] = {}
    for spec in specs:
        for name, needed in variables_of(spec.template).items():
            variables[name] = needed or variables.get(name, False)
        for module in STORAGE_TYPES[spec.type].needs if spec.type in STORAGE_TYPES else ():
            packages |= {name: packages.get(name, "") for name in find_distributions(module, sys.path)}
    salt = secrets.token_bytes(16)
    names = dict.fromkeys(name for table in needs.tables if table.uses is not None for name in table.uses.env or ())
    values = {name: hash_of(os.environ.get(name), salt) for name in names}
    here = DotEnv(os.environ, folder, Problems())
    values |= {name: hash_of(here.get(name), salt) for name in variables_of(needs.params)}
    return Requirements(
        packages=packages,
        variables=tuple(name for name, needed in variables.items() if needed),
        values=values,
        salt=salt,
    )


def _roots_elsewhere(folder: Path, files: Iterable[str]) -> list[str]:
    """The folders, outside of the project's, from which modules of its own are imported."""
    outside = [file for file in files if not file.startswith(f"{folder}/") and _is_of_nobody(file)]
    search = sorted((entry for entry in sys.path if entry), key=len, reverse=True)
    roots = (next((e for e in search if file.startswith(f"{os.path.realpath(e)}/")), None) for file in outside)
    return list(dict.fromkeys(os.path.realpath(root) for root in roots if root is not None))


def _is_of_nobody(file: str) -> bool:
    """Whether a file belongs neither to Python nor to what is installed, this tool among it."""
    tool = str(Path(__file__).resolve().parent.parent)
    prefixes = (f"{tool}/", f"{sys.prefix}/lib", f"{sys.base_prefix}/lib")
    return not file.startswith(prefixes) and "/site-packages/" not in file and "/dist-packages/" not in file


def _code_files(folder: Path, files: Mapping[str, bytes], roots: list[str]) -> Iterator[tuple[str, bytes]]:
    for file, content in files.items():
        if file.startswith(f"{folder}/"):
            if is_own_file(file, folder):
                yield file.removeprefix(f"{folder}/"), content
            continue
        for number, root in enumerate(roots):
            if file.startswith(f"{root}/") and _is_of_nobody(file):
                yield f"{_ELSEWHERE}/{number}/{file.removeprefix(f'{root}/')}", content
                break


class ClusterSetup(Struct, frozen=True):
    """The setup of a process of a worker's; has no secret.

    Attributes:
        home: The project's folder on the machine of the run.
        specs: The storages as written, by the names that jobs use.
        transforms: As of `WorkerSetup`.
        elsewhere: How many folders of modules there are beside the project's.
        params: Those that are never shown, as they are written, by table.
        staging: As of `WorkerSetup`.
    """

    home: Path
    specs: Mapping[str, StorageSpec]
    transforms: tuple[FunctionRef, ...]
    elsewhere: int = 0
    params: Mapping[str, Mapping[str, Any]] = {}
    staging: str | None = None

    def __call__(self, folder: Path) -> None:
        """Load all that computing needs; variables are those of this process.

        Relative paths are below the files of the project, as they are for a run that is called in its folder.

        Raises:
            ProjectError: Storages or params cannot be made of them.
        """
        folder = folder.resolve()
        os.chdir(folder)
        sys.path += [str(folder / _ELSEWHERE / str(number)) for number in range(self.elsewhere)]
        specs = {name: storage_of(spec, os.environ, folder, self.home) for name, spec in self.specs.items()}
        code = CodeSnapshot()
        code.taken_ns = time.time_ns()
        for file in folder.rglob("*.py"):
            code.files[file_key(str(file))] = file.read_bytes()
        params = {
            table: {name: value_of(each, os.environ, folder) for name, each in written.items()}
            for table, written in self.params.items()
        }
        WorkerSetup(folder, specs, code, self.transforms, params=params, staging=self.staging, is_unpacked=True)()


def file_to_send(error: TransformError, folder: Path) -> str | None:
    """The file of the project that a transform did not find at a worker, as it was not taken there; None for another.

    Args:
        error: Of the transform.
        folder: The project's.
    """
    found = _NOT_FOUND.search(error.exception)
    return found[1] if found is not None and (folder / found[1]).is_file() else None
