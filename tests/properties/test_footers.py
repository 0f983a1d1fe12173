"""What passes by the footer of a Parquet file passes by its values as well, with the same record."""

from __future__ import annotations

import datetime as dt
import io
import math
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.checks.summaries import passed_by_summary
from lakehouse_cli.errors import ContractError
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.formats.parquet.spec import ParquetOptions
from lakehouse_cli.model import Column, Contract, Table, parse_column_type
from lakehouse_cli.model.check import Check, CheckRecord
from tests.properties.test_check_verdicts import _Others
from tests.unit.drawn_values import choices

ROWS = 12
BIG = 2**63
#: By type: numbers as they are stored, or values, and bounds as they are written.
KINDS: dict[str, tuple[list[Any], list[str]]] = {
    "int8": ([0, 1, -1, 127, -128], ["-128", "0", "127"]),
    "int64": ([0, 1, -1, BIG - 1, -BIG], ["0", "1", str(BIG - 1), str(-BIG)]),
    "uint8": ([0, 1, 127, 128, 255], ["0", "127", "255"]),
    "uint32": ([0, 1, 2**31 - 1, 2**31, 2**32 - 1], ["0", str(2**31), str(2**32 - 1)]),
    "uint64": ([0, 1, BIG - 1, BIG, 2 * BIG - 1], ["0", str(BIG), str(2 * BIG - 1)]),
    "date32": ([0, 19_782, -719_162, 2_932_896, 2**31 - 1, -(2**31)], ["1970-01-01", "2024-02-29", "9999-12-31"]),
    "timestamp[s]": ([0, 1_709_164_800, -62_135_596_800], ["1970-01-01", "2024-02-29 00:00:00"]),
    "timestamp[us]": ([0, 1_709_164_800_000_001, BIG - 1, 1 - BIG], ["2024-02-29 00:00:00.000001", "9999-12-31"]),
    "timestamp[ns, tz=UTC]": ([0, 1, -1, BIG - 1], ["1970-01-01T00:00:00Z", "2024-02-29T00:00:00.000000001Z"]),
    "time32[s]": ([0, 1, 86_399], ["00:00", "23:59:59"]),
    "time64[ns]": ([0, 1, 86_399 * 10**9], ["00:00:00.000000001", "23:59:59"]),
    "duration[ms]": ([0, 1, -5000, BIG - 1], ["0s", "5s"]),
    "decimal128(4, 2)": ([Decimal("0.00"), Decimal("-99.99"), Decimal("1.01")], ["0", "1.01", "-99.99"]),
    "decimal128(38, 2)": ([Decimal("0.01"), Decimal(f"{10**36 - 1}.99"), Decimal(f"-{10**36 - 1}.99")], ["0", "0.01"]),
    "float64": ([0.0, -0.0, math.nan, math.inf, 1.5], ["0", "1.5", "-0.0"]),
    "float32": ([0.0, math.nan, 1.5], ["0", "1.5"]),
    "string": (["", "a", "é" * 5000], []),
    "bool": ([True, False], []),
    "dictionary<string>": (["a", "b"], []),
    "list<int64>": ([[1, None], [], [None]], []),
}
#: Types of which a footer says the least and the greatest.
EXACT = [kind for kind, (_, bounds) in KINDS.items() if bounds and not kind.startswith("float")]


def column(kind: str, values: list[Any]) -> pa.Array:
    arrow = to_arrow(parse_column_type(kind))
    if not pa.types.is_temporal(arrow):
        return pa.array(values, arrow)
    return pa.array(values, pa.int32() if arrow.bit_width == 32 else pa.int64()).cast(arrow)


def checks_of(kind: str, share: str) -> list[Check]:
    found = [Check("nulls", "few", ("x",), {"max": share}), Check("row_count", "some", (), {"min": 1, "max": ROWS})]
    found.append(Check("row_count", "as_other", (), {"equals": "other"}))
    for at, bound in enumerate(KINDS[kind][1]):
        for how in ("min", "max", "above", "below"):
            found += [
                Check(how, f"{how}{at}{nulls}", ("x",), {"bound": bound}, nulls=nulls) for nulls in ("pass", "fail")
            ]
        found.append(Check("max", f"lax{at}", ("x",), {"bound": bound}, error_above="50%"))
        found.append(Check("min", f"warn{at}", ("x",), {"bound": bound}, severity="warn"))
    if kind == "date32" or kind.startswith("timestamp"):
        found += [Check("freshness", f"new{age}", ("x",), {"column": "x", "within": age}) for age in ("1s", "99999w")]
    return found


def drawn() -> st.SearchStrategy[tuple[str, list[Any]]]:
    def of(kind: str) -> st.SearchStrategy[tuple[str, list[Any]]]:
        values = KINDS[kind][0]
        some = st.sampled_from([values, values[:1], values[1:2], values[-2:]]).flatmap(lambda v: choices(v, ROWS))
        rows = st.tuples(some, st.integers(0, ROWS), st.booleans())
        return rows.map(lambda r: (kind, [v for v in r[0] if not r[2] or v is not None][: r[1]]))

    return st.sampled_from([*KINDS]).flatmap(of)


@given(drawn(), st.sampled_from([1, 3, ROWS]), st.sampled_from(["0", "1", "50%"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_footers_and_reading_agree(case: tuple[str, list[Any]], group: int, share: str) -> None:
    kind, values = case
    checks = checks_of(kind, share)
    columns = (Column("x", parse_column_type(kind)),)
    table = Table(name="t", contract=Contract(columns, checks=tuple(checks)))
    form, sink = ParquetFormat(), io.BytesIO()
    form.write(pa.table({"x": column(kind, values)}), sink, ParquetOptions(row_group_rows=group))
    setting = Setting(Path(), dt.datetime.now(dt.UTC), _Others())

    def opener() -> io.BytesIO:
        return io.BytesIO(sink.getvalue())

    summary = form.summary(opener, "x.parquet", columns)
    assert summary is not None
    known = passed_by_summary(table, checks, setting, summary)
    with closing(Judge(table, checks, setting)) as judge:
        for piece in form.read_pieces(opener, "x.parquet", columns, ParquetOptions()):
            judge.piece(piece)
        try:
            records = judge.finish()
        except ContractError as error:
            records = error.checks
    read: dict[str, CheckRecord] = {each.result.name: each for each in records}
    assert known == {name: read[name] for name in known}
    # What has no violation is found without reading, wherever the footer says it exactly.
    passed = {name: each.result for name, each in read.items() if each.result.status == "passed"}
    clean = {name for name, each in passed.items() if not each.count or name == "few"}
    if kind in EXACT:
        assert known.keys() == clean
    elif kind.startswith("list"):
        assert known.keys() == {"some", "as_other"} & clean
    else:
        assert known.keys() == {"few", "some", "as_other"} & clean
