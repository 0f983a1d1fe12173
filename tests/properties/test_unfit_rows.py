"""Rows of drawn CSV files that do not fit, as `show --failed` has them, beside a computation of our own."""

from __future__ import annotations

import csv
import gzip
import re
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.conftest import Cli, ProjectFolder

ROWS = 1_600
KINDS = {"a": r"[+-]?\d+", "b": "true|false", "d": r"2026-01-\d\d", "e": r"\d\d\.02\.2025"}


class Row(NamedTuple):
    """What is to be shown of a row: its number, file and line, and the texts that are wrong, with a null for none."""

    row: int
    file: str
    line: int
    wrong: dict[str, str | None]


class Drawn:
    """A file, or several, of drawn rows: quoted line breaks, blank lines, nulls, values of another type."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.end = random.choice(["\n", "\r\n"])
        self.encoding = random.choice(["utf-8", "latin-1", "utf-16"])
        self.preamble = random.randrange(3)
        self.share = random.choice([0.3, 0.35])
        self.files = [f"f{at}" for at in range(random.randrange(2, 7))] if seed % 2 else ["s"]
        self.is_packed = random.random() < 0.4
        self.rows: list[Row] = []

    def value(self, column: str) -> str:
        random = self.random
        if random.random() < 0.05:
            return ""
        if random.random() < self.share:
            return random.choice(["x", "é y", "1.5.2", 'yes"no', f"a{self.end}b", "o,p", "x" * 30])
        day = f"{random.randrange(1, 29):02}"
        fit = {"a": str(random.randrange(-999, 999)), "b": random.choice(["true", "false"])}
        return (fit | {"d": date(2026, 1, int(day)).isoformat(), "e": f"{day}.02.2025"})[column]

    def quoted(self, value: str) -> str:
        is_quoted = any(mark in value for mark in '",\r\n') or (value and self.random.random() < 0.1)
        return '"' + value.replace('"', '""') + '"' if is_quoted else value

    def write(self, path: Path, rows: int) -> None:
        lines = [*["preamble"] * self.preamble, "a,b,d,e,t"]
        text, line = self.end.join([*lines, ""]), len(lines) + 1
        for _ in range(rows):
            values = {column: self.value(column) for column in KINDS}
            last = self.random.choice(["", "plain", 'a "quote"', f"line{self.end}break{self.end}", "é,"])
            if self.random.random() < 0.03:
                text, line = text + self.end, line + 1
            wrong: dict[str, str | None] = {
                name: value for name, value in values.items() if value and not re.fullmatch(KINDS[name], value)
            }
            found = wrong if last else wrong | {"t": None}
            if found:
                self.rows.append(Row(self.count + 1, path.name, line, found))
            self.count += 1
            record = ",".join(map(self.quoted, [*values.values(), last])) + self.end
            text, line = text + record, line + record.count("\n")
        data = text.encode(self.encoding)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if self.is_packed else data)

    count = 0


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_do_not_fit_are_those_of_the_files(folder: ProjectFolder, cli: Cli, seed: int) -> None:
    drawn = Drawn(seed)
    apart = ', null_values: ["", "–"]' if seed < 2 else ""  # read by a pass of its own
    folder.declare(
        f"""
        s:
          kind: source
          path: {"s" if len(drawn.files) == 1 else '"m/*"'}
          format: csv
          options: {{encoding: {drawn.encoding}, skip_rows: {drawn.preamble}}}
          columns:
            a: int64
            b: bool
            d: date32
            e: {{type: date32, date_format: "%d.%m.%Y"{apart}}}
            t: {{type: string, nullable: false}}
        t: {{inputs: [s]}}
        """,
        "def t(s): return s\n",
    )
    for name in drawn.files:
        drawn.write(folder.path / ("data/s.csv" if name == "s" else f"data/m/{name}.csv"), ROWS // len(drawn.files))
    assert cli("run", "s").code == 1
    shown = cli("show", "s", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"]) == (len(drawn.rows), 0)
    found = []
    for each in shown["rows"]:
        names = [re.findall("column `(.)`", reason)[0] for reason in each["reasons"]]
        file = Path(each.get("file", "s.csv")).name
        found.append(Row(each["row"], file, each["line"], {name: each["values"][name] for name in sorted(names)}))
    # A value with a line break is shown as a program would have it.
    expected = [each._replace(wrong={name: _shown(value) for name, value in each.wrong.items()}) for each in drawn.rows]
    assert found == expected
    assert cli("show", "s", "--failed", "--out", "rows.csv").code == 0
    with Path("rows.csv").open(newline="") as file:
        records = [(int(each["row"]), int(each["line"])) for each in csv.DictReader(file)]
    assert records == [(each.row, each.line) for each in expected]


def _shown(value: str | None) -> str | None:
    return value if value is None or value.isprintable() else repr(value)
