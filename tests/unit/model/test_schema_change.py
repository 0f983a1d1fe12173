"""What a change of a contract means to readers of the table: additive, compatible, breaking or not known yet."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_cli.model.manifest import ColumnRecord, Manifest, Recipe
from lakehouse_cli.model.schema_change import describe_contract_change, schema_change
from tests.cases import each_case

A, B, N = ColumnRecord("a", "int64"), ColumnRecord("b", "int64"), ColumnRecord("n", "int64", nullable=False)
CONTRACT = (A, B, N)
STORED = (("a", "int64"), ("b", "int64"), ("n", "int64"))


def recipe(*contract: ColumnRecord, key: str = "", extra: str = "error") -> Recipe:
    return Recipe("", {}, contract or None, tuple(key), extra, {}, "csv", ())


def stored(by: Recipe, *kept: str) -> Manifest:
    """A table as it was stored, with columns besides those that were declared."""
    columns: Any = (*((c.name, c.type) for c in by.contract or (A, B, N)), *((name, "int64") for name in kept))
    return Manifest("t", columns, 1, 1, 1, "", "", "", "", "", by)


@each_case(
    ("before", "now", "change"),
    [
        ("", "a", "compatible"),
        ("", "ab", "compatible"),
        ("ab", "ba", "compatible"),
        ("a", "", "breaking"),
        ("a", "b", "breaking"),
        ("a", "ab", "breaking"),
        ("ab", "a", "breaking"),  # `b` may be null now
        ("an", "a", "compatible"),
    ],
)
def test_a_key(before: str, now: str, change: str) -> None:
    table = stored(recipe(*CONTRACT, key=before))
    reported = f"the key is now {', '.join(now)}" if now else "there is no key any more"
    assert describe_contract_change(table, recipe(*CONTRACT, key=now)) == f"{reported} ({change})"
    assert schema_change(table, recipe(*CONTRACT, key=now)) == change


def test_key_implies_non_null_columns() -> None:
    table = stored(recipe(N))
    now = recipe(N._replace(nullable=True), key="n")
    assert (describe_contract_change(table, now), schema_change(table, now)) == (
        "the key is now n (compatible)",
        "compatible",
    )


@pytest.mark.parametrize(
    ("before", "now", "reported", "change"),
    [
        (recipe(A), recipe(), "no columns are declared any more", None),
        (
            recipe(A, N),
            recipe(),
            "no columns are declared any more, column `n` may be null now (breaking)",
            "breaking",
        ),
        (
            recipe(A, extra="drop"),
            recipe(),
            "no columns are declared any more, extra_columns drop → error (compatible)",
            None,
        ),
        (recipe(A, extra="error"), recipe(A, extra="drop"), "extra_columns error → drop (compatible)", "compatible"),
        (recipe(A), recipe(A, extra="keep"), "extra_columns error → keep", None),
        (recipe(A), recipe(A, B, extra="keep"), "column `b` added (additive), extra_columns error → keep", None),
    ],
)
def test_what_is_not_known_before_it_is_computed(
    before: Recipe, now: Recipe, reported: str, change: str | None
) -> None:
    assert (describe_contract_change(stored(before), now), schema_change(stored(before), now)) == (reported, change)


def test_kept_extra_columns_count_as_columns() -> None:
    table = stored(recipe(A, extra="keep"), "b", "c")
    now = recipe(A, B)
    reported = "column `b` is declared now (compatible), column `c` removed (breaking)"
    assert describe_contract_change(table, now) == f"{reported}, extra_columns keep → error (compatible)"
    assert schema_change(table, now) == "breaking"
    assert describe_contract_change(table, recipe(A, B, extra="keep")) == "column `b` is declared now (compatible)"


def test_gravest_of_many_changes_are_listed() -> None:
    table = stored(recipe(*(ColumnRecord(f"c{i}", "int64") for i in range(300)), A))
    now = recipe(*(ColumnRecord(f"c{i}", "float64" if i > 297 else "string") for i in range(300)), B)
    reported = describe_contract_change(table, now)
    assert reported.startswith("column `c0` int64 → string (breaking), ")
    assert reported.endswith(" and 296 more changes")
    assert len(reported) < 400


def test_rules_are_apart_from_what_decides_the_data() -> None:
    before = recipe(A, N, key="n")
    for stricter in (recipe(A._replace(nullable=False), N, key="n"), recipe(A, N, key="a")):
        assert stricter.shape == before.shape
        assert stricter.rules != before.rules
    for other in (recipe(A, N._replace(type="int32"), key="n"), recipe(A, N, key="n", extra="keep")):
        assert other.shape != before.shape
        assert other.rules == before.rules
