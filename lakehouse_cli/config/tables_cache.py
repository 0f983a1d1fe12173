"""The tables of a project as they were read, kept between runs: of YAML that has not changed none is read again.

Reading ten thousand tables takes a third of a plan. What is kept belongs to the exact bytes of every file that declares
tables, to the formats and options of the storages, and to this version of the tool and of Python; it is plain JSON in
the project's `.lakehouse/cache`. All else that a project file says is read from it each time, so that nothing of
storages, execution and environments, which may be secret, is copied. Only tables of which nothing is wrong are kept,
and where anything is wrong with the project they are not used: problems are always those of a fresh reading.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct, ValidationError, json
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.source import SourceFile
from lakehouse_cli.config.yaml_tree import Mapping, Node
from lakehouse_cli.errors import Location
from lakehouse_cli.formats import FORMATS, SERIALIZERS
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.runs.local_state import keep, kept, with_hash
from lakehouse_cli.storage_types import STORAGE_TYPES, scheme_of
from lakehouse_cli.version import __version__

_FOLDER, _FILE = "cache", "tables-{}.json"
_FORMAT = 7
# The largest number that JSON gives back as it was.
_LARGEST = 2**63 - 1


class _File(Struct, frozen=True):
    """A file that declares tables: its hash, and the 0-based lines of the value of `tables`, the last one excluded."""

    name: str
    digest: str
    first: int
    last: int


class _Reading(Struct, frozen=True):
    """What is kept."""

    key: str
    files: tuple[_File, ...]
    tables: Raw


class KeptTables:
    """The tables that were kept of a project in one environment.

    Args:
        folder: The project's.
        environment: Its name.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        file = _FILE.format(environment)
        self._reading = kept(folder, _FOLDER, file, _Reading) if environment.isidentifier() else None
        self._files = {each.name: each for each in self._reading.files} if self._reading is not None else {}
        self._left_out: list[str] = []

    def without_tables(self, source: SourceFile) -> SourceFile | None:
        """A file of which all is parsed but the tables that are kept; None where none are, or of another text."""
        of, lines = self._files.get(source.name), source.lines
        if self._reading is None or (of is not None and of.digest != _digest(source)):
            return None
        if of is None:
            return source
        self._left_out.append(source.name)
        indent = lines[of.first][: -len(lines[of.first].lstrip())]
        blank = [""] * (of.last - of.first - 1)
        parsed = "\n".join([*lines[: of.first], f"{indent}{{}}", *blank, *lines[of.last :]])
        return SourceFile(source.path, source.name, source.text, parsed)

    def tables(self, files: Sequence[str], spec: ProjectSpec) -> dict[str, Table] | None:
        """The tables by name; None where they may come out otherwise now.

        Args:
            files: Names of all that declare tables, in their order.
            spec: The project, with the storages of the environment.
        """
        if self._reading is None or not [*self._files] == self._left_out == [*files] or self._reading.key != _key(spec):
            return None
        try:
            return json.decode(self._reading.tables, type=dict[str, Table])
        except ValidationError:
            return None


class TablesReading(Struct, frozen=True):
    """Tables that were read, nothing of which is wrong, as they can be kept.

    Attributes:
        spec: The project that has them.
        files: What declares them.
        private: The 1-based lines of the project file of which nothing may be kept.
    """

    spec: ProjectSpec
    files: tuple[_File, ...]
    private: frozenset[int]

    @classmethod
    def of(
        cls, spec: ProjectSpec, tables: Iterable[tuple[Reader, Mapping]], private: Iterable[Node]
    ) -> TablesReading | None:
        """What was read; None where a file does not have its tables in lines of their own.

        Args:
            spec: The project.
            tables: The `tables` of each file, with its reader.
            private: The sections of the project file of which nothing may be kept.
        """
        files = []
        for reader, mapping in tables:
            lines = _lines_of(mapping, reader.source)
            if lines is None:
                return None
            files.append(_File(reader.source.name, _digest(reader.source), *lines))
        hidden = (range(node.start.line + 1, node.end.line + 1 + (node.end.column > 0)) for node in private)
        return cls(spec, tuple(files), frozenset(chain.from_iterable(hidden)))

    def keep(self) -> None:
        """Keep them for the commands to come; trouble in writing is no trouble for anybody."""
        spec = self.spec
        if not self.files or not _is_known(spec) or not all(map(self._comes_back, spec.tables.values())):
            return
        with suppress(UnicodeEncodeError):
            reading = _Reading(_key(spec), self.files, Raw(json.encode(spec.tables)))
            keep(spec.folder, _FOLDER, _FILE.format(spec.environment), with_hash(reading))

    def _comes_back(self, table: Table) -> bool:
        """Whether a table is the same when it is read from JSON, and stands nowhere in what is private."""
        if table.private:
            return False
        free = (table.params, table.meta, table.options, *(each.options for each in table.columns or ()))
        if not all(map(is_json, filter(None, (table.retry_delay, table.timeout, *free)))):  # what is empty comes back
            return False
        # An alias in a table may stand for what is written elsewhere.
        return not self.private or not any(
            p is not None and p.line in self.private and p.file == self.spec.file.name for p in _places(table)
        )


def _lines_of(tables: Mapping, source: SourceFile) -> tuple[int, int] | None:
    """The first line of the value of `tables`, and the one behind its last; None where it shares them with others."""
    start, end, lines = tables.start, tables.end, source.lines
    if source.text.count("\n") != len(lines) - 1 or not tables.entries:
        return None  # other breaks would be others when the lines are put together again
    if lines[start.line][: start.column].strip() or "&" in "".join(lines[start.line : end.line + 1]):
        return None  # what has an anchor here may be meant below
    if end.line == len(lines):  # behind a last line without a line break
        return start.line, end.line
    if not lines[end.line][: end.column].strip():
        return start.line, end.line
    return (start.line, len(lines)) if end.line == len(lines) - 1 and end.column == len(lines[-1]) else None


def _places(table: Table) -> Iterator[Location | None]:
    yield from (table.location, *table.locations.values())
    yield from (each.location for each in (table.function, table.query) if each is not None)
    for column in table.columns or ():
        yield from (column.location, *column.locations.values())
    for check in table.contract.checks:
        yield from (check.location, *(place.location for place in check.places.values()))


def is_json(value: Any) -> bool:
    """Whether a value is the same when it is written as JSON and read again."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_json, value.values()))
    if isinstance(value, list):
        return all(map(is_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool) or (isinstance(value, int) and abs(value) <= _LARGEST)


def _is_known(spec: ProjectSpec) -> bool:
    """Whether storages and formats are the tool's own, and no option of a format is filled in from a variable."""
    formats = {*FORMATS, *SERIALIZERS, ""}
    return (
        all(each.type in STORAGE_TYPES for each in spec.storages.values())
        and all(table.format in formats for table in spec.tables.values())
        and not any(
            "${" in str(environment.written.get(name, {}).get("options", {}).get(option))
            for environment in spec.environments.values()
            for name, storage in spec.storages.items()
            for option in storage.options
        )
    )


def _key(spec: ProjectSpec) -> str:
    """What the reading belongs to, beside its files."""
    storages = [(s.name, s.type, s.format, s.options, scheme_of(s.root)) for s in spec.storages.values()]
    dimensions = [replace(each, location=None) for each in spec.dimensions.values() if each.location is not None]
    key = (_FORMAT, __version__, sys.version, spec.environment, storages, dimensions)
    return xxh3_128_hexdigest(json.encode(key))


def _digest(source: SourceFile) -> str:
    return xxh3_128_hexdigest(source.text.encode())
