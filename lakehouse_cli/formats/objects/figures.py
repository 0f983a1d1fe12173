"""Charts: figures of matplotlib and plotly as PNG and HTML, known by what they can do; neither library is imported."""

from __future__ import annotations

import base64
import io
import types
from typing import Any, BinaryIO

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer
from lakehouse_cli.formats.objects.plain import encoded

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIGURE = "a figure of matplotlib or plotly"


def _is_plotly(value: Any) -> bool:
    # A frame of pandas has `to_html` as well.
    return (
        not _is_module(value)
        and callable(getattr(value, "to_html", None))
        and callable(getattr(value, "to_image", None))
    )


def _is_matplotlib(value: Any) -> bool:
    return not _is_module(value) and callable(getattr(value, "savefig", None))


def _is_module(value: Any) -> bool:
    # `matplotlib.pyplot` and `plotly.io` have functions of these names, which draw what is current.
    return isinstance(value, types.ModuleType)


def _hint(value: Any) -> str | None:
    if _is_module(value) and callable(getattr(value, "gcf", None)):
        return "return its figure: `plt.gcf()`"
    figure = getattr(value, "figure", None)
    return "return its figure: `….figure`" if _is_matplotlib(figure) else None


def _png(value: Any) -> bytes:
    """The bytes of a figure of matplotlib, the same for the same figure and version."""
    buffer = io.BytesIO()
    value.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


class Png(Serializer):
    """An image in PNG; it comes back as its bytes."""

    takes = f"{_FIGURE}, or the bytes of a PNG file"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write an image."""
        if isinstance(value, bytes | bytearray | memoryview):
            data = bytes(value)
            if not data.startswith(_SIGNATURE):
                raise TransformError("these bytes are no PNG file", hint=f"return {self.takes}")
        elif _is_matplotlib(value):
            data = _png(value)
        elif _is_plotly(value):
            data = value.to_image(format="png")
        else:
            raise self.refuse(value, "png", _hint(value))
        sink.write(data)
        return ()

    def load(self, source: BinaryIO) -> bytes:
        """Read the bytes of the image.

        Raises:
            ValueError: They are none.
        """
        data = source.read()
        if not data.startswith(_SIGNATURE):
            message = "it is no PNG file"
            raise ValueError(message)
        return data


class Html(Serializer):
    """A page of HTML in UTF-8; it comes back as a text."""

    takes = f"{_FIGURE}, or the HTML as a str"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write a page."""
        if isinstance(value, str):
            page = value
        elif _is_plotly(value):
            # Its own id is a random one.
            page = value.to_html(full_html=True, include_plotlyjs=True, div_id="figure")
        elif _is_matplotlib(value):
            image = base64.b64encode(_png(value)).decode()
            page = f'<!doctype html>\n<meta charset="utf-8">\n<img src="data:image/png;base64,{image}">\n'
        else:
            has_html = callable(getattr(value, "to_html", None)) and not _is_module(value)
            hint = "return its HTML: `….to_html()`" if has_html else _hint(value)
            raise self.refuse(value, "html", hint)
        sink.write(encoded(page))
        return ()

    def load(self, source: BinaryIO) -> str:
        """Read the page."""
        return source.read().decode()
