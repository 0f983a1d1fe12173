"""Lengths are those of code points, also where bytes alone decide."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.checks.kernels import verdict_on_values
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.model import parse_column_type
from lakehouse_cli.model.check import Check

TEXTS = st.lists(st.one_of(st.none(), st.text("aé🤦", max_size=4)), min_size=1, max_size=3)


@given(TEXTS, st.integers(0, 4), st.one_of(st.none(), st.integers(0, 16)), st.sampled_from(["string", "large"]))
def test_lengths_are_of_code_points(texts: list[str | None], least: int, most: int | None, kind: str) -> None:
    arguments = {"min": least} | ({} if most is None else {"max": most})
    verdict = verdict_on_values(Check(kind="length", columns=("s",), arguments=arguments), parse_column_type("string"))
    table = pa.table({"s": pa.array(texts, pa.string() if kind == "string" else pa.large_string())})
    expected = [None if each is None else least <= len(each) <= (99 if most is None else most) for each in texts]
    assert verdict(Piece(table, 0)).to_pylist() == expected
