"""The end of publishing to a database: a new table takes the place of the old one, its manifest beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.errors import overtaken
from lakehouse_cli.storage.format_storage import make_manifest
from lakehouse_cli.storage.relational.inspection import is_overtaken
from lakehouse_cli.storage.relational.session import Digest, Found, Kept, Relation, Session
from lakehouse_cli.storage.relational.table_names import RelationNames
from lakehouse_cli.text.clock import now_ns
from lakehouse_cli.text.counts import count_text, plural

if TYPE_CHECKING:
    import pyarrow as pa


class NewTable(NamedTuple):
    """What was written, and is not yet in its place.

    Attributes:
        aside: What it is called until then.
        found: What the catalog says of it.
        columns: A table with its columns, of the types that they had before the database's; its rows do not count.
        rows: How many it must have.
    """

    aside: Relation
    found: Found
    columns: pa.Table
    rows: int


def publish_table(
    storage: RelationNames,
    session: Session,
    table: Table,
    new: NewTable,
    digest: Digest,
    kept: Kept | None,
    origin: Provenance,
) -> Manifest:
    """Put a new table in its place, and keep its manifest.

    Args:
        storage: Of the table.
        session: The transaction that wrote it.
        table: What it is declared as.
        new: What was written.
        digest: Of its rows.
        kept: The manifest that was there before.
        origin: Where it comes from.

    Raises:
        StorageError: The database took other rows than were given, or another run stored the table meanwhile.
    """
    if digest.rows != new.rows:
        rows = f"{count_text(digest.rows)} of {plural(new.rows, 'row')}"
        raise StorageError(f"{storage.names.owner} took {rows} of `{table.name}`")
    if kept is not None and is_overtaken(kept, digest, origin, table.name):
        raise overtaken(table, storage.uri(table))
    manifest = manifest_of(table, new, digest, origin)
    relation = storage.relation(table)
    session.put_in_place(new.aside, relation, digest, forced=origin.forced)
    session.keep(relation, manifest.to_text(), new.found.signature)
    return manifest


def manifest_of(table: Table, new: NewTable, digest: Digest, origin: Provenance) -> Manifest:
    """Make the manifest of a table, or of a partition, that was written aside."""
    manifest: Manifest = make_manifest(
        table,
        new.columns,
        origin,
        size=digest.bytes,
        content_hash=digest.hash,
        modified_ns=now_ns(),
        rows=new.rows,
    )
    return manifest
