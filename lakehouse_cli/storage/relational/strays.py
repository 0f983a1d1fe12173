"""A database as it is searched for strays, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.relational.inspection import inspect_tables
from lakehouse_cli.storage.relational.session import Relation, Session
from lakehouse_cli.storage.relational.table_names import RelationNames
from lakehouse_cli.storage.relational.unit_rows import drop_units
from lakehouse_cli.storage.strays import Place, Trace, undeclared_units


class SeenRelation(NamedTuple):
    """A table with a manifest, or that manifest alone, as they were when they were listed."""

    database: Any
    relation: Relation
    text: str
    table: bool


class RelationalPlace(Place):
    """The tables of a database that have a manifest.

    Args:
        storage: What names and identifies them.
        session: On its database.
        divided: The dimensions of the declared tables that are stored by partition.
    """

    def __init__(
        self, storage: RelationNames, session: Session, divided: Mapping[Relation, tuple[str, ...]] | None = None
    ) -> None:
        self._divided = divided or {}
        self.name = storage.spec.name
        self._storage = storage
        self._session = session

    def manifests(self, declared: Collection[Relation]) -> Iterator[tuple[Relation, Trace, str]]:
        """By relation."""
        kept = {relation: each for relation, each in self._session.kept().items() if relation not in declared}
        identity = self._storage.identity() if kept else None
        for relation, each in sorted(kept.items()):
            uri, state = self._storage.uri_of(relation), SeenRelation(identity, relation, each.text, False)
            yield relation, Trace(uri, len(each.text), 0, (identity, relation), state), each.text
        yield from self._units()

    def _units(self) -> Iterator[tuple[Relation, Trace, str]]:
        for base in self._session.divided():
            index = self._session.units(base).index
            for _, found, text in undeclared_units(base.name, index, self._divided.get(base)):
                identity, relation = self._storage.identity(), base.of_unit(found.partition)
                state, uri = SeenRelation(identity, relation, text, False), self._storage.uri_of(base)
                shown = f"{uri}/{found.partition.path}"
                yield relation, Trace(shown, len(text), 0, (identity, relation), state), text

    def data(self, table: Relation, trace: Trace, manifest: Manifest) -> Iterator[Trace]:
        """Return the table, of the size and time that its manifest says."""
        if self._session.find_one(table) is not None:
            state = trace.state._replace(table=True)
            yield Trace(trace.uri, manifest.bytes, manifest.modified_ns, trace.identity, state)

    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """By what the database records of changes, else by the rows."""
        return self._is_unchanged(data.state, manifest)

    def is_unchanged(self, state: SeenRelation) -> bool:
        """Also the rows; other writers are kept out from here on."""
        self._session.lock(state.relation)
        return self._is_unchanged(state, Manifest.from_text(state.text))

    def _is_unchanged(self, state: SeenRelation, manifest: Manifest) -> bool:
        look = inspect_tables(self._session, [state.relation])[state.relation]
        same = look.kept is not None and _same(look.kept.text, state)
        if not same or not state.table:
            return same
        if look.found is None or look.found.kind != "table":
            return False
        return look.untouched or self._session.digest(state.relation, look.found).hash == manifest.content_hash

    def remove(self, state: SeenRelation) -> None:
        """Drop the table, if it was there, and its manifest."""
        if state.relation.is_unit:
            drop_units(self._session, state.relation.base, [state.relation])
            return
        self._session.drop(state.relation, table=state.table)


def _same(text: str, state: SeenRelation) -> bool:
    """Whether a manifest is the one that was listed; one of a partition by what it is made of, as it is made anew."""
    if not state.relation.is_unit:
        return text == state.text
    now, then = Manifest.from_text(text), Manifest.from_text(state.text)
    return (now.run_id, now.finished_at, now.content_hash) == (then.run_id, then.finished_at, then.content_hash)
