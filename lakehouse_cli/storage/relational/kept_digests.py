"""Digests of the tables in a database file, kept for as long as nobody writes to the file.

SQLite and DuckDB do not tell which table was changed, but the file system tells that a file was not. What is kept lies
in the project's own state, belongs to inode, size and times of the database's files, and is used while they are those;
whoever has no such notes, as a fresh clone, hashes the rows and comes to the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import xxhash

from lakehouse_cli.local_state import keep, kept, with_hash
from lakehouse_cli.storage.relational.session import Digest, Found, Relation
from lakehouse_cli.version import __version__

_FOLDER = "cache"
# A file that was written this shortly before may be written again without its times telling.
_TELLING_AGE_NS = 2_000_000_000
_Stamp = list[list[int] | None]


class KeptDigests:
    """The notes on one database file.

    Args:
        project: The project's folder.
        path: Of the database.
        beside: Endings of the files beside it in which changes may be.
    """

    def __init__(self, project: Path, path: str, beside: Sequence[str]) -> None:
        self._project = project
        # The files beside it are beside what a link leads to.
        real = os.path.realpath(path)
        self._paths = [real, *(real + ending for ending in beside)]
        self._name = f"digests-{xxhash.xxh3_64_hexdigest(real.encode())}.json"

    def of(
        self, found: Mapping[Relation, Found], digest: Callable[[Relation, Found], Digest]
    ) -> dict[Relation, Digest]:
        """Digests of relations, from the notes as far as these hold.

        Args:
            found: What to hash; in a transaction that has begun to read, so that what it sees is what is on disk now.
            digest: Hashes one.
        """
        stamp = self._stamp()
        known = self._load(stamp) if stamp is not None else {}
        digests = {}
        for relation, each in found.items():
            noted = known.get((*relation, each.signature))
            digests[relation] = noted if noted is not None else digest(relation, each)
        # A view may show what is not in the file.
        tables = {
            (*relation, each.signature): digests[relation] for relation, each in found.items() if each.kind == "table"
        }
        if stamp is not None and not tables.keys() <= known.keys() and self._stamp() == stamp:
            self._keep(stamp, {**known, **tables})
        return digests

    def _stamp(self) -> _Stamp | None:
        """What tells the files as they are from what they were or will be; None where that is not sure."""
        stamp: _Stamp = []
        now = time.time_ns()
        for path in self._paths:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                stamp.append(None)
                continue
            except OSError:
                return None
            if not status.st_size:
                stamp.append(None)  # as SQLite makes one, and removes it, for whoever only reads
                continue
            if now - max(status.st_mtime_ns, status.st_ctime_ns) < _TELLING_AGE_NS:
                return None
            stamp.append([status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns])
        return stamp

    def _load(self, stamp: _Stamp) -> dict[tuple[str, str, str], Digest]:
        document = kept(self._project, _FOLDER, self._name)
        if document is None or document["version"] != __version__ or document["stamp"] != stamp:
            return {}
        return {(schema, name, sign): Digest(*rest) for schema, name, sign, *rest in document["digests"]}

    def _keep(self, stamp: _Stamp, digests: Mapping[tuple[str, str, str], Digest]) -> None:
        rows = [[*key, each.hash, each.rows, each.bytes] for key, each in digests.items()]
        document = {"version": __version__, "stamp": stamp, "digests": rows}
        keep(self._project, _FOLDER, self._name, with_hash(document))
