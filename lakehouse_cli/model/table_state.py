"""What is known of a table's stored data before a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from lakehouse_cli.errors import NewerVersionError, ObstructedError, StorageError, UnreachableError
from lakehouse_cli.model.judged_source import JudgedSource
from lakehouse_cli.model.manifest import OUTSIDE, InputRecord, Manifest
from lakehouse_cli.model.stored_version import UNREADABLE, ManifestId, StoredVersion


class TableState(Struct, frozen=True):
    """What is known of a table's stored data before a run.

    Attributes:
        uri: Where it is, or would be.
        exists: Whether something is stored there.
        trouble: Why it cannot be looked at, or why a source is not there and what is in its place; else None.
        altered_by: Where or by what stored data were modified, in words that follow "was modified".
        refused: Why nothing may take the place of what is there, None where it may, or where a run of ours stored it.
        other_options: Why it cannot be read at all: it was stored as another table, in another format, or with other
            options; None where it was not.
        other_columns: Why it cannot be read with the declared columns: they are others than were stored; None where it
            can.
        content: What is stored there now; None where nothing is, or where nobody needs to know.
        manifest: What was stored by the last run that did.
        manifest_trouble: Why the manifest cannot be read, None where it can, or where there is none.
        shown: Makes of the path of one of its files, where it is many, what messages call it.
        environment: The one this was found in, where it was not found in the plan's own.
        judged: What was found of a source when its checks were last judged; None where nothing is known.
    """

    uri: str
    exists: bool
    trouble: StorageError | None = None
    content: InputRecord | None = None
    manifest: Manifest | None = None
    manifest_trouble: StorageError | None = None
    environment: str | None = None
    shown: Callable[[str], str] = str
    altered_by: str = OUTSIDE
    refused: StorageError | None = None
    other_options: StorageError | None = None
    other_columns: StorageError | None = None
    judged: JudgedSource | None = None

    def refusal(self, *, force: bool) -> StorageError | None:
        """Why a run would leave it as it is though it is due; None where it would not.

        Args:
            force: Whether the user asked to replace what a newer version of the tool stored.
        """
        for trouble in (self.trouble, self.manifest_trouble):
            if isinstance(trouble, UnreachableError | ObstructedError) or (
                isinstance(trouble, NewerVersionError) and not force
            ):
                return trouble
        return self.refused

    @property
    def version(self) -> StoredVersion | None:
        """What a run replaces that stores the table; None where it is not known what is there."""
        if self.trouble is not None:
            return None
        if self.manifest_trouble is not None:
            return StoredVersion(self.content, UNREADABLE)
        return StoredVersion(self.content, None if self.manifest is None else ManifestId.of(self.manifest))

    @property
    def unclaimed(self) -> bool:
        """Whether it has no manifest, as far as is known."""
        return self.manifest is None and self.manifest_trouble is None and self.trouble is None

    @property
    def gone(self) -> bool:
        """Whether a run stored the table, and what it stored is not there any more; its manifest is."""
        return not self.exists and self.trouble is None and not self.unclaimed

    @property
    def other_form(self) -> StorageError | None:
        """Why it cannot be read as it is declared now: it was stored in another form."""
        return self.other_options or self.other_columns

    @property
    def altered(self) -> bool:
        """Whether what is stored is not what the manifest records."""
        return self.manifest is None or self.content is None or self.content.content_hash != self.manifest.content_hash

    @property
    def altered_since(self) -> bool:
        """Whether a run stored what is there, and somebody altered it since."""
        return self.manifest is not None and self.content is not None and self.altered


def misread_tables(states: Mapping[str, TableState]) -> dict[str, str]:
    """Why tables cannot be read as they are declared now, of those that were stored in another form."""
    return {name: state.other_form.message for name, state in states.items() if state.other_form is not None}
