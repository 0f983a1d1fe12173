"""Transforms are plain functions: give them small frames, look at what comes out."""

from decimal import Decimal

import pandas as pd
import transforms

UNSOLD = ["cancelled", "returned"]

ORDERS = pd.DataFrame(
    {
        "id": ["001", "002", "003", "004"],
        "customer_id": ["007", "008", "007", "008"],
        "ordered_at": pd.to_datetime(["2025-01-31 23:59", "2025-02-01 00:00", "2025-02-02 08:00", "2025-02-03 08:00"]),
        "status": pd.Categorical(["delivered", "delivered", "cancelled", "paid"]),
    }
)
LINES = pd.DataFrame(
    {
        "order_id": ["001", "001", "002", "003"],
        "line": [1, 2, 1, 1],
        "sku": ["A", "B", "A", "A"],
        "quantity": [2, 1, 1, 9],
        "unit_price": [Decimal("10.00"), Decimal("0.99"), Decimal("9.00"), Decimal("9.00")],
        "discount_percent": pd.array([None, None, 50, None], dtype="Int8"),
    }
)
CUSTOMERS = pd.DataFrame(
    {
        "id": ["007", "008", "009"],
        "name": ["Ann", "Bo", "Cy"],
        "country": ["NA", "DE", "FR"],
        "points": pd.array([5, None, 7], dtype="Int64"),
    }
)
PRODUCTS = pd.DataFrame({"sku": ["A", "B", "C"], "name": ["Pen", "Ink", "Lamp"], "category": ["x", "x", "y"]})


def order_totals() -> pd.DataFrame:
    """What `ORDERS` and `LINES` come to."""
    return transforms.order_totals(ORDERS, LINES)


def test_order_totals_adds_up_the_lines() -> None:
    """The discount is taken off; an order without lines comes to nothing."""
    result = order_totals()
    assert result["total"].tolist() == [Decimal("20.99"), Decimal("4.50"), Decimal("81.00"), Decimal(0)]
    assert result["items"].tolist() == [3, 1, 9, 0]


def test_order_totals_takes_the_day_of_the_order() -> None:
    """A minute before midnight is still the day before."""
    days = order_totals()["ordered_on"].dt.strftime("%Y-%m-%d")
    assert days.tolist() == ["2025-01-31", "2025-02-01", "2025-02-02", "2025-02-03"]


def test_revenue_by_month_leaves_out_what_was_not_sold() -> None:
    """Cancelled orders are neither counted nor added."""
    result = transforms.revenue_by_month(order_totals(), UNSOLD).reset_index()
    assert result["month"].dt.strftime("%Y-%m-%d").tolist() == ["2025-01-01", "2025-02-01"]
    assert result["orders"].tolist() == [1, 2]
    assert result["revenue"].tolist() == [Decimal("20.99"), Decimal("4.50")]
    assert result["average_order"].tolist() == [Decimal("20.99"), Decimal("2.25")]


def test_best_customers_ranks_by_revenue() -> None:
    """Who bought nothing is not among them, and missing points stay missing."""
    result = transforms.best_customers(CUSTOMERS, order_totals(), UNSOLD, top=5)
    assert result["rank"].tolist() == [1, 2]
    assert result["customer_id"].tolist() == ["007", "008"]
    assert result["points"].isna().tolist() == [False, True]


def test_product_sales_lists_what_nobody_bought() -> None:
    """With nothing sold, and no day on which it was."""
    result = transforms.product_sales(PRODUCTS, ORDERS, LINES, UNSOLD).set_index("sku")
    assert result["sold"].to_dict() == {"A": 3, "B": 1, "C": 0}
    assert result["revenue"].to_dict() == {"A": Decimal("24.50"), "B": Decimal("0.99"), "C": Decimal(0)}
    assert pd.isna(result.loc["C", "last_sold"])
