"""Patterns with a range of characters at each place have the verdicts of RE2."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.checks.fixed_patterns import fixed_verdict
from lakehouse_cli.text.patterns import full_match

PLACES = st.sampled_from(["[A-Z]", "[0-9]", "[a-c]", "[Z-a]", r"\d", "A", "7", "-", r"\.", "_", " ", r"\-", "/"])
PATTERNS = st.lists(st.tuples(PLACES, st.sampled_from(["", "", "{1}", "{2}", "{0}"])), min_size=1, max_size=5)
LETTERS = st.sampled_from("ABZ[\\]^_`abcd079-./ éA\0")


def _re2(pattern: str, values: pa.Array) -> pa.Array:
    return pc.match_substring_regex(values, pattern=full_match(pattern))


@settings(max_examples=200)
@given(
    PATTERNS,
    st.integers(0, 6).flatmap(lambda size: st.lists(st.text(LETTERS, min_size=size, max_size=size), max_size=6)),
    st.lists(st.one_of(st.none(), st.text(LETTERS, max_size=4)), max_size=2),
    st.sampled_from([pa.string(), pa.large_string()]),
)
def test_verdicts_are_those_of_re2(
    places: list[tuple[str, str]], texts: list[str], others: list[str | None], kind: pa.DataType
) -> None:
    pattern = "".join(place + times for place, times in places)
    judge = fixed_verdict(pattern, lambda values: _re2(pattern, values))
    for values in (pa.array(texts, kind), pa.array([*texts, *others], kind), pa.array([*others, *texts], kind)[1:]):
        assert judge(values).to_pylist() == _re2(pattern, values).to_pylist()


def test_texts_of_the_length_need_no_re2() -> None:
    def fail(values: pa.Array) -> pa.Array:
        raise AssertionError(values)

    judge = fixed_verdict(r"C[0-9]{3}-\d", fail)
    found = judge(pa.array(["C123-4", "C999-0", "c123-4", "C12a-4", "C123é"]))
    assert found.to_pylist() == [True, True, False, False, False]


@pytest.mark.parametrize("pattern", ["[a-z]+", "a|b", "(a)", "[^a]", ".", "é", "a?", "a{2,3}", "x{1}{2}", "(?i)a", ""])
def test_other_patterns_are_left_to_re2(pattern: str) -> None:
    seen = []

    def take(values: pa.Array) -> pa.Array:
        seen.append(values)
        return values.is_valid()

    fixed_verdict(pattern, take)(pa.array(["a", "b"]))
    assert seen
