"""Serializers: what each takes comes back as it was, and all else is refused with what to do."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import io
import json
import re
import types
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.objects.base import Serializer
from lakehouse_cli.formats.objects.figures import Html, Png
from lakehouse_cli.formats.objects.json_values import JsonValues
from lakehouse_cli.formats.objects.models import Onnx
from lakehouse_cli.formats.objects.pickles import Joblib, Pickle
from lakehouse_cli.formats.objects.plain import PlainBytes, PlainText
from lakehouse_cli.testing.serializers import SerializerConformance
from tests.cases import each_case

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Figure:
    """As matplotlib's."""

    def savefig(self, file: Any, *, format: str, metadata: dict[str, Any]) -> None:  # noqa: A002
        assert (format, metadata) == ("png", {"Software": None})
        file.write(PNG)


class Axes:
    figure = Figure()


class Chart:
    """As plotly's."""

    def to_image(self, format: str) -> bytes:  # noqa: A002
        return PNG if format == "png" else b""

    def to_html(self, *, full_html: bool, include_plotlyjs: bool, div_id: str) -> str:
        assert full_html
        assert include_plotlyjs
        return f"<div id={div_id}>"


class TestPickle(SerializerConformance):
    values = (None, {"a": (1, 2)}, collections.Counter("aab"), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "x" * 70_000)

    @pytest.fixture
    def serializer(self) -> Serializer:
        return Pickle()


class TestJoblib(TestPickle):
    @pytest.fixture
    def serializer(self) -> Serializer:
        pytest.importorskip("joblib")
        return Joblib()


class TestJson(SerializerConformance):
    values = ({"ä": [1, -0.5, 2**80, None, True, "\u2028", {}]}, [], "x", 1.5, 0, False, None)
    refused = (object(), {"a": b"x"})

    @pytest.fixture
    def serializer(self) -> Serializer:
        return JsonValues()


class TestText(SerializerConformance):
    values = ("", "ä\r\nb\n", "\ufeffx")
    refused = (None, b"x", 1)

    @pytest.fixture
    def serializer(self) -> Serializer:
        return PlainText()


class TestBytes(SerializerConformance):
    values = (b"", b"\x00\xff")
    refused = (None, "x")

    @pytest.fixture
    def serializer(self) -> Serializer:
        return PlainBytes()


class TestPng(SerializerConformance):
    values = (PNG,)
    refused = (b"GIF89a", "x", object())

    @pytest.fixture
    def serializer(self) -> Serializer:
        return Png()


class TestHtml(SerializerConformance):
    values = ("<p>ä</p>",)
    refused = (b"<p>", object())

    @pytest.fixture
    def serializer(self) -> Serializer:
        return Html()


class TestOnnx(SerializerConformance):
    refused = (b"no model", b"", {"a": 1})

    @pytest.fixture(autouse=True)
    def _a_model(self) -> None:
        onnx = pytest.importorskip("onnx")
        helper = onnx.helper
        weights = onnx.numpy_helper.from_array(np.ones(2, np.float32), "w")
        ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
        graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
        self.values = (helper.make_model(graph),)

    @pytest.fixture
    def serializer(self) -> Serializer:
        return Onnx()

    def test_bytes_are_stored_as_they_are(self, serializer: Serializer) -> None:
        """Others may order the same model otherwise. Weights that are elsewhere are not there."""
        [model] = self.values
        data = model.SerializeToString()
        assert self.written(serializer, data) == data
        model.graph.initializer[0].ClearField("raw_data")
        model.graph.initializer[0].data_location = 1
        model.graph.initializer[0].external_data.add(key="location", value="w.bin")
        with pytest.raises(TransformError, match="weights in files beside it"):
            self.written(serializer, model)


def written(serializer: Serializer, value: Any) -> bytes:
    sink = io.BytesIO()
    serializer.dump(value, sink)
    return sink.getvalue()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 9).map(lambda n: -(10**5000) - n)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(json_values)
def test_json_values_come_back_exactly(value: Any) -> None:
    # By their texts: 1 and 1.0 and True are equal, 0.0 and -0.0 too; and keys keep their order.
    assert shown(JsonValues().load(io.BytesIO(written(JsonValues(), value)))) == shown(value)


def shown(value: Any) -> str:
    """The text of a value, which Python has of integers up to some thousand digits."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return str([type(value), *((key, shown(item)) for key, item in items)])
    return hex(value) if type(value) is int else repr(value)


@each_case(
    ("value", "message", "hint"),
    [
        ({"a": [1.0, float("nan")]}, "`$.a[1]` is nan", "None"),
        ({"a": float("-inf")}, "`$.a` is -inf", "None"),
        ({1: "x"}, "`$` has the key 1, which is int and no text", "texts"),
        ({"a b": {"x"}}, '`$["a b"]` is set', "sorted"),
        ([(1, 2)], "`$[0]` is tuple", "list("),
        ((x for x in [1]), "`$` is generator", "`return` it rather than `yield`"),
        ({"a": {}.keys()}, "`$.a` is dict_keys", "`list(…)`"),
        (types.MappingProxyType({}), "`$` is mappingproxy", "`dict(…)`"),
        ({"r": np.float64(0.5)}, "`$.r` is numpy.float64", "`float(…)`"),
        ({"r": np.int64(5)}, "`$.r` is numpy.int64", "`int(…)`"),
        ([np.array([1])], "`$[0]` is numpy.ndarray", "tolist"),
        (dt.date(2024, 1, 1), "`$` is datetime.date", "isoformat"),
        (collections.OrderedDict(a=1), "`$` is collections.OrderedDict", "`dict(…)`"),
        ({"a": "\ud800"}, "`$.a` has half of a surrogate pair", "decode"),
        ({"d": np.datetime64("2024-01-01")}, "`$.d` is numpy.datetime64", "`str(…)`"),
        ([pd.Timestamp("2024-01-01")], "`$[0]` is pandas.Timestamp", "isoformat"),
        (pd.DataFrame({"x": [1]}), "is pandas.DataFrame", "`….to_dict('records')`"),
        (pl.DataFrame({"x": [1]}), "polars.dataframe.frame.DataFrame", "return `….to_dicts()`"),
        (pl.LazyFrame({"x": [1]}), "LazyFrame", "return `….collect().to_dicts()`"),
        (type("Series", (), {"__module__": "dask.dataframe"})(), "Series", "return `….compute().tolist()`"),
        (type("Scalar", (), {"__module__": "dask.dataframe"})(), "Scalar", "return `….compute().item()`"),
        ([pl.Series([1])], "Series", "return `….to_list()`"),
        (pa.table({"x": [1]}), "pyarrow.lib.Table", "return `….to_pylist()`"),
        (pa.array([1]), "pyarrow.lib.Int64Array", "return `….to_pylist()`"),
        (nested(502), "`$[0][0][0][0][0][0][0][0][0][0][0][0]…` is nested deeper than 500", "flatter"),
    ],
)
def test_what_json_cannot_give_back_is_refused(value: Any, message: str, hint: str) -> None:
    with pytest.raises(TransformError, match=re.escape(message)) as caught:
        written(JsonValues(), value)
    assert hint in (caught.value.hint or "")


def test_json_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TransformError, match="holds itself"):
        written(JsonValues(), value)


def test_json_is_written_as_python_does_and_as_deep() -> None:
    value = {"a": [1, 2.5, -0.0, None, True, "ä\n", {}, []], "b c": {"é": [[{}]]}, "": nested(490)}
    assert written(JsonValues(), value) == json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
    assert JsonValues().load(io.BytesIO(written(JsonValues(), nested(500)))) == nested(500)


@pytest.mark.parametrize("text", [b"[1e999]", b"[-1e999]", b"NaN", b"[" * 100_000, b"\xff"])
def test_json_that_no_float_holds_is_not_read(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"beyond|no JSON|too deeply|utf-8"):
        JsonValues().load(io.BytesIO(text))


def test_figures_are_taken_and_frames_are_not() -> None:
    assert written(Png(), Figure()) == written(Png(), Chart()) == PNG
    assert written(Html(), Chart()) == b"<div id=figure>"
    assert base64.b64encode(PNG) in written(Html(), Figure())
    for serializer in (Png(), Html()):
        with pytest.raises(TransformError, match="Axes cannot be stored as") as caught:
            written(serializer, Axes())
        assert caught.value.hint == "return its figure: `….figure`"
    with pytest.raises(TransformError, match="DataFrame cannot be stored as html") as caught:
        written(Html(), pd.DataFrame())
    assert caught.value.hint == "return its HTML: `….to_html()`"


def test_pickles_name_what_reading_them_imports() -> None:
    modules = Pickle().dump({"a": np.float64(1), "b": re.compile("x"), "c": np.linalg.norm}, io.BytesIO())
    assert {"numpy", "re"} <= set(modules)


@pytest.mark.parametrize("serializer", [Pickle(), Joblib()])
def test_lazy_frames_are_not_pickled(serializer: Serializer) -> None:
    for lazy, hint in ((pl.LazyFrame({"x": [1]}), "collect()"), (duckdb.sql("select 1"), "to_arrow_table()")):
        with pytest.raises(TransformError, match="is lazy") as caught:
            written(serializer, {"parts": [lazy]})
        assert hint in (caught.value.hint or "")
