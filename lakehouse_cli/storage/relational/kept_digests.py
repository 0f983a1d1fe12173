"""Digests of the tables in a database file, kept for as long as nobody writes to the file.

SQLite and DuckDB do not record which table was changed, but the file system shows that a file was not. Without
kept digests, as in a fresh clone, the rows are hashed, with the same result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lakehouse_cli.storage.local.stat_cache import Stamp, Stamps, stat_cache
from lakehouse_cli.storage.relational.session import Digest, Found, Relation
from lakehouse_cli.version import __version__


def kept_digests(
    project: Path,
    path: str,
    beside: Sequence[str],
    found: Mapping[Relation, Found],
    digest: Callable[[Relation, Found], Digest],
) -> dict[Relation, Digest]:
    """Return digests of relations, from the notes on their database file as far as these hold.

    Args:
        project: The project's folder, where the notes are.
        path: Of the database.
        beside: Endings of the files beside it in which changes may be.
        found: What to hash; in a transaction that has begun to read, so that what it sees is what is on disk now.
        digest: Hashes one.
    """
    # The files beside it are beside what a link leads to.
    real = os.path.realpath(path)
    paths = [real, *(real + ending for ending in beside)]
    notes, name = stat_cache(project), f"digests {__version__} {real}"
    stamps = _stamps(paths)
    known: dict[tuple[str, str, str], Digest] = {}
    with suppress(ValueError, TypeError):
        rows = (stamps is not None and notes.get(name, stamps)) or ()
        known = {(schema, table, sign): Digest(*rest) for schema, table, sign, *rest in rows}
    digests = {r: known.get((*r, each.signature)) or digest(r, each) for r, each in found.items()}
    # A view may show what is not in the file.
    tables = {(*r, each.signature): digests[r] for r, each in found.items() if each.kind == "table"}
    if stamps is not None and not tables.keys() <= known.keys() and _stamps(paths) == stamps:
        notes.put(name, stamps, [[*key, each.hash, each.rows, each.bytes] for key, each in {**known, **tables}.items()])
    return digests


def _stamps(paths: Sequence[str]) -> Stamps | None:
    """Return what identifies files as they are now; None where that is not sure."""
    stamps: list[Stamp | None] = []
    for path in paths:
        try:
            stamp = Stamp.of(os.stat(path))
        except FileNotFoundError:
            stamps.append(None)
            continue
        except OSError:
            return None
        if stamp.size and stamp.is_racy:
            return None
        stamps.append(stamp if stamp.size else None)  # an empty one SQLite makes, and removes, for a mere reader
    return tuple(stamps)
