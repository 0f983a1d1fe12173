"""What customers spent; no function reads or writes a file."""

from decimal import Decimal

import pandas as pd


def revenue(orders: pd.DataFrame, least: str) -> pd.DataFrame:
    """Orders and sums of each customer who spent so much."""
    spent = orders.groupby("customer").agg(orders=("id", "count"), amount=("amount", "sum"))
    return spent[spent["amount"] >= Decimal(least)]


def for_people(revenue: pd.DataFrame) -> pd.DataFrame:
    """The best customers first."""
    return revenue.sort_values("amount", ascending=False)[["customer", "amount"]]
