"""Each function gets the rows of one partition and returns those of one; `best_months` gets all there are."""

from __future__ import annotations

from datetime import date

import pandas as pd


def daily(sales: pd.DataFrame, products: pd.DataFrame, day: date) -> pd.DataFrame:
    """The sales of one day, by shop and family of products.

    The rows are those of the day's file. A receipt of another day in it would be an error.
    """
    wrong = sales.loc[sales["sold_at"].dt.date != day, "receipt"]
    if len(wrong):
        message = f"receipt {wrong.iloc[0]} is not of {day}"
        raise ValueError(message)
    sold = sales.merge(products, on="sku", how="left", validate="many_to_one")
    sold["revenue"] = sold["quantity"] * sold["price"]
    groups = sold.groupby(["shop", "family"], sort=True)
    return groups.agg(receipts=("receipt", "nunique"), items=("quantity", "sum"), revenue=("revenue", "sum"))


def monthly(daily: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The days of one month, and how much more was sold than in the month before.

    Of the first month there is none before: `before` has no rows then.
    """
    found = daily.groupby("shop", sort=True).agg(days=("day", "nunique"), revenue=("revenue", "sum")).reset_index()
    former = before.set_index("shop")["revenue"]
    found["change"] = found["revenue"] - found["shop"].map(former)
    return found


def best_months(monthly: pd.DataFrame) -> pd.DataFrame:
    """The month in which each shop sold most; the first of those with the same revenue."""
    ordered = monthly.sort_values(["shop", "revenue", "month"], ascending=[True, False, True])
    return ordered.drop_duplicates("shop")[["shop", "month", "revenue"]]
