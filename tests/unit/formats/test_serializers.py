"""Serializers: what each takes comes back as it was, and all else is refused with what to do."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import io
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.objects.base import Serializer
from lakehouse_cli.formats.objects.figures import Html, Png
from lakehouse_cli.formats.objects.json_values import JsonValues
from lakehouse_cli.formats.objects.pickles import Joblib, Pickle
from lakehouse_cli.formats.objects.plain import PlainBytes, PlainText
from lakehouse_cli.testing.serializers import SerializerConformance

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


def written(serializer: Serializer, value: Any) -> bytes:
    sink = io.BytesIO()
    serializer.dump(value, sink)
    return sink.getvalue()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_json_values_come_back_exactly(value: Any) -> None:
    # By their texts: 1 and 1.0 and True are equal, 0.0 and -0.0 too; and keys keep their order.
    assert repr(JsonValues().load(io.BytesIO(written(JsonValues(), value)))) == repr(value)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ({"a": [1.0, float("nan")]}, "`$.a[1]` is nan", "None"),
        ({"a": float("-inf")}, "`$.a` is -inf", "None"),
        ({1: "x"}, "`$` has the key 1, which is int and no text", "texts"),
        ({"a b": {"x"}}, '`$["a b"]` is set', "sorted"),
        ([(1, 2)], "`$[0]` is tuple", "list("),
        ({"r": np.float64(0.5)}, "`$.r` is numpy.float64", "`float(…)`"),
        ({"r": np.int64(5)}, "`$.r` is numpy.int64", "`int(…)`"),
        ([np.array([1])], "`$[0]` is numpy.ndarray", "tolist"),
        (dt.date(2024, 1, 1), "`$` is datetime.date", "isoformat"),
        (collections.OrderedDict(a=1), "`$` is collections.OrderedDict", "`dict(…)`"),
        ({"a": "\ud800"}, "`$.a` has half of a surrogate pair", "decode"),
        pytest.param(10**5000, "cannot be written as JSON", "text", id="digits"),
    ],
)
def test_what_json_cannot_give_back_is_refused(value: Any, message: str, hint: str) -> None:
    with pytest.raises(TransformError, match=re.escape(message)) as caught:
        written(JsonValues(), value)
    assert hint in (caught.value.hint or "")


def test_json_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TransformError, match="nested deeper"):
        written(JsonValues(), value)


def test_figures_are_taken_and_frames_are_not() -> None:
    import pandas as pd

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
