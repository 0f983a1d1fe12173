"""Small CSV files of one source are parsed together: their rows, and what is wrong with them, are as of each alone."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from lakehouse_cli import Project
from lakehouse_cli.errors import LakehouseError

TABLE = "{kind: source, path: '%s', columns: {%s}, options: {%s}}"
ONE, TWO = "a: '%s'", "a: '%s', b: {type: string, optional: true}"
VALUES = ("1", "2.0", "", "0x1F", '"3"', "x", " 4", '"5\n6"', "\ufeff7", "é", "NA", "1e400", '"a""b"', "'", "#8", "\\")


@st.composite
def small_files(draw: DrawFn) -> tuple[str, str, list[tuple[bytes, str]]]:
    """The columns, options, and files with their endings, most of them alike."""
    kind = draw(st.sampled_from(("int64", "float64", "string", "decimal128(9, 2)", "dictionary<string>")))
    options = draw(
        st.sampled_from(("", "", 'null_values: ["NA"]', "header: false", "missing_values: 'null'", "trim: true"))
    )
    good = draw(st.booleans())
    values = st.sampled_from(("1", "2", "3") if good else VALUES)
    usual = draw(st.sampled_from(("a,b", "b,a", "a", "a,c,b")))
    files = []
    for _ in range(draw(st.integers(2, 5))):
        header = draw(st.sampled_from((usual, usual, usual, "a,b", "a", "")))
        end = draw(st.sampled_from(("\n", "\n", "\n", "\r\n", "\r")))
        rows = [",".join(draw(values) for _ in (header or "a").split(",")) for _ in range(draw(st.integers(0, 4)))]
        blank = draw(st.sampled_from(([], [], [], [""])))
        lines = [header] * ("header: false" not in options) + blank + rows
        text = end.join(lines) + draw(st.sampled_from((end, end, "", 2 * end)))
        begin = draw(st.sampled_from(("", "", "", "\ufeff")))
        packed = draw(st.sampled_from((False, False, False, True)))
        data = (begin + text).encode()
        files.append((gzip.compress(data), ".csv.gz") if packed else (data, ".csv"))
    return draw(st.sampled_from((ONE, TWO))) % kind, options, files


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    (ONE % "string", "", [(b"a\rx\r", ".csv"), (b"a\n\ny\n", ".csv")])
)  # CR, then LF: a blank line, which is a row
@example((TWO % "string", "", [(b"a,b\n1,2", ".csv"), (b"a,b\n3,4", ".csv")]))  # no end of the last line
@example((TWO % "int64", "", [(b"a,b\n1,x\n", ".csv"), (b"b,a\n3,4\n", ".csv")]))
@example((TWO % "int64", "", [(b"a,b\n1,x\n", ".csv"), (b"a,b\n0x1F,0x\n", ".csv")]))
@example((ONE % "string", "", [(b"a\n1\n", ".csv"), (b"a\n2", ".csv"), (b"a\n", ".csv"), (b"a\n\n3", ".csv")]))
@example((ONE % "string", "", [(b'a,"x\n",b\n', ".csv"), (b'a,"x\n1,2,3\n', ".csv")]))  # a header of two lines
@example((ONE % "string", "", [(b"a\n1\n", ".csv"), (b"a\n4\r5\n", ".csv")]))
@example((ONE % "string", "", [(b"a\n1\n", ".csv"), (b'a\n"2"x\n', ".csv")]))
@example((ONE % "string", "", [(b"a\n1\n", ".csv"), (b"a\n2\n", ".csv.gz")]))  # whose name says that it is packed
@example((ONE % "string", "encoding: latin-1", [(b"a\n1\n", ".csv"), (b"a\n\xc3\xa9\n", ".csv")]))
@example((ONE % "int64", "skip_footer: 1", [(b"a\n1\n2\n", ".csv"), (b"a\n3\n4", ".csv"), (b"a\n5\n6\n", ".csv")]))
@example((ONE % "int64", "", [(b"a\n1\n", ".csv"), (b"a\n0x1F\n", ".csv"), (b"a\n3\n", ".csv")]))
@example((ONE % "string", "header: false, skip_rows: 1", [(b"x\n1\n", ".csv"), (b"x\n2,3\n", ".csv")]))
@given(small_files())
def test_files_parsed_together_are_as_each_alone(
    tmp_path: Path, drawn: tuple[str, str, list[tuple[bytes, str]]]
) -> None:
    columns, options, files = drawn
    shutil.rmtree(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    tables = {"all": TABLE % ("raw/f_*", columns, options)}
    for number, (data, ending) in enumerate(files):
        (tmp_path / f"data/raw/f_{number}{ending}").write_bytes(data)
        tables[f"f_{number}"] = TABLE % (f"raw/f_{number}", columns, options)
    text = "".join(f"  {name}: {table}\n" for name, table in tables.items())
    (tmp_path / "lakehouse.yaml").write_text(f"name: small\ntables:\n{text}")
    read = {name: _read(tmp_path, name) for name in tables}
    together, alone = read.pop("all"), list(read.values())
    if any(isinstance(each, str) for each in alone):
        assert isinstance(together, str), together.to_pylist()
        return
    assert isinstance(together, pa.Table)
    assert together.to_pylist() == [row for each in alone for row in each.to_pylist()]


def _read(folder: Path, name: str) -> pa.Table | str:
    """A source as it is read, or what is said of it."""
    planner = Project.load(folder).planner
    table = planner.code.graph.tables[name]
    try:
        pieces, _ = planner.storages[table.storage].scan(table, table.columns).pieces_with_content(())
        return pa.concat_tables([*pieces()], promote_options="permissive")
    except LakehouseError as error:
        return str(error)
