"""What is stored of a project's tables, looked at once for a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, MissingDataError, StorageError, UnreachableError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.file_pattern import reads_many_files
from lakehouse_cli.model.judged_source import JudgedSource
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe, known_recipes
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.recipes import reading_of, stored_as
from lakehouse_cli.plan.stored_form import columns_changed, misread, options_changed, stored_as_another
from lakehouse_cli.plan.stored_states import (
    absence,
    changed_input,
    described,
    gone_data,
    lacks_source,
    stored_columns,
    with_rows,
)
from lakehouse_cli.storage.base import AssetStorage, Scan
from lakehouse_cli.storage.capabilities import ProtectsOthers, altered_by, check_replaceable, count_rows, prefetch
from lakehouse_cli.storage.opening import not_installed
from lakehouse_cli.storage.table_scan import scan

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.plan.partition_snapshot import PartitionLook
    from lakehouse_cli.plan.units import StoredPartitions

_Answer = TypeVar("_Answer")


class StoredEnvironment(Struct, frozen=True):
    """The tables of a project as they are declared and stored in one environment.

    Attributes:
        environment: Its name.
        tables: By name.
        storages: By name.
        specs: Their declarations.
        graph: All tables.
        code_now: As of `reading_of`.
        judged: What was found of a source when its checks were last judged; None where nothing is known.
    """

    environment: str
    tables: Mapping[str, Table]
    storages: Mapping[str, AssetStorage]
    specs: Mapping[str, StorageSpec]
    graph: AssetGraph
    code_now: Callable[[Table], str]
    judged: Callable[[str], JudgedSource | None]

    def snapshot(self, names: Iterable[str], *, source_manifests: bool = False) -> Snapshot:
        """What is stored there now of tables.

        Args:
            names: Which.
            source_manifests: Whether to read manifests of sources too, as copies of them have.
        """
        look = _Look(self, {})
        names = tuple(names)
        look.at(names)
        states = {name: look.state(name) for name in names}
        if source_manifests:
            sources = [name for name in names if self.tables[name].kind == "source"]
            look.at_once(look.manifest, sources)
            states.update((name, described(states[name], look.manifest(name))) for name in sources)
        return Snapshot(self.environment, states)

    def read(self, name: str) -> pa.Table:
        """Read a table as it is declared.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: What is stored is not as declared.
            StorageError: It was stored in another form than is declared now, as another table, or cannot be read.
        """
        table, look = self.tables[name], self._readable(name)
        try:
            return scan(self.storages[table.storage], table, table.columns).table()
        except MissingDataError as error:
            if table.kind == "computed" and look.manifest(name) is not None:
                raise gone_data(error, table, look.uri(table)) from error
            raise

    def pieces(self, name: str) -> Iterator[pa.Table]:
        """Read a table as it is declared, piece by piece; raises what `read` does."""
        self._readable(name)
        table = self.tables[name]
        pieces, _ = scan(self.storages[table.storage], table, table.columns).pieces_with_content(())
        return pieces()

    def _readable(self, name: str) -> _Look:
        """Look at a table that is to be read as it is declared; raises why it cannot be."""
        look = _Look(self, {})
        if self.tables[name].kind == "computed":
            if isinstance(manifest := look.manifest(name), UnreachableError):
                raise manifest  # which was waited for already
            if (why := next(filter(None, look.other_form(name)), None)) is not None:
                raise why
        return look

    def read_as_stored(self, name: str, state: TableState) -> tuple[pa.Table, InputRecord]:
        """A table with the columns and types it was stored with, whatever is declared now, and the content read.

        Data modified outside lakehouse are read as declared, and by their manifest where they do not fit that.

        Args:
            name: Of the table.
            state: What is known of it here.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are neither as they were stored nor as declared.
            StorageError: They cannot be read, or were stored in another format or with other options.
        """
        known = () if state.content is None else (state.content,)
        *ways, last = self._scans(name, state)
        for way in ways:
            with suppress(DataError):
                return way.table_with_content(known)
        return last.table_with_content(known)

    def open_as_stored(self, name: str, state: TableState) -> tuple[Callable[[], Iterator[pa.Table]], InputRecord]:
        """As `read_as_stored`, piece by piece as `Scan.pieces_with_content` gives them."""
        ways = self._scans(name, state)
        if len(ways) > 1:  # which one it is shows at its end
            data, record = self.read_as_stored(name, state)
            return lambda: iter([data]), record
        return ways[0].pieces_with_content(() if state.content is None else (state.content,))

    def _scans(self, name: str, state: TableState) -> list[Scan]:
        """The ways to read a table as it was stored, of which the first without a DataError counts."""
        if state.other_options is not None:
            raise state.other_options
        table, stored = self.tables[name], stored_columns(state)
        as_declared = [table.columns] if stored is None or state.altered else []
        as_stored = [] if stored is None else [stored]
        return [scan(self.storages[table.storage], table, columns) for columns in (*as_declared, *as_stored)]


class Snapshot(Struct, frozen=True):
    """What is stored of some tables, each looked at once.

    Attributes:
        environment: Where.
        states: By table; those that were found in another environment name it.
        partitions: By partition, of tables that have some.
        has_remembered: Whether some of these were not looked at, but found as recorded a short while ago.
    """

    environment: str
    states: Mapping[str, TableState]
    partitions: Mapping[str, StoredPartitions] = {}
    has_remembered: bool = False


def take_snapshot(
    here: StoredEnvironment,
    names: Iterable[str],
    recipes: Mapping[str, Recipe],
    *,
    behind: StoredEnvironment | None = None,
    forced: bool = False,
    lenient: bool = False,
    by_partition: Collection[str] = (),
    remembering: bool = False,
) -> Snapshot:
    """Look at the tables that a plan depends on.

    Args:
        here: The environment of the plan.
        names: The tables: the selected ones and their inputs.
        recipes: Of the selected tables that are computed.
        behind: Where inputs are looked for that are not here, and that are not computed here either; None for nowhere.
        forced: Whether the user asked to replace whatever is there.
        lenient: Whether it is only asked which tables would run: neither rows nor refusals are.
        by_partition: Tables and sources that are read by partition alone, or not at all.
        remembering: Whether what storages remember of very many partitions will do.
    """
    look, names = _Look(here, recipes, remembering=remembering), tuple(names)
    with known_recipes(recipes.values()):
        look.at([name for name in names if name not in by_partition])
        states = {name: look.by_partition(name) if name in by_partition else look.state(name) for name in names}
    farther = None if behind is None else _Look(behind, {}, remembering=remembering)
    if farther is not None and behind is not None:
        lacking = [n for n, state in states.items() if n not in recipes and not state.exists and state.trouble is None]
        farther.at([name for name in lacking if name not in by_partition])
        found = {n: farther.by_partition(n) if n in by_partition else farther.state(n) for n in lacking}
        there = {name: state for name, state in found.items() if state.exists or state.trouble is not None}
        states |= {name: replace(state, environment=behind.environment) for name, state in there.items()}
    if not lenient:
        changed = [name for name in names if name not in recipes and changed_input(name, states, here.graph, recipes)]
        counts = look.count([name for name in changed if states[name].environment is None])
        if farther is not None:
            counts |= farther.count([name for name in changed if states[name].environment is not None])
        states |= {name: with_rows(states[name], rows) for name, rows in counts.items()}
        whole = (name for name in names if name in recipes and not look.tables[name].partitions)
        unclaimed = [name for name in whole if states[name].unclaimed]
        refusals = look.refusals(unclaimed, forced=forced)
        states |= {name: replace(states[name], refused=why) for name, why in refusals.items()}
        # The hint of one is shown; looking for others' files under other endings may take a request each.
        absent = next((name for name in names if lacks_source(look.tables[name], states[name])), None)
        if absent is not None:
            table = look.tables[absent]
            states[absent] = replace(states[absent], trouble=absence(look.storages[table.storage], table))
    partitions = look.stored_partitions([name for name in names if states[name].environment is None])
    if farther is not None:
        partitions |= farther.stored_partitions([name for name in names if states[name].environment is not None])
    return Snapshot(here.environment, states, partitions, any(each.has_remembered for each in (look, farther) if each))


class _Look:
    """A look at the tables of an environment and their manifests, each once.

    Args:
        stored: The environment.
        recipes: How computed tables would be made now, as far as that is known.
        remembering: Whether what storages remember of very many partitions will do.
    """

    def __init__(self, stored: StoredEnvironment, recipes: Mapping[str, Recipe], *, remembering: bool = False) -> None:
        self.tables, self.storages, self.specs = stored.tables, stored.storages, stored.specs
        self.graph, self.environment = stored.graph, stored.environment
        self.code_now, self._judged = stored.code_now, stored.judged
        self._recipes, self._remembering = recipes, remembering
        self._manifests: dict[str, Manifest | StorageError | None] = {}
        self._contents: dict[str, InputRecord | StorageError | None] = {}
        self._out_of_reach: dict[str, UnreachableError] = {}
        self._installed: set[tuple[str, str]] = set()

    @cached_property
    def _partitions(self) -> PartitionLook:
        from lakehouse_cli.plan.partition_snapshot import PartitionLook  # not loaded where no table has partitions

        how = self.code_now, self.environment, self._recipes
        return PartitionLook(self.tables, self.storages, self.specs, *how, remembering=self._remembering)

    @property
    def has_remembered(self) -> bool:
        """Whether some partitions were not looked at."""
        return "_partitions" in vars(self) and self._partitions.has_remembered

    def at(self, names: Sequence[str]) -> None:
        """Look at many tables, as many at once as their storages bear; `state` then answers without waiting.

        Manifests first, of these tables and of those computed from the sources among them: they show which of the data
        are known already and need not be read.
        """
        self._prefetch(names)
        slow = {name: storage for name, storage in self.storages.items() if storage.concurrency > 1}
        chosen = [name for name in names if self.tables[name].storage in slow]
        wanted = {
            n: None
            for name in chosen
            for n in (name, *(self.graph.downstream(name) if self.tables[name].kind == "source" else ()))
        }
        computed = [n for n in wanted if self.tables[n].kind == "computed" and self.tables[n].storage in slow]
        self.at_once(self.manifest, computed)
        self.at_once(self._content, chosen)

    def at_once(self, look: Callable[[str], _Answer], names: Sequence[str]) -> dict[str, _Answer]:
        """Do something for many tables, for as many of them at once as their storages bear; the answers by table."""
        at_once = max((self.storages[self.tables[name].storage].concurrency for name in names), default=1)
        if min(at_once, len(names)) > 1:
            from concurrent.futures import ThreadPoolExecutor  # not loaded for files, which are at hand

            with ThreadPoolExecutor(min(at_once, len(names))) as pool:
                return dict(zip(names, pool.map(look, names), strict=True))
        return {name: look(name) for name in names}

    def _prefetch(self, names: Iterable[str]) -> None:
        wanted = dict.fromkeys(names)
        for name in [name for name in wanted if self.tables[name].kind == "source"]:
            wanted |= dict.fromkeys(self.graph.downstream(name))
        by_storage: dict[str, list[Table]] = {}
        for table in map(self.tables.__getitem__, wanted):
            by_storage.setdefault(table.storage, []).append(table)
        for storage, tables in by_storage.items():
            prefetch(self.storages[storage], tables)

    def stored_partitions(self, names: Iterable[str]) -> dict[str, StoredPartitions]:
        """What is stored by partition of tables that have some, and of sources of which such tables are computed."""
        found = {}
        for name in names:
            if self.tables[name].partitions:
                consumers = [each for each in self.graph.downstream(name) if self.tables[each].partitions]
                if consumers or self.tables[name].kind == "computed":
                    found[name] = self._partitions.of(name, consumers)
            if reads_many_files(self.tables[name]):
                consumers = [each for each in self.graph.downstream(name) if self.tables[each].partitions == (FILE,)]
                if consumers:
                    from lakehouse_cli.plan.partitioning import parts_name

                    found[parts_name(name, by_file=True)] = self._partitions.of(name, consumers, by_file=True)
        return found

    def by_partition(self, name: str) -> TableState:
        """What is known of a table that is read by partition alone, all of whose files are looked at once."""
        found = next(iter(self.stored_partitions([name]).values()))
        exists = bool(found.records if self.tables[name].kind == "computed" else found.contents)
        return TableState(self.uri(self.tables[name]), exists, found.trouble)

    def state(self, name: str) -> TableState:
        """What is known of a table's stored data."""
        table = self.tables[name]
        storage = self.storages[table.storage]
        if table.is_many_units:
            return self._partitions.state(name, self.uri(table))
        found = self.manifest(name) if table.kind == "computed" else None
        manifest = found if isinstance(found, Manifest) else None
        trouble = found if isinstance(found, StorageError) else None
        content = self._content(name)
        if isinstance(content, StorageError):
            return TableState(self.uri(table), False, content, None, manifest, trouble)
        if content is not None:
            content = InputRecord(*content[:4], self._reading(table, content, manifest), content.files)
        judged = self._judged_source(table)
        state = TableState(storage.uri(table), content is not None, None, content, manifest, trouble, judged=judged)
        if content is not None and content.files:
            state = replace(state, shown=self.specs[table.storage].shown)
        # What was made as it would be now is read as it is declared.
        if manifest is not None and (manifest.recipe is not self._recipes.get(name, "") or manifest.table != name):
            options, columns = self.other_form(name)
            if options is not None or columns is not None:
                state = replace(state, other_options=options, other_columns=columns)
        if content is not None and state.altered_since:
            return replace(state, altered_by=altered_by(storage, table, content))
        return state

    def other_form(self, name: str) -> tuple[StorageError | None, StorageError | None]:
        """Why a computed table cannot be read: it was stored with other options, with other columns than declared now.

        What another table was stored as is not read; data modified outside lakehouse since then are, as declared.
        """
        table, manifest = self.tables[name], self.manifest(name)
        if not isinstance(manifest, Manifest):
            return (self._partitions.other_form(name) if table.is_many_units else None), None
        if manifest.table != name:
            return stored_as_another(table, manifest, self.environment, self.uri(table)), None
        options = options_changed(table, manifest, stored_as(table, self.specs[table.storage]))
        if not (columns := columns_changed(table, manifest)) and not options:
            return None, None
        content = self._content(name)
        if isinstance(content, InputRecord) and content.content_hash != manifest.content_hash:
            return None, None
        return misread(table, self.environment, options), misread(table, self.environment, columns)

    def count(self, names: Sequence[str]) -> dict[str, int]:
        """How many rows are stored of tables; those that cannot be counted are left out."""
        return {name: count for name, count in self.at_once(self._count, names).items() if count is not None}

    def _count(self, name: str) -> int | None:
        table = self.tables[name]
        try:
            return count_rows(self.storages[table.storage], table)
        except Exception:  # noqa: BLE001  # a plan does not fail for want of a number
            return None

    def refusals(self, names: Sequence[str], *, forced: bool) -> dict[str, StorageError]:
        """Why tables that have no manifest may not be replaced; those that may be are left out."""
        # Nothing is in the way where nothing is stored; but some storages look for more than data.
        strict = {name for name, storage in self.storages.items() if storage.capability(ProtectsOthers) is not None}
        names = [n for n in names if self._contents.get(n, True) is not None or self.tables[n].storage in strict]

        def refusal(name: str) -> StorageError | None:
            table = self.tables[name]
            return self._asked(table, lambda storage: check_replaceable(storage, table, forced=forced))

        return {name: why for name, why in self.at_once(refusal, names).items() if why is not None}

    def _content(self, name: str) -> InputRecord | StorageError | None:
        if name in self._contents:
            return self._contents[name]
        table = self.tables[name]
        made = self.manifest(name) if table.kind == "computed" else None
        known = self._known(name, made if isinstance(made, Manifest) else None)
        found = self._contents[name] = self._asked(table, lambda storage: storage.content(table, known))
        return found

    def _asked(self, table: Table, ask: Callable[[AssetStorage], _Answer]) -> _Answer | StorageError:
        """What a storage answers, or why it does not; one that is out of reach is not asked again for each table."""
        known = self._out_of_reach.get(table.storage)
        if known is not None:
            message = f"{self.uri(table)} cannot be looked at: {known.reason}"
            where = table.where("path", "storage")
            return UnreachableError(message, reason=known.reason, hint=known.hint, location=where)
        form = table.format, table.serializer
        if form not in self._installed:
            if (lacking := not_installed(table)) is not None:
                return lacking
            self._installed.add(form)
        try:
            return ask(self.storages[table.storage])
        except StorageError as error:
            if isinstance(error, UnreachableError) and error.everywhere:
                self._out_of_reach.setdefault(table.storage, error)
            return error

    def uri(self, table: Table) -> str:
        """Where a table is, also where its storage cannot say it."""
        try:
            return self.storages[table.storage].uri(table)
        except StorageError:  # reported by what is asked next
            return "/".join(filter(None, (self.specs[table.storage].root_text.rstrip("/"), table.path)))

    def _reading(self, table: Table, content: InputRecord, manifest: Manifest | None) -> str:
        # A manifest of other bytes says nothing of these.
        believed = manifest is not None and manifest.content_hash == content.content_hash
        recipe = self._recipes.get(table.name)
        options = stored_as(table, self.specs[table.storage]) if recipe is None else recipe.storage
        return reading_of(table, manifest if believed else None, options, self.code_now)

    def manifest(self, name: str) -> Manifest | StorageError | None:
        """The manifest of a table, or why it cannot be read."""
        if name in self._manifests:
            return self._manifests[name]
        table = self.tables[name]
        if table.is_many_units:  # each has its own
            return None
        found = self._manifests[name] = self._asked(table, lambda storage: storage.read_manifest(table))
        return found

    def _known(self, name: str, manifest: Manifest | None) -> tuple[InputRecord, ...]:
        """What a table was at other times: what its own manifest says, or those of the tables computed from it."""
        if manifest is not None:
            return (manifest.content,)
        if self.tables[name].partition is not None:
            return ()
        judged = self._judged_source(self.tables[name])
        found = map(self.manifest, self.graph.downstream(name))
        records = (each.inputs[name] for each in found if isinstance(each, Manifest) and name in each.inputs)
        return (*records, judged.content) if judged is not None else tuple(records)

    def _judged_source(self, table: Table) -> JudgedSource | None:
        return self._judged(table.name) if table.kind == "source" and table.contract.checks else None
