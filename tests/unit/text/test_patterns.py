"""Patterns of checks: nothing that RE2 takes is refused, and what it lacks is named."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.text.patterns import full_match, pattern_problem

# What patterns are made of, among it all that is refused, and what looks like it.
PARTS = [
    r"a",
    r"b",
    r"]",
    r"}",
    r"{",
    r"{",
    r"+",
    r"*",
    r"?",
    r"|",
    r"(",
    r")",
    r"(?:",
    r"(?i)",
    r"(?-i)",
    r"(?P<n>",
    r"(?=",
    r"(?!",
    r"(?<=",
    r"(?<!",
    r"(?<m>",
    r"(?>",
    r"(?(",
    r"(?P=",
    r"^",
    r"$",
    r".",
    r",",
    r"-",
    r"2",
    r"{2}",
    r"{2,}",
    r"{1,3}",
    r"{,3}",
    r"\Q",
    r"\E",
    r"\\",
    r"\+",
    r"\{",
    r"\}",
    r"\[",
    r"\]",
    r"\(",
    r"\)",
    r"\1",
    r"\12",
    r"\8",
    r"\01",
    r"\0",
    r"\b",
    r"\d",
    r"\p{L}",
    r"\P{Greek}",
    r"\pN",
    r"\x{e9}",
    r"\xe9",
    r"\z",
    r"[",
    r"[^",
    r"[]",
    r"[^]",
    r"[[:alpha:]]",
    r"[:^alpha:]",
    r":",
    r"7",
]


def accepted(pattern: str) -> bool:
    try:
        pc.match_substring_regex(pa.array([""]), pattern=pattern)
    except pa.ArrowInvalid:
        return False
    return True


def test_nothing_that_re2_takes_is_refused() -> None:
    drawn = random.Random(7)
    patterns = {"".join(drawn.choices(PARTS, k=drawn.randint(1, 6))) for _ in range(5_000)}
    refused = {each for each in patterns if pattern_problem(each) is not None}
    taken = {each for each in patterns if accepted(each)}
    assert min(len(refused), len(taken)) > 300
    assert not refused & taken
    # As a full match nothing is lost either, such as to a quote that is left open.
    assert not [each for each in taken if not accepted(full_match(each))]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a++", "a possessive `++`"),
        (r"\p{L}{2}+", "a possessive `{2}+`"),
        (r"(a)\1", r"a backreference, `\1`"),
        (r"\Q(?=\E(?<!a)", "a negative lookbehind, `(?<!`"),
        ("[(?=](?>a)", "an atomic group, `(?>`"),
    ],
)
def test_what_re2_lacks_is_named(pattern: str, problem: str) -> None:
    found = pattern_problem(pattern)
    assert found is not None
    assert found[0].startswith(f"has {problem}")
