"""Dictionaries, lists and structs: their values converted as columns of their own, their shape kept."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli import arrow_values as av
from lakehouse_cli.arrow_values import compute as pc
from lakehouse_cli.conversion import exact
from lakehouse_cli.conversion.domains import at_rows
from lakehouse_cli.conversion.refusal import InexactError


def convert(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert to or from a dictionary, or to a list or struct.

    Raises:
        InexactError: As `exact.convert`; its rows are the column's, however deep the value sits.
    """
    if pa.types.is_dictionary(column.type):
        return exact.convert(_decoded(column), target)
    if pa.types.is_dictionary(target):
        return _encoded(exact.convert(column, target.value_type), target)
    source = exact.kind_of(column.type)
    wanted = exact.kind_of(target)
    if source != wanted:
        raise InexactError(exact.name_of(column.type), hint=f"make a {wanted} of each in the transform")
    chunks = [_list(chunk, target) if wanted == "list" else _struct(chunk, target) for chunk in _offset(column)]
    return pa.chunked_array(chunks, target)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)


def _encoded(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    # One dictionary, in the order of first appearance: what reading the stored column gives as well.
    array = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else av.array([], values.type)
    return pa.chunked_array([array.dictionary_encode().cast(target)])


def _offset(column: pa.ChunkedArray) -> list[pa.Array]:
    """One chunk, so that the rows of a refusal are the column's."""
    if column.num_chunks == 1:
        return [column.chunk(0)]
    return [pa.concat_arrays(column.chunks)] if column.num_chunks else []


def _list(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    items = array.flatten()
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int64()))
    offsets = pa.concat_arrays([av.array([0], pa.int64()), ends]).cast(pa.int32())
    try:
        converted = exact.convert(pa.chunked_array([items]), target.value_type)
    except InexactError as refusal:
        # Of a list made here: views of lists may share items.
        raise at_rows(refusal, pa.ListArray.from_arrays(offsets, items), items) from None
    mask = array.is_null() if array.null_count else None
    flat = pa.concat_arrays(converted.chunks) if converted.num_chunks else av.array([], target.value_type)
    return pa.ListArray.from_arrays(offsets, flat, type=target, mask=mask)


def _struct(array: pa.Array, target: pa.DataType) -> pa.Array:
    names = [child.name for child in array.type]
    wanted = [child.name for child in target]
    if sorted(names) != sorted(wanted):
        raise InexactError(f"structs with the fields {', '.join(names)}", hint=f"give them {', '.join(wanted)}")
    children = []
    present = array.is_valid()
    for child in target:
        # field() ignores the struct's own nulls; what lies under them need not convert.
        values = array.field(child.name)
        if array.null_count:
            # By place: there is no null scalar of some dictionaries.
            places = pc.if_else(present, av.array(range(len(values)), pa.int64()), av.scalar(None, pa.int64()))
            values = values.take(places)
        try:
            converted = exact.convert(pa.chunked_array([values]), child.type)
        except InexactError as refusal:
            refusal.rows = refusal.rows if refusal.rows is not None else _valid_rows(values)
            raise
        children.append(pa.concat_arrays(converted.chunks) if converted.num_chunks else av.array([], child.type))
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)


def _valid_rows(values: pa.Array) -> pa.Array:
    return pc.indices_nonzero(values.is_valid())
