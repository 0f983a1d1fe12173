"""Writes data/raw: meters and their midnight readings, the same each time."""

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path

RAW = Path(__file__).parent / "data" / "raw"
DAYS = 62


def main() -> None:
    """Fourteen meters, two of which are never read; one reading at each midnight from 1 January 2026."""
    chance = random.Random(7)
    names = [f"{number * 7919 % 100_000:05}" for number in range(1, 15)]
    meters = ["meter,tariff,installed,rooms"]
    for number, meter in enumerate(names):
        rooms = "" if number % 5 == 3 else chance.randint(1, 7)
        installed = dt.date(2015, 1, 1) + dt.timedelta(days=chance.randint(0, 3000))
        meters.append(f"{meter},{'night' if number % 4 == 1 else 'day'},{installed},{rooms}")
    readings = ["meter,at,kwh"]
    for meter in names[:12]:
        shown = chance.randint(1000, 90000) + Decimal(chance.randint(0, 999)) / 1000
        for day in range(DAYS):
            at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)
            readings.append(f"{meter},{at:%Y-%m-%dT%H:%M:%SZ},{shown}")
            shown += Decimal(chance.randint(1500, 19000)) / 1000
    RAW.mkdir(parents=True, exist_ok=True)
    for name, lines in (("meters", meters), ("readings", readings)):
        (RAW / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
