"""JSON, one array of objects: what is written, what is read, and what is refused with its place."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import compression
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.jsonl import read as reading
from lakehouse_cli.formats.jsonl.elements import OpenedArray
from lakehouse_cli.formats.jsonl.fast import read_fast
from lakehouse_cli.formats.jsonl.format import JsonFormat, JsonlFormat
from lakehouse_cli.formats.jsonl.spec import JsonlOptions
from lakehouse_cli.model import Column
from tests.cases import each_case
from tests.properties.drawn_tables import CHANCES, LAW, Chance, integer, text
from tests.unit.formats.csv_files import columns_of, set_block


def read(text: str | bytes, declared: list[Column] | None, name: str = "data/t.json", **options: Any) -> pa.Table:
    data = text if isinstance(text, bytes) else text.encode()
    return JsonFormat().read(lambda: io.BytesIO(data), name, declared, JsonlOptions(**options))


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    JsonFormat().write(table, sink, JsonlOptions(**options))
    return sink.getvalue()


def test_rows_are_elements_of_an_array() -> None:
    table = pa.table({"id": [1, None], "name": ["a,]", 'b"\n']})
    assert written(table) == b'[\n{"id":1,"name":"a,]"},\n{"id":null,"name":"b\\"\\u000a"}\n]\n'
    assert json.loads(written(table)) == table.to_pylist()
    assert written(table.slice(0, 0)) == b"[]\n"
    assert gzip.decompress(written(table, compression="gzip")) == written(table)


def test_batches_are_joined_by_commas() -> None:
    table = pa.table({"id": range(40_000)})
    assert [row["id"] for row in json.loads(written(table))] == table["id"].to_pylist()
    assert read(written(table), columns_of(id="int64")).equals(table)


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1, "s": "x"}, {"a": null, "s": "]},"}]',
        '\ufeff\r\n [\r\n  {\r\n    "a": 1,\r\n    "s": "x"\r\n  },\r\n  {"s": "]},"}\r\n]\r\n',
        '[{"a":1,"s":"x","o":{"p":[{}, []]}},{"a":null,"s":"]},"}]',
    ],
)
def test_layout_does_not_count(text: str) -> None:
    assert read(text, columns_of(a="int64", s="string")).to_pydict() == {"a": [1, None], "s": ["x", "]},"]}


@pytest.mark.parametrize("text", ["[]", " [ \n ] \n"])
def test_an_empty_array_has_no_rows(text: str) -> None:
    assert read(text, columns_of(a="int64", l="list<int64>")).num_rows == 0
    assert JsonFormat().count_rows(lambda: io.BytesIO(text.encode()), "t", JsonlOptions()) == 0


def test_values_are_as_exact_as_in_json_lines() -> None:
    text = '[{"a": 9007199254740993, "d": 0.12345678901234567890, "t": "2020-01-01T05:00:00+02:00", "l": [1, null]}]'
    declared = columns_of(a="int64", d="decimal128(38, 20)", t="timestamp[s, tz=UTC]", l="list<int8>")
    lines = JsonlFormat().read(lambda: io.BytesIO(text[1:-1].encode()), "t", declared, JsonlOptions())
    assert read(text, declared).equals(lines)
    assert read(text, None)["d"].to_pylist() == [Decimal("0.12345678901234567890")]


def test_a_value_that_does_not_fit_has_element_and_line() -> None:
    with pytest.raises(DataError) as caught:
        read('[\n  {\n    "x": 1\n  },\n  {\n    "x": "a"\n  }\n]', columns_of(x="int64"))
    assert caught.value.message == '`"a"` in column `x` of `data/t.json` is not int64'
    (example,) = caught.value.violations[0].examples
    assert (example.row, example.line) == (2, 5)


def test_a_name_that_every_object_lacks_is_an_error() -> None:
    with pytest.raises(DataError, match=r"`data/t\.json` lacks column `staton`") as caught:
        read('[{"station": "a"}, {"y": 2}]', columns_of(staton="string"))
    assert caught.value.hint == "did you mean `station`?"
    assert caught.value.violations[0].message == "column `staton`: no object has such a name"


@each_case(
    ("text", "line", "message"),
    [
        ('[{"x": 1},\n{"x": 01}]', 2, "element 2 of `data/t.json` (line 2) is not JSON: "),
        ('[{"x": 1},\n{"x": 1,\n "y" 2}]', 3, "element 2 of `data/t.json` (line 2) is not JSON: "),
        ('[{"x": 1}\n{"x": 2}]', 2, "element 1 of `data/t.json` (line 1) is not JSON: extra data at character 10"),
        ('[{"x": 1},\n{"x": 2},\n\n]', 4, "`data/t.json` has nothing as element 3"),
        ('[{"x": 1},\n\n]', 3, "`data/t.json` has nothing as element 2"),
        ('[\n,{"x": 1}]', 2, "`data/t.json` has nothing as element 1"),
        ('[{"x": 1, "x": 2}]', 1, "element 1 of `data/t.json` (line 1) cannot be read exactly: the name `x` is there"),
        ('[{"x": 1},\n[1]]', 2, "element 2 of `data/t.json` (line 2) holds a list, and a row is an object"),
        ("[1]", 1, "element 1 of `data/t.json` (line 1) holds a number, and a row is an object"),
        ('[null,{"x": 1}]', 1, "element 1 of `data/t.json` (line 1) holds null, and a row is an object"),
        ('[{"x": 1},\n{"x": "a\n"}]', 2, "`data/t.json` holds a text in element 2 that does not end on its line"),
        ('[{"x": 1},\n{"x": 2}', 1, "`data/t.json` ends within element 2"),
        ('[{"x": 1},', 1, "`data/t.json` ends within element 2"),
        ('[{"x": "a', 1, "`data/t.json` ends within element 1"),
        ('[{"x": 1}}]', 1, "`data/t.json` closes an object twice"),
        ('[{"x": [1}]]', 1, "element 1 of `data/t.json` (line 1) is not JSON: "),
        ('[{"x": 1}]\n[{"x": 2}]', 1, "`data/t.json` goes on after its array"),
        ('\n{"x": 1}\n{"x": 2}\n', 2, "`data/t.json` does not begin with `[`, and is no array"),
        ("", 1, "`data/t.json` is empty, and no array"),
        ('[{"x": ' + "[" * 100_000 + "]" * 100_000 + "}]", 1, "element 1 of `data/t.json` (line 1) is nested too deep"),
    ],
)
@each_case("declared", [columns_of(x="int64"), columns_of(x="list<int64>"), None])
def test_what_is_no_array_of_objects_is_refused(
    text: str, line: int, message: str, declared: list[Column] | None
) -> None:
    with pytest.raises(StorageError) as caught:
        read(text, declared)
    assert caught.value.message.startswith(message)
    assert str(caught.value.location) == f"data/t.json:{line}"
    assert caught.value.hint


def test_other_encodings_and_cut_compressions_are_refused() -> None:
    with pytest.raises(StorageError, match="is in UTF-16, and JSON is UTF-8"):
        read('[{"x": 1}]'.encode("utf-16"), columns_of(x="int64"))
    with pytest.raises(StorageError, match="is not whole gzip data"):
        read(gzip.compress(b"[" + b'{"x": 1},' * 9999)[:-20], columns_of(x="int64"), "t.json.gz")
    with pytest.raises(StorageError, match="is not UTF-8: byte 0xff"):
        read(b'[{"x": "\xff"}]', columns_of(x="string"))


def anything(chance: Chance, depth: int = 3) -> Any:
    """A value of JSON."""
    how = chance.randrange(6 if depth else 4)
    if how < 2:
        return chance.choice((None, True, False, integer(chance, -(2**70), 2**70)))
    if how < 4:
        return "".join(chance.choices('a"\\[]{},\n\r\u2028é', k=chance.randrange(6)))
    if how == 4:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {text(chance, 2): anything(chance, depth - 1) for _ in range(chance.randrange(4))}


@settings(LAW, max_examples=50)
@given(CHANCES)
def test_elements_are_those_of_the_array(chance: Chance) -> None:
    rows = [{text(chance, 3): anything(chance) for _ in range(chance.randrange(4))} for _ in range(chance.randrange(6))]
    block, indent, is_ascii = chance.randint(1, 40), chance.choice((None, 0, 2)), chance.random() < 0.5
    note((rows, block, indent, is_ascii))
    given_text = json.dumps(rows, indent=indent, ensure_ascii=is_ascii)
    opened = OpenedArray(lambda: io.BytesIO(given_text.encode()), "t.json", None)
    with mock.patch.object(compression, "BLOCK", block):
        found = list(opened.records())
        lines = b"".join(opened.json_lines()).splitlines() if is_ascii else None
    assert [json.loads(element) for _, element in found] == rows
    assert lines is None or [json.loads(line) for line in lines] == rows
    for line, element in found:
        rest = "\n".join(given_text.split("\n")[line - 1 :]).lstrip("[, ")
        assert rest.startswith(element.decode()) or indent is None


@LAW
@given(st.text(alphabet='[]{}",:1a\\ \n', max_size=24), st.integers(1, 9))
def test_any_text_is_read_as_json_or_refused(text: str, block: int) -> None:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    is_table = type(parsed) is list and all(type(each) is dict for each in parsed)
    opened = OpenedArray(lambda: io.BytesIO(text.encode()), "t.json", None)
    with mock.patch.object(compression, "BLOCK", block):
        try:
            found = [value for _, value in opened.objects(json.JSONDecoder())]
        except StorageError:
            assert not is_table
        else:
            assert is_table
            assert found == parsed


def test_the_quick_way_and_the_careful_way_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"i": n, "s": f'{n}"\n]', "o": {"p": [n]}} for n in range(500)]
    declared = columns_of(s="string", i="int16")
    for indent in (None, 2):
        text = json.dumps(rows, indent=indent).encode()
        opened = OpenedArray(lambda text=text: io.BytesIO(text), "t", None)  # type: ignore[misc]
        quick = read_fast(opened, declared, [CsvOptions()] * len(declared))
        assert quick is not None
        with monkeypatch.context() as patch:
            patch.setattr(reading, "read_fast", lambda *_: None)
            assert read(text, declared).equals(quick)


def test_elements_longer_than_a_block_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, 1 << 16)
    table = pa.table({"a": ["x" * 200_000, "b"], "n": [1, 2]})
    assert read(written(table), columns_of(a="string", n="int64")).equals(table)
