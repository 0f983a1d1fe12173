"""One file of a source of many, as a listing found it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.file_pattern import PatternError, Placeholder
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import FILE, HIVE_NULL
from lakehouse_cli.model.period import SAMPLES, PeriodError, check_period
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


def check_dimensions(table: Table, values: Mapping[str, str | None], placeholders: Mapping[str, Placeholder]) -> None:
    """Check that what the path of a file says is a value of each dimension of its source.

    Args:
        table: The source.
        values: What the path says, by dimension.
        placeholders: Those of the source's path, by name.

    Raises:
        PatternError: It says nothing of one, or what is no period of one of time, or is not written as its key.
    """
    for name in table.partitions:
        if name != FILE and name not in values:
            hint = f"move it into such a folder, `{name}={HIVE_NULL}` where it has no value, or move it away"
            raise PatternError(f"it is in no folder `{name}=…`", hint)
        dimension, text = table.periods.get(name), values.get(name)
        if dimension is None or dimension.every is None or text is None or text == HIVE_NULL:
            continue
        every, zone = dimension.every, dimension.timezone
        try:
            _check_period(partition_value(text, placeholders.get(name)), every, zone)
        except PeriodError as error:
            sample = SAMPLES[every]
            hint = f"name it by its {every}, as `{sample}`, move it away, or give the dimension `{name}` another name"
            raise PatternError(str(error), hint) from None


_check_period = lru_cache(maxsize=4096)(check_period)  # many files may be of one period


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
