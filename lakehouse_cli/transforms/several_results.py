"""Functions with several results: one call, the result of each table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lakehouse_cli.arrow.memory import copied
from lakehouse_cli.code.failure import place_of_result
from lakehouse_cli.errors import LakehouseError, TransformError
from lakehouse_cli.formats.pieces import joined
from lakehouse_cli.model import FunctionRef, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text, plural, with_article
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.transforms.call import Given, Unordered, call, iterate, object_of, to_arrow
from lakehouse_cli.transforms.frames import FrameType, owner_of
from lakehouse_cli.transforms.loading import Transform, load_transform
from lakehouse_cli.transforms.objects import Argument

#: A result that is in memory, in pieces where it came so.
Result: TypeAlias = "pa.Table | Iterator[pa.Table]"
#: A result, or why it cannot be stored: an error of its table alone.
Taken: TypeAlias = "Result | LakehouseError"
_HINT = (
    "return a dict of names to results, a NamedTuple, or a tuple in the order of the tables; or yield `(name, batch)`"
)


def call_for_results(
    ref: FunctionRef,
    folder: Path,
    tables: Sequence[Table],
    inputs: Sequence[tuple[Input, Argument]],
    *,
    uses_duckdb: bool,
    workers: int = 1,
) -> dict[str, Taken]:
    """Call the function that computes several tables, once.

    Args:
        ref: The function.
        folder: The project's.
        tables: All that it computes, in the order of the project.
        inputs: Each with its data.
        uses_duckdb: As of `apply`.
        workers: Likewise.

    Returns:
        By table, what is to be enforced and stored, or the error of a result that is nothing its table can store.

    Raises:
        TransformError: The function raised, or did not return what the tables name.
    """
    transform = load_transform(ref, folder, of_table=False)

    def take(result: Any, given: Given, scopes: ExitStack, enter: Callable[[FrameType], None]) -> dict[str, Taken]:
        del scopes
        found = _Results(transform, tables, given, enter).of(result)
        given.finish()
        return found

    return call(transform, inputs, tables[0].params, take, uses_duckdb=uses_duckdb, workers=workers)


class _Results:
    def __init__(
        self,
        transform: Transform,
        tables: Sequence[Table],
        given: Given,
        enter: Callable[[FrameType], None],
    ) -> None:
        self._transform = transform
        self._tables = {table.output: table for table in tables}
        self._given = given
        self._enter = enter

    def of(self, result: Any) -> dict[str, Taken]:
        """Each table's part of what the function returned."""
        if isinstance(result, Iterator):
            return self._yielded(result)
        parts = self._parts(result)
        self._check(list(parts))
        return {table.name: self._taken(parts[output], table) for output, table in self._tables.items()}

    def _parts(self, result: Any) -> Mapping[str, Any]:
        if isinstance(result, Mapping):
            return result
        if isinstance(result, tuple) and hasattr(result, "_fields"):
            return dict(zip(result._fields, result, strict=True))
        if not isinstance(result, tuple):
            shown = "None" if result is None else with_article(type(result).__name__)
            raise self._error(f"returned {shown}, and {len(self._tables)} tables are results of it", _HINT)
        if len(result) != len(self._tables):
            names = first_named(list(self._tables), 5)
            of_it = plural(len(self._tables), "table")
            message = f"returned a tuple of {count_text(len(result))}, and {of_it} are results of it"
            raise self._error(message, f"return one for each of {names}")
        return dict(zip(self._tables, result, strict=True))

    def _check(self, names: Sequence[Any]) -> None:
        """Refuse results that no table names, and names of which there is no result."""
        for name in names:
            if name not in self._tables:
                raise self._unknown("returned", name)
        for output, table in self._tables.items():
            if output not in names:
                raise self._error(f"returned no `{output}`, which table `{table.name}` is", _HINT)

    def _taken(self, part: Any, table: Table) -> Taken:
        """One result as Arrow; what it alone does wrong is the error of its table, what an input does is raised."""
        try:
            return self._converted(part, table)
        except TransformError as error:
            self._given.raise_error()
            return error

    def _converted(self, part: Any, table: Table) -> Result:
        if table.serializer:
            return object_of(self._transform, part, table.serializer, table.output)
        if owner_of(part) is None:
            shown = "None" if part is None else with_article(type(part).__name__)
            hint = "give a frame, such as a pandas.DataFrame, or declare a `format` of assets that are not tables"
            raise self._error(f"gave {shown} as `{table.output}`, and `{table.name}` is a table", hint)
        found = to_arrow(self._transform, part, self._given, table.columns, ExitStack(), self._enter)
        if isinstance(found, pa.Table):
            return found
        pieces = iter(list(found))
        return Unordered(pieces) if isinstance(found, Unordered) else pieces

    def _yielded(self, items: Iterator[Any]) -> dict[str, Taken]:
        """What a generator gave for each table, in memory."""
        found: dict[str, list[Taken]] = {}
        for item in iterate(self._transform, items, self._given):
            if not isinstance(item, tuple) or len(item) != 2:
                raise self._error(
                    f"yielded {with_article(type(item).__name__)}", "yield the name of a result and a batch of it"
                )
            name, batch = item
            if name not in self._tables:
                raise self._unknown("yielded", name)
            table = self._tables[name]
            if table.serializer and name in found:
                raise self._error(f"yielded `{name}` twice, which is stored as {table.serializer}", "yield it once")
            if isinstance(batch, pa.RecordBatch):
                batch = pa.Table.from_batches([batch])
            taken = self._taken(batch, table)
            # The function may change the frame, or write the next one in its memory, when it goes on.
            own = copied(taken) if isinstance(taken, pa.Table) and not table.serializer else taken
            found.setdefault(name, []).append(own)
        self._check(list(found))
        return {table.name: _joined(found[output], table) for output, table in self._tables.items()}

    def _unknown(self, did: str, name: Any) -> TransformError:
        hint = _HINT
        if isinstance(name, str):
            hint = did_you_mean(name, self._tables) or f"declare a table with `output: {name}`, or leave it out"
        return self._error(f"{did} `{name}`, which is the result of no table", hint)

    def _error(self, what: str, hint: str) -> TransformError:
        place = place_of_result(self._transform.fn, self._transform.folder)
        return TransformError(f"`{self._transform.name}` {what}", hint=hint, location=place)


def _joined(batches: Sequence[Taken], table: Table) -> Taken:
    if table.serializer:
        return batches[0]
    pieces: list[pa.Table] = []
    for batch in batches:
        if isinstance(batch, LakehouseError):
            return batch
        pieces.extend([batch] if isinstance(batch, pa.Table) else batch)
    return joined(pieces)
