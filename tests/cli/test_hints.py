"""Hints lead on, on headers and values of text: what each says is done, and the next command gets further."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Cli, ProjectFolder


@pytest.mark.parametrize(
    ("header", "declared", "written", "named"),
    [
        ("a\xa0", "a", "a\\xa0", "U+00A0 no-break space"),
        ("a\u200b", "a", "a\\u200b", "U+200B zero width space"),
        ("\ufeff\ufeffa", "a", "\\ufeffa", "U+FEFF byte order mark"),
        ("u\u0308ber", "über", "u\\u0308ber", "U+0308 combining diaeresis"),
        ("\u0430", "a", "\\u0430", "U+0430 cyrillic small letter a"),
    ],
)
def test_invisible_characters_of_a_header_are_shown(
    folder: ProjectFolder, cli: Cli, header: str, declared: str, written: str, named: str
) -> None:
    folder.write("data/s.csv", f"{header},b\n1,2\n")
    folder.declare(f's: {{kind: source, columns: {{"{declared}": int64}}}}')
    refused = cli("show", "s")
    assert refused.code == 1
    assert f'the file calls it "{written}" ({named})' in refused.err

    folder.declare(f's: {{kind: source, columns: {{"{written}": int64}}}}')
    assert cli("show", "s", "-o", "json").json["row_count"] == 1


def test_invisible_characters_of_a_declared_name_are_shown(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "über\n1\n")
    folder.declare('s: {kind: source, columns: {"u\\u0308ber": int64}}')
    refused = cli("show", "s")
    assert "lacks column `u\\u0308ber`" in refused.err
    assert "did you mean `über`?" in refused.err


def test_letters_of_a_declared_name_that_look_alike_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a,b\n1,2\n")
    folder.declare('s: {kind: source, columns: {"\u0430": int64}}')
    assert "the declared name has U+0430 cyrillic small letter a: write `a`, as the file does" in cli("show", "s").err


@pytest.mark.parametrize(
    ("text", "rows", "hints"),
    [
        ('id,name\n1, "x, y"\n', [{"id": 1, "name": "x, y"}], ["trim: true"]),
        ("'id','name'\n'1','x'\n", [{"id": 1, "name": "x"}], ['quote_char: "\'"']),
        ("id | name\n1 | x\n", [{"id": 1, "name": "x"}], ["delimiter: '|', trim: true"]),
        (
            "| id | name |\n|----|------|\n| 1  | x    |\n",
            [{"id": 1, "name": "x"}],
            ["delimiter: '|', trim: true, skip_rows_after_header: 1"],
        ),
        (
            " id | name \n----+------\n  1 | x\n(1 row)\n\n",
            [{"id": 1, "name": "x"}],
            ["delimiter: '|', trim: true, skip_rows_after_header: 1", "skip_footer: 2"],
        ),
    ],
)
def test_options_that_split_rows_are_named(
    folder: ProjectFolder, cli: Cli, text: str, rows: list[dict[str, object]], hints: list[str]
) -> None:
    folder.write("data/s.csv", text)
    source = "s: {{kind: source, options: {{{}}}, columns: {{id: int64, name: string}}}}"
    options: list[str] = []
    for each in hints:
        folder.declare(source.format(", ".join(options)))
        refused = cli("show", "s").err
        for option in each.split(", "):
            assert f"`{option}`" in refused
        options.append(each)
    folder.declare(source.format(", ".join(options)))
    assert cli("show", "s", "-o", "json").json["rows"] == rows


@pytest.mark.parametrize(("name", "text"), [("thousands", "1,234.5"), ("percent", "50%"), ("currency", "$5")])
def test_option_of_a_column_is_named_there(folder: ProjectFolder, cli: Cli, name: str, text: str) -> None:
    folder.write("data/s.csv", f'v\n"{text}"\n')
    source = "s: {{kind: source, columns: {{v: {{type: float64, {}: {}}}}}}}"
    folder.declare(source.format(name, "none"))
    refused = cli("show", "s").err
    assert " in the column" in refused
    folder.declare(source.format(name, {"thousands": '","', "percent": "number", "currency": "$"}[name]))
    assert cli("show", "s").code == 0


def test_short_row_with_all_declared_values_is_no_footer(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "1,a,x\n2,b\n")
    source = (
        "s: {{kind: source, options: {{header: false, extra_values: ignore{}}}, columns: {{id: int64, v: string}}}}"
    )
    folder.declare(source.format(""))
    refused = cli("show", "s").err
    assert "set `missing_values: null` in its options too" in refused
    assert "skip_footer" not in refused
    folder.declare(source.format(", missing_values: null"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]


def test_decimal_comma_without_quotes(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "id,v\n0,1,5\n")
    folder.declare("s: {kind: source, columns: {id: int64, v: float64}}")
    assert "if a comma is a decimal point, put quotes around such values" in cli("show", "s").err
    folder.write("data/s.csv", 'id,v\n0,"1,5"\n')
    assert 'set `decimal: ","` in the options' in cli("show", "s").err
    folder.declare("s: {kind: source, options: {decimal: ','}, columns: {id: int64, v: float64}}")
    assert cli("show", "s", "-o", "json").json["rows"] == [{"id": 0, "v": 1.5}]


@pytest.mark.parametrize(
    ("decimal", "place"), [("", "column"), (', decimal: ","', "options"), (', decimal: "."', "column")]
)
def test_thousands_of_integers_need_no_decimal(folder: ProjectFolder, cli: Cli, decimal: str, place: str) -> None:
    folder.write("data/s.csv", "n;m\n1.234.567;2\n-1.234;3\n")
    source = f's: {{{{kind: source, options: {{{{delimiter: ";"{decimal}}}}}, columns: {{{{n: {{}}, m: float64}}}}}}}}'
    folder.declare(source.format("int64"))
    assert f'set `thousands: "."` in the {place}' in cli("show", "s").err
    folder.declare(source.format('{type: int64, thousands: "."}'))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": 1234567, "m": 2.0}, {"n": -1234, "m": 3.0}]


def test_two_decimal_points_in_one_file(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "n;m\n1.234.567;1.5\n")
    source = 's: {{kind: source, options: {{delimiter: ";"{}}}, columns: {{n: float64, m: {}}}}}'
    folder.declare(source.format("", "float64"))
    assert 'set `thousands: "."` and `decimal: ","` in the options' in cli("show", "s").err
    folder.declare(source.format(', thousands: ".", decimal: ","', "float64"))
    assert 'set `decimal: "."` in the column' in cli("show", "s").err
    folder.declare(source.format(', thousands: ".", decimal: ","', '{type: float64, decimal: "."}'))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": 1234567.0, "m": 1.5}]


def test_point_between_thousands_in_json(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.jsonl", '{"n": "1.234"}\n')
    source = "s: {{kind: source, format: jsonl, columns: {{n: {}}}}}"
    folder.declare(source.format("int64"))
    assert "thousands" not in cli("show", "s").err
    folder.declare(source.format('{type: int64, thousands: "."}'))
    refused = cli("validate").err
    assert "option `thousands` cannot be '.': in numbers of this format it is the decimal point" in refused
    assert "declare such a column as string" in refused
    folder.declare(source.format("string"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"n": "1.234"}]


@pytest.mark.parametrize(
    ("kind", "words", "hint", "values"),
    [
        ("bool", "t f NULL", "`true_values: [t]` and `false_values: [f]` in the options", [True, False, None]),
        ("bool", "Y N NA", "`true_values: [Y]` and `false_values: [N]` in the options", [True, False, None]),
        ("bool", "yes no -", "`true_values: [yes]` and `false_values: [no]` in the options", [True, False, None]),
        ("float64", "$1.50 $2.50 NA", '`currency: "$"` in the options', [1.5, 2.5, None]),
        ("int64", "- (12) 5", "`negative: parentheses` in the options", [None, -12, 5]),
        ("time32[s]", "8:05 ? 9:10", '`time_format: "%H:%M"` in the options', ["08:05:00", None, "09:10:00"]),
        (
            "date32",
            "20240131 NaT 20240201",
            '`date_format: "%Y%m%d"` in the options',
            ["2024-01-31", None, "2024-02-01"],
        ),
        ("list<int64>", "{1} NULL {}", "`lists: postgresql` in the options", [[1], None, []]),
    ],
)
def test_spellings_and_words_for_null(
    folder: ProjectFolder, cli: Cli, kind: str, words: str, hint: str, values: list[object]
) -> None:
    folder.write("data/s.csv", "x\n" + words.replace(" ", "\n") + "\n")
    source = "s: {{kind: source, options: {{{}}}, columns: {{x: {{type: '{}'{}}}}}}}"
    folder.declare(source.format("", kind, ""))
    refused = cli("show", "s").err
    (null,) = (word for word in words.split() if repr(word) in refused)
    nulls = f'null_values: ["", "{null}"]'
    assert f"set {hint}; if {null!r} stands for null, set `{nulls}` in the column" in " ".join(refused.split())
    options = ", ".join(re.findall("`([^`]+)`", hint))
    folder.declare(source.format(options, kind, f", {nulls}"))
    assert [row["x"] for row in cli("show", "s", "-o", "json").json["rows"]] == values


@pytest.mark.parametrize("mark", [",", ";"])
def test_rows_in_quotes_as_a_whole(folder: ProjectFolder, cli: Cli, mark: str) -> None:
    folder.write("data/s.csv", f'"id{mark}v"\n"1{mark}x"\n')
    folder.declare("s: {kind: source, columns: {id: int64, v: string}}")
    assert "each row is in quotes as a whole: take these off in the file" in cli("show", "s").err


def test_header_that_begins_with_a_hash(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "#a,b\n1,2\n")
    folder.declare("s: {kind: source, columns: {a: int64, b: int64}}")
    assert 'the file calls it `#a`: declare it with `from: "#a"`' in cli("show", "s").err
    folder.declare('s: {kind: source, columns: {a: {type: int64, from: "#a"}, b: int64}}')
    assert cli("show", "s", "-o", "json").json["rows"] == [{"a": 1, "b": 2}]


def test_unseen_blank_in_a_header_of_one_column_is_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("s: {kind: source, columns: {a: int64}}")
    folder.write("data/s.csv", "a\u00a0\n1\n")
    assert 'the file calls it "a\\xa0" (U+00A0 no-break space)' in " ".join(cli("show", "s").err.split())


def test_timestamps_that_end_in_utc(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "at\n2024-01-01 10:00:00 UTC\n")
    source = "s: {{kind: source, columns: {{at: '{}'}}}}"
    folder.declare(source.format("timestamp[s]"))
    assert "declare `timestamp[s, tz=UTC]`" in cli("show", "s").err

    folder.declare(source.format("timestamp[s, tz=UTC]"))
    (row,) = cli("show", "s", "-o", "json").json["rows"]
    assert row["at"] == "2024-01-01 10:00:00Z"


@pytest.mark.parametrize(
    ("before", "option", "hint"),
    [
        ("", "header: false", "if that line is data, set `header: false` in its options"),
        ("title\n\n", "skip_rows: 1", "its header is further down: set `skip_rows: 1` in its options"),
        ("title\n" * 7, "skip_rows: 7", "if it stands before the header, set `skip_rows` to the number of such lines"),
    ],
)
def test_first_line_that_is_no_header(folder: ProjectFolder, cli: Cli, before: str, option: str, hint: str) -> None:
    header = "amount,note\n" if before else ""
    folder.write("data/s.csv", f"{before}{header}1,x\n")
    source = "s: {{kind: source, options: {{{}}}, columns: {{amount: int64, note: string}}}}"
    folder.declare(source.format(""))
    assert hint in cli("show", "s").err
    folder.declare(source.format(option))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"amount": 1, "note": "x"}]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_blanks_before_quotes_in_a_header(folder: ProjectFolder, cli: Cli, quote: str) -> None:
    folder.write("data/s.csv", f"{quote}x{quote}, {quote}y{quote}\n1, {quote}2{quote}\n")
    option = "" if quote == '"' else """quote_char: "'", """
    source = "s: {{kind: source, options: {{{}}}, columns: {{x: int64, y: int64}}}}"
    folder.declare(source.format(option))
    assert "its header has blanks before quotes: set `trim: true` in its options" in cli("show", "s").err
    folder.declare(source.format(option + "trim: true"))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": 1, "y": 2}]


def test_hints_of_several_missing_columns_stand_beside_them(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "\ufeff\ufeffa,bb,x\n1,2,3\n")
    folder.declare("s: {kind: source, columns: {a: int64, bbb: int64, q: int64}}")
    lines = " ".join(cli("show", "s").err.split())
    assert 'column `a`: the file has no such column; the file calls it "\\ufeffa"' in lines
    assert "column `bbb`: the file has no such column; did you mean `bb`?" in lines
    assert "next: its columns are" in lines


@pytest.mark.parametrize(
    ("kind", "text", "option", "value"),
    [
        ("date32", "20240131", 'date_format: "%Y%m%d"', "2024-01-31"),
        ("date32", "03/14/2020", 'date_format: "%m/%d/%Y"', "2020-03-14"),
        ("date32", "14/03/2020", 'date_format: "%d/%m/%Y"', "2020-03-14"),
        ("date32", "31 Dec 2020", 'date_format: "%d %b %Y"', "2020-12-31"),
        ("date32", "31-Dec-20", 'date_format: "%d-%b-%y"', "2020-12-31"),
        ("date32", "December 31, 2020", 'date_format: "%B %d, %Y"', "2020-12-31"),
        ("date32", "2020/12/31", 'date_format: "%Y/%m/%d"', "2020-12-31"),
        ("timestamp[s]", "14/03/2020 08:05", 'timestamp_format: "%d/%m/%Y %H:%M"', "2020-03-14 08:05:00"),
        ("timestamp[s]", "12/31/2020 8:05:06 PM", 'timestamp_format: "%m/%d/%Y %I:%M:%S %p"', "2020-12-31 20:05:06"),
    ],
)
def test_format_of_dates_is_named(
    folder: ProjectFolder, cli: Cli, kind: str, text: str, option: str, value: str
) -> None:
    folder.write("data/s.csv", f"x;y\n{text};1\n")
    source = "s: {{kind: source, options: {{delimiter: ';'{}}}, columns: {{x: '{}'}}}}"
    # Counts are for timestamps alone.
    for before in ("", ", epoch_unit: ms") if kind == "date32" else ("",):
        folder.declare(source.format(before, kind))
        assert f"set `{option}` in the options" in cli("show", "s").err
        folder.declare(source.format(f"{before}, {option}", kind))
        assert cli("show", "s", "-o", "json").json["rows"] == [{"x": value}]


def test_formats_that_both_read_dates_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "x\n31.12.20\n01.02.03\n")
    folder.declare("s: {kind: source, columns: {x: date32}}")
    refused = " ".join(cli("show", "s").err.split())
    assert 'set `date_format: "%d.%m.%y"` or `date_format: "%y.%m.%d"` in the options' in refused


@pytest.mark.parametrize(
    ("kind", "text", "hint", "declared", "value"),
    [
        ("time32[s]", "08:05:06.5", "declare `time32[ms]`", "'time32[ms]'", "08:05:06.500"),
        (
            "time32[s]",
            "8:05:06.5",
            'declare `time32[ms]`, and set `time_format: "%H:%M:%S.%f"` in the column',
            "{type: 'time32[ms]', time_format: '%H:%M:%S.%f'}",
            "08:05:06.500",
        ),
        ("time32[ms]", "08:05:06.1234", "declare `time64[us]`", "'time64[us]'", "08:05:06.123400"),
        ("duration[s]", "1.5", "declare `duration[ms]`", "'duration[ms]'", "1500 ms"),
    ],
)
def test_fractions_of_times_and_durations(
    folder: ProjectFolder, cli: Cli, kind: str, text: str, hint: str, declared: str, value: str
) -> None:
    folder.write("data/s.csv", f"x,y\n{text},1\n")
    source = "s: {{kind: source, columns: {{x: {}}}}}"
    folder.declare(source.format(f"'{kind}'"))
    assert f"it has fractions of a second: {hint}\n" in cli("show", "s").err
    folder.declare(source.format(declared))
    assert cli("show", "s", "-o", "json").json["rows"] == [{"x": value}]


@pytest.mark.parametrize(
    ("kind", "text", "hint"),
    [
        ("date32", "1", "YYYY-MM-DD is expected"),
        ("date32", "1700000000", "it counts from 1970 as `epoch_unit` says: declare `timestamp[us, tz=UTC]`"),
        ("timestamp[s]", "1e30", "no timestamp is as far from 1970: correct the file, or set another `epoch_unit`"),
        ("timestamp[s]", "soon", "a number is expected, as `epoch_unit` is set"),
    ],
)
def test_hints_where_timestamps_are_counts(folder: ProjectFolder, cli: Cli, kind: str, text: str, hint: str) -> None:
    folder.write("data/s.csv", f"x,y\n{text},1\n")
    source = "s: {{kind: source, options: {{epoch_unit: s}}, columns: {{x: '{}'}}}}"
    folder.declare(source.format(kind))
    assert hint in cli("show", "s").err
    if text == "1700000000":
        folder.declare(source.format("timestamp[us, tz=UTC]"))
        assert cli("show", "s", "-o", "json").json["rows"] == [{"x": "2023-11-14 22:13:20.000000Z"}]


def test_blanks_around_names_of_a_header_have_one_hint(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("data/s.csv", "a, b, c\n1,2,3\n")
    source = "s: {{kind: source, {}columns: {{a: int64, b: int64, c: int64}}}}"
    folder.declare(source.format(""))
    refused = cli("show", "s").err
    assert "its header has blanks around names: set `trim: true`" in refused
    assert "did you mean" not in refused
    folder.declare(source.format("options: {trim: true}, "))
    assert cli("show", "s").code == 0
