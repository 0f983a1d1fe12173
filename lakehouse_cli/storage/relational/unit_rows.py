"""Partitions of a table in a database: its rows of one value of a column of ours, all manifests in a table of ours.

A partition is to a session a relation of its own, as what `Relation.of_unit` makes.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lakehouse_cli.errors import StorageError, UnclaimedError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import digests_name
from lakehouse_cli.model.unit import selected_alone
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.errors import other_types_hint, overtaken
from lakehouse_cli.storage.relational.inspection import REMOVE_PARTITIONS, is_overtaken
from lakehouse_cli.storage.relational.publishing import NewTable, manifest_of
from lakehouse_cli.storage.relational.session import (
    DIGESTS,
    RECORD_COLUMNS,
    UNIT,
    UNIT_COLUMN,
    Digest,
    Found,
    InTheWayError,
    KeptUnits,
    Relation,
    Session,
    is_relation,
    unit_columns,
)
from lakehouse_cli.text.sql import literal, quote

if TYPE_CHECKING:
    from lakehouse_cli.storage.relational.table_names import RelationNames


def keep_unit(session: Session, relation: Relation, manifest: Manifest, signature: str, stamp: str | None) -> None:
    """Store the manifest of a partition.

    Args:
        session: The transaction.
        relation: The partition.
        manifest: Of it.
        signature: Of its columns.
        stamp: As it was before, where the rows are; None where they were stored in this transaction.
    """
    partition = relation.partition
    session.make_records()
    shared = session.units(relation.base, relation).index
    for line in shared.lines_for([(partition, manifest)]).decode().splitlines():
        kind, item, *_ = json.loads(line)
        if kind == UNIT:
            item = relation.unit
            _forget_units(session, relation.base, [item])
            session.do(_inserted(session, relation.base, kind, item, line, stamp, signature))
        else:
            session.do(_inserted(session, relation.base, kind, str(item), line, "", ""))


def _inserted(
    session: Session, base: Relation, kind: str, item: str, line: str, stamp: str | None, signature: str
) -> str:
    texts = [literal(each) for each in (base.schema, base.name, kind, item, line)]
    stamped = session.stamp_of(base, item) if stamp is None else literal(stamp)
    return (
        f"INSERT INTO {session.sql(session.records)} ({', '.join(RECORD_COLUMNS)})"
        f" SELECT {', '.join(texts)}, {stamped}, {literal(signature)}"
    )


def keep_digests(session: Session, base: Relation, name: str, content: bytes) -> None:
    """Keep bytes beside what is recorded of the partitions of a table."""
    session.make_records()
    drop_digests(session, base, [name])
    texts = (base.schema, base.name, DIGESTS, name, b64encode(content).decode(), "", "")
    values = ", ".join(map(literal, texts))
    session.do(f"INSERT INTO {session.sql(session.records)} ({', '.join(RECORD_COLUMNS)}) VALUES ({values})")


def kept_digests(session: Session, base: Relation, name: str) -> bytes | None:
    """Return bytes that were kept; None where there are none."""
    if not session.has_records():
        return None
    where = f"{is_relation(base)} AND kind = '{DIGESTS}' AND item = {literal(name)}"
    found = session.rows(f"SELECT line FROM {session.sql(session.records)} WHERE {where}")
    return b64decode(found[0][0]) if found else None


def drop_digests(session: Session, base: Relation, names: Iterable[str]) -> None:
    """Remove bytes that were kept."""
    for name in names if session.has_records() else ():
        where = f"{is_relation(base)} AND kind = '{DIGESTS}' AND item = {literal(name)}"
        session.do(f"DELETE FROM {session.sql(session.records)} WHERE {where}")


def _forget_units(session: Session, base: Relation, paths: Sequence[str]) -> None:
    records, of_base = session.sql(session.records), is_relation(base)
    for path in paths:
        session.do(f"DELETE FROM {records} WHERE {of_base} AND kind = '{UNIT}' AND item = {literal(path)}")


def refuse_base(storage: RelationNames, session: Session, table: Table, found: Found | None, *, forced: bool) -> None:
    """Refuse a table that no run stored by these partitions.

    Raises:
        StorageError: It is another's, or divided otherwise.
    """
    if found is None:
        return
    base = storage.relation(table).base
    shown, recorded = storage.uri_of(base), session.one_unit(base)
    # All that are recorded have the same dimensions.
    divided = tuple([part.partition("=")[0] for part in recorded.split("/")]) if recorded else table.partitions
    if divided != table.partitions:
        raise StorageError(
            f"{shown} is divided by {', '.join(divided)}, and `{table.name.partition('/')[0]}` is"
            f" by {', '.join(table.partitions)}",
            hint=REMOVE_PARTITIONS,
            location=table.where("partitions", "path"),
        )
    is_ours = recorded is not None and UNIT_COLUMN in dict(found.columns)
    if not is_ours and not forced:
        if session.kept_of(base) is not None:
            name = table.name.partition("/")[0]
            raise StorageError(
                f"{shown} is stored without partitions, and `{name}` is by {', '.join(table.partitions)}",
                hint=f"`lakehouse run --force {name}` replaces it; or give this table another `path:`",
                location=table.where("partitions", "path"),
            )
        raise UnclaimedError(shown, selected_alone(table), location=table.where("path"))


def publish_unit(
    storage: RelationNames, session: Session, table: Table, new: NewTable, digest: Digest, origin: Provenance
) -> Manifest:
    """Let new rows take the place of those of a partition, and keep its manifest.

    Args:
        storage: Of the table.
        session: The transaction that wrote the rows.
        table: The unit.
        new: The rows, in a table aside.
        digest: Of them.
        origin: Where they come from.

    Raises:
        StorageError: Another run stored the partition meanwhile.
        InTheWayError: Its columns do not go with those of the partitions that are there.
    """
    relation = storage.relation(table)
    base, partition = relation.base, relation.partition
    found, kept = session.find_one(base), session.kept_of(relation)
    if kept is not None and is_overtaken(kept, digest, origin, table.name):
        raise overtaken(table, storage.uri(table))
    values = {name: text for name, text in partition.key.items() if name not in dict(new.found.columns)}
    _make_base(session, table, relation, found, new.found, [*values], storage.at_once)
    if found is not None and UNIT_COLUMN in dict(found.columns):
        session.do(f"DELETE FROM {session.sql(base)} WHERE {UNIT_COLUMN} = {literal(relation.unit)}")
    names = [quote(name) for name, _ in new.found.columns]
    into = [*names, *map(quote, values), UNIT_COLUMN]
    texts = [*names, *map(literal, values.values()), literal(relation.unit)]
    session.do(
        f"INSERT INTO {session.sql(base)} ({', '.join(into)}) SELECT {', '.join(texts)} FROM {session.sql(new.aside)}"
    )
    session.do(f"DROP TABLE {session.sql(new.aside)}")
    manifest = manifest_of(table, new, digest, origin)
    if origin.keys is not None:
        records = session.units(base).index.records
        manifest = origin.keys.judged_anew(table, manifest, records, partial(kept_digests, session, base))
        keep_digests(session, base, digests_name(partition, digest.hash), origin.keys.content)
        if (before := records.get(partition)) is not None and before.content_hash != digest.hash:
            drop_digests(session, base, [digests_name(partition, before.content_hash)])
    keep_unit(session, relation, manifest, new.found.signature, None)
    if not session.stores_as_given and session.digest(relation, new.found) != digest:
        raise InTheWayError(
            "the table holds other rows than those that were stored, by its types of columns, a trigger or a rule",
            "drop what changes them, or the table, and run again",
        )
    return manifest


def aside_of(relation: Relation) -> Relation:
    """Return a name for rows that wait for their place."""
    return Relation(relation.schema, f"lakehouse_new_{secrets.token_hex(8)}")


def _make_base(
    session: Session,
    table: Table,
    relation: Relation,
    found: Found | None,
    new: Found,
    values: Sequence[str],
    at_once: Collection[Relation],
) -> None:
    """Make the table of a partition, or let it have the columns of new rows."""
    base = relation.base
    present = {} if found is None else dict(found.columns)
    changed = [(name, kind) for name, kind in new.columns if present.get(name, kind) != kind]
    if found is not None and UNIT_COLUMN not in present:
        session.drop(base, table=True)  # with the manifest that it has as a table without partitions
        present, changed, found = {}, [], None
    if changed and not _others(session, relation, at_once):
        # All rows are replaced; what hangs on the table and on its other columns stays.
        for name, _ in changed:
            session.do(f"ALTER TABLE {session.sql(base)} DROP COLUMN {quote(name)}")
            del present[name]
    elif changed:
        name, kind = changed[0]
        raise InTheWayError(
            f"column `{name}` is {present[name]} there, and would be {kind}",
            other_types_hint(table),
        )
    text = session.text_type
    wanted = [*new.columns, *((name, text) for name in values), (UNIT_COLUMN, text)]
    if found is None:
        # A user dropped the table, and nothing is left of partitions by other dimensions.
        others = [
            each for each in session.units(base).index.records if each.dimensions != relation.partition.dimensions
        ]
        drop_units(session, base, [base.of_unit(each) for each in others])
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in wanted)
        session.do(f"CREATE TABLE {session.sql(base)} ({columns})")
        session.index_units(base)
    for name, kind in wanted if found is not None else ():
        if name not in present:
            session.do(f"ALTER TABLE {session.sql(base)} ADD COLUMN {quote(name)} {kind}")


def _others(session: Session, relation: Relation, at_once: Collection[Relation]) -> bool:
    """Whether partitions of a table are recorded beside one, and beside those that are stored in this transaction."""
    base = relation.base
    if not at_once:
        return session.one_unit(base, relation) is not None
    return any(base.of_unit(each) not in at_once for each in session.units(base).index.records)


def drop_units(session: Session, base: Relation, units: Sequence[Relation]) -> None:
    """Remove rows and manifests of partitions; of the last ones, the table as well."""
    found = session.find_one(base)
    recorded = session.units(base)
    paths = [each.unit for each in units if each.partition in recorded.index.records]
    if not paths:
        return
    if found is not None and UNIT_COLUMN in dict(found.columns):
        for path in paths:
            session.do(f"DELETE FROM {session.sql(base)} WHERE {UNIT_COLUMN} = {literal(path)}")
    records = recorded.index.records
    dropped = [each.partition for each in units if each.partition in records]
    drop_digests(session, base, [digests_name(each, records[each].content_hash) for each in dropped])
    _forget_units(session, base, paths)
    if len(paths) == len(recorded.index.records):
        session.do(f"DELETE FROM {session.sql(session.records)} WHERE {is_relation(base)}")
        if found is not None and not session.rows(f"SELECT 1 FROM {session.sql(base)} LIMIT 1"):
            session.do(f"DROP TABLE {session.sql(base)}")


def contents_of(
    session: Session,
    base: Relation,
    kept: KeptUnits,
    wanted: Iterable[Partition],
    digests: Mapping[Relation, Digest] | None = None,
) -> tuple[dict[Partition, InputRecord], dict[Relation, Found]]:
    """Return the content of partitions, and those whose rows must be hashed for it.

    Args:
        session: The transaction.
        base: Their table.
        kept: What is recorded of them.
        wanted: Which.
        digests: Of those that were hashed.
    """
    found: dict[Partition, InputRecord] = {}
    unsure: dict[Relation, Found] = {}
    there = session.find_one(base)
    if there is not None and UNIT_COLUMN not in dict(there.columns):
        return {}, {}  # another table took its place
    stamps = {path: stamp for path, (stamp, _) in kept.stamps.items()}
    untouched = session.untouched_units(base, stamps) if there is not None and digests is None else frozenset()
    for partition in wanted if there is not None else ():
        record, relation = kept.index.records[partition], base.of_unit(partition)
        columns = unit_columns(there, [name for name, _ in record.shared.columns]) if there is not None else None
        if columns is None:
            continue
        same = columns.signature == kept.stamps[relation.unit][1]
        digest = None if digests is None else digests.get(relation)
        if same and (relation.unit in untouched or (digest is not None and digest.hash == record.content_hash)):
            found[partition] = record.content
        elif digest is not None:
            found[partition] = InputRecord(digest.hash, -1, digest.bytes)
        else:
            unsure[relation] = columns
    return found, unsure
