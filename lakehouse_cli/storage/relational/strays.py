"""Tables of a database that no declared table accounts for, and dropping them with care.

Only a table that a manifest of ours describes, row for row, is ever dropped, and only as it was listed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.relational.session import Found, Kept, Relation, Session, parsed

if TYPE_CHECKING:
    from lakehouse_cli.storage.relational.base import RelationalStorage


def find_strays(
    storage: RelationalStorage, session: Session, declared: Collection[Relation], taken: Collection[Any]
) -> list[Stray]:
    """Tables that have a manifest and no declaration.

    Args:
        storage: Where to look.
        session: On its database.
        declared: What its declared tables are there.
        taken: Database and relation of all declared tables, of whatever storage.
    """
    kept = {relation: each for relation, each in session.kept().items() if relation not in declared}
    found = session.find(kept)
    identity = storage.identity() if kept else None
    return [
        _stray(storage, session, relation, kept[relation], found.get(relation), identity)
        for relation in sorted(kept)
        if (identity, relation) not in taken
    ]


def _stray(
    storage: RelationalStorage, session: Session, relation: Relation, kept: Kept, found: Found | None, identity: Any
) -> Stray:
    uri = storage.uri_of(relation)
    own = (identity, relation)
    try:
        manifest = parsed(kept.text, relation.name)
    except StorageError as error:
        return Stray("undeclared", storage.spec.name, None, uri, len(kept.text), 0, error.message, (own,))
    keep = None
    if found is not None and not _is(manifest, session, relation, kept, found):
        keep = f"{uri} was altered after the run that stored it"
    size = manifest.bytes if found is not None else len(kept.text)
    handle = (kept.text, own)
    name, when = manifest.table, manifest.modified_ns
    return Stray("undeclared", storage.spec.name, name, uri, size, when, keep, handle, manifest.project)


def remove_stray(session: Session, stray: Stray) -> str | None:
    """Drop what was listed; returns why not where it changed since."""
    text, (_, relation) = stray.handle
    session.lock(relation)
    kept = session.kept_of(relation)
    found = session.find([relation]).get(relation)
    if kept is None or kept.text != text:
        return "it changed since it was listed"
    manifest = parsed(text, relation.name)
    if found is not None and not _is(manifest, session, relation, kept, found):
        return "it changed since it was listed"
    session.drop(relation, table=found is not None)
    return None


def _is(manifest: Manifest, session: Session, relation: Relation, kept: Kept, found: Found) -> bool:
    """Whether a table is what its manifest describes."""
    if found.kind != "table":
        return False
    if kept.signature == found.signature and relation in session.untouched({relation: kept}):
        return True
    return session.digest(relation, found).hash == manifest.content_hash
