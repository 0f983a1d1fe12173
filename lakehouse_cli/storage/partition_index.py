"""The index of a partitioned table: the manifests of its partitions, as lines that are appended.

A line is JSON. What many manifests have in common (recipe, columns, run) stands once, under its hash, and the line of a
partition names it. The last line of a partition counts. A line that was cut off, as by a killed run, is none.
"""

from __future__ import annotations

import json as plain_json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace
from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.key_bounds import KeyBounds
from lakehouse_cli.model.manifest import (
    MANIFEST_FORMAT,
    UNFINISHED,
    InputRecord,
    Manifest,
    NewerManifestError,
    ObjectRecord,
    Recipe,
)
from lakehouse_cli.model.partition import ANY, Partition
from lakehouse_cli.version import __version__

#: Of the lines.
INDEX_FORMAT = 1
# An index is written anew where so many of its lines are outdated, and half as many as those that are not.
_FEW = 1000
_AT_ONCE = 1 << 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class SharedRecord(Struct, frozen=True, array_like=True):
    """What the manifests of partitions have in common that one run stored.

    Attributes:
        dimensions: Of the table.
        columns: As of `Manifest`, and what follows likewise.
        inputs: The name and reading of each input, in order of name.
    """

    dimensions: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    run_id: str
    tool_version: str
    packages: Mapping[str, str]
    project: str | None
    object: ObjectRecord | None
    inputs: tuple[tuple[str, str], ...]
    format: int


class _Rest(NamedTuple):
    """What is seldom asked for of a partition; its `inputs` are in the order of `SharedRecord.inputs`."""

    started_at: str
    finished_at: str
    memory_bytes: int
    inputs: tuple[InputRecord, ...]
    checks: tuple[CheckRecord, ...] = ()


class _Hash(Struct, array_like=True, gc=False):
    content_hash: str  # the first of `InputRecord`


class _RestHashes(Struct, array_like=True, gc=False):
    """Of `_Rest`, what tells whether the inputs are the same."""

    started_at: str
    finished_at: str
    memory_bytes: int
    inputs: tuple[_Hash, ...]


class _FormatLine(Struct, frozen=True, array_like=True, tag="format", omit_defaults=True):
    number: int
    # Whether what follows is all that there is, whatever stands before.
    is_all: bool = False
    # What begins no other file: the system gives the number of one that was removed to the next.
    token: str = ""


class _RecipeLine(Struct, frozen=True, array_like=True, tag="recipe"):
    digest: str
    recipe: Raw


class _SharedLine(Struct, frozen=True, array_like=True, tag="shared"):
    digest: str
    shared: SharedRecord


class _PartitionLine(Struct, frozen=True, array_like=True, tag="partition", gc=False):
    values: tuple[str, ...]
    content_hash: str
    rows: int
    bytes: int
    modified_ns: int
    recipe: str
    shared: str
    rest: Raw
    keys: Mapping[str, KeyBounds] = {}


class _DropLine(Struct, frozen=True, array_like=True, tag="drop"):
    dimensions: tuple[str, ...]
    values: tuple[str, ...]


_Line = _FormatLine | _RecipeLine | _SharedLine | _PartitionLine | _DropLine
_decoder = msgspec.json.Decoder(_Line)
_rest_decoder = msgspec.json.Decoder(_Rest)
_hashes_decoder = msgspec.json.Decoder(_RestHashes)
_recipe_decoder = msgspec.json.Decoder(Recipe)
_encoder = msgspec.json.Encoder(order="deterministic")
_as_given = msgspec.json.Encoder()
_NO_KEYS: Mapping[str, KeyBounds] = {}


class PartitionRecord(Struct, frozen=True, gc=False):
    """What an index says of one partition.

    Attributes:
        content_hash: As of `Manifest`, and what follows likewise.
        recipe: The digest of its recipe, as of `recipe_digest`; empty for none.
        shared: What it has in common with others.
    """

    content_hash: str
    rows: int
    bytes: int
    modified_ns: int
    recipe: str
    shared: SharedRecord
    rest: Raw
    keys: Mapping[str, KeyBounds] = {}

    @property
    def run_id(self) -> str:
        """The run that stored it."""
        return self.shared.run_id

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """As of `Manifest`."""
        return self.shared.columns

    @property
    def content(self) -> InputRecord:
        """What was stored, as the record of tables computed from it."""
        rows = self.rows if self.shared.object is None else -1
        return InputRecord(self.content_hash, rows, self.bytes, self.modified_ns)

    @property
    def finished_at(self) -> str:
        """ISO 8601 in UTC."""
        return _rest_decoder.decode(self.rest).finished_at

    @property
    def inputs(self) -> dict[str, InputRecord]:
        """What it was made from, by table; made anew each time."""
        return self._inputs(_rest_decoder.decode(self.rest))

    @property
    def input_names(self) -> tuple[tuple[str, str], ...]:
        """The name and the reading of each input: the same tuple for many partitions."""
        return self.shared.inputs

    @property
    def input_contents(self) -> tuple[_Hash, ...]:
        """What it was made from, in the order of `input_names`; made anew each time."""
        return _hashes_decoder.decode(self.rest).inputs

    @property
    def input_hashes(self) -> dict[str, tuple[str, str]]:
        """The content hash and the reading of what it was made from, by table; made anew each time."""
        contents = self.input_contents
        return {name: (each.content_hash, reading) for (name, reading), each in zip(self.shared.inputs, contents)}  # noqa: B905

    def _inputs(self, rest: _Rest) -> dict[str, InputRecord]:
        return {
            name: record._replace(reading=reading) if reading else record
            for (name, reading), record in zip(self.shared.inputs, rest.inputs, strict=True)
        }

    def manifest(self, table: str, recipe: Recipe | None) -> Manifest:
        """Return the whole manifest of the partition, which is called `table`, made by a recipe."""
        rest, shared = _rest_decoder.decode(self.rest), self.shared
        return Manifest(
            table=table,
            columns=shared.columns,
            rows=self.rows,
            bytes=self.bytes,
            modified_ns=self.modified_ns,
            content_hash=self.content_hash,
            run_id=shared.run_id,
            started_at=rest.started_at,
            finished_at=rest.finished_at,
            tool_version=shared.tool_version,
            recipe=recipe,
            inputs=self._inputs(rest),
            packages=shared.packages,
            memory_bytes=rest.memory_bytes,
            project=shared.project,
            object=shared.object,
            checks=rest.checks,
            keys=self.keys,
            format=shared.format,
        )


def recipe_digest(recipe: Recipe | None) -> str:
    """Return what stands for a recipe in an index: equal for equal ones; empty for none."""
    return "" if recipe is None else xxh3_128_hexdigest(_encoded_recipe(recipe))


def _encoded_recipe(recipe: Recipe) -> bytes:
    """All in order of name but the params, whose own order a transform sees."""
    maps = {name: dict(sorted(getattr(recipe, name).items())) for name in ("code_parts", "files", "variables")}
    return _encoded(replace(recipe, **maps), _as_given)


class PartitionIndex:
    """An index as it is read, or about to be written.

    Attributes:
        records: What it says of each partition, of whatever dimensions.
        lines: How many lines it has.
        token: What begins it, and no other one.
    """

    def __init__(self) -> None:
        self.records: dict[Partition, PartitionRecord] = {}
        self.lines, self.token = 0, ""
        self._recipes: dict[str, Raw] = {}
        self._shared: dict[str, SharedRecord] = {}
        self._texts: dict[str, str] = {}
        self._sorted: dict[tuple[str, ...], Mapping[Partition, PartitionRecord]] = {}

    def read(self, content: bytes) -> None:
        """Read lines that follow those that were read already.

        Raises:
            NewerManifestError: A newer version of the tool wrote them.
        """
        self._sorted.clear()
        for piece in _pieces(content):
            self._read(piece)

    def _read(self, content: bytes) -> None:
        lines = _lines(content)
        self.lines += len(lines)
        for line in lines:
            if type(line) is _PartitionLine:
                self._take(line)
            elif type(line) is _SharedLine:
                self._shared[line.digest] = line.shared
            elif type(line) is _RecipeLine:
                self._recipes[line.digest] = line.recipe
            elif type(line) is _DropLine:
                self.records.pop(Partition(line.dimensions, line.values), None)
            elif type(line) is _FormatLine:
                self._begin(line)

    def _begin(self, line: _FormatLine) -> None:
        if line.number > INDEX_FORMAT:
            raise NewerManifestError(
                f"a newer version of lakehouse wrote it (format {line.number}, this version reads {INDEX_FORMAT})"
            )
        self.token = line.token
        if line.is_all:
            self.records.clear()
            self.lines = 1

    def _take(self, line: _PartitionLine) -> None:
        shared = self._shared.get(line.shared)
        if shared is None or (line.recipe and line.recipe not in self._recipes):
            return  # what it names was cut off: without it, nobody knows what this was made by
        partition = Partition(shared.dimensions, line.values)
        self.records[partition] = PartitionRecord(
            line.content_hash,
            line.rows,
            line.bytes,
            line.modified_ns,
            self._texts.setdefault(line.recipe, line.recipe),
            shared,
            line.rest,
            line.keys or _NO_KEYS,
        )

    def of(self, dimensions: tuple[str, ...]) -> Mapping[Partition, PartitionRecord]:
        """The partitions of a table as it is declared now, in their order; those of other dimensions are not its.

        Those whose storing has only begun are not there yet. Of `ANY`, all are given.
        """
        if dimensions not in self._sorted:
            self._sorted[dimensions] = MappingProxyType(
                {
                    each: record
                    for each, record in sorted(self.records.items(), key=itemgetter(0))
                    if dimensions in (each.dimensions, ANY) and record.content_hash != UNFINISHED
                }
            )
        return self._sorted[dimensions]

    def manifest(self, partition: Partition, table: str) -> Manifest | None:
        """The manifest of a partition, which is called `table`; None where there is none."""
        record = self.records.get(partition)
        if record is None:
            return None
        recipe = _recipe_decoder.decode(self._recipes[record.recipe]) if record.recipe else None
        return record.manifest(table, recipe)

    def lines_for(self, manifests: Iterable[tuple[Partition, Manifest]]) -> bytes:
        """Return the lines to append for partitions that are stored, and for what they share with none yet."""
        lines: list[bytes] = (
            [] if self.lines else [_encoder.encode(_FormatLine(INDEX_FORMAT, token=os.urandom(8).hex()))]
        )
        known = {*self._recipes, *self._shared}  # nothing is known of these lines before they are read
        for partition, manifest in manifests:
            names = sorted(manifest.inputs)
            records = [manifest.inputs[name] for name in names]
            shared = SharedRecord(
                partition.dimensions,
                manifest.columns,
                manifest.run_id,
                manifest.tool_version,
                manifest.packages,
                manifest.project,
                manifest.object,
                tuple([(name, record.reading) for name, record in zip(names, records, strict=True)]),
                MANIFEST_FORMAT,
            )
            text = _encoded(shared)
            digest = xxh3_64_hexdigest(text)
            if digest not in known:
                lines.append(_encoded(_SharedLine(digest, shared)))
            recipe = recipe_digest(manifest.recipe)
            if manifest.recipe is not None and recipe not in known:
                lines.append(_encoded(_RecipeLine(recipe, Raw(_encoded_recipe(manifest.recipe)))))
            known |= {digest, recipe}
            rest = _Rest(
                manifest.started_at,
                manifest.finished_at,
                manifest.memory_bytes,
                tuple([record._replace(reading="") for record in records]),
                manifest.checks,
            )
            line = _PartitionLine(
                partition.values,
                manifest.content_hash,
                manifest.rows,
                manifest.bytes,
                manifest.modified_ns,
                recipe,
                digest,
                Raw(_encoded(rest)),
                manifest.keys,
            )
            lines.append(_encoded(line))
        return b"".join([line + b"\n" for line in lines])

    def lines_claiming(self, partitions: Iterable[Partition], run_id: str, started_at: str) -> bytes:
        """Return the lines to append for partitions that a run is about to store, of which nothing is stored yet."""
        new = [each for each in partitions if each not in self.records]
        if not new:
            return b""
        nothing = Manifest("", (), 0, 0, 0, UNFINISHED, run_id, started_at, started_at, __version__)
        *shared, first = self.lines_for([(new[0], nothing)]).splitlines(keepends=True)
        line = _decoder.decode(first)
        return b"".join([*shared, *(_encoder.encode(replace(line, values=each.values)) + b"\n" for each in new)])

    def lines_without(self, partitions: Iterable[Partition]) -> bytes:
        """Return the lines to append for partitions that are dropped, as far as there is something to drop."""
        dropped = [each for each in partitions if each in self.records]
        return b"".join([_encoded(_DropLine(each.dimensions, each.values)) + b"\n" for each in dropped])

    @property
    def is_mostly_outdated(self) -> bool:
        """Whether it is worth writing anew."""
        return 2 * self.lines > 3 * len(self.records) + 2 * _FEW

    def compacted(self) -> bytes:
        """Return all that counts, as lines."""
        used = {record.recipe for record in self.records.values()}
        lines = [_encoder.encode(_FormatLine(INDEX_FORMAT, is_all=True, token=os.urandom(8).hex()))]
        lines += [_encoded(_RecipeLine(each, self._recipes[each])) for each in sorted(used) if each]
        digests: dict[int, str] = {}
        for partition in sorted(self.records):
            record = self.records[partition]
            digest = digests.get(id(record.shared))
            if digest is None:
                digest = digests[id(record.shared)] = xxh3_64_hexdigest(_encoded(record.shared))
                lines.append(_encoded(_SharedLine(digest, record.shared)))
            stored = record.content_hash, record.rows, record.bytes, record.modified_ns, record.recipe
            line = _PartitionLine(partition.values, *stored, digest, record.rest, record.keys)
            lines.append(_encoded(line))
        return b"\n".join((*lines, b""))


def hashes_of(partition: Partition | None, content: bytes) -> frozenset[str]:
    """All hashes that lines of an index give for a partition, of whatever age."""
    values = None if partition is None else partition.values
    return frozenset(
        line.content_hash for line in _lines(content) if type(line) is _PartitionLine and line.values == values
    )


def _encoded(value: Any, encoder: msgspec.json.Encoder = _encoder) -> bytes:
    try:
        return encoder.encode(value)
    except UnicodeEncodeError:  # the name of a file that is not UTF-8, which JSON cannot hold
        text = plain_json.dumps(msgspec.to_builtins(value, order=encoder.order), ensure_ascii=False)
        return _SURROGATE.sub(lambda found: f"\ufffd{ord(found[0]):x}", text).encode()


def _pieces(content: bytes) -> Iterator[bytes]:
    """Whole lines of an index, not too many at once, as each takes a multiple of its size in memory."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + _AT_ONCE) + 1 or len(content)
        yield content[begin:end]
        begin = end


def _lines(content: bytes) -> Sequence[_Line]:
    try:
        return _decoder.decode_lines(content)
    except (ValueError, RecursionError):
        return list(_readable(content))


def _readable(content: bytes) -> Iterator[_Line]:
    """The lines that are whole; of those that are not, none says anything."""
    for line in content.split(b"\n"):
        with suppress(ValueError, RecursionError):
            yield _decoder.decode(line)
