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


def test_blank_is_the_white_space_of_unicode() -> None:
    """Of every code point; U+001C to U+001F, which Python and Arrow take for white space, are none."""
    white = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
    assert len(white) == 25
    points = [each for each in range(0x110000) if not 0xD800 <= each < 0xE000]
    table = pa.table({"s": [*map(chr, points), "", "  \x1c", None]})
    verdict = verdict_on_values(Check(kind="not_blank", columns=("s",), arguments={}), parse_column_type("string"))
    judged = verdict(Piece(table, 0)).to_pylist()
    assert {point for point, good in zip(points, judged, strict=False) if not good} == white
    assert judged[-3:] == [False, True, None]
