"""A database as it is searched for strays, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.relational.session import Found, Kept, Relation, Session
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
        name: Of the storage.
        session: On its database.
        identity: Tells what the database is, whatever it is called.
        uri_of: Tells where a table is, as messages show it.
    """

    def __init__(
        self, name: str, session: Session, identity: Callable[[], Any], uri_of: Callable[[Relation], str]
    ) -> None:
        self.name = name
        self._session = session
        self._identity = identity
        self._uri_of = uri_of

    def manifests(self, declared: Collection[Relation]) -> Iterator[tuple[Relation, Trace, str]]:
        """By relation."""
        kept = {relation: each for relation, each in self._session.kept().items() if relation not in declared}
        identity = self._identity() if kept else None
        for relation, each in sorted(kept.items()):
            uri, state = self._uri_of(relation), SeenRelation(identity, relation, each.text, False)
            yield relation, Trace(uri, len(each.text), 0, (identity, relation), state), each.text

    def data(self, table: Relation, trace: Trace, manifest: Manifest) -> Iterator[Trace]:
        """The table, of the size and time that its manifest says."""
        if self._session.find_one(table) is not None:
            state = trace.state._replace(table=True)
            yield Trace(trace.uri, manifest.bytes, manifest.modified_ns, trace.identity, state)

    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """By what the database tells of changes, else by the rows."""
        return self._is_unchanged(data.state, manifest.content_hash)

    def is_unchanged(self, state: SeenRelation) -> bool:
        """Also the rows; other writers are kept out from here on."""
        self._session.lock(state.relation)
        return self._is_unchanged(state, Manifest.from_text(state.text).content_hash)

    def _is_unchanged(self, state: SeenRelation, content_hash: str) -> bool:
        kept = self._session.kept_of(state.relation)
        if kept is None or kept.text != state.text or not state.table:
            return kept is not None and kept.text == state.text
        found = self._session.find_one(state.relation)
        return found is not None and found.kind == "table" and self._has(state.relation, found, kept, content_hash)

    def _has(self, relation: Relation, found: Found, kept: Kept, content_hash: str) -> bool:
        if kept.signature == found.signature and relation in self._session.untouched({relation: kept}):
            return True
        return self._session.digest(relation, found).hash == content_hash

    def remove(self, state: SeenRelation) -> None:
        """Drop the table, if it was there, and its manifest."""
        self._session.drop(state.relation, table=state.table)
