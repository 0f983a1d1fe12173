"""`lakehouse test`: rows given, the transform called, what comes compared cell by cell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, ProjectFolder

SOURCE = """
raw:
  kind: source
  key: [id]
  columns: {id: string, n: int64, at: "timestamp[s]", x: float64, d: "decimal128(30, 10)", l: "list<struct<a: string>>"}
same:
  columns: {id: string, n: int64, at: "timestamp[s]", x: float64, d: "decimal128(30, 10)", l: "list<struct<a: string>>"}
"""
SAME = "def same(raw):\n    return raw\n"


def with_tests(folder: ProjectFolder, tests: str, code: str = SAME, *, tables: str = SOURCE, top: str = "") -> None:
    """Declare tables, the last with tests."""
    body = "\n".join(f"    {line}" for line in tests.strip("\n").splitlines())
    folder.declare(f"{tables.rstrip()}\n  tests:\n{body}\n", code, top=top)


def statuses(cli: Cli, *arguments: str) -> dict[str, str]:
    return {each["name"]: each["status"] for each in cli("test", "-o", "json", *arguments).json["tests"]}


def test_scalars_are_read_by_the_type_of_their_column(folder: ProjectFolder, cli: Cli) -> None:
    tests = """
- name: as they are
  given:
    raw:
    - {id: 0123, n: 0123, at: 2024-01-01 10:00, x: 1e3, d: 12345678901234567890.0123456789,
       l: [{a: NO}, {a: 1e3}, null]}
    - {id: NO, at: NaT, x: .inf}
    - {id: "null", x: .nan, l: []}
    - {id: null, n: -0x}
  expect: []
"""
    with_tests(
        folder, tests.replace(", n: -0x", ""), "def same(raw):\n    print(raw.to_dict('records'))\n    return raw[:0]\n"
    )
    found = cli("test")
    assert found.code == 0, found.out
    assert "'id': '0123', 'n': 123, 'at': Timestamp('2024-01-01 10:00:00'), 'x': 1000.0" in found.err
    assert "Decimal('12345678901234567890.0123456789')" in found.err
    assert "[{'a': 'NO'}, {'a': '1e3'}, None]" in found.err
    assert "'id': 'NO', 'n': None, 'at': NaT, 'x': inf" in found.err
    assert "'id': 'null'" in found.err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{n: 1.5}", "`1.5` does not fit column `n`, which is int64"),
        ("{n: 9223372036854775808}", "does not fit column `n`"),
        ("{n: }", None),
        ("{at: 2024-02-30}", "`2024-02-30` does not fit column `at`, which is timestamp[s]"),
        ("{at: 2024-01-01T10:00Z}", "does not fit column `at`"),
        ("{x: 9007199254740993}", "`9007199254740993` does not fit column `x`, which is float64"),
        ("{x: 1e999}", "does not fit column `x`"),
        ("{d: 0.12345678901}", "does not fit column `d`, which is decimal128(30, 10)"),
        ("{l: [{a: 1, b: 2}]}", "column `l` has no field `b`"),
        ("{l: x}", "`x` does not fit column `l`"),
        ("{id: [1]}", "a list does not fit column `id`, which is string"),
        ("{nn: 1}", "has no column `nn`"),
    ],
)
@pytest.mark.parametrize("side", ["given", "expect"])
def test_value_that_its_type_cannot_hold_is_a_problem(
    folder: ProjectFolder, cli: Cli, row: str, message: str | None, side: str
) -> None:
    given, expect = ({"raw": "ROW"}, "[]") if side == "given" else ({}, "ROW")
    tests = f"- name: t\n  given: {json.dumps(given)}\n  expect: {expect}\n"
    with_tests(folder, tests.replace('"ROW"', "ROW").replace("ROW", f"[{row}]"))
    for command in ("test", "validate"):
        found = cli(command)
        if message is None:
            assert found.code in (0, 1)
        else:
            assert found.code == 3
            assert message in found.err
            assert re.search(r"lakehouse\.yaml:1[123]:\d+", found.err)
    if message is not None:
        assert cli("ls").code == 0  # what a test says is no trouble for those who do not run it


def test_differences_show_null_nan_and_quotes(folder: ProjectFolder, cli: Cli) -> None:
    code = """
    import pyarrow as pa
    def same(raw: pa.Table) -> pa.Table:
        columns = {"id": ["a", "null", None, "extra"], "n": [1, 2, 3, 4], "x": [float("nan"), None, 0.5, 1.0]}
        return pa.table({each.name: columns.get(each.name, pa.nulls(4, each.type)) for each in raw.schema})
    """
    tests = """
- name: t
  expect:
  - {n: 1, id: a, x: null}
  - {n: 2, id: null, x: .nan}
  - {n: 3, id: null, x: 0.5}
  - {n: 9, id: z, x: 9}
- name: columns left out are not compared
  expect: [{n: 1}, {n: 2}, {n: 3}, {n: 4}]
- name: order
  ordered: true
  expect: [{n: 1}, {n: 3}, {n: 2}, {n: 4}]
- name: near
  tolerance: {abs: 0.5}
  ignore: id
  expect: [{n: 1, x: .nan, id: q}, {n: 2, x: , id: q}, {n: 3, x: 1, id: q}, {n: 4, x: 1.5, id: q}]
"""
    with_tests(folder, tests, code)
    found = cli("test", "--verbose")
    assert found.code == 1
    shown = found.out.replace(" ", "")
    assert "NaN" in found.out
    assert "~null→NaN" in shown.replace("1a", "") or "null→NaN" in shown
    assert "NaN→null" in shown
    assert 'null→"null"' in shown
    assert "✓same·columnsleftoutarenotcompared" in shown
    assert "✓same·near" in shown
    assert "therowscomeinanotherorder" in shown
    assert "2 passed, 2 failed" in found.out
    (first, _, order, _) = cli("test", "-o", "json").json["tests"]
    (difference,) = first["differences"]
    assert {
        "expected": {"n": "2", "id": None, "x": "nan"},
        "result": {"n": "2", "id": "null", "x": None},
        "columns": ["id", "x"],
    } in difference["changed"]
    assert difference["missing"] == [{"n": "9", "id": "z", "x": "9.0"}]
    assert difference["unexpected"] == [{"n": "4", "id": "extra", "x": "1.0"}]
    assert order["differences"][0]["order"] == "other"
    assert order["location"] == {"file": "lakehouse.yaml", "line": 19, "column": 15}


def test_contract_errors_and_users_frames(folder: ProjectFolder, cli: Cli) -> None:
    code = """
    def same(raw):
        if (raw["n"] == 7).any():
            raise ValueError("seven")
        return raw.drop(columns="d") if (raw["n"] == 8).any() else raw
    """
    tests = """
- {name: raises, given: {raw: [{n: 7}]}, expect: {error: "^ValueError: se+ven$"}}
- {name: other error, given: {raw: [{n: 7}]}, expect: {error: "eight"}}
- {name: no error, expect: {error: "eight"}}
- {name: surprise, given: {raw: [{n: 7}]}, expect: []}
- {name: contract, given: {raw: [{n: 8}]}, expect: [{n: 8}]}
- {name: contract expected, given: {raw: [{n: 8}]}, expect: {error: "column `d`"}}
- {name: count, given: {raw: [{n: 1}, {n: 2}]}, expect: {rows: 3}}
- {name: count right, given: {raw: [{n: 1}, {n: 2}, {n: 3}]}, expect: {rows: 3}}
- {name: keys count where strict, strict: true, given: {raw: [{id: a}, {id: a}]}, expect: {rows: 2}}
- {name: nothing was called, strict: true, given: {raw: [{id: a}, {id: a}]}, expect: {error: key}}
- {name: keys do not count, given: {raw: [{id: a}, {id: a}]}, expect: {rows: 2}}
"""
    with_tests(folder, tests, code)
    assert statuses(cli) == {
        "raises": "passed",
        "other error": "failed",
        "no error": "failed",
        "surprise": "errored",
        "contract": "errored",
        "contract expected": "passed",
        "count": "failed",
        "count right": "passed",
        "keys count where strict": "errored",
        "nothing was called": "errored",
        "keys do not count": "passed",
    }
    text = cli("test").out
    assert "transforms.py:3 in same" in text
    assert "site-packages" not in text
    assert "lakehouse_cli" not in text
    assert "2 rows, and 3 expected" in text
    assert "another error was raised: `eight` is expected" in text
    folder.edit("transforms.py", "def same", "import nowhere\ndef same")
    assert set(statuses(cli).values()) == {"errored"}  # also of what expects an error


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("{name: t}", "has no `expect`"),
        ("{expect: []}", "has no `name`"),
        ("{name: t, expects: []}", "unknown key `expects`"),
        ("{name: t, expect: {error: '('}}", "unterminated"),
        ("{name: t, expect: {rows: -1}}", "a whole number from 0"),
        ("{name: t, expect: {rows: 1, error: x}}", "several things at once"),
        ("{name: t, expect: {train: []}}", "there is no result `train`"),
        ("{name: t, given: {rwa: []}, expect: []}", "did you mean `raw`"),
        ("{name: t, given: {source: []}, expect: []}", "write `raw`, the table that this parameter takes"),
        ("{name: t, given: {raw: {csv: nowhere.csv}}, expect: []}", "`nowhere.csv` does not exist"),
        ("{name: t, given: {raw: {csv: ../a.csv}}, expect: []}", "leaves the project's folder"),
        ("{name: t, params: {top: 1}, expect: []}", "has no parameter `top`"),
        ("{name: t, now: soon, expect: []}", "a moment, not `soon`"),
        ("{name: t, tolerance: {rel: -1}, expect: []}", "a number from 0"),
        ("{name: t, ignore: [nn], expect: [{n: 1}]}", "has no column `nn`"),
        ("{name: t, ignore: [n], expect: [{n: 1}]}", "no column is compared"),
        ("[]", "a map with `name`"),
    ],
)
def test_mistakes_are_problems_with_places(folder: ProjectFolder, cli: Cli, test: str, message: str) -> None:
    tables = f"{SOURCE}  inputs: [raw]\n"
    with_tests(folder, f"- {test}\n- {{name: fine, expect: []}}", "def same(source): ...\n", tables=tables)
    found = cli("test")
    assert found.code == 3
    assert message in found.err
    assert re.search(r"lakehouse\.yaml:1[123]:", found.err)


def test_two_tests_of_one_name_and_tests_elsewhere_are_refused(folder: ProjectFolder, cli: Cli) -> None:
    with_tests(folder, "- {name: t, expect: []}\n- {name: t, expect: []}")
    assert "two tests called `t`" in cli("plan").err
    with_tests(folder, "- {name: t, expect: []}", top="defaults: {tests: []}\n")
    assert "not in `defaults`" in cli("plan").err
    folder.declare("raw: {kind: source, tests: []}")
    assert "is for computed tables" in cli("plan").err


def test_nothing_outside_is_needed(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with_tests(
        folder,
        "- {name: t, given: {raw: [{id: 1}]}, expect: [{id: 1}]}",
        top='storages: {default: {root: "s3://${NOWHERE}/x", format: parquet}}\n',
    )
    found = cli("test")
    assert (found.code, found.out.splitlines()[0]) == (0, "✓ same · t")
    assert cli("test", "raw").out == "No tests selected\n"
    assert cli("test", "raw").code == 0
    assert cli("test", "rwa").code == 2
    assert not (folder.path / "data").exists()


def test_modified_tables_alone(folder: ProjectFolder, cli: Cli) -> None:
    of_raw = "  columns: {n: int64}\n"
    tables = f"raw:\n  kind: source\n{of_raw}b:\n{of_raw}  tests: [{{name: b, expect: []}}]\na:\n{of_raw}"
    code = "def a(raw):\n    return raw\ndef b(raw):\n    return raw\n"
    with_tests(folder, "- {name: a, expect: []}", code, tables=tables)
    folder.write("data/raw.csv", "n\n1\n")
    assert statuses(cli, "state:modified") == {"b": "passed", "a": "passed"}
    assert cli("run").code == 0
    assert cli("test", "state:modified").out == "No tests selected\n"
    folder.edit("transforms.py", "def a(raw):\n    return raw", "def a(raw):\n    return raw[raw.n > 0]")
    assert statuses(cli, "state:modified") == {"a": "passed"}
    folder.edit("lakehouse.yaml", "name: b", "name: c")  # decides no data
    assert cli("plan", "-o", "json", "b").json["tables"][-1]["action"] == "skip"


CLOCKS = """
import datetime as dt, time
import pandas as pd

def clocks(raw, top):
    now = [dt.datetime.now(), pd.Timestamp.now(), pd.to_datetime("now"), dt.datetime.fromtimestamp(time.time())]
    assert dt.date.today() == dt.date(2024, 2, 29)
    assert type(now[0]) is dt.datetime
    return pd.DataFrame({"at": [pd.Timestamp(each) for each in now], "top": top})
"""


def test_clocks_and_params(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Zurich")
    tables = """
    raw: {kind: source, columns: {n: int64}}
    query:
      sql: select now() as at, current_date as day, $top as top, count(*) as n from raw
      params: {top: 1}
      columns: {at: "timestamp[us, tz=UTC]", day: date32, top: int64, n: int64}
      tests:
      - name: query
        now: 2024-03-01T00:30+01:00
        params: {top: 5}
        given: {raw: [{n: 1}]}
        expect: [{at: 2024-02-29T23:30Z, day: 2024-02-29, top: 5, n: 1}]
    clocks:
      params: {top: 1}
      columns: {at: "timestamp[us]", top: int64}"""
    import textwrap

    row = "{at: 2024-02-29T23:30, top: 7}"
    tests = f"- {{name: python, now: 2024-02-29T23:30Z, params: {{top: 7}}, expect: [{', '.join([row] * 4)}]}}"
    with_tests(folder, tests, CLOCKS, tables=textwrap.dedent(tables))
    assert statuses(cli) == {"query": "passed", "python": "passed"}, cli("test").out


def test_files_of_rows(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("tests/given.csv", 'id,n\n007,1\n"",2\n')
    folder.write("tests/expect.csv", 'n,id\n2,""\n1,007\n')
    with_tests(folder, "- {name: t, given: {raw: {csv: tests/given.csv}}, expect: {csv: tests/expect.csv}}")
    assert cli("test").code == 0
    folder.edit("tests/expect.csv", '""', "")  # null
    assert '→""' in cli("test").out.replace(" ", "")
    folder.edit("tests/expect.csv", "1,", "1.5,")
    found = cli("test")
    assert found.code == 3
    assert "tests/expect.csv" in found.err
    folder.edit("tests/expect.csv", "1.5,", "1,")
    folder.edit("tests/given.csv", "id,n", "id,nn")
    assert "has no column `nn`, which `tests/given.csv` has" in cli("test").err


SPLIT = """
import polars as pl
from typing import NamedTuple

class Parts(NamedTuple):
    train: pl.DataFrame
    test: pl.DataFrame
    model: dict

def split(raw: pl.DataFrame):
    return Parts(raw.filter(pl.col("n") > 0), raw.filter(pl.col("n") <= 0), {})
"""


def test_several_results(folder: ProjectFolder, cli: Cli) -> None:
    tables = """raw: {kind: source, columns: {n: int64}}
model: {function: split, output: model, format: pickle}
test: {function: split, output: test, columns: {n: int64}}
train:
  function: split
  output: train
  columns: {n: int64}"""
    tests = """
- {name: both, given: {raw: [{n: 1}, {n: 0}]}, expect: {train: [{n: 1}], test: [{n: 0}]}}
- {name: own, given: {raw: [{n: 1}, {n: 0}]}, expect: [{n: 1}]}
- {name: other, given: {raw: [{n: 1}, {n: 0}]}, expect: {train: {rows: 1}, test: {rows: 2}}}
"""
    with_tests(folder, tests, SPLIT, tables=tables)
    assert statuses(cli) == {"both": "passed", "own": "passed", "other": "failed"}
    assert "test: 1 row, and 2 expected" in cli("test").out
    with_tests(folder, "- {name: t, expect: {model: []}}", SPLIT, tables=tables)
    assert "stored as pickle" in cli("test").err
    with_tests(folder, "- {name: t, expect: {trian: []}}", SPLIT, tables=tables)
    assert "did you mean `train`" in cli("test").err


def test_undeclared_columns(folder: ProjectFolder, cli: Cli) -> None:
    code = "def same(raw):\n    return raw.assign(half=raw['n'] / 2, text='01')\n"
    tests = "- {name: t, given: {raw: [{n: 3, id: 007}]}, expect: [{half: 1.5, text: 01, id: 007}]}"
    with_tests(folder, tests, code, tables="raw: {kind: source}\nsame:\n  tags: []")
    assert cli("test").code == 0, cli("test").out
    folder.edit("lakehouse.yaml", "half: 1.5", "half: x")
    found = cli("test")
    assert found.code == 3
    assert "`x` does not fit column `half`, which is float64" in found.err
    folder.edit("lakehouse.yaml", "half: x", "hlaf: 1")
    found = cli("test")
    assert found.code == 1
    assert "no column `hlaf` (did you mean `half`?)" in found.out


def test_interruption_is_no_error_of_a_transform(folder: ProjectFolder, cli: Cli) -> None:
    code = "import signal\ndef same(raw):\n    signal.raise_signal(signal.SIGINT)\n    return raw\n"
    with_tests(folder, "- {name: a, expect: []}\n- {name: b, expect: []}", code)
    found = cli("test")
    assert (found.code, found.out) == (130, "")
    assert cli("validate", "--rehearse").code == 130


def test_declared_in_python(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "tables.py",
        """
        import datetime as dt
        from decimal import Decimal
        from lakehouse_cli import Lakehouse, computed_table, source_table

        raw = source_table("raw", columns={"id": "string", "day": "date32", "d": "decimal128(30, 5)"})

        @computed_table(
            columns={"id": "string", "day": "date32", "d": "decimal128(30, 5)"},
            tests=[
                {
                    "name": "same",
                    "given": {raw: [{"id": "007", "day": dt.date(2024, 2, 29), "d": Decimal("1234567890123456789.5")}]},
                    "expect": [{"id": "007", "day": dt.date(2024, 2, 29), "d": Decimal("1234567890123456789.50")}],
                },
                {"name": "other", "expect": {"rows": 1}},
            ],
        )
        def same(raw):
            return raw

        lakehouse = Lakehouse([same])
        """,
    )
    assert statuses(cli, "-m", "tables") == {"same": "passed", "other": "failed"}
    assert cli("test", "-m", "tables").out.count("tables.py:7:2") == 1


def test_screen_holds_a_difference(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "60")
    rows = ", ".join(f"{{n: {n}}}" for n in range(100))
    with_tests(folder, f"- {{name: t, given: {{raw: [{rows}]}}, expect: [{{n: 1, id: {'x' * 100}, x: 1}}]}}")
    lines = cli("test").out.splitlines()
    assert len(lines) < 24
    assert "86 more rows; `-o json` has all" in "\n".join(lines)
    wide = ", ".join(f"{{n: {n}, id: {'y' * 50}, at: 2024-01-0{n}, x: {n}, d: {n}}}" for n in range(1, 9))
    document: dict[str, Any] = cli("test", "-o", "json").json
    folder.edit("lakehouse.yaml", "expect: [", f"expect: [{wide}, ")
    lines = cli("test").out.splitlines()
    assert len(lines) < 24  # with the values that do not fit beside others in lines of their own
    assert "more rows; `-o json` has all" in "\n".join(lines)
    (difference,) = document["tests"][0]["differences"]
    assert len(difference["changed"]) + len(difference["unexpected"]) == 100


def test_example_of_the_docs_passes(folder: ProjectFolder, cli: Cli) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
    folder.write("lakehouse.yaml", docs.split("```yaml\n")[1].split("```")[0])
    code = """
    def daily_highs(observations):
        day = observations["valid"].dt.normalize().rename("day")
        return observations.groupby(["station", day]).agg(high=("tmpf", "max"))
    """
    folder.write("transforms.py", code)
    assert cli("test").out.startswith("✓ daily_highs · takes the maximum\n")
    folder.edit("transforms.py", "max", "min")
    folder.add("lakehouse.yaml", "          - {station: SEA, day: 2024-01-01, high: 50}\n")
    assert cli("test").out.partition("\n\n1 failed")[0] in docs


CHECKED = """
others: {kind: source, columns: {id: string}}
raw: {kind: source, columns: {id: {type: string, matches: "[a-z]"}, n: int64, mail: {type: string, sensitive: true}}}
same:
  inputs: [raw]
  columns: {id: string, n: {type: int64, max: 9}, mail: {type: string, sensitive: true}}
  checks:
    - {unique: [id]}
    - {row_count: {min: 2, max: 2, equals: others}}
    - {foreign_key: {columns: id, references: others.id}}
    - {expression: "n >= 0", name: positive}
    - {function: "transforms:fine"}
    - {freshness: {column: at, within: 1d}}
"""


def test_checks_are_enforced_as_far_as_rows_show_them(folder: ProjectFolder, cli: Cli) -> None:
    tables = CHECKED.replace("n: {", "at: date32, n: {")
    tests = """
- {name: good, given: {raw: [{id: a, n: 1}]}, expect: [{id: a}]}
- {name: high, given: {raw: [{id: a, n: 10, mail: hush}]}, expect: [{id: a}]}
- {name: twice, given: {raw: [{id: a}, {id: a}]}, expect: {error: share their `id`}}
- {name: low, given: {raw: [{id: a, n: -1}]}, expect: {error: positive}}
- {name: thirteen, params: {day: "2024-01-01"}, given: {raw: [{id: x, n: 3}]}, expect: {error: function}}
- {name: many, given: {raw: [{id: a}, {id: b}, {id: c}]}, expect: {error: more than 2}}
- {name: orphan, given: {raw: [{id: a}, {id: b}], others: [{id: a}, {id: c}]}, expect: {error: is not in `others.id`}}
- {name: unequal, given: {raw: [{id: a}], others: [{id: a}, {id: c}]}, expect: {error: has 2}}
- {name: old, now: 2024-02-01, given: {raw: [{id: a}]}, expect: {error: is older than 1d}}
- {name: new, now: 2024-01-01, given: {raw: [{id: a}]}, expect: {rows: 1}}
- {name: loose, given: {raw: [{id: A}]}, expect: {rows: 1}}
- {name: strict, strict: true, given: {raw: [{id: A}]}, expect: {rows: 1}}
- {name: hidden, given: {raw: [{id: a, mail: hush}]}, expect: [{id: a, mail: other-hush}]}
"""
    code = """
import datetime
def same(raw, day="2024-01-01"):
    return raw.assign(at=datetime.date.fromisoformat(day))
def fine(frame):
    return frame["id"] != "x"
"""
    with_tests(folder, tests, code, tables=tables)
    found = cli("test", "-o", "json")
    wrong = {each["name"]: each for each in found.json["tests"] if each["status"] != "passed"}
    assert set(wrong) == {"high", "strict", "hidden"}, wrong
    assert wrong["high"]["error"]["violations"][0]["check"] == "max"
    assert "given rows of `raw`: check `id_matches`: 1 value" in wrong["strict"]["error"]["message"]
    assert wrong["hidden"]["differences"][0]["changed"][0]["result"] == {"id": "a", "mail": "***"}
    assert found.json["tests"][0]["notes"] == [
        "check `row_count` of `same` is not judged by `min`, `equals`, which a test's rows do not show",
        "check `foreign_key` of `same` is not judged: `others` is not given",
        "check `freshness` of `same` is not judged: the test has no `now`",
    ]
    shown = cli("test")
    assert "hush" not in shown.out + shown.err + found.out
    assert "note: check `foreign_key` of `same` is not judged: `others` is not given" in shown.err
