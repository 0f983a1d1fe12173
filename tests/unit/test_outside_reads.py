"""What code reads from outside, seen in its source."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from lakehouse_cli.fingerprints.fingerprint import Fingerprinter
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.source_code import SourceReader

IMPORTS = """\
import gzip, json, os, sqlite3
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import requests
from io import BytesIO, StringIO
from os import environ as env, getenv
from pathlib import Path

HERE = Path(__file__).parent
NAME = "MARKET"
"""


def reads(folder: Path, text: str, others: Mapping[str, str] | None = None) -> list[tuple[str, str, str, int]]:
    """What the function `table` of a module reads."""
    for name, content in {"transforms.py": text, **(others or {})}.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, "utf-8")
    found = Fingerprinter(folder, SourceReader(folder)).of(FunctionRef("transforms", "table"))
    return [tuple(read) for read in found.reads]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('os.environ["MARKET"]', ("variable", "MARKET")),
        ('os.environ.get("MARKET", "x")', ("variable", "MARKET")),
        ("os.environ.get(key)", ("variable", "")),
        ("os.environ[NAME]", ("variable", "MARKET")),
        ('os.getenv("MARKET")', ("variable", "MARKET")),
        ('os.getenv(key="MARKET")', ("variable", "MARKET")),
        ('getenv("MARKET")', ("variable", "MARKET")),
        ('env["MARKET"]', ("variable", "MARKET")),
        ('"MARKET" in env', ("variable", "MARKET")),
        ("dict(os.environ)", ("variable", "")),
        ("{**env}", ("variable", "")),
        ('os.environb[b"MARKET"]', ("variable", "")),
        ('os.path.expandvars("$MARKET")', ("variable", "")),
        ('open("a.json")', ("file", "a.json")),
        ('open("a.json", "rb").read()', ("file", "a.json")),
        ('open("a.json", "r+")', ("file", "a.json")),
        ('open(file="a.json")', ("file", "a.json")),
        ("open(path)", ("file", "")),
        ('json.load(open("a.json"))', ("file", "a.json")),
        ('Path("a.json").read_text()', ("file", "a.json")),
        ('(HERE / "lookups" / "a.json").read_bytes()', ("file", "./lookups/a.json")),
        ('(Path(__file__).resolve().parent / "a.json").open()', ("file", "./a.json")),
        ('open(os.path.join(os.path.dirname(__file__), "a.json"))', ("file", "./a.json")),
        ("path.read_text()", ("file", "")),
        ('pd.read_csv("a.csv")', ("file", "a.csv")),
        ('pd.read_parquet(HERE / "a.parquet")', ("file", "./a.parquet")),
        ('pl.scan_csv("a/*.csv")', ("file", "a/*.csv")),
        ('pq.read_table("a.parquet")', ("file", "a.parquet")),
        ('np.load("a.npy")', ("file", "a.npy")),
        ('np.loadtxt("a.txt")', ("file", "a.txt")),
        ('gzip.open("a.gz", "rt")', ("file", "a.gz")),
        ('sqlite3.connect("a.db")', ("file", "a.db")),
        ('duckdb.read_csv("a.csv")', ("file", "a.csv")),
        ('pd.read_csv("https://example.org/a.csv")', ("network", "https://example.org/a.csv")),
        ('requests.get("https://example.org")', ("network", "https://example.org")),
    ],
)
def test_expression_reads(tmp_path: Path, expression: str, expected: tuple[str, str]) -> None:
    found = reads(tmp_path, f"{IMPORTS}\n\ndef table(orders, key, path):\n    return {expression}\n")
    assert found == [(*expected, "transforms.py", 17)]


@pytest.mark.parametrize(
    "expression",
    [
        'open("a.json", "w")',
        'open("a.json", mode="ab")',
        'Path("a").open("w")',
        'os.environ.update(TZ="UTC")',
        'os.putenv("TZ", "UTC")',
        "pd.read_csv(StringIO(text))",
        "pq.read_table(BytesIO(text))",
        'duckdb.connect(":memory:")',
        "duckdb.connect()",
        'sqlite3.connect(":memory:")',
        'orders.get("open")',
        "orders.open_price",
        'orders["environ"].read_count()',
        "json.loads(text)",
        'Path("a.json").write_text(text)',
    ],
)
def test_expression_reads_nothing(tmp_path: Path, expression: str) -> None:
    assert reads(tmp_path, f"{IMPORTS}\n\ndef table(orders, text):\n    return {expression}\n") == []


def test_setting_a_variable_reads_nothing(tmp_path: Path) -> None:
    text = """
    import os

    def table(orders):
        os.environ["TZ"] = "UTC"
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.pop("TZ", None)
        return orders
    """
    assert reads(tmp_path, textwrap.dedent(text)) == []


def test_own_function_named_open_is_not_the_built_in_one(tmp_path: Path) -> None:
    text = "def open(x):\n    return x\n\n\ndef table(orders):\n    return open(orders)\n"
    assert reads(tmp_path, text) == []


def test_only_what_is_reached_counts(tmp_path: Path) -> None:
    text = """
    import os
    from helpers.tables import lookup, Settings

    LEVEL = os.environ["LEVEL"]
    e = os.environ

    def other():
        return open("other.csv")

    def table(orders):
        import os as system
        return lookup(orders), LEVEL, Settings().market, e, system.getenv("INNER")
    """
    helper = """
    import os as system

    class Settings:
        def __init__(self):
            self.market = system.environ["MARKET"]

    def lookup(orders):
        with open("lookups/a.csv") as file:
            return file.read()

    def unused():
        return system.environ["UNUSED"]
    """
    others = {"helpers/__init__.py": "", "helpers/tables.py": textwrap.dedent(helper)}
    found = reads(tmp_path, textwrap.dedent(text), others)
    assert sorted(found) == [
        ("file", "lookups/a.csv", "helpers/tables.py", 9),
        ("variable", "", "transforms.py", 6),
        ("variable", "INNER", "transforms.py", 13),
        ("variable", "LEVEL", "transforms.py", 5),
        ("variable", "MARKET", "helpers/tables.py", 6),
    ]
    # The function's own come first.
    assert found[0][1] == "INNER"


def test_base_class_that_reads_settings(tmp_path: Path) -> None:
    text = """
    from pydantic_settings import BaseSettings

    class Settings(BaseSettings):
        market: str

    def table(orders):
        return Settings().market
    """
    assert reads(tmp_path, textwrap.dedent(text)) == [("variable", "", "transforms.py", 4)]


def test_dotenv_is_a_file_that_is_read(tmp_path: Path) -> None:
    text = "from dotenv import load_dotenv\n\nload_dotenv()\n\n\ndef table(orders):\n    return orders\n"
    assert reads(tmp_path, text) == [("file", ".env", "transforms.py", 3)]


def test_deep_code_is_gone_through(tmp_path: Path) -> None:
    text = f'def table(orders):\n    x = {"+".join(["1"] * 2500)}\n    return open("a")\n'
    assert reads(tmp_path, text) == [("file", "a", "transforms.py", 3)]
