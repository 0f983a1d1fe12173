"""A project's code, read and never run: what the transforms' parameters make of the tables, and fingerprints."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_cli.code.cache import CodeCache, code_key
from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.shadowed_packages import shadowed_packages
from lakehouse_cli.code.module_search import PUT_MODULE, in_the_way
from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.code.source import FunctionSource, SourceError, SourceReader
from lakehouse_cli.config.files import own_files
from lakehouse_cli.config.problems import in_its_words
from lakehouse_cli.errors import Location, Problem, ProjectError, in_order
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table
from lakehouse_cli.model.computation import Computation
from lakehouse_cli.model.frame_names import UNORDERED
from lakehouse_cli.plan.computations import planned_computation
from lakehouse_cli.plan.dimension_params import take_dimensions
from lakehouse_cli.plan.graph import build_graph, with_quarantines
from lakehouse_cli.plan.project_params import NOTHING, ByTable, take_params
from lakehouse_cli.plan.python_functions import FunctionCode
from lakehouse_cli.plan.query_files import with_texts
from lakehouse_cli.plan.recipes import is_pickle, object_code
from lakehouse_cli.registry import install_command

if TYPE_CHECKING:
    from lakehouse_cli.code.fingerprints.fingerprint import Fingerprinter
    from lakehouse_cli.code.fingerprints.value import OutsideRead
    from lakehouse_cli.model.column_lineage import TableLineage
    from lakehouse_cli.plan.queries import QueryCode


class ProjectCode:
    """The code of one project as its files were when this was made.

    Args:
        spec: The project.
        snapshot: Reads its files; a new one by default.
        again: Params that a former run was given, by table.

    Attributes:
        spec: The project, with what is found in its queries; its tables have what they take of its params.
        snapshot: The files as they were read.
        graph: The tables, and what each is computed from; as far as the problems allow.
        problems: Packages that the project's modules hide, functions that are not there, parameters that match no
            table, cycles.
        given: The params that the command gives to tables, or a former run gave.
        unused_params: Names of the params of the project that no table takes.

    Raises:
        UsageError: What is to be given again is not known any more, or not of the param's type.
    """

    def __init__(self, spec: ProjectSpec, snapshot: CodeSnapshot | None = None, again: ByTable = NOTHING) -> None:
        self.snapshot = snapshot or CodeSnapshot()
        self._declared, self._again = spec, again
        self._written, unread = with_texts(spec, self.snapshot)
        has_queries = any(table.query is not None for table in self._written.tables.values())
        self._queries: QueryCode | None = None
        if has_queries:
            from lakehouse_cli.plan.queries import QueryCode  # not loaded where no table has a query

            self._queries = QueryCode(spec.folder)
        spec = self.spec = self._queries.with_readings(self._written) if self._queries is not None else self._written
        code = [file for file in own_files(spec) if file.endswith(".py")]
        self._cache = CodeCache(spec.folder, code, self.snapshot)
        self._fingerprints = dict(self._cache.fingerprints)
        self._plain: dict[str, dict[str, str] | None] = {**self._cache.plain}
        self._waiting: set[str] = set()
        self._source = SourceReader(spec.folder, self.snapshot)
        self._source.know(self._cache.modules.values())
        spec, misnamed = take_dimensions(spec, self._source)
        taken = take_params(spec, self._source, again)
        self.given, self.unused_params = taken.given, taken.unused
        spec = self.spec = with_quarantines(taken.spec)
        self._functions = FunctionCode(spec, self._source, self._fingerprint)
        self.graph, problems = build_graph(spec, self.computation)
        if any(table.partitions for table in spec.tables.values()):
            from lakehouse_cli.plan.dimensions import dimension_problems  # not loaded where no table has partitions
            from lakehouse_cli.plan.partition_limits import limit_problems

            problems += map(in_its_words, [*dimension_problems(spec, self.graph), *limit_problems(self.graph, spec)])
        if self._queries is not None:
            from lakehouse_cli.plan.bound_queries import query_problems
            from lakehouse_cli.plan.queries_in_databases import database_problems

            problems += query_problems(self.graph, self._queries)
            problems += database_problems(self.graph, spec)
            self._queries.close()
            self._queries.keep()
        if any(table.contract.checks for table in spec.tables.values()):
            from lakehouse_cli.plan.bound_checks import check_problems  # not loaded where no table has checks

            problems += check_problems(spec, self._functions.find)
        unread = [*unread, *map(in_its_words, (*misnamed, *taken.problems))]
        self.problems = [*self._hidden_packages(code), *unread, *problems]

    @property
    def folder(self) -> Path:
        """The project's."""
        return self.spec.folder

    @property
    def executor(self) -> str:
        """The name of the executor that the project declares."""
        return self.spec.executor

    @property
    def workers(self) -> int | None:
        """How many tables it computes at once; None for the executor's own choice."""
        return self.spec.workers

    def anew(self) -> ProjectCode:
        """The code as it is now, such as after an edit beside a notebook; this, where nothing was edited.

        Raises:
            ProjectError: It does not fit the tables any more.
        """
        snapshot = CodeSnapshot()
        unchanged = self._cache.key is not None and code_key(own_files(self.spec), snapshot) == self._cache.key
        if unchanged and with_texts(self._declared, snapshot)[0] == self._written:
            return self
        return self._made_anew(snapshot, self._again)

    def with_former_params(self, again: ByTable) -> ProjectCode:
        """The same code, with the params that a former run was given, by table.

        Raises:
            UsageError: One is not known any more, or not of the param's type.
            ProjectError: A query does not fit them.
        """
        return self if again == self._again else self._made_anew(self.snapshot, again)

    def _made_anew(self, snapshot: CodeSnapshot, again: ByTable) -> ProjectCode:
        now = ProjectCode(self._declared, snapshot, again)
        if now.problems:
            raise ProjectError(in_order(now.problems, self.spec.file.name))
        return now

    def computation(self, table: Table) -> Computation | None:
        """How a table is computed; None for a source."""
        return planned_computation(table, self._functions, self._queries)

    def of(self, table: Table) -> CodeFingerprint | None:
        """The fingerprint of a table's transform; None where it has none, or a version stands for the code.

        Raises:
            ProjectError: A module that it reaches cannot be read or parsed.
        """
        if table.version is not None or table.kind == "source":
            return None
        if table.query is not None:
            from lakehouse_cli.plan.queries import query_fingerprint

            return query_fingerprint(table, self._queries.version if self._queries is not None else None)
        return None if table.function is None else self._fingerprint(table.function)

    def reads(self, table: Table) -> tuple[OutsideRead, ...]:
        """What a table's transform reads from outside; raises what `of` does."""
        code = None if table.name in self._waiting else self.of(table)
        return () if code is None else code.reads

    @property
    def anything_reads(self) -> bool:
        """Whether code that was read so far reads from outside."""
        return any(found.reads for found in self._fingerprints.values())

    def of_object(self, table: Table) -> str:
        """The `object_code` of an asset that is stored as a pickle, by the code of today.

        Raises:
            ProjectError: A module that it reaches cannot be read or parsed.
        """
        tables = self.spec.tables
        code = self.of(table)
        own = f"version:{table.version}" if table.version is not None else "" if code is None else code.hash
        inputs = {each.table for each in self.graph.inputs.get(table.name, ())}
        pickles = [tables[name] for name in inputs if is_pickle(tables[name])]
        return object_code(own, [f"code:{self.of_object(each)}" for each in pickles])

    def unordered_type(self, table: Table) -> str | None:
        """The frame type, by its annotation, of a result whose rows come in another order each time; else None."""
        source = None if table.function is None else self._functions.find(table.function, table)
        found = source.unsupported_result if isinstance(source, FunctionSource) else None
        return found.name if found is not None and found.name in UNORDERED else None

    def check_codes(self, tables: Iterable[Table]) -> dict[str, dict[str, str]]:
        """Hashes of the code of the functions that checks are made by, by table and check.

        Raises:
            ProjectError: A module that one reaches cannot be read or parsed, or has no such function.
        """
        found: dict[str, dict[str, str]] = {}
        for table in tables:
            for check in table.contract.checks:
                if check.kind == "function":
                    module, _, name = check.arguments["function"].partition(":")
                    code = self._fingerprint(FunctionRef(module, name, location=check.location))
                    found.setdefault(table.name, {})[check.name] = code.hash
        return found

    def read(self, tables: Iterable[Table], *, may_wait: bool = False) -> bool:
        """Take the fingerprints of tables' transforms, so that `of` knows them.

        Args:
            tables: The tables.
            may_wait: Whether those that find nothing to be reported may be taken when `of` is asked for them.

        Returns:
            Whether any is yet to be taken.

        Raises:
            ProjectError: Modules that they reach cannot be read or parsed; each once, however many reach it.
        """
        problems: dict[tuple[str, Location | None], Problem] = {}
        tables = tuple(tables)
        waiting = {table.name for table in tables if self._may_wait(table)} if may_wait else set()
        self._waiting |= waiting
        for table in tables:
            if table.name in waiting:
                continue
            try:
                self.of(table)
            except ProjectError as error:
                problems.update({(problem.message, problem.location): problem for problem in error.problems})
        if problems:
            raise ProjectError(in_order(problems.values(), self.spec.file.name))
        return bool(waiting)

    def _may_wait(self, table: Table) -> bool:
        function = table.function
        if function is None or f"{function.module}:{function.name}" in self._fingerprints:
            return False
        if function.module not in self._plain:
            self._plain[function.module] = self._fingerprinter.packages_of_plain(function.module)
        return self._plain[function.module] is not None

    def missing_packages(self) -> list[Problem]:
        """What is wrong with what the transforms' modules import at their top; raises as `missing_imports`."""
        return [self._missing(*each) for each in self.missing_imports(self.spec.tables.values()).items()]

    def missing_imports(self, tables: Iterable[Table]) -> dict[str, Location]:
        """What the modules of tables' transforms import at their top and is not there, each with the first place.

        Raises:
            SourceError: A module cannot be read or parsed; `read` reports that as problems.
        """
        modules = dict.fromkeys(table.function.module for table in tables if table.function is not None)
        found: dict[str, Location] = {}
        for module in modules:
            for name, place in self._fingerprinter.missing_imports(module).items():
                found.setdefault(name, place)
        return found

    def _missing(self, name: str, place: Location) -> Problem:
        other = in_the_way(name, self.spec.folder)
        if other is not None:
            return Problem(f"{other} is not a regular file", PUT_MODULE, place)
        return Problem(
            f"module `{name}` is neither in the project's folder nor installed",
            f"{install_command(name) or 'install what it belongs to'}, or correct the import",
            place,
        )

    def _hidden_packages(self, code: Collection[str]) -> list[Problem]:
        """Modules beside the project file that hide installed packages by their name."""
        return [
            Problem(
                f"`{shown}` hides the installed package `{name}` from the transforms and from lakehouse",
                f"rename it: `mv {shown.rstrip('/')} my_{shown.rstrip('/')}`, and where the project imports it",
                Location(shown),
            )
            for name, shown in shadowed_packages(self.spec.folder, code, self.snapshot)
        ]

    def column_lineage(self, names: Collection[str]) -> tuple[TableLineage, ...]:
        """What the columns of tables come from, each table after its inputs; kept for the commands to come."""
        from lakehouse_cli.plan.column_lineage import column_lineage  # asked for by one command alone

        found = column_lineage(self.folder, self.graph, self._queries, names)
        if self._queries is not None:
            self._queries.close()
            self._queries.keep()
        return found

    def keep(self) -> None:
        """Keep what was read for the commands to come."""
        read = self._fingerprinter.files if "_fingerprinter" in vars(self) else ()
        plain = {module: packages for module, packages in self._plain.items() if packages is not None}
        self._cache.keep(self._source.modules, self._fingerprints, plain, read)

    def _fingerprint(self, function: FunctionRef) -> CodeFingerprint:
        ref = f"{function.module}:{function.name}"  # its own text, several times for each table
        found = self._fingerprints.get(ref)
        if found is None:
            try:
                found = self._fingerprints[ref] = self._fingerprinter.of(function)
            except SourceError as error:
                place = error.location or function.location
                raise ProjectError([Problem(str(error), error.hint, place)]) from error
        return found

    @cached_property
    def _fingerprinter(self) -> Fingerprinter:
        from lakehouse_cli.code.fingerprints.fingerprint import (
            Fingerprinter,  # slow to load, and not needed for what is kept
        )

        # What the cache knows of modules is not the whole of them.
        source = SourceReader(self.spec.folder, self.snapshot) if self._cache.modules else self._source
        return Fingerprinter(self.spec.folder, source)
