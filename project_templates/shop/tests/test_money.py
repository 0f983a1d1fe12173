"""Money is exact: no binary fractions, one rounding per line."""

from decimal import Decimal

import pytest
from money import line_amount, rounded, total


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "expected"),
    [(3, "4.50", 0, "13.50"), (1, "6.95", 10, "6.26"), (1, "0.10", 15, "0.09"), (12, "0.01", 50, "0.06")],
)
def test_line_amount_is_rounded_once_after_the_discount(
    quantity: int, price: str, discount: int, expected: str
) -> None:
    """6.255 becomes 6.26 and 0.085 becomes 0.09: half a cent is rounded up."""
    assert line_amount(quantity, Decimal(price), discount) == Decimal(expected)


def test_rounded_has_two_digits() -> None:
    """Also where the amount has fewer."""
    assert str(rounded(Decimal(7))) == "7.00"


def test_total_is_exact() -> None:
    """Ten times ten cents is one euro, which it is not with floats."""
    assert total([Decimal("0.10")] * 10) == 1
    assert str(total([])) == "0.00"
