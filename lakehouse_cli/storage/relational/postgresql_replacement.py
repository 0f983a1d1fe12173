"""How a new table takes the place of an old one in PostgreSQL, so that what hangs on the old one is not lost.

Views, grants, indexes, triggers and the like belong to the table itself and not to its name: where there are any, the
table stays and its rows are replaced. They are deleted, not truncated: a reader with an older snapshot goes on
seeing the old rows (https://www.postgresql.org/docs/current/mvcc-caveats.html).
"""

from __future__ import annotations

from typing import Any

from lakehouse_cli.storage.relational.session import Digest, Found, InTheWayError, Relation, Session
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.sql import literal, quote

_SHOWN = 5


def put_in_place(session: Session, aside: Relation, relation: Relation, digest: Digest, *, forced: bool) -> None:
    """Let a new table, or its rows, take the place of what is there.

    Args:
        session: The transaction that wrote the new table.
        aside: The new table.
        relation: The table that is to be, there or not.
        digest: Of the new table.
        forced: Whether what belongs to the old table may go with it, where its columns change.

    Raises:
        InTheWayError: What hangs on the old table does not let its place be taken; nothing is changed.
    """
    found = session.find([aside, relation])
    old = found.get(relation)
    hanging = _hanging(session, aside, relation) if old is not None else []
    if old is not None and hanging and old.columns == found[aside].columns:
        _replace_rows(session, aside, relation, old, digest)
        return
    others = [what for what, of_others in hanging if of_others]
    if others:
        raise InTheWayError(
            f"its columns change, and {first_few(others, _SHOWN)} depends on it",
            "drop what depends on the table, run again, and make it anew",
        )
    if hanging and not forced:
        raise InTheWayError(
            f"its columns change, and {first_few([what for what, _ in hanging], _SHOWN)} would go with the old table",
            "make them anew after `lakehouse run --force {table}`, which drops them; or alter the table by hand",
        )
    session.do(f"DROP TABLE IF EXISTS {relation.quoted}")
    session.do(f"ALTER TABLE {aside.quoted} RENAME TO {quote(relation.name)}")


def _hanging(session: Session, aside: Relation, relation: Relation) -> list[tuple[Any, ...]]:
    """Return what would go with a table, or keep it from being dropped, in the server's words.

    Each with whether it is an object of its own, such as a view, and no part of the table.
    """
    old, new = (f"{literal(each.quoted)}::regclass" for each in (relation, aside))
    settings = "relreplident, relrowsecurity, relforcerowsecurity, reloptions, reltablespace, relpersistence, relam"
    of_columns = "attacl::text, attoptions, attnotnull, atthasdef, attidentity, attstattarget, attstorage, attcollation"
    return session.rows(
        # What the server itself knows to depend on it; views depend by way of their rule.
        "SELECT CASE WHEN r.ev_class <> t.oid THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)"
        " ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS what,"
        " bool_or(d.deptype = 'n' AND coalesce(r.ev_class, c.conrelid, 0) <> t.oid) AS of_others"
        " FROM pg_class t JOIN pg_type y ON y.oid = t.reltype JOIN pg_depend d"
        " ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid)"
        " OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray))"
        " LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
        " LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid"
        f" WHERE t.oid = {old} AND d.deptype <> 'i' GROUP BY 1"
        # What is no object of its own.
        " UNION ALL SELECT 'its privileges', false FROM pg_class a, pg_class b"
        f" WHERE a.oid = {old} AND b.oid = {new} AND a.relacl::text IS DISTINCT FROM b.relacl::text"
        " UNION ALL SELECT 'its owner', false FROM pg_class a, pg_class b"
        f" WHERE a.oid = {old} AND b.oid = {new} AND a.relowner <> b.relowner"
        f" UNION ALL SELECT 'its settings', false WHERE (SELECT ROW({settings})::text FROM pg_class WHERE oid = {old})"
        f" <> (SELECT ROW({settings})::text FROM pg_class WHERE oid = {new})"
        " UNION ALL SELECT 'what column ' || quote_ident(attname) || ' has beyond its type', false FROM"
        f" (SELECT DISTINCT attname, atttypid, ROW({of_columns})::text FROM pg_attribute"
        f" WHERE attrelid IN ({old}, {new}) AND attnum > 0 AND NOT attisdropped) AS s"
        " GROUP BY attname, atttypid HAVING count(*) > 1"
        " UNION ALL SELECT 'its comments', false WHERE EXISTS"
        f" (SELECT FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = {old})"
        " UNION ALL SELECT 'its security labels', false WHERE EXISTS"
        f" (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = {old})"
        " UNION ALL SELECT 'its place under ' || inhparent::regclass::text, false"
        f" FROM pg_inherits WHERE inhrelid = {old}"
        " ORDER BY 1"
    )


def _replace_rows(session: Session, aside: Relation, relation: Relation, old: Found, digest: Digest) -> None:
    """Other rows in the same table; readers are not kept waiting, other writers are."""
    session.do(f"LOCK TABLE {relation.quoted} IN SHARE ROW EXCLUSIVE MODE")
    _refuse_acting_keys(session, relation)
    # Rows that a policy hides from us would stay: better an error.
    session.do("SET LOCAL row_security = off")
    session.do("SET CONSTRAINTS ALL DEFERRED")
    session.do(f"DELETE FROM ONLY {relation.quoted}")
    session.do(f"INSERT INTO {relation.quoted} SELECT * FROM {aside.quoted}")
    session.do("SET CONSTRAINTS ALL IMMEDIATE")
    session.do(f"DROP TABLE {aside.quoted}")
    if session.digest(relation, old) != digest:
        raise InTheWayError(
            "a trigger or a rule of the table made other rows of those that were stored",
            "drop the trigger or the rule, or make a view that shows what it makes",
        )


def _refuse_acting_keys(session: Session, relation: Relation) -> None:
    """Refuse where deleting rows would delete or alter those of other tables, or fail before the new ones are there."""
    keys = session.rows(
        "SELECT pg_describe_object('pg_constraint'::regclass, oid, 0) FROM pg_constraint"
        f" WHERE contype = 'f' AND confrelid = {literal(relation.quoted)}::regclass AND conrelid <> confrelid"
        " AND (confdeltype <> 'a' OR NOT condeferrable) ORDER BY 1"
    )
    if keys:
        raise InTheWayError(
            f"its rows are replaced, and {first_few([key for (key,) in keys], _SHOWN)} refers to them",
            "make the foreign key `DEFERRABLE`, without `ON DELETE`: it is checked when the new rows are there",
        )
