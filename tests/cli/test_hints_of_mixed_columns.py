"""Hints about values of which most fit: what is named reads the others too, or nothing is named."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Cli, ProjectFolder


def write_column(folder: ProjectFolder, kind: str, values: str, option: str = "") -> None:
    """Write a source of one column; values stand between blanks, with `_` for a blank in them."""
    rows = "".join(f'"{value.replace("_", " ")}"\n' for value in values.split())
    folder.write("data/s.csv", f"v\n{rows}")
    folder.declare(f's: {{kind: source, columns: {{v: "{kind}"}}, options: {{{option}}}}}')


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date32", "2024-01-02 2024-03-04 31/12/2024"),
        ("timestamp[s]", "2024-01-02_10:00:00 31/12/2024_10:00"),
        ("int64", "1 2 3 1,234 5"),
        ("time32[s]", "10:00:00 11:30:00 1:02_PM"),
        ("float64", "1.5 20% 3"),
        ("decimal128(10, 2)", "1.50 $2.50 3"),
    ],
)
def test_option_that_is_named_reads_the_others(folder: ProjectFolder, cli: Cli, kind: str, values: str) -> None:
    write_column(folder, kind, values)
    refused = cli("show", "s")
    assert refused.code == 1
    found = re.search(r"set `(\w+: [^`]+)`", refused.err)
    assert found is not None, refused.err
    write_column(folder, kind, values, found[1])
    assert cli("show", "s", "-o", "json").json["row_count"] == len(values.split())


@pytest.mark.parametrize(
    ("kind", "values", "option"),
    [
        ("float64", "50.1 12 7.25 50,3", ""),
        ("float64", "1,5 2,5 3.5", "decimal: ','"),
        ("decimal128(10, 2)", "1.10 2.20 3,30", ""),
    ],
)
def test_option_that_others_contradict_is_not_named(
    folder: ProjectFolder, cli: Cli, kind: str, values: str, option: str
) -> None:
    write_column(folder, kind, values, option)
    refused = cli("show", "s")
    assert refused.code == 1
    assert "decimal:" not in refused.err
    assert "next: correct the file" in refused.err
