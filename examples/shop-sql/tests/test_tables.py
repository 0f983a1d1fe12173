"""The functions and the queries, on the same small frames."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import transforms

QUERIES = Path(__file__).parent.parent / "sql"
ORDERS = pd.DataFrame(
    {
        "id": ["001", "002", "003"],
        "customer_id": ["007", "008", "007"],
        "ordered_at": pd.to_datetime(["2025-01-31 23:59", "2025-02-01 00:00", "2025-02-02 08:00"]),
        "status": ["delivered", "delivered", "cancelled"],
    }
)
LINES = pd.DataFrame(
    {
        "order_id": ["001", "001", "003"],
        "sku": ["A", "B", "A"],
        "quantity": [1, 1, 9],
        "unit_price": [Decimal("6.95"), Decimal("0.10"), Decimal("9.00")],
        "discount_percent": pd.array([10, 15, None], dtype="Int8"),
    }
)


def query(name: str) -> list[tuple[object, ...]]:
    """What a file of `sql/` makes of the frames, in the order of its first column."""
    with duckdb.connect() as connection:
        connection.register("orders", ORDERS)
        connection.register("order_lines", LINES)
        return sorted(connection.execute((QUERIES / f"{name}.sql").read_text(encoding="utf-8")).fetchall())


def test_half_a_cent_is_rounded_up_by_both() -> None:
    """6.255 is 6.26 and 0.085 is 0.09, and an order without lines comes to nothing."""
    expected = [Decimal("6.35"), Decimal(0), Decimal(81)]
    assert transforms.order_totals(ORDERS, LINES)["total"].tolist() == expected
    assert [total for *_, total in query("order_totals")] == expected
