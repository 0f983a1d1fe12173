"""One file of a source of many, as a listing found it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lakehouse_cli.model.file_pattern import Placeholder
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import HIVE_NULL
from lakehouse_cli.storage.files_reading import Part
from lakehouse_cli.storage.format_storage import Listed, SourceFile


class FoundFile(Part):
    """One of the files; what it has in common with very many others it shares with them.

    Attributes:
        listed: What the listing says of it.
    """

    __slots__ = ("_ending", "_root", "_template", "listed")

    def __init__(
        self, listed: Listed, root: str, values: Mapping[str, str | None], template: SourceFile, ending: str
    ) -> None:
        super().__init__(listed.path, values)
        self.listed, self._root, self._template, self._ending = listed, root, template, ending

    @property
    def uri(self) -> str:
        """Under the root as messages show that."""
        return f"{self._root}{self.shown}"

    @property
    def table(self) -> SourceFile:
        """It alone, as a source."""
        return replace(self._template, path=self.shown[: len(self.shown) - len(self._ending)], suffix=self._ending)


def partition_value(text: str | None, placeholder: Placeholder | None) -> str:
    """The value of a dimension that a part of a path is; null as Hive writes it."""
    if text is None:
        return HIVE_NULL
    return text if placeholder is None else placeholder.partition_value(text)


def is_unencodable(text: str) -> bool:
    """Whether a name of a file is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def planned_files(known: Iterable[InputRecord]) -> frozenset[str] | None:
    """Return the files that a run was planned with, which all of its tables read; None where there were none."""
    return next((frozenset(each.path for each in record.files) for record in known if record.files), None)
