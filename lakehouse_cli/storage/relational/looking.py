"""What a plan sees of the tables of a database, and what it makes of that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage import base
from lakehouse_cli.storage.relational.session import Digest, Found, Kept, Relation, Session, parsed


class Look(Struct, frozen=True):
    """What is seen of one relation.

    Attributes:
        found: What is there; None where nothing is.
        kept: Its manifest, if it has one.
        untouched: Whether the database tells that nobody altered it since its manifest was stored.
        digest: Of its rows, where these were hashed.
    """

    found: Found | None
    kept: Kept | None
    untouched: bool
    digest: Digest | None = None


#: Hashes the rows of relations.
Hashing = Callable[[Session, Mapping[Relation, Found]], Mapping[Relation, Digest]]


def look_at(session: Session, relations: Collection[Relation], hashing: Hashing | None = None) -> dict[Relation, Look]:
    """Look at relations, by few queries.

    Args:
        session: On their database.
        relations: Which.
        hashing: Hashes the rows of what may have been altered; None where these are not to be hashed now.
    """
    found = session.find(relations)
    if len(relations) == 1:
        kept = {relation: each for relation in relations if (each := session.kept_of(relation)) is not None}
    else:
        kept = dict(session.kept())
    ours = {r: kept[r] for r in found if r in kept and found[r].signature == kept[r].signature}
    untouched = set(session.untouched(ours)) if ours else set()
    altered = {relation: each for relation, each in found.items() if relation not in untouched}
    digests = hashing(session, altered) if hashing is not None else {}
    return {r: Look(found.get(r), kept.get(r), r in untouched, digests.get(r)) for r in relations}


def record_of(digest: Digest | None, kept: Kept | None, known: Sequence[InputRecord], name: str) -> InputRecord:
    """What is stored, as a record of an input.

    Args:
        digest: Of the rows; None where the database tells that they are those of the manifest.
        kept: The manifest, if there is one.
        known: What it was at other times.
        name: The table.
    """
    try:
        manifest = None if kept is None else parsed(kept.text, name)
    except StorageError:
        if digest is None:
            raise
        manifest = None
    if manifest is not None and (digest is None or digest.hash == manifest.content_hash):
        for record in known:
            if record.bytes == manifest.bytes and record.modified_ns == manifest.modified_ns:
                return record
        hash_, size, modified = manifest.content_hash, manifest.bytes, manifest.modified_ns
    else:
        assert digest is not None  # noqa: S101  # there is no manifest that could stand for it
        hash_, size, modified = digest.hash, digest.bytes, None
    return base.record_of(hash_, size, modified, known)
