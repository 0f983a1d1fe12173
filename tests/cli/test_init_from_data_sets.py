"""`lakehouse init --from-data` of data sets that packages ship: values are read as an independent reader reads them."""

from __future__ import annotations

import json
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from tests.cli.independent_reading import load, misread, read_by_lakehouse, rows_of, text_of
from tests.conftest import Cli

# Of files that are not as most are: how Python's `csv` reads them, lines that are no rows, a header that is none.
DIALECTS: dict[str, dict[str, Any]] = {
    "Stocks.csv": {"comment": "#"},
    "breast_cancer.csv": {"skip": 1, "header": False},
    "wine_data.csv": {"skip": 1, "header": False},
    "digits.csv.gz": {"header": False},
    "diabetes_data_raw.csv.gz": {"words": True, "header": False},
    "diabetes_target.csv.gz": {"words": True, "header": False},
    "linnerud_exercise.csv": {"words": True},
    "linnerud_physiological.csv": {"words": True},
    "data_x_x2_x3.csv": {"words": True, "header": False},
    "E6_jmulti.csv": {"words": True, "header": False},
    "anes96.csv": {"csv": {"delimiter": "\t"}},
    "modechoice.csv": {"csv": {"delimiter": ";"}},
    "spector.csv": {"csv": {"delimiter": " "}},
    "strikes.csv": {"csv": {"skipinitialspace": True}},
}
# What must be found beside what is read.
TYPES = {
    "penguins.csv": {"species": "string", "bill_length_mm": "float64", "body_mass_g": "int64", "sex": "string"},
    "penguins-raw.csv": {"Date Egg": "date32", "Sex": "string", "Sample Number": "int64"},
    "seattle-temps.csv": {"date": "timestamp[us]", "temp": "float64"},
    "stocks.csv": {"symbol": "string", "date": "date32", "price": "float64"},
    "airports.csv": {"iata": "string", "latitude": "float64"},
    "Stocks.csv": {"Date": "date32", "^GSPC": "float64"},
    "msft.csv": {"Date": "string", "Adj. Close*": "float64"},
    "iris.csv": {"setosa": "float64", "virginica": "int64"},
}


def packaged(package: str, pattern: str) -> list[Path]:
    """Data sets that a package ships; none where it is not installed."""
    found = find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    return sorted(path for folder in folders for path in Path(folder).glob(pattern) if path.stat().st_size)


def real_csvs() -> list[Path]:
    return [
        *packaged("sklearn", "datasets/data/*.csv*"),
        *packaged("matplotlib", "mpl-data/sample_data/*.csv"),
        *packaged("vega_datasets", "_data/*.csv"),
        *packaged("palmerpenguins", "data/*.csv"),
        *packaged("statsmodels", "datasets/*/*.csv"),
        *packaged("numpy", "random/tests/data/*.csv"),
        *packaged("numpy", "_core/tests/data/umath-validation-set-*[a-z].csv")[:8],
        *sorted((Path(__file__).parents[2] / "project_templates").glob("*/**/*.csv")),
    ]


def independent_rows(file: Path) -> tuple[list[str] | None, list[list[str]]]:
    """Header and rows of a file, by what a person sees in it."""
    how = dict(DIALECTS.get(file.name, {}))
    if "umath" in file.name:
        how["comment"] = "#"
    lines = text_of(file).splitlines(keepends=True)[how.get("skip", 0) :]
    text = "".join(line for line in lines if not line.startswith(how.get("comment", "\0")))
    if how.get("words"):
        rows = [line.split() for line in text.splitlines()]
    else:
        usual = {"skipinitialspace": "random" in file.parts, "delimiter": ";" if "shop" in file.parts else ","}
        rows = rows_of(text, **usual | how.get("csv", {}))
    return (rows[0], rows[1:]) if how.get("header", True) else (None, rows)


def test_real_files_are_read_independently_alike(tmp_path: Path, cli: Cli) -> None:
    files = real_csvs()
    assert len([each for each in files if not {"numpy", "project_templates"} & {*each.parts}]) >= 50
    assert cli("init", "-C", str(tmp_path / "p"), "--from-data", *map(str, files), "-q").code == 0
    assert cli("-C", str(tmp_path / "p"), "validate").code == 0
    spec = load(tmp_path / "p")
    wrong = []
    for file, table in zip(files, spec.tables.values(), strict=True):
        header, rows = independent_rows(file)
        columns = table.columns or ()
        places = [each.from_ if each.from_ is not None else each.name for each in columns]
        positions = (
            [*range(len(rows[0]))] if header is None else [p - 1 if type(p) is int else header.index(p) for p in places]
        )
        wrong += [f"{file.name}: {each}" for each in misread(read_by_lakehouse(spec, table), columns, rows, positions)]
        types = {each.name: str(each.type) for each in columns}
        wrong += [
            f"{file.name}: {name} is {types.get(name)}"
            for name, type_ in TYPES.get(file.name, {}).items()
            if types.get(name) != type_
        ]
    assert not wrong, "\n".join(wrong)


def unzoned(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose moments are the clock's in UTC."""
    return {key: value.replace(tzinfo=None) if isinstance(value, datetime) else value for key, value in row.items()}


def test_real_json_and_parquet_are_read_alike(tmp_path: Path, cli: Cli) -> None:
    files = [
        *packaged("vega_datasets", "_data/*.json"),
        *(each for each in packaged("pyarrow", "tests/data/parquet/*.parquet") if "index" not in each.name),
    ]
    assert cli("init", "-C", str(tmp_path / "p"), "--from-data", *map(str, files), "-q").code == 0
    spec = load(tmp_path / "p")
    for file, table in zip(files, spec.tables.values(), strict=True):
        read = read_by_lakehouse(spec, table).to_pylist()
        if file.suffix == ".parquet":
            wanted = pl.read_parquet(file).to_dicts()  # an old file, whose zone polars leaves out
            assert [unzoned(each) for each in read] == [unzoned(each) for each in wanted], file.name
            continue
        for row, wanted in zip(read, json.loads(file.read_text("utf-8")), strict=True):
            for name, value in row.items():
                if isinstance(value, datetime | date):
                    value = str(value) if not isinstance(value, datetime) else value.replace(tzinfo=None).isoformat()
                    assert wanted[name].removesuffix("Z").startswith(value), (file.name, name)
                else:
                    assert value == wanted.get(name), (file.name, name)
