"""Transforms that write a file or folder themselves, to a path aside that becomes the asset as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from lakehouse_cli.code.failure import place_of_result
from lakehouse_cli.declarations import Target
from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.objects.paths import PathSerializer
from lakehouse_cli.formats.objects.stored import pieces_of, table_of, with_record
from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import ObjectRecord
from lakehouse_cli.runs.temporary_files import spill_folder, spilling
from lakehouse_cli.transforms.call import Given, call
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.loading import Transform
from lakehouse_cli.transforms.objects import Argument, path_name


def call_for_path(
    transform: Transform,
    serializer: PathSerializer,
    table: Table,
    inputs: Sequence[tuple[Input, Argument]],
    *,
    uses_duckdb: bool,
    workers: int,
) -> Iterator[pa.Table]:
    """Call a transform with a path, and give the bytes of what it wrote there, part by part.

    Args:
        transform: With a parameter that is annotated `Target`.
        serializer: Makes bytes of what is at a path.
        table: What is computed.
        inputs: Each with its data.
        uses_duckdb: As of `apply`.
        workers: Likewise.

    Raises:
        TransformError: It raised, wrote nothing, or returned something.
        StorageError: There is no room for what it writes.
    """
    with ExitStack() as opened:
        with spilling(f"the result of `{table.name}`"):
            scratch = Path(opened.enter_context(spill_folder()))
            target = Target(scratch / path_name(table))
            serializer.prepare(target)

        def take(
            result: Any, given: Given, scopes: ExitStack, enter: Callable[[FrameType], None]
        ) -> Iterator[pa.Table]:
            del enter
            given.finish()
            if result is not None and result != target:
                hint = "return nothing, or choose a `format` that takes what it returns"
                raise _error(transform, f"returned {type(result).__name__}, and writes to its Target", hint)
            try:
                packed = serializer.pack(target, scratch)
            except TransformError as error:
                raise _error(transform, error.message, error.hint) from error
            pieces = _pieces(packed, table.serializer, scopes, opened.pop_all())
            next(pieces)  # from here on its end closes what is open
            return pieces

        given = {*table.params, *(each.parameter for each, _ in inputs)}
        params = {**table.params, _parameter(transform, given): target}
        return call(transform, inputs, params, take, uses_duckdb=uses_duckdb, workers=workers)


def _parameter(transform: Transform, given: Collection[str | None]) -> str:
    """The parameter that takes the path.

    Args:
        transform: The transform.
        given: Parameters that take something else.
    """
    free = [each for each in transform.parameters if each.name not in given]
    for each in free:
        of_alias = get_args(each.annotation)[:1] if hasattr(each.annotation, "__metadata__") else ()
        if Target in (each.annotation, *of_alias):
            return each.name
    for each in free:
        # An annotation that cannot be evaluated, as what is imported for type checkers alone, is its text.
        if isinstance(each.annotation, str):
            return each.name
    hint = "annotate the parameter that takes the path: `out: lakehouse_cli.Target`"
    raise _error(transform, "has no parameter for the path that it writes to", hint)


def _pieces(packed: Path, form: str, scopes: ExitStack, opened: ExitStack) -> Generator[pa.Table]:
    with opened, scopes:
        record = ObjectRecord(form)
        yield with_record(table_of([b""]), record)
        with packed.open("rb") as file:
            yield from (with_record(piece, record) for piece in pieces_of(file))


def _error(transform: Transform, what: str, hint: str | None) -> TransformError:
    place = place_of_result(transform.fn, transform.folder)
    return TransformError(f"`{transform.name}`: {what}", hint=hint, location=place)
