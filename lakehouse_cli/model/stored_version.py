"""The version of a stored table that a run replaces, as its plan saw it."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from lakehouse_cli.model.manifest import InputRecord, Manifest


class ManifestId(NamedTuple):
    """The identity of one manifest of a table."""

    run_id: str
    finished_at: str
    content_hash: str
    bytes: int
    modified_ns: int

    @classmethod
    def of(cls, manifest: Manifest) -> ManifestId:
        """The id of a manifest."""
        return cls(*(getattr(manifest, name) for name in cls._fields))


#: Stands for a manifest that is there and cannot be read.
UNREADABLE = ManifestId("", "", "", 0, 0)


class StoredVersion(Struct, frozen=True):
    """What was seen where a table is to be stored. A storage replaces that and nothing else.

    Attributes:
        content: The data; None where there were none.
        manifest: Their manifest; None where there was none.
        once: Whether the run itself may store no more than once: on a cluster, what was given up may still be computed.
    """

    content: InputRecord | None
    manifest: ManifestId | None
    once: bool = False

    def is_described_by(self, manifest: Manifest | None, run_id: str) -> bool:
        """Whether a manifest is still the one that was seen, or that of the run itself, where it may store twice.

        Args:
            manifest: The one that is there now; None where there is none.
            run_id: The run that is about to store.
        """
        if manifest is None or self.manifest is None:
            return manifest is None and self.manifest is None
        # Storages give a manifest's time as that of the data they have now.
        is_ours = manifest.run_id == run_id and not self.once
        return is_ours or ManifestId.of(manifest)[:3] == self.manifest[:3]
