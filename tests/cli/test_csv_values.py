"""Values of CSV and JSON Lines files that could be taken for something else."""

from __future__ import annotations

import gzip
import json
from datetime import time

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder


@pytest.mark.parametrize("packed", [False, True])
def test_undeclared_codes_are_written_back(folder: ProjectFolder, cli: Cli, packed: bool) -> None:
    source = "{kind: source, options: {compression: gzip}}" if packed else "{kind: source}"
    folder.declare(f"s: {source}\nout: {{inputs: [s]}}", "def out(s):\n    return s\n")
    text = "code,commit,version,price\n1E5,1234567,1.10,1.5\n2E7,12345e7,1.20,2.25\n12E3,7654321,2.00,-3.0\n"
    if packed:
        (folder.path / "data").mkdir()
        (folder.path / "data/s.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    else:
        folder.write("data/s.csv", text)
    assert cli("run").code == 0
    assert folder.read("data/out.csv") == text
    shown = cli("show", "s", "-o", "json").json
    assert [column["type"] for column in shown["columns"]] == ["string", "string", "string", "float64"]


def source(folder: ProjectFolder, kind: str, options: str, *values: str) -> None:
    """A source `s` with one column `d` of a type, and these values."""
    folder.write(
        "lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, options: {options}, columns: {{d: '{kind}'}}}}\n"
    )
    folder.write("data/s.csv", "".join(f"{value}\n" for value in ("d", *values)))


TWO = '{date_format: ["%d/%m/%Y", "%m/%d/%Y"], timestamp_format: ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]}'


@pytest.mark.parametrize(
    ("kind", "clock", "by"),
    [
        ("date32", "", ""),
        ("timestamp[us]", " 05:06", " %H:%M"),
        ("timestamp[s, tz=UTC]", " 05:06", " %H:%M"),
        ("dictionary<timestamp[ms]>", " 05:06", " %H:%M"),
    ],
)
def test_dates_in_two_formats_are_refused(folder: ProjectFolder, cli: Cli, kind: str, clock: str, by: str) -> None:
    source(folder, kind, TWO, f"31/12/2024{clock}", f"04/04/2024{clock}", f"03/04/2024{clock}", f"12/31/2024{clock}")
    found = cli("show", "s")
    assert found.code == 1
    assert (
        f"`03/04/2024{clock}` in column `d` of `data/s.csv` is not {kind}: it is 2024-04-03{clock} by "
        f"`%d/%m/%Y{by}` and 2024-03-04{clock} by `%m/%d/%Y{by}`" in found.err
    )
    assert "row 3 (line 4)" in found.err
    assert "keep one of the two in" in found.err


def test_dates_that_fit_one_format_are_read(folder: ProjectFolder, cli: Cli) -> None:
    source(folder, "date32", TWO, "31/12/2024", "04/04/2024", "12/30/2024")
    rows = cli("show", "s", "-o", "json").json["rows"]
    assert [row["d"] for row in rows] == ["2024-12-31", "2024-04-04", "2024-12-30"]


def test_undeclared_dates_in_two_formats_stay_text(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, options: {TWO}}}\n")
    folder.write("data/s.csv", "d\n31/12/2024\n03/04/2024\n")
    assert cli("show", "s", "-o", "json").json["columns"][0]["type"] == "string"


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_parts_that_a_time_leaves_out_are_zero(folder: ProjectFolder, cli: Cli, form: str) -> None:
    times = [
        ("%M:%S", "13:04", "00:13:04"),
        ("%S", "13", "00:00:13"),
        ("%S.%f", "13.040", "00:00:13.040"),
        ("%M", "13", "00:13:00"),
        ("%M:%S.%f", "13:04.500", "00:13:04.500"),
        ("%M%S", "1304", "00:13:04"),
        ("%M'%S", "13'04", "00:13:04"),
        ("%Mm%Ss", "13m04s", "00:13:04"),
        ("%H", "13", "13:00:00"),
        ("%I %p", "1 PM", "13:00:00"),
    ]
    columns = "columns: {at: 'time32[ms]', laps: 'list<time32[ms]>'}"
    tables, code = [], "import pyarrow as pa\n"
    for at, (by, text, _) in enumerate(times):
        texts = json.dumps([text])
        cell = '"' + texts.replace('"', '""') + '"'
        row = json.dumps({"at": text, "laps": [text]})
        folder.write(
            f"data/s{at}.{form}",
            {"csv": f"at,laps\n{text},{cell}\n", "jsonl": f"{row}\n", "json": f"[{row}]"}[form],
        )
        declared = f"format: {form}, options: {{time_format: {json.dumps(by)}}}, {columns}"
        tables += [f"s{at}: {{kind: source, {declared}}}", f"t{at}: {{{declared}}}"]
        code += f"\n\ndef t{at}(s{at}: pa.Table) -> pa.Table:\n    return s{at}\n"
    folder.declare("\n".join(tables), code)
    run = cli("run")
    assert run.code == 0, run.err
    project = Project.load(folder.path)
    for at, (_, _, clock) in enumerate(times):
        meant = time.fromisoformat(clock)
        for table in (f"s{at}", f"t{at}"):
            assert project.read_arrow(table).to_pylist() == [{"at": meant, "laps": [meant]}]


@pytest.mark.parametrize("text", ["13:04:05", "75:00", "00:60"])
def test_times_are_read_by_their_format_alone(folder: ProjectFolder, cli: Cli, text: str) -> None:
    source(folder, "time32[s]", '{time_format: "%M:%S"}', "13:04", text)
    found = cli("show", "s")
    assert found.code == 1
    assert f"`{text}` in column `d` of `data/s.csv` is not time32[s]" in found.err


@pytest.mark.parametrize("kind", ["time32[s]", "list<time32[s]>"])
def test_times_that_two_formats_read_differently_are_refused(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    value = '"[""20:14""]"' if kind.startswith("list") else "20:14"
    source(folder, kind, '{time_format: ["%M:%S", "%H:%M"]}', value)
    found = cli("show", "s")
    assert found.code == 1
    if kind == "time32[s]":
        assert "it is 00:20:14 by `%M:%S` and 20:14:00 by `%H:%M`" in found.err


@pytest.mark.parametrize(
    ("kind", "by", "right", "wrong", "why"),
    [
        ("date32", "%a %d %b %Y", "Wed 01 Jan 2020", "Mon 01 Jan 2020", "2020-01-01 is a Wednesday"),
        ("date32", "%A, %d.%m.%y", "wednesday, 01.01.20", "Monday, 01.01.20", "2020-01-01 is a Wednesday"),
        ("timestamp[s]", "%a %d %b %Y %H:%M", "Wed 01 Jan 2020 10:00", "Thu 01 Jan 2020 10:00", "is a Wednesday"),
        (
            "timestamp[s, tz=UTC]",
            "%a, %d %b %Y %H:%M:%S %z",
            "Wed, 01 Jan 2020 23:30:00 -0800",
            "Thu, 01 Jan 2020 23:30:00 -0800",
            "2020-01-01 is a Wednesday",
        ),
        ("date32", "%Y-%m-%d %H:%M", "2020-01-01 00:00", "2020-01-01 10:00", "it has a time of day"),
        ("date32", "%Y-%m-%d %I:%M %p", "2020-01-01 12:00 AM", "2020-01-01 12:00 PM", "it has a time of day"),
    ],
)
def test_dates_that_contradict_themselves_are_refused(
    folder: ProjectFolder, cli: Cli, kind: str, by: str, right: str, wrong: str, why: str
) -> None:
    option = "date_format" if kind == "date32" else "timestamp_format"
    options = f"{{delimiter: ';', {option}: '{by}'}}"
    source(folder, kind, options, right)
    assert cli("show", "s").code == 0
    source(folder, kind, options, right, wrong)
    found = cli("show", "s")
    assert found.code == 1
    assert f"`{wrong}` in column `d` of `data/s.csv` is not {kind}: " in found.err
    assert why in found.err
    assert "row 2 (line 3)" in found.err


def test_hint_of_a_date_with_a_time_of_day_works(folder: ProjectFolder, cli: Cli) -> None:
    source(folder, "date32", '{date_format: "%d/%m/%Y %H:%M"}', "01/02/2020 10:00")
    hint = 'declare `timestamp[us]`, with `timestamp_format: "%d/%m/%Y %H:%M"` in place of `date_format`'
    assert hint in cli("show", "s").err
    source(folder, "timestamp[us]", '{timestamp_format: "%d/%m/%Y %H:%M"}', "01/02/2020 10:00")
    assert cli("show", "s").code == 0


BERLIN = "timestamp[s, tz=Europe/Berlin]"


def test_times_a_zone_has_twice_or_never_say_so(folder: ProjectFolder, cli: Cli) -> None:
    values = "2024-10-27 01:30", "2024-10-27 02:30", "2024-03-31 02:30"
    source(folder, BERLIN, '{timestamp_format: "%Y-%m-%d %H:%M"}', *values)
    found = cli("show", "s")
    assert "Europe/Berlin has 2024-10-27 02:30 twice (clocks were turned back)" in found.err
    assert "next: set `ambiguous: first` or `ambiguous: last` in the options" in found.err
    source(folder, BERLIN, '{timestamp_format: "%Y-%m-%d %H:%M", ambiguous: first}', *values)
    found = cli("show", "s")
    assert found.code == 1
    assert "Europe/Berlin never has 2024-03-31 02:30 (clocks were turned forward)" in found.err
    assert "correct times that never were, which `ambiguous` does not rescue" in found.err


def test_each_kind_of_local_time_has_its_reason(folder: ProjectFolder, cli: Cli) -> None:
    values = "2024-10-27 02:30", "2024-10-27 02:45", "2024-03-31 02:30", "2024-03-31 02:45"
    source(folder, BERLIN, '{timestamp_format: "%Y-%m-%d %H:%M"}', *values)
    error = " ".join(cli("show", "s").err.split())
    assert (
        f"4 of 4 values of column `d` are not {BERLIN}: Europe/Berlin has 2024-10-27 02:30 twice "
        "(clocks were turned back); "
        "Europe/Berlin never has 2024-03-31 02:30 (clocks were turned forward)"
    ) in error
    assert "next: set `ambiguous: first`" in error
    assert "correct times that never were, which `ambiguous` does not rescue" in error


@pytest.mark.parametrize(("ambiguous", "utc"), [("first", "2024-10-27 00:30:00"), ("last", "2024-10-27 01:30:00")])
def test_ambiguous_option_picks_the_instant(folder: ProjectFolder, cli: Cli, ambiguous: str, utc: str) -> None:
    options = f'{{timestamp_format: "%Y-%m-%d %H:%M", ambiguous: {ambiguous}}}'
    source(folder, BERLIN, options, "2024-10-27 02:30", "2024-10-27 03:30")
    found = cli("show", "s", "-o", "json").json["rows"]
    assert found[0]["d"].startswith(utc), found
    assert cli("show", "s").code == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("duration[ms]", "93600000"),
        ("duration[s]", "1.5e3"),
        ("list<duration[ms]>", '["1.000", 93600000]'),
        ("struct<a: int64, b: list<duration[us]>>", '{"a": 1, "b": [5]}'),
        ("dictionary<duration[ns]>", "5"),
    ],
)
def test_bare_number_as_duration_is_refused(folder: ProjectFolder, cli: Cli, kind: str, value: str) -> None:
    def project(options: str) -> None:
        table = f"{{kind: source, format: jsonl, options: {options}, columns: {{d: '{kind}'}}}}"
        folder.write("lakehouse.yaml", f"name: p\ntables:\n  s: {table}\n")

    project("{}")
    folder.write("data/s.jsonl", f'{{"d":null}}\n{{"d":{value}}}\n')
    found = cli("show", "s")
    assert found.code == 1
    assert f"`{value}` in column `d` of `data/s.jsonl` is not {kind}: a bare number says no unit" in found.err
    assert "row 2 (line 2)" in found.err
    assert "`duration_unit: ms`" in found.err
    project("{duration_unit: s}")
    assert cli("show", "s").code == 0


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@pytest.mark.parametrize("unit", [None, "ms"])
def test_durations_come_back_in_their_unit(folder: ProjectFolder, cli: Cli, name: str, unit: str | None) -> None:
    options = f"{{duration_unit: {unit}}}" if unit else "{}"
    table = f"{{format: {name}, options: {options}, columns: {{d: 'duration[ms]', l: 'list<duration[us]>'}}}}"
    folder.declare(
        f"t: {table}\nu: {{inputs: [t]}}",
        """
        import datetime as dt
        import pyarrow as pa

        def t() -> pa.Table:
            day = dt.timedelta(days=1, microseconds=5000)
            return pa.table({"d": pa.array([day], pa.duration("ms")), "l": pa.array([[day, None]])})

        def u(t: pa.Table) -> pa.Table:
            day = dt.timedelta(days=1, microseconds=5000)
            assert t.to_pylist() == [{"d": day, "l": [day, None]}], t
            return t
        """,
    )
    run = cli("run")
    assert run.code == 0, run.err
    written = "86400005" if unit else "86400.005"
    assert written in folder.read(f"data/t.{name}")


def test_bare_numbers_are_no_moments(folder: ProjectFolder, cli: Cli) -> None:
    kinds = {"t": "timestamp[ms]", "z": "timestamp[ms, tz=UTC]", "d": "date32", "c": "time32[s]", "l": "list<date32>"}
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in kinds.items())
    folder.write("lakehouse.yaml", f"name: p\ntables:\n  s: {{kind: source, format: jsonl, columns: {{{columns}}}}}\n")
    folder.write("data/s.jsonl", '{"t":1700000000000,"z":1700000000000,"d":20200101,"c":12,"l":[18262]}\n')
    assert "next: a number says no unit: set `epoch_unit: ms` in the options, or s, us, ns" in cli("show", "s").err
    found = cli("show", "s", "-o", "json")
    assert found.code == 1
    assert [each["column"] for each in found.json["error"]["violations"]] == list(kinds)


def test_local_times_after_2037_are_shown_right(folder: ProjectFolder, cli: Cli) -> None:
    source(folder, BERLIN, '{timestamp_format: "%Y-%m-%d %H:%M"}', "2050-07-01 12:00", "2050-01-01 12:00")
    assert [row["d"] for row in cli("show", "s", "-o", "json").json["rows"]] == [
        "2050-07-01 10:00:00Z",
        "2050-01-01 11:00:00Z",
    ]
    lines = [line.strip() for line in cli("show", "s").out.splitlines()[-2:]]
    assert lines == ["2050-07-01 12:00:00+02:00", "2050-01-01 12:00:00+01:00"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_handwritten_values_round_trip(folder: ProjectFolder, cli: Cli, form: str) -> None:
    columns = (
        "{net: 'decimal128(12, 2)', tax: float64, n: int64, opens: 'time32[s]', took: 'duration[s]', "
        "at: 'timestamp[ms, tz=UTC]', raw: binary, tags: 'list<string>'}"
    )
    values = 'epoch_unit: ms, binary: hex, time_format: ["%H:%M", interval]'
    numbers = 'thousands: ",", currency: $, negative: parentheses, percent: fraction'
    folder.write(
        "lakehouse.yaml",
        "name: p\nmodule: transforms\ntables:\n"
        f"  s: {{kind: source, format: csv, options: {{{values}, {numbers}, lists: postgresql}}, columns: {columns}}}\n"
        f"  t: {{function: same, inputs: {{s: s}}, format: {form}, "
        f"options: {{{values}, {numbers}}}, columns: {columns}}}\n",
    )
    folder.write("transforms.py", "import pyarrow as pa\n\n\ndef same(s: pa.Table) -> pa.Table:\n    return s\n")
    folder.write(
        "data/s.csv",
        "net,tax,n,opens,took,at,raw,tags\n"
        '"$1,234.50",8.1%,1.0,8:05,1 days 02:00:00,1700000000123,\\x6162,"{a,NULL,""x, y""}"\n'
        "($3.20),0.5,1e+05,17:30,26:00,1700000000000,,{}\n",
    )
    run = cli("run")
    assert run.code == 0, run.err
    project = Project.load(folder.path)
    read = project.read_arrow("s")
    assert read.equals(project.read_arrow("t"))
    assert [str(value) for value in read["net"].to_pylist()] == ["1234.50", "-3.20"]
    assert read["tax"].to_pylist() == [0.081, 0.5]
    assert read["n"].to_pylist() == [1, 100_000]
    assert read["took"].cast("int64").to_pylist() == [93_600, 93_600]
    assert read["at"].cast("int64").to_pylist() == [1_700_000_000_123, 1_700_000_000_000]
    assert read["raw"].to_pylist() == [b"ab", None]
    assert read["tags"].to_pylist() == [["a", None, "x, y"], []]
    assert cli("plan").code == 0


@pytest.mark.parametrize(
    "footer",
    [
        ["Source: foo"],
        ["Source: foo", "Date: 1, 2, 3"],
        ["Source: foo", "", "Total,1", "Date: 1, 2, 3"],
        ["Source: foo", "see a, b, c", "see d, e"],
    ],
)
def test_hint_names_a_footer_of_lines_that_differ(folder: ProjectFolder, cli: Cli, footer: list[str]) -> None:
    project = "name: p\ntables:\n  s: {{kind: source, options: {}, columns: {{x: string, y: string}}}}\n"
    folder.write("lakehouse.yaml", project.format("{}"))
    folder.write("data/s.csv", "\n".join(["x,y", "1,2", "3,4", *footer, ""]))
    option = f"skip_footer: {len(footer)}"
    assert f"  set `{option}` in its options, if no data begin there; or " in cli("show", "s").err
    folder.write("lakehouse.yaml", project.format(f"{{{option}}}"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]


@pytest.mark.parametrize("lines", [["1,2", "a,b,c"], ["1,2", "a", "3,4", "5,6"], ["a", "1,2,3"]])
def test_ragged_rows_among_data_are_no_footer(folder: ProjectFolder, cli: Cli, lines: list[str]) -> None:
    folder.write("lakehouse.yaml", "name: p\ntables:\n  s: {kind: source, columns: {x: string, y: string}}\n")
    folder.write("data/s.csv", "\n".join(["x,y", *lines, ""]))
    assert "skip_footer" not in cli("show", "s").err


@pytest.mark.parametrize("delimiter", ["¦", "§", "§¦", "\N{NO-BREAK SPACE}", "→"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_delimiters_beyond_ascii(folder: ProjectFolder, cli: Cli, delimiter: str, encoding: str) -> None:
    options = f"{{delimiter: {json.dumps(delimiter)}, encoding: {encoding}}}"
    columns = "columns: {a: string, b: string, c: float64}"
    folder.write(
        "lakehouse.yaml",
        f"name: p\nmodule: transforms\ntables:\n  s: {{kind: source, options: {options}, {columns}}}\n"
        f"  t: {{function: same, inputs: {{s: s}}, options: {options}, {columns}}}\n",
    )
    folder.write("transforms.py", "import pyarrow as pa\n\n\ndef same(s: pa.Table) -> pa.Table:\n    return s\n")
    (folder.path / "data").mkdir()
    text = 'a¶b¶c\n"x¶""y"¶£5 Â £¶1.5\n¶"§¦ →"¶\n'.replace("¶", delimiter)
    (folder.path / "data/s.csv").write_bytes(text.encode(encoding))
    assert cli("run").code == 0
    read = Project.load(folder.path).read_arrow("t")
    assert read.to_pydict() == {"a": [f'x{delimiter}"y', None], "b": ["£5 Â £", "§¦ →"], "c": [1.5, None]}
    assert read.equals(Project.load(folder.path).read_arrow("s"))


def test_hint_names_a_delimiter_beyond_ascii(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", "name: p\ntables:\n  s: {kind: source, columns: {a: int64, b: int64}}\n")
    folder.write("data/s.csv", "a¦b\n1¦2\n")
    assert "set `delimiter: '¦'` in its options" in cli("show", "s").err


PYTHON = [
    ["a", None],
    ["x\ny"],
    [float("nan"), "b"],
    ["it's", "b"],
    ["a, b", None],
    [None],
    ["a b", "c"],
    {"a"},
    ("a", "b"),
]


@pytest.mark.parametrize("value", [*PYTHON, PYTHON], ids=str)
def test_lists_of_python_get_the_hint_to_read_text(folder: ProjectFolder, cli: Cli, value: object) -> None:
    texts = [str(each) for each in value] if value is PYTHON else [str(value)]
    source(folder, "list<string>", "{delimiter: ';', quote_char: none}", *texts)
    found = cli("show", "s")
    assert found.code == 1
    assert "declare the column as string" in found.err
    assert "lists:" not in found.err


def test_lists_of_python_are_none_of_duckdb(folder: ProjectFolder, cli: Cli) -> None:
    texts = [str(each) for each in PYTHON[:4]]
    source(folder, "list<string>", "{delimiter: ';', quote_char: none, lists: duckdb}", *texts)
    assert "4 of 4 values of column `d` are not list<string>" in cli("show", "s").err


@pytest.mark.parametrize(
    ("kind", "style", "text", "meant"),
    [
        ("list<string>", "duckdb", "[a b, 'it\\'s', NULL]", ["a b", "it's", None]),
        ("list<float64>", "duckdb", "[1.5, nan, NULL]", [1.5, float("nan"), None]),
        ("list<string>", "postgresql", '{a,"b c",NULL}', ["a", "b c", None]),
        ("list<int64>", "json", "[1,null]", [1, None]),
    ],
)
def test_hint_of_lists_reads_them(
    folder: ProjectFolder, cli: Cli, kind: str, style: str, text: str, meant: list[object]
) -> None:
    other = "postgresql" if style == "json" else "json"
    options = "{{delimiter: ';', quote_char: none, lists: {}}}"
    source(folder, kind, options.format(other), text)
    assert f"set `lists: {style}` in the options" in cli("show", "s").err
    source(folder, kind, options.format(style), text)
    # By their texts, as NaN equals nothing.
    assert str(Project.load(folder.path).read_arrow("s")["d"].to_pylist()) == str([meant])


def test_decimal_commas_between_commas(folder: ProjectFolder, cli: Cli) -> None:
    text = 'a,b\n1,"1,5"\n2,"-1234,25"\n3,"2,0"\n'
    columns = "columns: {{a: int64, b: float64}}"
    tables = (
        "name: p\nmodule: transforms\ntables:\n"
        f"  s: {{{{kind: source, {{options}}{columns}}}}}\n"
        f"  t: {{{{function: same, inputs: {{{{s: s}}}}, {{options}}{columns}}}}}\n"
    )
    folder.write("transforms.py", "def same(s): return s\n")
    folder.write("data/s.csv", text)
    folder.write("lakehouse.yaml", tables.format(options=""))
    assert 'set `decimal: ","` in the options' in cli("show", "s").err
    comma = "options: {decimal: ','}, "
    folder.write("lakehouse.yaml", tables.format(options=comma))
    assert cli("run").code == 0
    assert folder.read("data/t.csv") == text
    assert [row["b"] for row in cli("show", "t", "-o", "json").json["rows"]] == [1.5, -1234.25, 2.0]


@pytest.mark.parametrize("option", ["quote_char: none", "header: false", "extra_values: ignore"])
def test_stray_decimal_commas_cannot_pass(folder: ProjectFolder, cli: Cli, option: str) -> None:
    source = "name: p\ntables:\n  s: {{kind: source, options: {{decimal: ',', {}}}, columns: {{v: float64}}}}\n"
    folder.write("data/s.csv", "v\n1,5\n")
    folder.write("lakehouse.yaml", source.format(option))
    assert "options `delimiter` and `decimal` of format csv are both ','" in cli("validate").err
    folder.write("lakehouse.yaml", source.format(""))
    assert "line 2 of `data/s.csv` has 2 values where 1 is expected" in cli("show", "s").err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("thousands: '00'", "option `thousands` of"),
        ("percent: half", "option `percent` of"),
        ("time_format: '%Y'", "has the directive `%Y`, which is not of a time or duration"),
        ("date_format: '%Y %y'", "has %Y and %y, which say the same"),
        ("timestamp_format: '%d %b (%m) %Y'", "has %b and %m, which say the same"),
        ("timestamp_format: '%F %H:%M (%I %p)'", "has %H and %I, which say the same"),
        ("epoch_unit: days", "option `epoch_unit` of"),
        ("lists: python", "option `lists` of"),
        ("decimal: ',', delimiter: ';', thousands: ','", "options `thousands` and `decimal` are both ','"),
    ],
)
def test_options_about_values_are_checked_with_their_place(
    folder: ProjectFolder, cli: Cli, options: str, message: str
) -> None:
    folder.write(
        "lakehouse.yaml",
        f"name: p\ntables:\n  s: {{kind: source, format: csv, options: {{{options}}}, columns: {{a: int64}}}}\n",
    )
    found = cli("validate")
    assert found.code == 3
    assert message in found.out + found.err
    assert "lakehouse.yaml:3:" in found.out + found.err
