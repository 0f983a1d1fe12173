"""Annotations of transforms that cannot work are refused with a way out; those that may work are accepted."""

from __future__ import annotations

import pytest

from tests.cli.test_hints_on_declarations import ENVIRONMENTS
from tests.conftest import Cli, ProjectFolder

ANNOTATED = """
import polars as pl
import pandas
import typing
from collections.abc import Iterator
from duckdb import DuckDBPyConnection as Connection
from pandas import DataFrame, Series
try:
    import missing_frames.pandas as mf
except ImportError:
    mf = None

class Own(DataFrame): ...
class Plain: ...
class Rows(Plain, list): ...
import numpy as np
Alias = list
Mapped = dict[str, int]
New = typing.NewType("New", DataFrame)
Free = typing.TypeVar("Free")
Bound: typing.Any = typing.TypeVar("Bound", bound=DataFrame)
Frame = Own
"""


@pytest.mark.parametrize(
    ("signature", "message", "hint"),
    [
        (
            "s: Series",
            "parameter `s` of `t`: `pandas.Series` is not a supported",
            "a pandas.Series can only be returned",
        ),
        ("s: dict[str, DataFrame]", "parameter `s` of `t`: `dict` is not a supported", "use pandas.DataFrame"),
        ("s: 'Unknown.Thing'", "parameter `s` of `t`: `Unknown` is not defined in its module", "import it"),
        ("s: typing.Optional[int]", "parameter `s` of `t`: `int` is not a supported", "use pandas.DataFrame"),
        (
            "s: Connection",
            "parameter `s` of `t`: `duckdb.DuckDBPyConnection` is not a supported",
            "use duckdb.DuckDBPyRelation",
        ),
        (
            "s: DataFrame()",
            "parameter `s` of `t`: `pandas.DataFrame(…)` is a value",
            "did you mean `pandas.DataFrame`?",
        ),
        ("s: '[DataFrame]'", "parameter `s` of `t`: `[DataFrame]` is a value", "use pandas.DataFrame"),
        ("s: 1.5", "parameter `s` of `t`: `1.5` is a value", "use pandas.DataFrame"),
        ("s: (DataFrame, Series)", "parameter `s` of `t`: `(DataFrame, Series)` is a value", "use pandas.DataFrame"),
        ("s) -> (dict()", "result of `t`: `dict(…)` is a value", "use pandas.DataFrame"),
        (
            "s: mf.DataFrame",
            "parameter `s` of `t`: `missing_frames.pandas.DataFrame` needs missing_frames",
            "install it",
        ),
        (
            "s) -> ('mf.DataFrame'",
            "result of `t`: `missing_frames.pandas.DataFrame` needs missing_frames",
            "install it",
        ),
        ("s: pandas.DataFram", "`pandas.DataFram` is not a supported frame type", "did you mean `pandas.DataFrame`?"),
        ("s: pl.Dataframe", "`polars.Dataframe` is not a supported frame type", "did you mean `polars.DataFrame`"),
        ("s) -> (pandas.Serie", "`pandas.Serie` is not a supported frame type", "did you mean `pandas.Series`"),
        ("s) -> (Iterator[DataFrame]", "result of `t`: `collections.abc.Iterator` is not a supported", "use pandas"),
        ("s: Plain", "parameter `s` of `t`: `transforms.Plain` is not a supported", "use pandas.DataFrame"),
        ("s) -> (Rows", "result of `t`: `transforms.Rows` is not a supported", "use pandas.DataFrame"),
        ("s: Alias", "parameter `s` of `t`: `list` is not a supported", "use pandas.DataFrame"),
        ("s: Mapped", "parameter `s` of `t`: `dict` is not a supported", "use pandas.DataFrame"),
        ("s: New", "parameter `s` of `t`: `transforms.New` is not a supported", "use pandas.DataFrame"),
        ("s: Free", "parameter `s` of `t`: `transforms.Free` is not a supported", "use pandas.DataFrame"),
        ("s: 'Plain | None'", "parameter `s` of `t`: `transforms.Plain` is not a supported", "use pandas.DataFrame"),
        ("s: np.array", "parameter `s` of `t`: `numpy.array` is not a supported", "use pandas.DataFrame"),
        ("s: typing.Callable", "parameter `s` of `t`: `typing.Callable` is not a supported", "use pandas.DataFrame"),
        ("s: 'list[int'", "parameter `s` of `t`: `list[int` is not an expression of Python", "correct the annotation"),
    ],
)
def test_annotations_that_cannot_work_are_refused(
    folder: ProjectFolder, cli: Cli, signature: str, message: str, hint: str
) -> None:
    folder.write("transforms.py", f"{ANNOTATED}\ndef t({signature}): return s\n")
    folder.declare("s: {kind: source, columns: {a: int64}}\nt: {}", top=ENVIRONMENTS)
    refused = cli("validate")
    assert refused.code == 3
    assert message in refused.err
    assert hint in refused.err
    assert "transforms.py:23" in refused.err
    assert cli("run").code == 3


@pytest.mark.parametrize("annotation", ["int", "list", "dict[str, int]", "'str'", "List", "Dict[str, int]"])
def test_star_import_of_typing_hides_no_annotation(folder: ProjectFolder, cli: Cli, annotation: str) -> None:
    folder.write("transforms.py", f"from typing import *\ndef t(s: {annotation}): return s\n")
    folder.declare("s: {kind: source, columns: {a: int64}}\nt: {}")
    refused = cli("validate")
    assert refused.code == 3
    assert "is not a supported frame type" in refused.err


@pytest.mark.parametrize(
    "signature",
    [
        "s: Own",
        "s: 'pl.DataFrame'",
        "s: pandas.DataFrame | None = None",
        "s: typing.Any, n: int = 3",
        "s) -> (Series",
        "s: typing.Union[int, DataFrame]",
        "s) -> (typing.Annotated[DataFrame, 'x']",
        "s: DataFrame | mf.DataFrame",
        "s: type(DataFrame())",
        "s: Bound",
        "s: Frame",
        "s: 'DataFrame]'",
        "*s: DataFrame",
    ],
)
def test_annotations_that_may_work_are_accepted(folder: ProjectFolder, cli: Cli, signature: str) -> None:
    folder.write("transforms.py", f"from __future__ import annotations\n{ANNOTATED}\ndef t({signature}): return s\n")
    folder.declare("s: {kind: source, columns: {a: int64}}\nt: {}")
    assert cli("validate").code == 0
