"""Makes ``data/raw``: the sales of three shops, a file a day, as their tills send them at night.

The sales are invented: the same arguments give the same bytes on every machine, and a day is the same whichever other
days are made with it.

    python generate.py                                      # the days of 2024
    python generate.py --first 2025-01-01 --days 1          # the next night
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

HEADER = ("receipt", "shop", "sold_at", "sku", "quantity", "price")
# Each with the hours in which it is open, and the receipts of a usual day.
SHOPS = {"bern": (8, 18, 6), "chur": (9, 17, 3), "genf": (8, 20, 8)}
# Prices in hundredths.
PRODUCTS = {"0010": 480, "0011": 520, "0025": 1290, "0107": 90, "0230": 24900}


def sales(day: date) -> Iterator[tuple[str, ...]]:
    """The rows of a day, in the order of time for each shop."""
    chance = random.Random(day.isoformat())  # no secret
    for shop, (opens, closes, usual) in SHOPS.items():
        if day.weekday() == 6 and shop != "genf":
            continue  # closed on Sundays
        busy = 2 if day.month == 12 else 1
        minutes = sorted(chance.sample(range(opens * 60, closes * 60), chance.randint(1, usual) * busy))
        for number, minute in enumerate(minutes, 1):
            receipt = f"{shop}-{day:%y%m%d}-{number:03}"
            for sku in chance.sample(sorted(PRODUCTS), chance.randint(1, 3)):
                price = PRODUCTS[sku]
                quantity = chance.choice((1, 1, 1, 2, 3)) if price < 1000 else 1
                at = f"{day} {minute // 60:02}:{minute % 60:02}"
                yield receipt, shop, at, sku, str(quantity), f"{price // 100}.{price % 100:02}"


def main() -> None:
    """Write a file for each day."""
    parser = argparse.ArgumentParser(description="Make invented sales, a file a day.")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2024, 1, 1), help="the first day")
    parser.add_argument("--days", type=int, default=366, help="how many days")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "data" / "raw", help="the folder")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for day in (given.first + timedelta(each) for each in range(given.days)):
        with (given.output / f"sales_{day}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(HEADER)
            rows.writerows(sales(day))
    print(f"{given.days} files in {given.output}")


if __name__ == "__main__":
    main()
