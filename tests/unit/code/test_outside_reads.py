"""What code reads from outside, seen in its source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cases import each_case
from tests.unit.code.projects import fingerprint

IMPORTS = """\
import configparser, glob, gzip, http.client, importlib.resources, json, os, shutil, socket, sqlite3
import aiohttp, boto3, fsspec, psycopg, psycopg2, sqlalchemy, urllib3
from importlib import resources
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
    found = fingerprint(folder, {"transforms.py": text, **(others or {})}, "table")
    return [tuple(read) for read in found.reads]


@each_case(
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
        ('Path("a").joinpath("b", "c.json").read_text()', ("file", "a/b/c.json")),
        ('HERE.joinpath("a.json").open()', ("file", "./a.json")),
        ('Path("a").joinpath(key).read_text()', ("file", "")),
        ('Path("a/b.json").with_name("c.json").read_text()', ("file", "a/c.json")),
        ('Path(__file__).with_name("a.json").read_text()', ("file", "./a.json")),
        ('path.with_name("a.json").read_text()', ("file", "")),
        ('pd.read_csv("a.csv")', ("file", "a.csv")),
        ('pd.read_parquet(HERE / "a.parquet")', ("file", "./a.parquet")),
        ('pl.scan_csv("a/*.csv")', ("pattern", "a/*.csv")),
        ('pq.read_table("a.parquet")', ("file", "a.parquet")),
        ('np.load("a.npy")', ("file", "a.npy")),
        ('np.loadtxt("a.txt")', ("file", "a.txt")),
        ('gzip.open("a.gz", "rt")', ("file", "a.gz")),
        ('sqlite3.connect("a.db")', ("file", "a.db")),
        ('duckdb.connect("a.db")', ("file", "a.db")),
        ('pd.read_csv("https://example.org/a.csv")', ("network", "https://example.org/a.csv")),
        ('requests.get("https://example.org")', ("network", "https://example.org")),
        ('pd.ExcelFile("a.xlsx")', ("file", "a.xlsx")),
        ('pd.HDFStore("a.h5")', ("file", "a.h5")),
        ('os.listdir("a")', ("file", "a")),
        ('list(os.walk(top="a"))', ("file", "a")),
        ('os.path.exists("a")', ("file", "a")),
        ('os.path.getmtime(HERE / "a")', ("file", "./a")),
        ('shutil.copy2("a", "b")', ("file", "a")),
        ('glob.glob("a/*.csv")', ("pattern", "a/*.csv")),
        ('list(HERE.glob("*.csv"))', ("pattern", "./*.csv")),
        ('list(Path("a").rglob("*.csv"))', ("pattern", "a/**/*.csv")),
        ('[p.name for p in Path("a").iterdir()]', ("file", "a")),
        ("list(path.glob(key))", ("pattern", "")),
        ('configparser.ConfigParser().read("a.ini")', ("file", "")),
        ('resources.files("a").joinpath("b")', ("file", "")),
        ('importlib.resources.read_text("a", "x")', ("file", "")),
        ('fsspec.open("a")', ("file", "a")),
        ('fsspec.open("s3://a/b")', ("network", "s3://a/b")),
        ('psycopg.connect("host=a")', ("network", "host=a")),
        ('psycopg2.connect(host="a")', ("network", "a")),
        ('sqlalchemy.create_engine("postgresql://a/b")', ("network", "postgresql://a/b")),
        ('sqlalchemy.create_engine("sqlite:///a.db")', ("file", "a.db")),
        ('pd.read_sql("SELECT 1", "postgresql://a/b")', ("network", "postgresql://a/b")),
        ('pd.read_sql_query("SELECT 1", con="sqlite:///a.db")', ("file", "a.db")),
        ('boto3.client("s3")', ("network", "s3")),
        ('boto3.resource("s3")', ("network", "s3")),
        ('socket.create_connection(("a", 1))', ("network", "")),
        ('http.client.HTTPSConnection("a")', ("network", "a")),
        ('urllib3.request("GET", "x")', ("network", "GET")),
        ("aiohttp.ClientSession()", ("network", "")),
    ],
)
def test_expression_reads(tmp_path: Path, expression: str, expected: tuple[str, str]) -> None:
    found = reads(tmp_path, f"{IMPORTS}\n\ndef table(orders, key, path):\n    return {expression}\n")
    assert found == [(*expected, "transforms.py", 19)]


@each_case(
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
        'sqlalchemy.create_engine("sqlite://")',
        'orders.copy().glob_count("a")',
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
    assert reads(tmp_path, text) == []


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
    others = {"helpers/__init__.py": "", "helpers/tables.py": helper}
    found = reads(tmp_path, text, others)
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
    assert reads(tmp_path, text) == [("variable", "", "transforms.py", 4)]


def test_dotenv_is_a_file_that_is_read(tmp_path: Path) -> None:
    text = "from dotenv import load_dotenv\n\nload_dotenv()\n\n\ndef table(orders):\n    return orders\n"
    assert reads(tmp_path, text) == [("file", ".env", "transforms.py", 3)]


def test_deep_code_is_gone_through(tmp_path: Path) -> None:
    text = f'def table(orders):\n    x = {"+".join(["1"] * 980)}\n    return open("a")\n'
    assert reads(tmp_path, text) == [("file", "a", "transforms.py", 3)]


DECORATED = """
import functools, json, os
from pathlib import Path

HERE = Path(__file__).parent
CONF = json.load(open(HERE / "lookups/a.json"))
LATE = {}
LATE.update(json.load(open("b.json")))

def noted(function):
    @functools.wraps(function)
    def wrapper(*inputs):
        os.getenv("LEVEL")
        return function(*inputs)
    return wrapper

@noted
def other(orders):
    return orders

def table(orders):
    return EXPRESSION
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("orders", []),
        ("orders, HERE", []),
        ("orders, CONF", ["lookups/a.json"]),
        ("orders, LATE", ["b.json"]),
        ("noted(orders)", ["LEVEL"]),
        ("other(orders)", ["LEVEL"]),
    ],
)
def test_only_what_names_lead_to_is_noted(tmp_path: Path, expression: str, expected: list[str]) -> None:
    found = reads(tmp_path, DECORATED.replace("EXPRESSION", expression))
    assert [name.removeprefix("./") for _, name, _, _ in found] == expected


def test_what_a_whole_module_reads_is_not_noted(tmp_path: Path) -> None:
    text = "import tools\n\n\ndef table(orders):\n    return getattr(tools, orders.name)(orders)\n"
    assert reads(tmp_path, text, {"tools.py": "def clean(x):\n    return open('a')\n"}) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('dotenv.load_dotenv("a.env")', ["a.env"]),
        ('print(open("a.json").read())', []),
        ('OTHER["a"] = open("a.json").read()', []),
    ],
)
def test_statement_that_sets_the_environment_is_noted(tmp_path: Path, statement: str, expected: list[str]) -> None:
    text = f"import dotenv\nOTHER = {{}}\n{statement}\ndef table(orders):\n    return orders\n"
    assert [name for _, name, _, _ in reads(tmp_path, text)] == expected
