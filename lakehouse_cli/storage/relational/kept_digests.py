"""Digests of the tables in a database file, kept for as long as nobody writes to the file.

SQLite and DuckDB do not tell which table was changed, but the file system tells that a file was not. Whoever has no
such notes, as a fresh clone, hashes the rows and comes to the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lakehouse_cli.storage.local.stat_cache import Stamp, Stamps, stat_cache
from lakehouse_cli.storage.relational.session import Digest, Found, Relation
from lakehouse_cli.version import __version__


class KeptDigests:
    """The notes on one database file.

    Args:
        project: The project's folder.
        path: Of the database.
        beside: Endings of the files beside it in which changes may be.
    """

    def __init__(self, project: Path, path: str, beside: Sequence[str]) -> None:
        self._notes = stat_cache(project)
        # The files beside it are beside what a link leads to.
        real = os.path.realpath(path)
        self._paths = [real, *(real + ending for ending in beside)]
        self._name = f"digests {__version__} {real}"

    def of(
        self, found: Mapping[Relation, Found], digest: Callable[[Relation, Found], Digest]
    ) -> dict[Relation, Digest]:
        """Digests of relations, from the notes as far as these hold.

        Args:
            found: What to hash; in a transaction that has begun to read, so that what it sees is what is on disk now.
            digest: Hashes one.
        """
        stamps = self._stamps()
        known = self._known(stamps) if stamps is not None else {}
        digests = {}
        for relation, each in found.items():
            noted = known.get((*relation, each.signature))
            digests[relation] = noted if noted is not None else digest(relation, each)
        # A view may show what is not in the file.
        tables = {
            (*relation, each.signature): digests[relation] for relation, each in found.items() if each.kind == "table"
        }
        if stamps is not None and not tables.keys() <= known.keys() and self._stamps() == stamps:
            rows = [[*key, each.hash, each.rows, each.bytes] for key, each in {**known, **tables}.items()]
            self._notes.put(self._name, stamps, rows)
        return digests

    def _stamps(self) -> Stamps | None:
        """What tells the files as they are from what they were or will be; None where that is not sure."""
        stamps: list[Stamp | None] = []
        for path in self._paths:
            try:
                stamp = Stamp.of(os.stat(path))
            except FileNotFoundError:
                stamps.append(None)
                continue
            except OSError:
                return None
            if not stamp.size:
                stamps.append(None)  # as SQLite makes one, and removes it, for whoever only reads
                continue
            if stamp.is_racy:
                return None
            stamps.append(stamp)
        return tuple(stamps)

    def _known(self, stamps: Stamps) -> dict[tuple[str, str, str], Digest]:
        with suppress(ValueError, TypeError):
            rows = self._notes.get(self._name, stamps) or ()
            return {(schema, name, sign): Digest(*rest) for schema, name, sign, *rest in rows}
        return {}
