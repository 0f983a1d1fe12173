"""What decides how a table comes out, as values to compare: its code, contract, params and options; how it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import xxhash
from msgspec.structs import replace

from lakehouse_cli.formats import FORMATS, SERIALIZERS
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.computation import Computation
from lakehouse_cli.model.file_pattern import reads_many_files
from lakehouse_cli.model.manifest import PRIVATE, InputRecord, Manifest, Recipe
from lakehouse_cli.model.option_hash import option_hash, plain_option
from lakehouse_cli.model.quarantine import quarantine_rules
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.uses import Used, value_hash

if TYPE_CHECKING:
    from lakehouse_cli.plan.partitioning import Link

_NONE: Mapping[str, str] = {}
# What begins the second half of how a pickle is read.
_CODE = "code:"
# Of wider tables every table that is computed from them would keep too much.
_LONGEST = 4000
# How often the rules changed by which a source in a format is read into values. A table that was computed by former
# rules is computed again: a value that was read wrong must not stay "up to date".
_REVISIONS = dict.fromkeys(("csv", "jsonl", "excel", "parquet", "ipc", "delta", "duckdb", "postgresql"), 1)

_READ_BY = ("epoch_unit",)


def recipe_of(
    graph: AssetGraph,
    table: Table,
    computation: Computation | None,
    storage: StorageSpec,
    used: Used | None,
    links: Sequence[Link | None] = (),
) -> Recipe:
    """The recipe of a computed table.

    Args:
        graph: For which table goes into which parameter.
        table: A computed table.
        computation: Its own; not asked for its fingerprint where the table has a `version`.
        storage: Its storage.
        used: What its transform uses beside its inputs; None where nothing is declared.
        links: Of a partitioned table, what its partitions get of each input, by edge.
    """
    if table.version is not None:
        hash_, parts = f"version:{table.version}", _NONE
    elif computation is not None:
        code = computation.fingerprint()
        hash_, parts = code.hash, code.parts
    else:
        hash_, parts = "", _NONE
    return Recipe(
        code=hash_,
        code_parts=parts,
        contract=table.contract.records,
        key=tuple(table.key),
        extra_columns=table.extra_columns,
        params=_param_records(table),
        storage=stored_as(table, storage),
        inputs=_input_texts(graph, table, links),
        files={} if used is None else used.files,
        variables={} if used is None else used.variables,
        order_by=table.order_by,
        output=_output(graph, table),
    )


class Recipes(Mapping[str, Recipe]):
    """Recipes of computed tables, each made when it is first asked for.

    Args:
        names: Of the tables.
        make: Makes the recipe of one.
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], Recipe]) -> None:
        self._made: dict[str, Recipe | None] = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> Recipe:
        found = self._made[name]
        if found is None:
            found = self._made[name] = self._make(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _input_texts(graph: AssetGraph, table: Table, links: Sequence[Link | None]) -> tuple[str, ...]:
    """Which table goes into which parameter; of a partitioned table, also which partitions of it."""
    edges = graph.inputs.get(table.name, ())
    if not links and not table.input_options:
        return tuple([f"{edge.parameter or '*'}: {edge.table}" for edge in edges])
    found = []
    for place, edge in enumerate(edges):
        link = links[place] if links else None
        options = table.input_options.get(edge.parameter or "")
        within = None if options is None else options.within
        by = "" if link is None else f" ({link.text()})"
        if within is not None:
            by = f" ({within.column} within {within.around[0]}..{within.around[1]})"
        found.append(f"{edge.parameter or '*'}{by}: {edge.table}")
    return tuple(found)


def _param_records(table: Table) -> dict[str, str]:
    """The params as a manifest keeps them: of values that are never shown, a hash."""
    if not table.params:
        return {}
    texts = {name: _json_text(value) for name, value in table.params.items()}
    for name in table.private.keys() & texts.keys():
        texts[name] = PRIVATE + str(value_hash(name, texts[name]))
    return texts


def _output(graph: AssetGraph, table: Table) -> str:
    """Which result of its function a table is; of a tuple, its place among them decides."""
    if table.quarantine is not None:
        return f"rows that keep checks ({_hash(quarantine_rules(table))[:8]})"
    if table.quarantine_of:
        return f"rows that break checks of {table.quarantine_of}"
    if not table.output:
        return ""
    results = graph.siblings(table.name)
    return f"{table.output} ({results.index(table.name) + 1} of {len(results)})"


def recipe_hash(recipe: Recipe, inputs: Sequence[str] = ()) -> str:
    """Hash a recipe; another one wherever a table that was stored by it is out of date.

    Args:
        recipe: What decides the table.
        inputs: How its inputs are read, as of `reading_of`.
    """
    # What the parts cover, `code` does. The order of params counts, as a transform sees it.
    whole = replace(recipe, code_parts=_NONE), inputs, tuple(recipe.params)
    return _hash(msgspec.json.encode(whole, order="sorted").decode())


def stored_as(table: Table, storage: StorageSpec) -> str:
    """A table's format, and the format's options and those of columns, as text: ``csv,delimiter=<hash>``.

    Where there is no format, the type of the storage stands for it. Where the storage is does not count.
    """
    kind = table.format or storage.type
    if table.serializer and table.serializer in FORMATS:
        kind = f"{kind}-value"
    options = table.options
    if not table.format and table.kind == "source":
        # A database's own options that decide what values are read.
        options = {name: storage.connection[name] for name in _READ_BY if storage.connection.get(name) is not None}
    placed = table.contract.placed
    # Options may hold what came from the environment: of their values only a fingerprint is kept.
    if not options and not placed:
        return kind
    options = dict(options)
    for column in placed:
        own = column.options if column.from_ is None else {**column.options, "from": column.from_}
        options |= {option_of_column(name, column.name): value for name, value in own.items()}
    return kind + "".join([f",{name}={option_hash(value)}" for name, value in sorted(options.items())])


def option_of_column(option: str, column: str) -> str:
    """Name the option of a column, as it stands in what a table is `stored_as`: ``date_format@day``."""
    from urllib.parse import quote  # slow to load, and seldom needed

    return f"{option}@{quote(column, safe='')}"


def _hash(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())


def is_pickle(table: Table) -> bool:
    """Whether an asset is stored as what names code."""
    return bool(table.serializer) and SERIALIZERS[table.serializer].runs_code


def object_code(own: str, inputs: Iterable[str]) -> str:
    """What the bytes of a pickle mean depends on: the code of its maker, and that of each object it was made of."""
    others = sorted(inputs)
    return _hash(_json_text([own, *others])) if others else own


def _codes_of(inputs: Mapping[str, InputRecord]) -> Iterator[str]:
    """The `object_code` of inputs that are pickles, as they were read."""
    for record in inputs.values():
        rest = record.reading.partition(" ")[2]
        if rest.startswith(_CODE):
            yield rest


def reading_of(
    table: Table, manifest: Manifest | None, options: str, code_now: Callable[[Table], str] | None = None
) -> str:
    """How a table is read, for an `InputRecord`: what it is `stored_as`, a space, and its columns.

    The tables computed from it see the same only where both its bytes and how these are read are the same.

    Args:
        table: The table.
        manifest: Of a computed table as it is stored; None where there is none.
        options: What it is `stored_as`.
        code_now: The `object_code` of a pickle as its maker, and those of its inputs, are now; None where it is that
            by which it was just made.
    """
    if table.serializer:
        # A pickle names code: what that makes of the same bytes depends on the code.
        if manifest is None and table.is_partitioned and code_now is not None and is_pickle(table):
            return (
                f"{options} {_CODE}{code_now(table)}"  # each partition has its own, and all are read by that of today
            )
        if manifest is None or manifest.recipe is None or not is_pickle(table):
            return f"{options} "
        made = object_code(manifest.recipe.code, _codes_of(manifest.inputs))
        now = made if code_now is None else code_now(table)
        return f"{options} {_CODE}{made}{'' if now == made else f',now:{now}'}"
    records = table.contract.records
    stored = None if manifest is None else manifest.columns
    if table.kind == "computed" and stored is not None and (records is None or table.extra_columns == "keep"):
        declared = {name: type_ for name, type_, _ in records or ()}
        text = _columns_text(tuple([(name, declared.get(name, type_)) for name, type_ in stored]))
    else:
        # No columns declared, so all as they come, is something else than none.
        text = "" if records is None else _columns_text(records)
    if table.kind == "source":
        kind, comma, others = options.partition(",")
        options = f"{kind}{f'#{_REVISIONS[kind]}' if kind in _REVISIONS else ''}{comma}{others}{_of_files(table)}"
    return f"{options} {text if len(text) <= _LONGEST else _hash(text)}"


@lru_cache(maxsize=256)
def _columns_text(columns: tuple[tuple[Any, ...], ...]) -> str:
    """Names and types as JSON; many tables of a project have the same."""
    return msgspec.json.encode([each[:2] for each in columns]).decode()


def _of_files(table: Table) -> str:
    """What decides the rows of a source of many files beside its format; empty for any other."""
    if not reads_many_files(table):
        return ""
    from urllib.parse import quote  # slow to load, and seldom needed

    optional = [each.name for each in table.columns or () if each.optional]
    parts = {"path": [table.path], "file_column": [table.file_column or ""], "optional": optional}
    return "".join(f",{name}={'+'.join(map(quote, values))}" for name, values in parts.items() if any(values))


def _json_text(value: Any) -> str:
    """A value as JSON text; a transform sees the order of a mapping."""
    return json.dumps(value, ensure_ascii=False, default=plain_option)
