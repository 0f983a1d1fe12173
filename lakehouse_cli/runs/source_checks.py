"""What checks found of sources, kept in the project's folder: nothing is written beside data that are not ours."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model.judged_source import JudgedSource
from lakehouse_cli.runs.local_state import keep, kept, with_hash
from lakehouse_cli.text.redaction import Mask, masked, unmasked

_FOLDER = "checks"


class _Document(Struct, frozen=True):
    """The file of an environment."""

    sources: dict[str, JudgedSource]


class SourceChecksStore:
    """Keeps what checks found of the sources of an environment; writes only under the lock of a run.

    Args:
        folder: Of the project.
        environment: The environment.
        mask: Takes the values of variables out of what is shown of sources.
    """

    def __init__(self, folder: Path, environment: str, mask: Mask = unmasked) -> None:
        self._folder = folder
        self._mask = mask
        self._file = f"{environment}.json"
        self._sources: dict[str, JudgedSource] | None = None
        self._is_changed = False

    def read(self, name: str) -> JudgedSource | None:
        """What was found of a source last; None where nothing is known, or where it was not as declared."""
        return self._all().get(name)

    def replace(self, name: str, found: JudgedSource | None) -> None:
        """Keep what was found of a source from `write` on, None for nothing.

        Args:
            name: The source.
            found: What was found.
        """
        if found is None:
            self._is_changed |= self._all().pop(name, None) is not None
            return
        records = tuple(replace(each, result=masked(each.result, self._mask)) for each in found.checks)
        self._all()[name] = replace(found, checks=records)
        self._is_changed = True

    def write(self, names: Collection[str]) -> None:
        """Write what was found; only of tables that are declared."""
        if not self._is_changed:
            return
        document = _Document({name: found for name, found in self._all().items() if name in names})
        try:
            content = with_hash(document)
        except UnicodeEncodeError:  # by the name of a file: its source is judged again
            return
        keep(self._folder, _FOLDER, self._file, content)
        self._is_changed = False

    def _all(self) -> dict[str, JudgedSource]:
        if self._sources is None:
            found = kept(self._folder, _FOLDER, self._file, _Document)
            self._sources = {} if found is None else found.sources
        return self._sources
