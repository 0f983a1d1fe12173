"""The inspection of tables in a database for a plan: what is there, its manifest, whether it was modified."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from lakehouse_cli.errors import StorageError, UnclaimedError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.stored_version import UNREADABLE
from lakehouse_cli.model.unit import selected_alone
from lakehouse_cli.storage import base
from lakehouse_cli.storage.format_storage import parse_manifest
from lakehouse_cli.storage.relational.session import UNIT_COLUMN, Digest, Found, Kept, Relation, Session

#: What to do where partitions are stored that the table has no more.
REMOVE_PARTITIONS = "`lakehouse clean` removes the stored partitions; or give this table another `path:`"


class Inspection(Struct, frozen=True):
    """The inspection of one relation.

    Attributes:
        found: What is there; None where nothing is.
        kept: Its manifest, if it has one.
        untouched: Whether the database shows that nobody altered it since its manifest was stored.
        digest: Of its rows, where these were hashed.
    """

    found: Found | None
    kept: Kept | None
    untouched: bool
    digest: Digest | None = None

    @property
    def lacks_digest(self) -> bool:
        """Whether only its rows can show what is there, and these were not hashed."""
        return self.found is not None and not self.untouched and self.digest is None


def inspect_tables(session: Session, relations: Collection[Relation]) -> dict[Relation, Inspection]:
    """Look at relations, by few queries; no rows are hashed."""
    if len(relations) == 1:
        found = {relation: there for relation in relations if (there := session.find_one(relation)) is not None}
        kept = {relation: each for relation in relations if (each := session.kept_of(relation)) is not None}
    else:
        found, kept = dict(session.find(relations)), dict(session.kept())
    ours = {r: kept[r] for r in found if r in kept and found[r].signature == kept[r].signature}
    untouched = set(session.untouched(ours)) if ours else set()
    return {r: Inspection(found.get(r), kept.get(r), r in untouched) for r in relations}


def record_of(look: Inspection, known: Sequence[InputRecord], name: str) -> InputRecord:
    """Return what is stored, as a record of an input.

    Args:
        look: What was seen; without a digest where the database shows that the rows are those of the manifest.
        known: What it was at other times.
        name: The table.
    """
    digest, manifest = look.digest, None
    try:
        manifest = None if look.kept is None else parsed(look.kept.text, name)
    except StorageError:
        if digest is None:
            raise
    if manifest is not None and (digest is None or digest.hash == manifest.content_hash):
        for record in known:
            if record.bytes == manifest.bytes and record.modified_ns == manifest.modified_ns:
                return record
        hash_, size, modified = manifest.content_hash, manifest.bytes, manifest.modified_ns
    else:
        assert digest is not None  # noqa: S101  # there is no manifest that could stand for it
        hash_, size, modified = digest.hash, digest.bytes, None
    return base.record_of(hash_, size, modified, known)


def is_overtaken(kept: Kept, digest: Digest, origin: base.Provenance, name: str) -> bool:
    """Return whether another run stored other data since the plan looked.

    Args:
        kept: The manifest there is now; where there is none, nobody stored anything.
        digest: Of what would be stored.
        origin: Has what the plan saw.
        name: The table.
    """
    if origin.expected is None:
        return False
    try:
        manifest = parsed(kept.text, name)
    except StorageError:
        return origin.expected.manifest != UNREADABLE
    return not origin.expected.is_described_by(manifest, origin.run_id) and manifest.content_hash != digest.hash


def parsed(text: str, name: str) -> Manifest:
    """Return the manifest of a table called `name`.

    Raises:
        NewerVersionError: A newer version of the tool wrote it.
        StorageError: It is none.
    """
    return parse_manifest(text.encode(), f"the manifest of `{name}`")


def refuse_found(table: Table, shown: str, found: Found, *, is_ours: bool, forced: bool) -> None:
    """Refuse what is in the place of a table, or of the one that a partition is a part of.

    Args:
        table: The table.
        shown: Where it is.
        found: What is there.
        is_ours: Whether it has a manifest.
        forced: Whether the user asked to replace it all the same.

    Raises:
        StorageError: It is no plain table, is stored by partition, or is not ours.
    """
    if found.kind != "table":
        raise StorageError(
            f"{shown} is a {found.kind}, and `{table.name}` would be a table",
            hint=f"drop the {found.kind}, or give the table another `path:`",
            location=table.where("path"),
        )
    if not is_ours and table.partition is None and UNIT_COLUMN in dict(found.columns):
        raise StorageError(
            f"{shown} is stored by partition, and `{table.name}` has no partitions",
            hint=REMOVE_PARTITIONS,
            location=table.where("path"),
        )
    if not is_ours and not forced:
        raise UnclaimedError(shown, selected_alone(table), location=table.where("path"))
