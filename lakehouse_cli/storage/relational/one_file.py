"""What databases share that are one file of this machine."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, ClassVar

from lakehouse_cli.errors import ObstructedError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage.local.folders import make_folder
from lakehouse_cli.storage.local.publishing import sync_all
from lakehouse_cli.storage.relational.kept_digests import kept_digests
from lakehouse_cli.storage.relational.query_storage import QueryStorage
from lakehouse_cli.storage.relational.session import Digest, Found, Relation, Session

_turns: dict[tuple[int, str], threading.Lock] = {}
_turns_lock = threading.Lock()


def _turn(path: str) -> threading.Lock:
    """Who writes in this process: however long a query takes, its other tables wait for their turn."""
    with _turns_lock:
        return _turns.setdefault((os.getpid(), os.path.realpath(path)), threading.Lock())


class OneFileStorage(QueryStorage):
    """Tables in a database file; a base for one storage for each kind of file."""

    #: Endings of the files beside the database's own in which changes may be.
    beside: ClassVar[tuple[str, ...]]

    @abstractmethod
    def transaction(self, path: str, *, write: bool, patience: float) -> AbstractContextManager[Session]:
        """Begin a transaction; `session` ends it.

        Args:
            path: Of the file, which is made where it is not there and `write` is asked for.
            write: Whether to change anything.
            patience: Seconds to wait for another that has it locked.
        """

    @contextmanager
    def session(self, *, write: bool = False, reading: Relation | None = None) -> Iterator[Session | None]:
        """A transaction on a connection of its own, in which all queries see the same."""
        del reading
        path = self.spec.root
        if write:
            self._refuse_second_name()
        if not os.path.exists(path):
            if not write:
                yield None
                return
            sync_all(list(make_folder(os.path.dirname(path))))
        patience = float(self.spec.connection.get("lock_timeout") or 60)
        with _turn(path) if write else nullcontext(), self.transaction(path, write=write, patience=patience) as session:
            try:
                yield session
            except BaseException:
                with suppress(Exception):
                    session.do("ROLLBACK")
                raise
            session.do("COMMIT")

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """As of any database; a computed table that `session` would not write is refused here, for a plan to report."""
        if table.kind == "computed":
            self._refuse_second_name()
        return super().content(table, known)

    def _refuse_second_name(self) -> None:
        """Refuse to write to a file that has another name, by a hard link: it is written in place, under both."""
        with suppress(OSError):
            if os.stat(self.spec.root).st_nlink > 1:
                name = os.path.basename(self.spec.root)
                raise ObstructedError(
                    f"{self.spec.root_text} has another name, a hard link, under which it would change as well",
                    hint=f"give it a file of its own: `cp {name} {name}.copy && mv {name}.copy {name}` in its folder",
                    location=self.spec.location,
                )

    hashes_at_once = True  # opening the file again costs more than hashing

    def digests(self, session: Session, found: Mapping[Relation, Found]) -> Mapping[Relation, Digest]:
        """Hash rows, but for what is known of the file as it is now."""
        if self.spec.folder is None:
            return super().digests(session, found)
        return kept_digests(self.spec.folder, self.spec.root, self.beside, found, session.digest)

    def identity(self) -> Any:
        """Device and inode of the file."""
        try:
            status = os.stat(self.spec.root)
        except OSError:
            return None
        return status.st_dev, status.st_ino
