"""docs/partitions.md: its first project runs, and the plan is the one that is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import Cli, ProjectFolder

DOCS = (Path(__file__).parents[2] / "docs" / "partitions.md").read_text("utf-8")


def block(language: str, number: int = 0) -> str:
    """A block of code of the page."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)[number]


def test_first_project_runs_as_shown(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", block("yaml"))
    folder.write("transforms.py", block("python"))
    for day in ("2024-03-03", "2024-03-04"):
        folder.write(f"data/raw/sales_{day}.csv", "shop,amount\na,1.50\na,2.00\nb,1.00\n")
    assert cli("run").code == 0
    folder.write("data/raw/sales_2024-03-05.csv", "shop,amount\na,10.00\n")
    shown = [" ".join(line.split()) for line in cli("plan").out.splitlines()]
    for line in block("").splitlines()[1:]:
        assert " ".join(line.split()) in shown
    assert cli("run").code == 0
    rows = json.loads(cli("show", "monthly", "-o", "json").out)["rows"]
    assert [(row["month"], row["shop"], row["amount"]) for row in rows] == [
        ("2024-03", "a", "17.00"),
        ("2024-03", "b", "2.00"),
    ]


def test_rows_that_come_late_are_in_their_day(folder: ProjectFolder, cli: Cli) -> None:
    number = next(at for at in range(9) if "sold_on" in block("yaml", at))
    folder.write("lakehouse.yaml", "name: late\nmodule: transforms\n" + block("yaml", number))
    folder.write("transforms.py", block("python", 1))
    folder.write("data/raw/sales_2024-03-03.csv", "sold_on,amount\n2024-03-03,1\n")
    folder.write("data/raw/sales_2024-03-05.csv", "sold_on,amount\n2024-03-04,2\n2024-03-03,4\n2024-03-05,8\n")
    as_of = ("--as-of", "2024-03-06T00:00Z", "-o", "json")

    def daily() -> dict[str, int]:
        assert cli("run", *as_of).code == 0
        return {row["day"]: row["amount"] for row in json.loads(cli("show", "daily", "-o", "json").out)["rows"]}

    assert daily() == {"2024-03-03": 5, "2024-03-04": 2, "2024-03-05": 8}
    folder.write("data/raw/sales_2024-03-06.csv", "sold_on,amount\n2024-03-04,16\n")
    [table] = [each for each in cli("plan", *as_of).json["tables"] if each["name"] == "daily"]
    assert [each["key"]["day"] for each in table["partitions"]] == ["2024-03-04", "2024-03-05"]
    assert daily() == {"2024-03-03": 5, "2024-03-04": 18, "2024-03-05": 8}
    folder.write("data/raw/sales_2024-03-05.csv", "sold_on,amount\n2024-03-02,2\n")
    assert "two_days_late_at_most" in cli("run", "--as-of", "2024-03-06T00:00Z").err


def test_periods_fill_columns_by_their_types(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        sales: {kind: source, path: "raw/sales_{hour:%Y-%m-%dT%H%M}", columns: {n: int64}}
        hourly: {function: same, partitions: [hour], columns: {hour: "timestamp[s]", n: int64}, inputs: [sales]}
        weekly: {function: same, partitions: [week], columns: {week: string, n: int64}, inputs: [sales]}
        months: {function: same, partitions: [month], columns: {month: date32, n: int64}, inputs: [sales]}
        yearly: {function: same, partitions: [year], columns: {year: int16, n: int64}, inputs: [sales]}
        """,
        "def same(sales): return sales\n",
        top="dimensions: {week: {every: week}, month: {every: month}, year: {every: year}}\n",
    )
    for minute in ("00", "30"):  # two files of one hour
        folder.write(f"data/raw/sales_2024-12-30T14{minute}.csv", f"n\n1{minute}\n")
    folder.write("data/raw/sales_2024-12-30T15.csv.txt", "")
    assert cli("run").code == 0
    found = {
        name: json.loads(cli("show", name, "-o", "json").out)["rows"]
        for name in ("hourly", "weekly", "months", "yearly")
    }
    assert found == {
        "hourly": [{"hour": "2024-12-30 14:00:00", "n": n} for n in (100, 130)],
        "weekly": [{"week": "2025-W01", "n": n} for n in (100, 130)],
        "months": [{"month": "2024-12-01", "n": n} for n in (100, 130)],
        "yearly": [{"year": 2024, "n": n} for n in (100, 130)],
    }


def test_partition_without_rows_is_made(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {n: int64}}
        daily: {partitions: [day], columns: {day: date32, n: int64}, inputs: [sales]}
        """,
        "def daily(sales): return sales\n",
    )
    folder.write("data/raw/sales_2024-01-01.csv", "n\n")
    assert cli("run").code == 0
    assert json.loads(cli("show", "daily", "-o", "json").out)["partitions"] == [{"day": "2024-01-01"}]
    assert "nothing to do" in cli("plan").out
