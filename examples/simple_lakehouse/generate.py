"""Makes ``data/raw/sfo_q2_weather_sample.csv``: invented hourly temperatures of one airport from April to June.

A yearly and a daily wave with noise about them; the same bytes on every machine.

    python generate.py
    python generate.py --output small.csv --days 10
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

FIRST = datetime(2016, 4, 1, 0, 56)


def lines(days: int) -> Iterator[str]:
    """The header, and a line for each hour of so many days."""
    yield "station,valid,tmpf,dwpf"
    chance = random.Random(2016)
    weather = 0.0
    for hour in range(24 * days):
        valid = FIRST + timedelta(hours=hour)
        weather = 0.98 * weather + chance.gauss(0, 0.5)
        season = 55 + 6 * hour / (24 * 91)
        afternoon = 7 * math.sin(2 * math.pi * (valid.hour - 9) / 24)
        temperature = season + afternoon + weather + chance.gauss(0, 0.4)
        dew_point = min(temperature, 48 + 0.4 * weather + chance.gauss(0, 0.6))
        yield f"SFO,{valid:%Y-%m-%d %H:%M},{temperature:.1f},{dew_point:.1f}"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent / "data" / "raw" / "sfo_q2_weather_sample.csv"
    parser.add_argument("--output", type=Path, default=default)
    parser.add_argument("--days", type=int, default=91)
    arguments = parser.parse_args()
    arguments.output.write_text("".join(f"{line}\n" for line in lines(arguments.days)), encoding="utf-8")


if __name__ == "__main__":
    main()
