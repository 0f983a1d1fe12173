"""The project file as a whole: `lakehouse.yaml` and what it includes → `ProjectSpec` and all problems."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.config.dimensions import read_dimensions
from lakehouse_cli.config.dotenv import DotEnv
from lakehouse_cli.config.environments import Environments
from lakehouse_cli.config.includes import EXTENSION, Includes, read_top, tables_mapping
from lakehouse_cli.config.keys import ASSETS, PROJECT_KEYS
from lakehouse_cli.config.made_dimensions import with_made_dimensions
from lakehouse_cli.config.many_files import marked, overlap_problems
from lakehouse_cli.config.params import NO_PARAMS, fill_params, with_given
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Invalid, Reader, is_misspelt, near_key
from lakehouse_cli.config.source import PlacedMark, SourceFile, read_source
from lakehouse_cli.config.storages import default_storage
from lakehouse_cli.config.tables import Draft, Resolution, read_draft, read_table
from lakehouse_cli.config.tables_cache import KeptTables, TablesReading
from lakehouse_cli.config.validation import executor_problems, find_collisions, together_problems, validate
from lakehouse_cli.config.variables import values_in
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar
from lakehouse_cli.declarations import DeclaredProject
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, EnvironmentSpec, ProjectSpec

if TYPE_CHECKING:
    from lakehouse_cli.config.python_project import PythonProject
    from lakehouse_cli.config.transform_tests import TransformTest

#: The sections in which variables are filled in.
FILLED_IN = ("storages", "execution", "environments", "params")


class LoadedSpec(Struct, frozen=True):
    """What a project file declares, and everything that is wrong with it.

    Attributes:
        spec: As complete as the problems allow.
        problems: By file and place; empty where the project file is right.
        variables: Those that are set of all that the project file names, in whichever environment; value by name.
        others: The project in each environment that is not the chosen one, where these were asked for.
        readable: Whether it is known which environments there are.
        reading: Its tables, where they were read anew and can be kept.
        tests: The tests of transforms, by table; none where the tables were kept from an earlier reading.
        imported: The file of the module that was imported for its tables; empty where none was.
    """

    spec: ProjectSpec
    problems: tuple[Problem, ...] = ()
    variables: AnyMapping[str, str] = field(default_factory=dict)
    others: tuple[ProjectSpec, ...] = ()
    readable: bool = True
    reading: TablesReading | None = None
    tests: AnyMapping[str, tuple[TransformTest, ...]] = field(default_factory=dict)
    imported: str = ""


def load_project(
    path: Path,
    environ: AnyMapping[str, str],
    environment: str = DEFAULT_ENVIRONMENT,
    *,
    thorough: bool = False,
    incomplete: bool = False,
    with_tests: bool = False,
    declared: DeclaredProject | str | None = None,
    given: AnyMapping[str, Any] | None = NO_PARAMS,
    imports: bool = True,
) -> LoadedSpec:
    """Read a project file and the files it includes, or what is declared in Python.

    Nothing of the user's is executed but the module of `assets`, or of `declared`.

    Whatever a user wrote becomes a problem, never an exception. Whether functions exist, parameters have inputs and
    tables form no cycle is left to later stages.

    Args:
        path: The project file.
        environ: Fills in ``${VAR}`` in storages and execution, before a file `.env` does.
        environment: The one to choose; ``default`` is chosen where there is none of that name.
        thorough: Validate every environment and the tables in it, not the chosen one alone.
        incomplete: Let variables be unset in the chosen environment as in the others, which are validated too.
        with_tests: Read the tests of transforms, and so all tables anew.
        declared: The whole project, or the module that declares it, ``module`` or ``module:name``; then the project
            file is not read, and need not be there.
        given: Values of params over those of the file, as of `with_given`, where there are no problems; None where
            nothing is computed, so that params need no variables.
        imports: Whether the module of `assets` is imported; else its tables are left out.

    Raises:
        UsageError: A given value is of no param, or of another type.
    """
    path = path.absolute()
    if declared is not None:
        loaded = _load_declared(
            path, environ, environment, declared, given=given, thorough=thorough, incomplete=incomplete
        )
    else:
        with no_collection():
            loaded = _load(path, environ, environment, given, thorough, incomplete, with_tests, imports)
    return replace(loaded, spec=with_given(loaded.spec, given)) if given and not loaded.problems else loaded


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the collector of cyclic garbage: what a project and its plan are made of has no cycles.

    To walk it again and again takes half the time of reading a file, and a quarter of that of a plan.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(
    path: Path,
    environ: AnyMapping[str, str],
    environment: str,
    given: AnyMapping[str, Any] | None,
    thorough: bool,
    incomplete: bool,
    with_tests: bool,
    imports: bool,
) -> LoadedSpec:
    # A function of its own: its nodes are gone before the collector is on again.
    source = read_source(path, path.name)
    if isinstance(source, Problem):
        return LoadedSpec(_empty(path), (source,), readable=False)
    kept = None if thorough or incomplete or with_tests else KeptTables(path.parent, environment)
    if kept is not None and (others := kept.without_tables(source)) is not None:
        loaded = _read(others, environ, environment, given, kept=kept)
        if loaded is not None and not loaded.problems:
            return loaded
    loaded = _read(source, environ, environment, given, thorough=thorough, incomplete=incomplete, imports=imports)
    return loaded or LoadedSpec(_empty(path), readable=False)


def _load_declared(
    path: Path,
    environ: AnyMapping[str, str],
    environment: str,
    declared: DeclaredProject | str,
    *,
    given: AnyMapping[str, Any] | None,
    thorough: bool,
    incomplete: bool,
) -> LoadedSpec:
    # Slow to load, and not needed for YAML alone.
    from lakehouse_cli.config.python_modules import find_declared
    from lakehouse_cli.config.python_project import PythonProject

    folder, problems = path.parent.resolve(), Problems()
    found = find_declared(declared, folder, None) if isinstance(declared, str) else declared
    if isinstance(found, Problem):
        return LoadedSpec(_empty(path), (found,), readable=False)
    with no_collection():
        python = PythonProject(found, folder, problems)
        source = SourceFile(path, python.location.file, "")
        python.set_default("name", path.parent.name or "lakehouse")
        variables = DotEnv(environ, path.parent, problems)
        loader = _Loader(Reader(source, problems), python.root, variables, environment, given, python=python)
        loaded = _loaded(loader, thorough=thorough, incomplete=incomplete)
    return loaded or LoadedSpec(_empty(path), readable=False)


def _read(
    source: SourceFile,
    environ: AnyMapping[str, str],
    environment: str,
    given: AnyMapping[str, Any] | None,
    *,
    thorough: bool = False,
    incomplete: bool = False,
    kept: KeptTables | None = None,
    imports: bool = True,
) -> LoadedSpec | None:
    """Read a project file; None where the tables that are kept are not those of its files."""
    path, problems = source.path, Problems()
    reader = Reader(source, problems)
    hint = "give it a `name:` and `tables:`; `lakehouse init` writes one to begin with"
    root = read_top(reader, "a map of keys such as `name` and `tables`", hint)
    if root is None:
        return LoadedSpec(_empty(path), problems.sorted(source.name), readable=False)
    python = None
    if "assets" in root.entries and (imports or kept is not None):
        if kept is not None:
            return None
        python = _python_of(reader, root)
        if python is None:  # what else is wrong may be so for want of its tables
            return LoadedSpec(_empty(path), problems.sorted(source.name), readable=False)
        root = python.over(reader, root)
    variables = DotEnv(environ, path.parent, problems)
    loader = _Loader(reader, root, variables, environment, given, kept, python)
    return _loaded(loader, thorough=thorough, incomplete=incomplete)


def _python_of(reader: Reader, root: Mapping) -> PythonProject | None:
    """What the module declares that `assets` names; None after a problem was reported."""
    key, node = root.entries["assets"]
    named = ASSETS.read(reader, reader.value(key, node), "`assets`")
    if isinstance(named, Invalid):
        return None
    from lakehouse_cli.config.python_modules import find_declared
    from lakehouse_cli.config.python_project import PythonProject

    folder = reader.source.path.parent.resolve()
    found = find_declared(named, folder, reader.place(key, node))
    if isinstance(found, Problem):
        reader.problems.add(found)
        return None
    return PythonProject(found, folder, reader.problems)


def _loaded(loader: _Loader, *, thorough: bool, incomplete: bool) -> LoadedSpec | None:
    spec = loader.load(thorough=thorough, incomplete=incomplete)
    if spec is None:
        return None
    others = tuple(loader.others(spec)) if thorough else ()
    named = [loader.root.entries[key][1] for key in FILLED_IN if key in loader.root.entries]
    named += loader.filled
    found = loader.reader.problems.sorted(loader.source.name)
    keeps = loader.kept is None and loader.python is None and not found
    # What is kept belongs to the files with tables: named types must stand in one of them.
    keeps = keeps and ("types" not in loader.root.entries or "tables" in loader.root.entries)
    # Without an alias, and but for its own params, no table says what stands in these sections.
    private = named if loader.filled or "*" in loader.source.text else ()
    reading = TablesReading.of(spec, loader.includes.tables, private) if keeps else None
    variables = values_in(named, loader.environ)
    imported = "" if loader.python is None else loader.python.location.file
    return LoadedSpec(spec, found, variables, others, reading=reading, tests=loader.tests(), imported=imported)


def _empty(path: Path) -> ProjectSpec:
    storages = {"default": default_storage(path.parent)}
    environments = {DEFAULT_ENVIRONMENT: EnvironmentSpec(DEFAULT_ENVIRONMENT, storages=storages)}
    return ProjectSpec(path.parent.name, path, storages=storages, environments=environments)


class _Loader:
    """Reads the sections of one project, in the order in which they need one another."""

    def __init__(
        self,
        reader: Reader,
        root: Mapping,
        environ: DotEnv,
        environment: str,
        given: AnyMapping[str, Any] | None,
        kept: KeptTables | None = None,
        python: PythonProject | None = None,
    ) -> None:
        self.reader = reader
        self.root = root
        self.environ = environ
        self.environment = environment
        self.given = given
        self.source: SourceFile = reader.source
        self.folder = self.source.path.parent
        self.kept = kept
        self.python = python
        self.includes = Includes(self.folder, reader.problems, kept)
        self.defaults: Draft | None = None
        self.drafts: dict[str, Draft] = {}
        self.broken: set[str] = set()
        self.filled: list[Node] = []

    def load(self, *, thorough: bool, incomplete: bool) -> ProjectSpec | None:
        """The project; None where the tables that are kept are not those of its files."""
        self.check_keys()
        name = self.value("name")
        module = self.value("module")
        description = self.value("description")
        environments = Environments(self.reader, self.folder, self.environ, self.given, thorough=thorough or incomplete)
        storages, execution, others, _ = (self.value(key) for key in FILLED_IN)
        params = self.reader.section(self.root, "params")
        environments.read(storages, execution, others, params, self.environment, incomplete=incomplete)
        execution = environments.execution
        self.find_types()
        dimensions = self.value("dimensions")
        if (node := self.value("defaults")) is not None:
            self.defaults = read_draft(self.reader, self.root.entries["defaults"][0], node, "`defaults`")
        self.find_tables()
        self.fill_params(needed=not incomplete)
        spec = ProjectSpec(
            name=name or self.folder.name,
            file=self.source.path,
            module=module,
            description=description,
            executor=execution.executor,
            workers=execution.workers,
            memory=execution.memory,
            spark=execution.spark,
            params=environments.all[environments.chosen].params,
            dimensions={} if dimensions is None else read_dimensions(self.reader, dimensions),
            together=execution.together,
            executor_options=execution.options,
            execution_location=execution.location,
            module_location=self.place("module"),
            environments=environments.all,
        )
        chosen = environments.chosen
        return self.with_tables(spec, chosen) if self.kept is None else self.with_kept(spec, chosen, self.kept)

    def with_kept(self, spec: ProjectSpec, environment: str, kept: KeptTables) -> ProjectSpec | None:
        """The project with the tables that were kept of it; None where its files or storages are others now."""
        spec = replace(spec, environment=environment, storages=spec.environments[environment].storages)
        tables = kept.tables([reader.source.name for reader, _ in self.includes.tables], spec)
        if tables is None:
            return None
        spec = with_made_dimensions(replace(spec, tables=tables, storages=marked(spec.storages, tables)))
        together = together_problems(tables.values()) if spec.together else ()
        for problem in (*find_collisions(spec), *overlap_problems(spec), *together, *executor_problems(spec)):
            self.reader.problems.add(problem)
        return spec

    def others(self, spec: ProjectSpec) -> Iterator[ProjectSpec]:
        """The project in the environments that are not the chosen one; problems found there name theirs."""
        for name, each in spec.environments.items():
            if name != spec.environment:
                with self.reader.problems.of_environment(name):
                    executor = str(each.execution.get("executor", "threads"))
                    place = spec.execution_location or each.location
                    yield self.with_tables(replace(spec, executor=executor, execution_location=place), name)

    def tests(self) -> dict[str, tuple[TransformTest, ...]]:
        """The tests that were read, by table."""
        return {name: draft.values["tests"] for name, draft in self.drafts.items() if "tests" in draft.values}

    def place(self, key: str) -> Location | None:
        return self.reader.place(*self.root.entries[key]) if key in self.root.entries else None

    def check_keys(self) -> None:
        reader, entries = self.reader, self.root.entries
        for name, (key, value) in entries.items():
            if name not in PROJECT_KEYS and not name.startswith(EXTENSION):
                from lakehouse_cli.config.brought_words import word_hint  # of unknown keys alone

                hint = word_hint({}, name, value) or near_key(name, entries, PROJECT_KEYS)
                if hint is None:
                    hint = f"its keys are {', '.join(PROJECT_KEYS)}; begin a key of your own with `{EXTENSION}`"
                where = "the `Lakehouse`" if isinstance(key.start, PlacedMark) else "the project file"
                reader.report(key, f"unknown key {quoted(name)} in {where}", hint)
        if isinstance(self.root.start, PlacedMark):
            return  # a name it has, and its tables are given to it
        start = self.source.point(self.root.start.line, self.root.start.column)
        if "name" not in entries and not self.misspelt("name"):
            reader.problems.report("`name` is missing", "name the project: `name: …`", start)
        if not {"tables", "include", "assets"} & entries.keys() and not self.misspelt("tables"):
            reader.problems.report("`tables` is missing", "declare the project's tables under `tables:`", start)

    def misspelt(self, key: str) -> bool:
        """Whether an unknown key is close to `key`, which is then not missing as well."""
        return is_misspelt(key, self.root.entries, PROJECT_KEYS)

    def value(self, key: str) -> Any:
        """The value of a key; None where it is not there, or wrong."""
        node, kind = self.reader.section(self.root, key), PROJECT_KEYS[key].type
        if node is None:
            return None
        value = kind.read(self.reader, node, f"`{key}`")
        return None if isinstance(value, Invalid) else value

    def find_types(self) -> None:
        """Read the named column types, which the tables of all files may have."""
        if (node := self.value("types")) is not None:
            from lakehouse_cli.config.named_types import read_named_types

            self.reader.types = read_named_types(self.reader, node)

    def find_tables(self) -> None:
        """Read the `tables` of this file and of those that it includes, each by itself."""
        if "tables" in self.root.entries:
            mapping = tables_mapping(self.reader, *self.root.entries["tables"])
            if mapping is not None:
                self.includes.tables.append((self.reader, mapping))
        include = self.reader.section(self.root, "include")
        if include is not None:
            self.includes.follow(self.reader, include, (self.source,))
        declared: dict[str, tuple[Reader, Scalar]] = {}
        python = self.python
        in_python = [] if python is None else [(python.reader, mapping) for mapping in python.tables]
        for reader, mapping in (*self.includes.tables, *in_python):
            reader.types = self.reader.types
            for name, (key, node) in mapping.entries.items():
                if name in declared:
                    first, there = declared[name]
                    message = f"table {quoted(name)} is declared twice, first at {first.at(there)}"
                    reader.report(key, message, "rename or remove one of the two")
                    continue
                declared[name] = reader, key
                if (draft := read_table(reader, key, node)) is None:
                    self.broken.add(name)
                else:
                    self.drafts[name] = draft

    def fill_params(self, *, needed: bool) -> None:
        """Fill in the variables in the params of tables and defaults."""
        for draft in (self.defaults, *self.drafts.values()):
            if draft is not None and "params" in draft.values:
                written = fill_params(draft, self.environ, self.given, needed=needed)
                if written is not None:
                    self.filled.append(written)

    def with_tables(self, spec: ProjectSpec, environment: str) -> ProjectSpec:
        """The project in one environment, with its tables."""
        storages = spec.environments[environment].storages
        base = spec.environments[DEFAULT_ENVIRONMENT].storages
        resolution = Resolution(self.drafts, self.defaults, storages, spec.module, environment, base)
        tables = {name: resolution.table(name) for name in self.drafts}
        self.check_module(resolution)
        broken = frozenset(self.broken)
        storages = marked(storages, tables)
        params = spec.environments[environment].params
        whole = replace(spec, environment=environment, storages=storages, params=params, tables=tables, broken=broken)
        whole = with_made_dimensions(whole)
        for problem in validate(whole, resolution):
            self.reader.problems.add(problem)
        return whole

    def check_module(self, resolution: Resolution) -> None:
        if resolution.wants_module is None or "module" in self.root.entries or self.misspelt("module"):
            return
        table, place = resolution.wants_module
        hint = "name the Python module with the transforms: `module: transforms`"
        message = f"`module` is missing: computed table `{table}` has its function there"
        self.reader.problems.report(message, hint, place)
