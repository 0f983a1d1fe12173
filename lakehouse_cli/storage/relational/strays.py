"""A database as it is searched for strays, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.relational.inspection import inspect_tables
from lakehouse_cli.storage.relational.session import Relation, Session
from lakehouse_cli.storage.relational.table_names import RelationNames
from lakehouse_cli.storage.strays import Place, Trace


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
    """

    def __init__(self, storage: RelationNames, session: Session) -> None:
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
        if look.kept is None or look.kept.text != state.text or not state.table:
            return look.kept is not None and look.kept.text == state.text
        if look.found is None or look.found.kind != "table":
            return False
        return look.untouched or self._session.digest(state.relation, look.found).hash == manifest.content_hash

    def remove(self, state: SeenRelation) -> None:
        """Drop the table, if it was there, and its manifest."""
        self._session.drop(state.relation, table=state.table)
