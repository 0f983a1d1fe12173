"""The tables that Python computes: what the queries in `sql/` and `lakehouse.yaml` say, in pandas.

Money arrives as `decimal.Decimal` and stays so; ids are text, and dates `datetime64`.
"""

from __future__ import annotations

import pandas as pd
from money import line_amount, total


def order_totals(orders: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """One row per order; an order without lines comes to nothing."""
    per_order = _with_amounts(lines).groupby("order_id").agg(items=("quantity", "sum"), total=("amount", total))
    result = orders.rename(columns={"id": "order_id"}).merge(per_order, on="order_id", how="left")
    result["ordered_on"] = result["ordered_at"].dt.normalize()
    return result.fillna({"items": 0, "total": total([])})


def revenue_by_month(order_totals: pd.DataFrame, unsold: list[str]) -> pd.DataFrame:
    """What came in each month in which anything did."""
    sold = order_totals[~order_totals["status"].isin(unsold)]
    month = sold["ordered_on"].dt.to_period("M").dt.to_timestamp().rename("month")
    return sold.groupby(month).agg(orders=("order_id", "size"), revenue=("total", total))


def best_customers(customers: pd.DataFrame, order_totals: pd.DataFrame, unsold: list[str], top: int) -> pd.DataFrame:
    """The `top` customers by revenue; of equals the one with the lower id first."""
    sold = order_totals[~order_totals["status"].isin(unsold)]
    per_customer = sold.groupby("customer_id").agg(
        orders=("order_id", "size"), revenue=("total", total), last_order=("ordered_on", "max")
    )
    people = customers[["id", "name", "points"]].rename(columns={"id": "customer_id"})
    ranked = people.merge(per_customer, on="customer_id").sort_values("customer_id")
    ranked = ranked.sort_values("revenue", ascending=False, kind="stable").head(top).reset_index(drop=True)
    ranked.insert(0, "rank", ranked.index + 1)
    return ranked


def product_sales(products: pd.DataFrame, orders: pd.DataFrame, lines: pd.DataFrame, unsold: list[str]) -> pd.DataFrame:
    """One row per product, also for those that nobody bought."""
    sold_orders = orders.loc[~orders["status"].isin(unsold), ["id", "ordered_at"]].rename(columns={"id": "order_id"})
    sold = _with_amounts(lines).merge(sold_orders, on="order_id")
    sold["ordered_on"] = sold["ordered_at"].dt.normalize()
    per_product = sold.groupby("sku").agg(
        sold=("quantity", "sum"), revenue=("amount", total), last_sold=("ordered_on", "max")
    )
    result = products[["sku", "name", "category"]].merge(per_product, on="sku", how="left")
    return result.fillna({"sold": 0, "revenue": total([])})


def _with_amounts(lines: pd.DataFrame) -> pd.DataFrame:
    """Order lines with what each comes to, after its discount."""
    discounts = lines["discount_percent"].fillna(0)
    columns = zip(lines["quantity"].tolist(), lines["unit_price"], discounts.tolist(), strict=True)
    amounts = [line_amount(quantity, price, discount) for quantity, price, discount in columns]
    return lines.assign(amount=pd.Series(amounts, index=lines.index, dtype=object))
