"""Amounts of money: decimals, exact to the cent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def rounded(amount: Decimal) -> Decimal:
    """An amount to the cent; half a cent is rounded up."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0.00 of none."""
    return sum(amounts, Decimal("0.00"))


def line_amount(quantity: int, unit_price: Decimal, discount_percent: int) -> Decimal:
    """What an order line comes to, rounded once, after the discount."""
    return rounded(quantity * unit_price * (100 - discount_percent) / 100)
