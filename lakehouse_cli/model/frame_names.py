"""The frame types by the names that annotations give them, and what to write in the place of others."""

from __future__ import annotations

from collections.abc import Sequence

PANDAS, ARROW, POLARS = "pandas.DataFrame", "pyarrow.Table", "polars.DataFrame"
#: May be returned, and is no table that a transform is given.
SERIES = "pandas.Series"
# Types of the same libraries, and of others that people try, which are certainly no frame type.
_OTHERS = frozenset(
    (
        *("pandas.Index", "polars.LazyFrame", "polars.Series", "numpy.ndarray", "dask.dataframe.DataFrame"),
        *("pyarrow.RecordBatch", "pyarrow.RecordBatchReader", "pyarrow.Array", "pyarrow.ChunkedArray"),
        *("duckdb.DuckDBPyRelation", "duckdb.DuckDBPyConnection", "pyspark.sql.DataFrame", "pathlib.Path"),
        *("typing.List", "typing.Dict", "typing.Tuple", "typing.Iterator", "typing.Iterable", "typing.Sequence"),
        *(
            "collections.abc.Iterator",
            "collections.abc.Iterable",
            "collections.abc.Sequence",
            "collections.abc.Mapping",
        ),
    )
)


def unsupported_name(names: Sequence[str | None], *, returned: bool) -> str | None:
    """Return the first of an annotation's types where none of them can be a frame type; None where one may be.

    Where all are polars' frame, it is that: supported, if polars is installed.

    Args:
        names: Dotted names of classes, those of builtins without a dot; None for what is not known.
        returned: Whether it annotates the result.
    """

    def is_certain(name: str | None) -> bool:
        return name is not None and (name in _OTHERS or "." not in name or (name == SERIES and not returned))

    return names[0] if names and (all(map(is_certain, names)) or set(names) == {POLARS}) else None


def unsupported(text: str, *, returned: bool) -> tuple[str, str]:
    """Say that an annotation names no frame type, and what to write in its place."""
    hint = f"use {PANDAS} (also where there is no annotation), {ARROW} or {POLARS}"
    if text.endswith("Series") and not returned:
        hint = "a table comes as a pandas.DataFrame; a pandas.Series can only be returned"
    if text.endswith("LazyFrame"):
        hint = f"use {POLARS}; call `.lazy()` and `.collect()` in the transform"
    if text.endswith(("DuckDBPyRelation", "DuckDBPyConnection")):
        hint = f"use {ARROW}; query it in the transform, and call `.to_arrow_table()` before returning"
    return f"`{text}` is not a supported frame type", hint
