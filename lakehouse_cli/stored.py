"""What is stored of a project's tables, looked at once for a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, StorageError, UnreachableError
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, Column, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.recipes import reading_of, stored_as
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import altered_by, check_replaceable, count_rows, prefetch
from lakehouse_cli.storage.formatted import columns_of
from lakehouse_cli.storage.opening import not_installed
from lakehouse_cli.stored_form import columns_changed, options_changed

if TYPE_CHECKING:
    import pyarrow as pa

_Answer = TypeVar("_Answer")


class StoredEnvironment(Struct, frozen=True):
    """The tables of a project as they are declared and stored in one environment.

    Attributes:
        environment: Its name.
        tables: By name.
        storages: By name.
        specs: Their declarations.
        graph: All tables.
    """

    environment: str
    tables: Mapping[str, Table]
    storages: Mapping[str, AssetStorage]
    specs: Mapping[str, StorageSpec]
    graph: AssetGraph

    def looked_at(self) -> StoredTables:
        """What is stored there now."""
        return StoredTables(self.tables, self.storages, self.specs, self.graph, self.environment)

    def read(self, name: str) -> pa.Table:
        """Read a table as it is declared.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: What is stored is not as declared.
            StorageError: It was stored in another form than is declared now, or cannot be read.
        """
        table = self.tables[name]
        misread = next(filter(None, self.looked_at().other_form(name)), None) if table.kind == "computed" else None
        if misread is not None:
            raise misread
        return self.storages[table.storage].scan(table, table.columns).table()

    def read_as_stored(self, name: str, state: TableState) -> tuple[pa.Table, InputRecord]:
        """A table with the columns and types it was stored with, whatever is declared now, and the content read.

        Data altered by another hand are read as declared, and as their manifest tells where they do not fit that.

        Args:
            name: Of the table.
            state: What is known of it here.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are neither as they were stored nor as declared.
            StorageError: They cannot be read, or were stored in another format or with other options.
        """
        if state.other_options is not None:
            raise state.other_options
        table = self.tables[name]
        storage = self.storages[table.storage]
        stored, known = _stored_columns(state), () if state.content is None else (state.content,)
        if stored is None:
            return storage.scan(table, table.columns).table_with_content(known)
        if not state.altered:
            return storage.scan(table, stored).table_with_content(known)
        try:
            return storage.scan(table, table.columns).table_with_content(known)
        except DataError:
            return storage.scan(table, stored).table_with_content(known)


class StoredTables(Struct):
    """Looks at tables and their manifests, each once.

    Attributes:
        tables: By name.
        storages: By name.
        specs: What is declared of the storages, by name.
        graph: Tells whose manifests speak of a source.
        environment: Where they are stored.
    """

    tables: Mapping[str, Table]
    storages: Mapping[str, AssetStorage]
    specs: Mapping[str, StorageSpec]
    graph: AssetGraph
    environment: str
    _manifests: dict[str, Manifest | StorageError | None] = field(default_factory=dict)
    _contents: dict[str, InputRecord | StorageError | None] = field(default_factory=dict)
    _counts: dict[str, int | None] = field(default_factory=dict)
    _refusals: dict[str, StorageError | None] = field(default_factory=dict)
    _out_of_reach: dict[str, UnreachableError] = field(default_factory=dict)

    def look(self, names: Iterable[str]) -> None:
        """Look at many tables, as many at once as their storages bear; `state` then tells of them without waiting.

        Manifests first, of these tables and of those computed from the sources among them: they tell which of the data
        are known already and need not be read.
        """
        names = list(names)
        self._prefetch(names)
        slow = {name: storage for name, storage in self.storages.items() if storage.concurrency > 1}
        chosen = [name for name in names if self.tables[name].storage in slow]
        wanted = {
            n: None
            for name in chosen
            for n in (name, *(self.graph.downstream(name) if self.tables[name].kind == "source" else ()))
        }
        computed = [n for n in wanted if self.tables[n].kind == "computed" and self.tables[n].storage in slow]
        for look, which in ((self._manifest, computed), (self._content, chosen)):
            self._at_once(look, which)

    def _at_once(self, look: Callable[[str], Any], names: Sequence[str]) -> None:
        """Do something that is remembered for many tables, for as many of them at once as their storages bear."""
        at_once = max((self.storages[self.tables[name].storage].concurrency for name in names), default=1)
        if min(at_once, len(names)) > 1:
            from concurrent.futures import ThreadPoolExecutor  # not loaded for files, which are at hand

            with ThreadPoolExecutor(min(at_once, len(names))) as pool:
                for _ in pool.map(look, names):
                    pass

    def _prefetch(self, names: Iterable[str]) -> None:
        by_storage: dict[str, dict[str, Table]] = {}
        for name in names:
            source = self.tables[name].kind == "source"
            for each in (name, *(self.graph.downstream(name) if source else ())):
                by_storage.setdefault(self.tables[each].storage, {})[each] = self.tables[each]
        for storage, tables in by_storage.items():
            prefetch(self.storages[storage], tables.values())

    def state(self, name: str) -> TableState:
        """What is known of a table's stored data."""
        table = self.tables[name]
        storage = self.storages[table.storage]
        found = self._manifest(name) if table.kind == "computed" else None
        manifest = found if isinstance(found, Manifest) else None
        trouble = found if isinstance(found, StorageError) else None
        content = self._content(name)
        if isinstance(content, StorageError):
            return TableState(self._uri(table), False, content, None, manifest, trouble)
        if content is not None:
            content = content._replace(reading=self._reading(table, content, manifest))
        state = TableState(storage.uri(table), content is not None, None, content, manifest, trouble)
        if manifest is not None and any(other := self.other_form(name)):
            state = replace(state, other_options=other[0], other_columns=other[1])
        if content is not None and state.altered_since:
            return replace(state, altered_by=altered_by(storage, table, content))
        return state

    def other_form(self, name: str) -> tuple[StorageError | None, StorageError | None]:
        """Why a computed table cannot be read: it was stored with other options, with other columns than declared now.

        What was modified outside lakehouse since then is read as it is declared.
        """
        table, manifest = self.tables[name], self._manifest(name)
        if not isinstance(manifest, Manifest):
            return None, None
        options = options_changed(table, manifest, stored_as(table, self.specs[table.storage]))
        columns = columns_changed(table, manifest)
        if not options and not columns:
            return None, None
        content = self._content(name)
        if isinstance(content, InputRecord) and content.content_hash != manifest.content_hash:
            return None, None
        return self._other_form(table, options), self._other_form(table, columns)

    def _other_form(self, table: Table, changes: str) -> StorageError | None:
        if not changes:
            return None
        elsewhere = self.environment != DEFAULT_ENVIRONMENT
        where, chosen = (f" in `{self.environment}`", f" -e {self.environment}") if elsewhere else ("", "")
        return StorageError(
            f"`{table.name}` was stored{where} in another way than it is declared now ({changes})",
            hint=f"`lakehouse run {table.name}{chosen}` stores it anew; or take the change back",
            location=table.where("options", "columns"),
        )

    def count(self, names: Sequence[str]) -> dict[str, int]:
        """How many rows are stored of tables; those of which it cannot be told are left out."""
        self._at_once(self._count, names)
        counts = {name: self._count(name) for name in names}
        return {name: count for name, count in counts.items() if count is not None}

    def _count(self, name: str) -> int | None:
        if name not in self._counts:
            table = self.tables[name]
            try:
                self._counts[name] = count_rows(self.storages[table.storage], table)
            except Exception:  # noqa: BLE001  # a number that cannot be had is no reason for a plan to fail
                self._counts[name] = None
        return self._counts[name]

    def with_refusals(
        self, states: Mapping[str, TableState], names: Collection[str], *, forced: bool
    ) -> Mapping[str, TableState]:
        """The states of tables, those told that are there, are not of our making, and may not be replaced.

        Args:
            states: By table.
            names: Of the tables that a run may store.
            forced: Whether the user asked to replace whatever is there.
        """
        unclaimed = [name for name in names if states[name].unclaimed]
        self._at_once(partial(self._refusal, forced), unclaimed)
        refusals = {name: self._refusal(forced, name) for name in unclaimed}
        return {**states, **{name: replace(states[name], refused=why) for name, why in refusals.items() if why}}

    def _refusal(self, forced: bool, name: str) -> StorageError | None:
        if name not in self._refusals:
            table = self.tables[name]
            self._refusals[name] = self._asked(table, lambda storage: check_replaceable(storage, table, forced=forced))
        return self._refusals[name]

    def _content(self, name: str) -> InputRecord | StorageError | None:
        if name not in self._contents:
            table = self.tables[name]
            found = self._manifest(name) if table.kind == "computed" else None
            known = self._known(name, found if isinstance(found, Manifest) else None)
            self._contents[name] = self._asked(table, lambda storage: storage.content(table, known))
        return self._contents[name]

    def _asked(self, table: Table, ask: Callable[[AssetStorage], _Answer]) -> _Answer | StorageError:
        """What a storage answers, or why it does not; one that is out of reach is not asked again for each table."""
        known = self._out_of_reach.get(table.storage)
        if known is not None:
            message = f"{self._uri(table)} cannot be looked at: {known.reason}"
            where = table.where("path", "storage")
            return UnreachableError(message, reason=known.reason, hint=known.hint, location=where)
        lacking = not_installed(table)
        if lacking is not None:
            return lacking
        try:
            return ask(self.storages[table.storage])
        except StorageError as error:
            if isinstance(error, UnreachableError) and error.everywhere:
                self._out_of_reach.setdefault(table.storage, error)
            return error

    def _uri(self, table: Table) -> str:
        try:
            return self.storages[table.storage].uri(table)
        except StorageError:  # told by what is asked next
            return "/".join(filter(None, (self.specs[table.storage].root_text.rstrip("/"), table.path)))

    def _reading(self, table: Table, content: InputRecord, manifest: Manifest | None) -> str:
        # A manifest of other bytes tells nothing of these.
        believed = manifest is not None and manifest.content_hash == content.content_hash
        stored = manifest.columns if manifest is not None and believed else None
        return reading_of(table, stored, stored_as(table, self.specs[table.storage]))

    def _manifest(self, name: str) -> Manifest | StorageError | None:
        if name not in self._manifests:
            table = self.tables[name]
            self._manifests[name] = self._asked(table, lambda storage: storage.read_manifest(table))
        return self._manifests[name]

    def _known(self, name: str, manifest: Manifest | None) -> tuple[InputRecord, ...]:
        """What a table was at other times: what its own manifest says, or those of the tables computed from it."""
        if manifest is not None:
            return (manifest.content,)
        return tuple(self._records(name))

    def _records(self, name: str) -> Iterator[InputRecord]:
        for consumer in self.graph.downstream(name):
            manifest = self._manifest(consumer)
            if isinstance(manifest, Manifest) and name in manifest.inputs:
                yield manifest.inputs[name]


def _stored_columns(state: TableState) -> tuple[Column, ...] | None:
    """The columns of a table as its manifest tells; None where there is none, or none that declarations could say."""
    if state.manifest is None:
        return None
    try:
        return columns_of(state.manifest, None, state.uri)
    except StorageError:
        return None


def with_another_content(
    states: Mapping[str, TableState], graph: AssetGraph, computed: Collection[str]
) -> tuple[str, ...]:
    """The inputs of which it is not known how many rows they have now, and whose content is another than it was.

    Args:
        states: By table.
        graph: All tables.
        computed: The selected tables that are computed; what they were made from is what the content was.
    """
    return tuple(name for name in states if name not in computed and _changed(name, states, graph, computed))


def _changed(name: str, states: Mapping[str, TableState], graph: AssetGraph, computed: Collection[str]) -> bool:
    content = states[name].content
    if content is None or content.rows >= 0:
        return False
    manifests = [states[consumer].manifest for consumer in graph.downstream(name) if consumer in computed]
    records = [manifest.inputs.get(name) for manifest in manifests if manifest is not None]
    return any(record is not None and record.content_hash != content.content_hash for record in records)
