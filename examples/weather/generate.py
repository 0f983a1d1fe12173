"""Makes ``data/raw/observations.csv``: invented airport weather in the form in which real one is served.

The layout is that of the Iowa Environmental Mesonet's ASOS download
(https://mesonet.agron.iastate.edu/request/download.phtml): one row per report, ``M`` for what is missing, times in one
zone, the report itself (METAR, https://www.weather.gov/media/wrh/mesowest/metar_decode_key.pdf) in the last column.
Everything in a row follows from the same numbers, so that the report says what the columns say. The weather is made of
a yearly and a daily wave with noise about them; the same arguments give the same bytes on every machine.

    python generate.py
    python generate.py --stations SFO,SEA --first 2025-06-01 --days 10 --output small.csv
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

HEADER = (
    "station,valid,tmpf,dwpf,relh,drct,sknt,p01i,alti,mslp,vsby,gust,"
    "skyc1,skyc2,skyc3,skyc4,skyl1,skyl2,skyl3,skyl4,wxcodes,metar"
)
MISSING = "M"
# Pacific Daylight Time, in which all the rows are; the reports themselves are in UTC.
UTC_OFFSET = timedelta(hours=7)


@dataclass(frozen=True)
class Climate:
    """What the weather of a station is like.

    Attributes:
        minute: Of the hour, at which it reports.
        mean: Temperature over the year, °C.
        season: Half of the difference between summer and winter, °C.
        swing: Half of the difference between afternoon and night under a clear sky, °C.
        dew: Usual dew point, °C.
        cloud: Usual share of the sky that is covered, 0 to 1.
        wind: Usual wind, knots.
        direction: Where it comes from, degrees.
        silent: A day on which the station sent nothing.
    """

    minute: int
    mean: float
    season: float
    swing: float
    dew: float
    cloud: float
    wind: float
    direction: int
    silent: date | None = None


STATIONS = {
    "SFO": Climate(56, 14.0, 3.2, 4.2, 9.5, 0.38, 11.0, 280),
    "SAC": Climate(53, 16.5, 8.0, 7.5, 9.0, 0.22, 7.0, 210),
    "RNO": Climate(55, 12.5, 11.0, 9.0, 0.5, 0.25, 6.5, 250, date(2025, 5, 14)),
    "SEA": Climate(53, 11.5, 7.0, 4.8, 7.0, 0.62, 6.0, 200),
}


@dataclass
class Sky:
    """What changes slowly: carried from hour to hour.

    Attributes:
        warmth: Above what is usual for the day, °C.
        cloud: Share of the sky that is covered, 0 to 1.
        pressure: At sea level, hPa.
        today: Temperatures reported since midnight, tenths of °C.
        yesterday: Those of the day before.
    """

    warmth: float = 0.0
    cloud: float = 0.3
    pressure: float = 1015.0
    today: list[int] = field(default_factory=list)
    yesterday: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """One report, in the units of the METAR.

    Attributes:
        temperature: Tenths of °C; None where the sensor is out, and the dew point with it.
        dew: Tenths of °C.
        direction: Degrees by tens, 0 where it is calm.
        wind: Knots.
        gust: Knots.
        rain: In the hour, hundredths of an inch.
        pressure: Tenths of hPa at sea level.
        visibility: Statute miles.
        layers: Cover and height in hundreds of feet, from below.
        weather: Codes such as ``-RA``.
    """

    temperature: int | None
    dew: int
    direction: int
    wind: int
    gust: int | None
    rain: int
    pressure: int
    visibility: int
    layers: tuple[tuple[str, int], ...]
    weather: tuple[str, ...]


def observations(stations: Sequence[str], first: date, days: int) -> Iterator[str]:
    """The lines of a file, header first, ordered by time and station.

    Args:
        stations: Of `STATIONS`.
        first: The first day.
        days: How many.
    """
    yield HEADER
    lines = [line for station in stations for line in _of_station(station, first, days)]
    yield from (text for _, text in sorted(lines))


def _of_station(station: str, first: date, days: int) -> Iterator[tuple[tuple[datetime, str], str]]:
    climate = STATIONS[station]
    chance = random.Random(f"{station} {first}")
    sky = Sky(cloud=climate.cloud)
    midnight = datetime(first.year, first.month, first.day)
    for hour in range(days * 24):
        valid = midnight + timedelta(hours=hour, minutes=climate.minute)
        reading = _next(climate, sky, valid, chance)
        if valid.date() == climate.silent or chance.random() < 0.012:
            continue
        yield (valid, station), _line(station, valid, reading, sky.yesterday)


def _next(climate: Climate, sky: Sky, valid: datetime, chance: random.Random) -> Reading:
    """Let an hour pass, and read the instruments."""
    if valid.hour == 0:
        sky.today, sky.yesterday = [], sky.today
        sky.warmth = 0.72 * sky.warmth + 1.9 * _bell(chance)
    usual = climate.cloud + 0.08 * math.cos((valid.hour - 7) / 24 * math.tau)
    sky.cloud = min(1.0, max(0.0, sky.cloud + 0.07 * (usual - sky.cloud) + 0.085 * _bell(chance)))
    sky.pressure += 0.02 * (1015.5 - sky.pressure) - 0.25 * (sky.cloud - climate.cloud) + 0.35 * _bell(chance)
    day = valid.timetuple().tm_yday + valid.hour / 24
    season = climate.season * math.cos((day - 205) / 365.25 * math.tau)
    swing = climate.swing * (1 - 0.55 * sky.cloud) * math.cos((valid.hour - 15.4) / 24 * math.tau)
    temperature = _tenths(climate.mean + season + swing + sky.warmth + 0.35 * _bell(chance))
    dew = min(temperature, _tenths(climate.dew + 0.35 * season + 0.5 * sky.warmth + 2.5 * sky.cloud + _bell(chance)))
    rain = _rain(sky.cloud, chance)
    wind = max(0, round(climate.wind * (1 + 0.45 * math.cos((valid.hour - 16) / 24 * math.tau)) + 2.6 * _bell(chance)))
    wind = 0 if wind < 3 else wind
    gust = wind + 6 + int(8 * chance.random()) if wind >= 14 and chance.random() < 0.35 else None
    turned = round(climate.direction / 10 + 3.5 * _bell(chance)) % 36 or 36
    misty = temperature - dew < 12 and chance.random() < 0.3
    visibility = 10 if rain is None and not misty else 3 + int(5 * chance.random())
    mist = ("BR",) if visibility <= 6 else ()
    out = chance.random() < 0.006
    if not out:
        sky.today.append(temperature)
    return Reading(
        temperature=None if out else temperature,
        dew=dew,
        direction=turned * 10 if wind else 0,
        wind=wind,
        gust=gust,
        rain=rain or 0,
        pressure=_tenths(sky.pressure),
        visibility=visibility,
        layers=_layers(sky.cloud, chance),
        weather=() if rain is None and not mist else ((*_rain_code(rain), *mist)),
    )


def _bell(chance: random.Random) -> float:
    """About normal, mean 0, deviation 1.

    Of `random` alone, which is the same in every version of Python; `gauss` is not promised to be, and `sum` of floats
    rounds otherwise since 3.12.
    """
    return (chance.random() + chance.random() + chance.random() + chance.random() - 2) * math.sqrt(3)


def _tenths(value: float) -> int:
    return math.floor(value * 10 + 0.5)


def _rain(cloud: float, chance: random.Random) -> int | None:
    """Hundredths of an inch; None where it does not rain, 0 where it is too little to measure."""
    if cloud < 0.8 or chance.random() > 2.2 * (cloud - 0.68):
        return None
    return int(12 * chance.random() ** 2.5)


def _rain_code(rain: int | None) -> tuple[str, ...]:
    if rain is None:
        return ()
    return ("RA",) if rain > 5 else ("-RA",)


def _layers(cloud: float, chance: random.Random) -> tuple[tuple[str, int], ...]:
    eighths = round(cloud * 8)
    if eighths == 0:
        return ()
    covers = ["FEW", "FEW", "SCT", "SCT", "BKN", "BKN", "BKN", "OVC"][:eighths]
    layers = [(covers[-1], 60 + 10 * int(15 * chance.random()))]
    if eighths > 2 and chance.random() < 0.25:
        layers.insert(0, (covers[eighths // 2 - 1], 8 + int(30 * chance.random())))
    return tuple(layers)


def _line(station: str, valid: datetime, reading: Reading, yesterday: Sequence[int]) -> str:
    """A row of the file."""
    temperature, humidity = [MISSING, MISSING], MISSING
    if reading.temperature is not None:
        temperature = [f"{_fahrenheit(value):.1f}0" for value in (reading.temperature, reading.dew)]
        humidity = f"{_relative_humidity(reading.temperature / 10, reading.dew / 10):.2f}"
    unused = [MISSING] * (4 - max(1, len(reading.layers)))
    fields = [
        station,
        f"{valid:%Y-%m-%d %H:%M}",
        *temperature,
        humidity,
        f"{reading.direction}.00",
        f"{reading.wind}.00",
        f"{reading.rain / 100:.2f}",
        f"{_altimeter(reading) / 100:.2f}",
        f"{reading.pressure / 10:.1f}0",
        f"{reading.visibility}.00",
        MISSING if reading.gust is None else f"{reading.gust}.00",
        *([cover for cover, _ in reading.layers] or ["CLR"]),
        *unused,
        *([f"{height * 100}.00" for _, height in reading.layers] or [MISSING]),
        *unused,
        " ".join(reading.weather) or MISSING,
        _metar(station, valid, reading, yesterday),
    ]
    return ",".join(fields)


def _metar(station: str, valid: datetime, reading: Reading, yesterday: Sequence[int]) -> str:
    """The report as it is sent."""
    gust = "" if reading.gust is None else f"G{reading.gust:02}"
    layers = [f"{cover}{height:03}" for cover, height in reading.layers] or ["CLR"]
    groups = [
        f"K{station}",
        f"{valid + UTC_OFFSET:%d%H%M}Z",
        f"{reading.direction:03}{reading.wind:02}{gust}KT",
        f"{reading.visibility}SM",
        *reading.weather,
        *layers,
    ]
    remarks = ["RMK", "AO2", f"SLP{reading.pressure % 1000:03}"]
    if any("RA" in code for code in reading.weather):
        remarks.append(f"P{reading.rain:04}")
    if reading.temperature is not None:
        groups.append(f"{_whole(reading.temperature)}/{_whole(reading.dew)}")
        remarks.append(f"T{_signed(reading.temperature)}{_signed(reading.dew)}")
    if valid.hour == 0 and yesterday:
        remarks.append(f"4{_signed(max(yesterday))}{_signed(min(yesterday))}")
    if reading.temperature is None:
        remarks.append("$")  # the station asks for maintenance
    return " ".join([*groups, f"A{_altimeter(reading):04}", *remarks])


def _altimeter(reading: Reading) -> int:
    """Hundredths of an inch of mercury."""
    return math.floor(reading.pressure / 10 * 2.95300 + 0.5)


def _fahrenheit(tenths: int) -> float:
    return tenths * 18 / 100 + 32


def _relative_humidity(temperature: float, dew: float) -> float:
    """Percent, of two temperatures in °C; the vapour pressure by Bolton (1980), equation 10.

    As the service does, it starts from what it shows: °F to one digit.
    """

    def vapour(celsius: float) -> float:
        shown = (round(celsius * 9 / 5 + 32, 1) - 32) * 5 / 9
        return math.exp(17.67 * shown / (shown + 243.5))

    return 100 * vapour(dew) / vapour(temperature)


def _whole(tenths: int) -> str:
    """Whole °C as METARs have it, halves rounded up: ``11``, ``M02``."""
    celsius = (tenths + 5) // 10
    return f"M{-celsius:02}" if tenths < 0 else f"{celsius:02}"


def _signed(tenths: int) -> str:
    """Tenths of °C as remarks have them: ``0111``, ``1006`` for -0.6."""
    return f"{int(tenths < 0)}{abs(tenths):03}"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make a file of invented airport weather observations.")
    parser.add_argument("--stations", default=",".join(STATIONS), help=f"of {', '.join(STATIONS)} (default: all)")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2025, 4, 1), help="first day (%(default)s)")
    parser.add_argument("--days", type=int, default=91, help="how many days (%(default)s)")
    default = Path(__file__).parent / "data" / "raw" / "observations.csv"
    parser.add_argument("--output", type=Path, default=default, help="file to write (data/raw/observations.csv)")
    arguments = parser.parse_args()
    lines = observations(arguments.stations.split(","), arguments.first, arguments.days)
    text = "".join(f"{line}\n" for line in lines)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(text.encode("ascii"))
    print(f"{arguments.output}: {text.count(chr(10)) - 1} observations, {len(text)} bytes")


if __name__ == "__main__":
    main()
