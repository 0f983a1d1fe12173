"""The plan of a selection: what is stored, and what is written, at the moment it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lakehouse_cli.config.dotenv import ENV_FILE
from lakehouse_cli.config.files import own_files
from lakehouse_cli.config.loading import no_collection
from lakehouse_cli.errors import LakehouseError, ProjectError
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, ProjectSpec, Table
from lakehouse_cli.model.computation import Computation
from lakehouse_cli.model.manifest import Recipe
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.planning import make_plan, tables_of_interest
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.plan.project_params import NOTHING
from lakehouse_cli.plan.recipes import Recipes, reading_of, recipe_hash, recipe_of, stored_as
from lakehouse_cli.plan.replaying import check_selected, find_replayed, without_rows
from lakehouse_cli.plan.selection import Selection, mentions_state, select
from lakehouse_cli.plan.snapshot import StoredEnvironment, take_snapshot
from lakehouse_cli.plan.uses import Used, UsedContent
from lakehouse_cli.project.former_divisions import with_former_divisions
from lakehouse_cli.project.given_params import given_params, params_again, private_texts
from lakehouse_cli.project.loading import ValidProject, load_valid_project
from lakehouse_cli.project.masked_plan import masked_plan
from lakehouse_cli.project.partitions import (
    ALL_PARTITIONS,
    Asked,
    asked_partitions,
    check_chosen,
    concerned,
    left_unfinished,
    partition_planner,
    with_cost,
    with_unfinished,
)
from lakehouse_cli.project.plan_notes import advice_on, shared_connections, with_note, with_used
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.project.unfinished import narrowed_to, unfinished_tables
from lakehouse_cli.runs.source_checks import SourceChecksStore
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import close_idle, local_files, query_runner, replaces_in_place
from lakehouse_cli.storage.opening import open_storages
from lakehouse_cli.text.redaction import Mask, mask_of, masked, unmasked

if TYPE_CHECKING:
    from lakehouse_cli.config.transform_tests import TransformTest
    from lakehouse_cli.plan.partitioning import Link
    from lakehouse_cli.plan.queries_in_databases import DatabaseEngine


class Planner:
    """Plans one project in one environment, whose code may be edited from one plan to the next.

    Args:
        project: The project.
        environ: Environment variables, from which other environments of it take theirs.

    Attributes:
        imported: The file of the module that was imported for its tables; empty where none was.
    """

    def __init__(self, project: ValidProject, environ: Mapping[str, str]) -> None:
        self.code = project.code
        self._variables = project.variables
        self._reading = project.reading
        self._declared = project.declared
        self._tests = project.tests
        self.imported = project.imported
        self._environ = environ
        self._others: dict[str, Planner] = {}
        self._lock, self._blocks = Lock(), 0

    @property
    def spec(self) -> ProjectSpec:
        """The project, with what is found in its queries."""
        return self.code.spec

    @cached_property
    def storages(self) -> Mapping[str, AssetStorage]:
        """The storages by name.

        Raises:
            ProjectError: Packages that they need are not installed.
            LakehouseError: A class of the user's is no storage, or cannot be imported.
        """
        return open_storages(self.spec)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Keep connections to storages until the outermost of such blocks ends, which closes them."""
        with self._lock:
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                is_last = not self._blocks
            for planner in (self, *self._others.values()) if is_last else ():
                close_idle(vars(planner).get("storages", {}).values())  # none that was never opened

    @property
    def stored(self) -> StoredEnvironment:
        """The tables as they are declared and stored here."""
        spec = self.spec
        code = self.code
        return StoredEnvironment(
            spec.environment,
            spec.tables,
            self.storages,
            spec.storages,
            code.graph,
            code.of_object,
            SourceChecksStore(spec.folder, spec.environment).read,
        )

    def other(self, environment: str) -> Planner:
        """The same project in another environment, where nothing is computed.

        Raises:
            ProjectError: It is invalid there, such as for want of a variable.
            UsageError: There is no such environment.
        """
        wanted = environment or DEFAULT_ENVIRONMENT
        found = load_valid_project(self.spec.file, self._environ, wanted, declared=self._declared, params=None)
        return Planner(found, self._environ)

    def tests(self) -> Mapping[str, tuple[TransformTest, ...]]:
        """The tests of transforms, by table; read now where the project was loaded without them.

        Raises:
            ProjectError: The project is invalid by now.
        """
        if self._tests is None:
            spec = self.spec
            found = load_valid_project(
                spec.file, self._environ, spec.environment, incomplete=True, with_tests=True, declared=self._declared
            )
            self._tests = found.tests or {}
        return self._tests

    def behind(self, environment: str | None) -> StoredEnvironment | None:
        """What is stored in another environment, to read inputs from; None for this one itself."""
        if environment in (None, "", self.spec.environment):
            return None
        if environment not in self._others:
            self._others[environment] = self.other(environment)
            vars(self).pop("mask", None)
        return replace(self._others[environment].stored, graph=self.code.graph)

    @cached_property
    def mask(self) -> Mask:
        """Takes the values of variables out of what is shown or kept: of this project, and of what it deferred to."""
        return self.mask_with(*self._others.values())

    def mask_with(self, *others: Planner) -> Mask:
        """The same, with the variables of other environments too."""
        variables: dict[str, str] = {}
        for each in (*others, self):
            variables.update(each._variables)
        hidden = list(private_texts(self.code))
        return mask_of(variables, _names(self.spec), hidden) if variables or hidden else unmasked

    def keep(self) -> None:
        """Keep what was read of the project's tables and code for the commands to come."""
        if self._reading is not None:
            self._reading.keep()
            self._reading = None
        self.code.keep()

    def watched_files(self) -> Iterator[str]:
        """The files on which a run depends: YAML, Python and ``.env`` of the project, and local sources."""
        spec = self.spec
        yield str(spec.folder / ENV_FILE)
        yield from own_files(spec)
        used = UsedContent(spec.folder)
        for table in spec.tables.values():
            if table.kind == "source":
                yield from local_files(self.storages[table.storage], table)
            with suppress(ProjectError):  # reported by the run
                yield from (str(spec.folder / path) for path in used.files(table))

    def notes(self) -> tuple[str, ...]:
        """What there is to say of tables whose transforms use more than their inputs, as far as no data are needed.

        Raises:
            ProjectError: Code cannot be read, or files that tables use cannot be looked at.
        """
        code, spec = self.code, self.spec
        tables = spec.tables.values()
        content = UsedContent(code.folder)
        found = [
            f"param `{name}` ({spec.params[name].location}) is taken by no transform" for name in code.unused_params
        ]
        shared = shared_connections(code, tables)
        for table in tables:
            found += content.missing(table)
            files = (*content.files(table), *((table.uses and table.uses.files) or ()))
            found += advice_on(table, code, code.graph.upstream(table.name), files, shared)
        return masked(tuple(found), self.mask)

    def select(self, terms: Sequence[str], exclude: Sequence[str], defer: str | None) -> Selection:
        """Resolve a selection.

        Raises:
            UsageError: A term names no table or is no term.
        """

        def in_state(state: str) -> set[str]:
            if state == "failed":
                return {*unfinished_tables(self.spec)}
            with self.connected():
                return names_in_state(state, self._plan(Selection(self.code.graph.order), defer, lenient=True))

        return select(self.code.graph, terms, exclude, in_state if mentions_state((*terms, *exclude)) else None)

    def code_anew(self) -> ProjectCode:
        """The code as it is now: it may have been edited since, as beside a notebook.

        Raises:
            ProjectError: It does not fit the tables any more.
        """
        self.code = self.code.with_former_params(NOTHING).anew()
        return self.code

    @no_collection()
    def plan(self, request: RunRequest, *, only_shown: bool = False) -> Plan:
        """What a run would do; see `Project.plan`.

        Args:
            request: What is asked for.
            only_shown: Whether nobody will run it, as of `make_plan`.
        """
        self.code_anew()
        with self.connected():
            asked = asked_partitions(request, self.spec.dimensions)
            replayed = find_replayed(self.code.graph.tables, request.replay)
            chosen = self.select(request.selection or tuple(replayed), request.exclude, request.defer)
            again = NOTHING
            unfinished = unfinished_tables(self.spec) if request.failed or asked.is_narrow else {}
            if request.failed:
                chosen = narrowed_to(chosen, unfinished)
                again = params_again(self.code.graph, {name: unfinished[name] for name in chosen.names})
                asked = with_unfinished(asked, {name: unfinished[name] for name in chosen.names})
            self.code = self.code.with_former_params(again)
            check_selected(replayed, chosen.names)
            chosen = concerned(chosen, asked, self.code.graph.tables)
            narrowing = {"replayed": replayed, "asked": asked, "only_shown": only_shown}
            plan = self._plan(chosen, request.defer, force=request.force, **narrowing)
            check_chosen(plan, asked)
            plan = replace(plan, left=left_unfinished(plan, asked, unfinished))
            plan = with_cost(plan, self._partition_durations, self._workers)
            return masked_plan(plan, self.mask)

    def _partition_durations(self) -> Mapping[str, float]:
        from lakehouse_cli.runs.history import reading as history  # not loaded where no partition is due

        return history.partition_durations(self.spec.folder, environment=self.spec.environment)

    def _workers(self) -> int:
        from lakehouse_cli.executors.threads import default_workers  # slow to load, and seldom needed

        return self.spec.workers or default_workers()

    def code_versions(self) -> dict[str, str]:
        """A hash of all that decides each computed table, but for what is stored; needs no storage.

        Raises:
            ProjectError: Code cannot be read, or files that tables use cannot be looked at.
        """
        code, storages, content = self.code, self.spec.storages, UsedContent(self.code.folder)
        tables = [table for table in self.spec.tables.values() if table.kind == "computed"]
        code.read(tables)
        used = {table.name: content.of(table) for table in tables}
        recipes = self._recipes(code.computation, used, self._links(tables))

        def of(name: str) -> str:
            sources = (self.spec.tables[each] for each in code.graph.upstream(name))
            stored = ((each, stored_as(each, storages[each.storage])) for each in sources if each.kind == "source")
            return recipe_hash(recipes[name], [reading_of(each, None, form) for each, form in stored])

        return {name: of(name) for name in recipes}

    def _recipes(
        self,
        computation: Callable[[Table], Computation | None],
        used: Mapping[str, Used | None],
        links: Mapping[str, tuple[Link | None, ...]],
    ) -> Recipes:
        """The recipes of computed tables, given how these are computed, what they use and what partitions get."""
        graph, specs = self.code.graph, self.spec.storages

        def make(name: str) -> Recipe:
            table = graph.tables[name]
            storage = specs[table.storage]
            return recipe_of(graph, table, computation(table), storage, used[name], links.get(name, ()))

        return Recipes(used, make)

    def _links(self, tables: Iterable[Table]) -> dict[str, tuple[Link | None, ...]]:
        """What the partitions of tables get of each input, by table; those without partitions are left out."""
        divided = [each.name for each in tables if each.partitions]
        if not divided:
            return {}
        from lakehouse_cli.plan.partition_plan import links_of  # not loaded where no table has partitions

        return {name: links_of(self.code.graph, name, self.spec.dimensions) for name in divided}

    def _computation(self, table: Table, engines: dict[str, DatabaseEngine]) -> Computation | None:
        """How a table is computed; by a database, with the version of that, which is asked for once a storage."""
        found = self.code.computation(table)
        if table.version is not None or not table.runs_in_storage:
            return found
        from lakehouse_cli.plan.queries import QueryComputation
        from lakehouse_cli.plan.queries_in_databases import DatabaseEngine

        assert isinstance(found, QueryComputation)  # noqa: S101  # nothing else runs there
        if table.storage not in engines:
            version = None
            with suppress(LakehouseError):  # the snapshot reports what cannot be reached
                version = query_runner(self.storages[table.storage], table).engine_version()
            engines[table.storage] = DatabaseEngine(self.spec.storages[table.storage].type, version)
        return replace(found, engine=engines[table.storage])

    def _plan(self, chosen: Selection, defer: str | None, *, force: bool = False, **narrowing: Any) -> Plan:
        """Plan a selection; data that storages only remember do where nothing is due, and nothing is read for it."""
        plan = self._plan_once(chosen, defer, force=force, remembering=not force, **narrowing)
        looks_again = plan.has_remembered and plan.due
        return self._plan_once(chosen, defer, force=force, **narrowing) if looks_again else plan

    def _plan_once(
        self,
        chosen: Selection,
        defer: str | None,
        *,
        force: bool,
        lenient: bool = False,
        replayed: Mapping[str, str] = {},
        asked: Asked = ALL_PARTITIONS,
        remembering: bool = False,
        only_shown: bool = False,
    ) -> Plan:
        """Plan a selection; `lenient` where it is only asked which tables would run, so that inputs may lack."""
        here, code, behind = self.stored, self.code, self.behind(defer)
        chosen = _with_siblings(here.graph, chosen)
        tables = [here.tables[name] for name in chosen.names if here.tables[name].kind == "computed"]
        links = self._links(tables)
        only_shown = code.read(tables, may_wait=only_shown and not links)
        content = UsedContent(code.folder)
        used = {table.name: content.of(table) for table in tables}
        recipes: Mapping[str, Recipe] = self._recipes(partial(self._computation, engines={}), used, links)
        if not only_shown:
            recipes = dict(recipes)
        names = tables_of_interest(here.graph, chosen)
        by_partition: Collection[str] = ()
        if links:
            from lakehouse_cli.plan.partition_plan import read_by_partition

            by_partition = read_by_partition(here.graph, links, recipes)
        snapshot = take_snapshot(
            here,
            names,
            recipes,
            behind=behind,
            forced=force,
            lenient=lenient,
            by_partition=by_partition,
            remembering=remembering,
        )
        states = snapshot.states
        now = asked.as_of or datetime.now(UTC)
        empty = without_rows(replayed, states, snapshot.partitions)
        if empty:
            chosen = replace(chosen, notes=(*chosen.notes, *empty.values()))
        plan = make_plan(
            self.spec.name,
            here.environment,
            here.graph,
            chosen,
            states,
            recipes,
            now=now,
            force=force,
            lenient=lenient,
            defer=None if behind is None else behind.environment,
            check_codes=code.check_codes(here.tables[name] for name in names),
            replayed={name: aside for name, aside in replayed.items() if name not in empty},
            partitions=partition_planner(here.graph, self.spec.dimensions, links, snapshot, now, asked, force=force),
            only_shown=only_shown,
        )
        if code.given:
            plan = replace(plan, params=given_params(code, recipes, self.mask))
        plan = replace(plan, as_of=asked.as_of, has_remembered=snapshot.has_remembered)
        if lenient:
            return plan
        shared = shared_connections(code, tables)
        in_place = {name: replaces_in_place(storage) for name, storage in here.storages.items()}
        planned = (
            with_used(with_note(t, in_place[t.storage]), here.tables[t.name], used[t.name], content, code, shared)
            if t.name in recipes
            else t
            for t in plan.tables
        )
        return with_former_divisions(replace(plan, tables=tuple(planned)), here)


def _with_siblings(graph: AssetGraph, chosen: Selection) -> Selection:
    """A selection with all tables that are computed by the calls which compute those of it."""
    names = {*chosen.names}
    for name in names & graph.all_siblings.keys():
        names |= {*graph.all_siblings[name]}
    if len(names) == len(chosen.names):
        return chosen
    return replace(chosen, names=tuple(name for name in graph.order if name in names))


def _names(spec: ProjectSpec) -> Iterator[str]:
    """What is no secret though a variable may have it as its value."""
    yield from (spec.name, *spec.tables, *spec.environments, *spec.storages, *spec.params)
    for table in spec.tables.values():
        yield from table.key
        yield from (column.name for column in table.columns or ())


def names_in_state(state: str, plan: Plan) -> set[str]:
    """The tables of a lenient plan that ``state:new`` or ``state:modified`` selects."""
    if state == "new":
        runs = ((t, t.state) for t in plan.runs if t.state is not None)
        return {t.name for t, state in runs if (not state.exists if t.partitions else state.manifest is None)}
    return {t.name for t in plan.runs if not t.conditional}
