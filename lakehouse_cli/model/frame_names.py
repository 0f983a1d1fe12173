"""The frame types by the names that annotations give them, and what to write in the place of others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct

from lakehouse_cli.text.close_names import did_you_mean

PANDAS, ARROW, POLARS = "pandas.DataFrame", "pyarrow.Table", "polars.DataFrame"
#: Tables that are computed as they are stored, in the order of their key, as engines give rows in another each time.
LAZY, RELATION, IBIS = "polars.LazyFrame", "duckdb.DuckDBPyRelation", "ibis.Table"
DASK, SPARK = "dask.dataframe.DataFrame", "pyspark.sql.DataFrame"
UNORDERED = frozenset((LAZY, RELATION, IBIS, DASK, SPARK))
#: A table batch by batch; also as ``Iterator[pyarrow.RecordBatch]``.
READER = "pyarrow.RecordBatchReader"
#: What a query takes: a table in memory where it is, else its file or its pieces.
QUERY = "query"
#: Of whatever yields these, in the place of a reader.
BATCH = "pyarrow.RecordBatch"
#: What may yield them, by full names.
ITERATORS = frozenset(
    f"{module}.{name}" for module in ("typing", "collections.abc") for name in ("Iterator", "Iterable", "Generator")
)
#: May be returned, and is no table that a transform is given.
SERIES = "pandas.Series"
# Whose names are all known; the last two have no frame type.
_LIBRARIES = frozenset(("pandas", "pyarrow", "polars", "ibis", "numpy", "typing"))
#: Of libraries that need not be installed.
OPTIONAL = frozenset((POLARS, *UNORDERED))
_ALL = (PANDAS, ARROW, POLARS, LAZY, RELATION, IBIS, DASK, SPARK, READER)
# Classes by the modules that define them.
_ELSEWHERE = {f"pyspark.sql.{module}.DataFrame": SPARK for module in ("dataframe", "classic.dataframe")}
# How annotations are written, for those that cannot be evaluated.
_SPELLINGS = {
    **dict.fromkeys(("pd.DataFrame", "DataFrame"), PANDAS),
    **dict.fromkeys(("pd.Series", "Series"), SERIES),
    **dict.fromkeys(("pa.Table", "pa.lib.Table", "Table"), ARROW),
    **dict.fromkeys(("pa.RecordBatchReader", "RecordBatchReader"), READER),
    **{f"{name}[{batch}]": READER for name in ("Iterator", "Iterable") for batch in ("pa.RecordBatch", BATCH)},
    "pl.DataFrame": POLARS,
    "pl.LazyFrame": LAZY,
    **dict.fromkeys(("duckdb.DuckDBPyRelation", "DuckDBPyRelation"), RELATION),
    **dict.fromkeys(("ir.Table", "ibis.expr.types.Table"), IBIS),
    "dd.DataFrame": DASK,
}
# Types of other libraries that people try, which are certainly no frame type.
_OTHERS = frozenset(
    (
        *("duckdb.DuckDBPyConnection", "pathlib.Path"),
        *(
            "collections.abc.Iterator",
            "collections.abc.Iterable",
            "collections.abc.Sequence",
            "collections.abc.Mapping",
        ),
    )
)


class UnsupportedType(Struct, frozen=True, omit_defaults=True):
    """The type that an annotation names, where no run can make it a frame type.

    Attributes:
        name: Dotted, as far as it is known.
        why: ``kind`` if it is certainly no frame type, or polars', which need not be installed; ``typing`` if it is
            imported for type checkers only; ``package`` if its name is None where its package is not installed;
            ``unbound`` if the module defines no such name; ``value`` if it is an expression of a value; ``syntax`` if
            it is a text that is no expression.
    """

    name: str
    why: Literal["kind", "typing", "package", "unbound", "value", "syntax"] = "kind"


def is_dotted(name: str) -> bool:
    """Whether it is the name of a class, not the text of a value."""
    return name.replace(".", "").isidentifier()


def names_in_text(text: str) -> list[str]:
    """The types that an annotation names which cannot be evaluated: full names of those whose short ones are known."""
    parts = text.strip().strip("\"'").replace(" ", "").replace("Optional[", "").rstrip("]").split("|")
    return [_SPELLINGS.get(part, part) for part in parts]


def is_supported(name: str, *, returned: bool) -> bool:
    """Whether a full name is one of the tool's own frame types, or of the result, pandas' Series."""
    return name in _ALL or (name == SERIES and returned)


def unsupported_name(names: Sequence[str | None], others: Collection[str], *, returned: bool) -> str | None:
    """Return the first of an annotation's types where none of them can be a frame type; None where one may be.

    Where all are polars' frame, it is that: supported, if polars is installed.

    Args:
        names: Dotted names of classes, those of builtins without a dot; None for what is not known.
        others: Names of the module's own that are certainly no frame types.
        returned: Whether it annotates the result.
    """

    def is_certain(name: str | None) -> bool:
        if name is None or name == "typing.Any" or is_supported(name, returned=returned):
            return False
        library, *rest = name.split(".")
        return (
            name in _OTHERS
            or name in others
            or not rest
            or not is_dotted(name)
            or (library in _LIBRARIES and len(rest) == 1)
        )

    names = [name and _ELSEWHERE.get(name, name) for name in names]
    return names[0] if names and (all(map(is_certain, names)) or OPTIONAL.issuperset(names)) else None


def unsupported(text: str, *, returned: bool) -> tuple[str, str]:
    """Say that an annotation names no frame type, and what to write in its place."""
    library = text.partition(".")[0]
    every = (*_ALL, *([SERIES] if returned else []))
    hint = did_you_mean(text.partition("(")[0], [each for each in every if each.startswith(library)]) or (
        f"use {PANDAS} (also where there is no annotation), {', '.join(_ALL[1:-1])} or {READER}"
    )
    if text.endswith("Series") and not returned:
        hint = "a table comes as a pandas.DataFrame; a pandas.Series can only be returned"
    if text.endswith("DuckDBPyConnection"):
        hint = f"use {RELATION}, which has a connection of its own"
    return f"`{text}` is not a supported frame type", hint
