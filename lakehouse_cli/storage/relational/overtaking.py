"""Which manifests were seen, so that what another run stored since is not replaced unseen."""

from __future__ import annotations

import xxhash

from lakehouse_cli.storage.relational.session import Digest, Kept, Relation, parsed


class Seen:
    """The manifests of a database as this process saw them last; goes along into the processes of a run."""

    def __init__(self) -> None:
        # Hashes alone: it is sent with every table that another process computes.
        self._hashes: dict[Relation, str | None] = {}

    def note(self, relation: Relation, kept: Kept | None) -> None:
        """What is published from now on takes the place of this and of nothing else."""
        self._hashes[relation] = _hash(kept)

    def is_overtaken(self, relation: Relation, kept: Kept | None, digest: Digest, name: str) -> bool:
        """Whether another run stored other data since.

        Args:
            relation: What would be replaced.
            kept: Its manifest by now; where there is none, nobody stored it.
            digest: Of what would be stored.
            name: The table.
        """
        if kept is None or self._hashes.get(relation, _hash(kept)) == _hash(kept):
            return False
        return parsed(kept.text, name).content_hash != digest.hash


def _hash(kept: Kept | None) -> str | None:
    return None if kept is None else xxhash.xxh3_128_hexdigest(kept.text.encode())
