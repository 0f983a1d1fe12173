"""Transactions of a database, and what is changed of manifests alone in one."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Amendment, Manifest
from lakehouse_cli.storage.errors import Cause, translate_errors
from lakehouse_cli.storage.relational.inspection import parsed
from lakehouse_cli.storage.relational.session import Relation, Session
from lakehouse_cli.storage.relational.table_names import RelationNames
from lakehouse_cli.storage.relational.unit_rows import keep_unit


class SessionStorage(RelationNames):
    """Opens transactions; a base, see `RelationalStorage`."""

    @abstractmethod
    def session(
        self, *, write: bool = False, reading: Relation | None = None
    ) -> AbstractContextManager[Session | None]:
        """Open a transaction, committed at the end of the block and rolled back on an exception.

        None where only reading is asked for and there is no database yet; with `write` it is made.

        Args:
            write: Whether to change anything.
            reading: A relation of which all queries must see the same rows.
        """

    @abstractmethod
    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """As of `lakehouse_cli.storage.errors.Explaining`."""

    def keep_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        """Replace the manifest, and leave the data."""
        relation = self.relation(table)
        with translate_errors(self, table, "written"), self.session(write=True) as session:
            assert session is not None  # noqa: S101  # writing makes the database
            session.lock(relation)
            kept = session.kept_of(relation)
            changed = None if kept is None else parsed(kept.text, table.name).with_checks(checks, manifest)
            if kept is None or changed is None:
                return False
            if relation.is_unit:
                keep_unit(session, relation, changed, kept.signature, kept.stamp)
            else:
                session.keep(relation, changed.to_text(), kept.signature)
            return True
