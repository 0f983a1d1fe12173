"""What a serializer says of itself, and the tool's own by name."""

from __future__ import annotations

from lakehouse_cli.formats.spec import FormatSpec, suffix_option


class SerializerSpec(FormatSpec, frozen=True, kw_only=True, dict=True):
    """A serializer by name: a format of assets that are not tables.

    Attributes:
        implementation: ``module:Class`` of the `Serializer`.
        runs_code: Whether reading what it wrote runs code that the bytes name. Such bytes are read only where a
            manifest of the same project describes them, and count as the same only where the same code made them.
    """

    typed: bool = True
    runs_code: bool = False


def _own(module: str, name: str, suffix: str) -> SerializerSpec:
    return SerializerSpec(name, f"lakehouse_cli.formats.objects.{module}", suffix)


PICKLE = SerializerSpec("pickle", "lakehouse_cli.formats.objects.pickles:Pickle", ".pkl", runs_code=True)
JOBLIB = SerializerSpec(
    "joblib",
    "lakehouse_cli.formats.objects.pickles:Joblib",
    ".joblib",
    runs_code=True,
    needs=("joblib",),
    install="pip install joblib",
)
JSON = _own("json_values:JsonValues", "json", ".json")
TEXT = _own("plain:PlainText", "text", ".txt")
BYTES = _own("plain:PlainBytes", "bytes", ".bin")
PNG = _own("figures:Png", "png", ".png")
HTML = _own("figures:Html", "html", ".html")
ONNX = SerializerSpec(
    "onnx",
    "lakehouse_cli.formats.objects.models:Onnx",
    ".onnx",
    needs=("onnx",),
    install="pip install onnx",
)
FILE = SerializerSpec(
    "file", "lakehouse_cli.formats.objects.paths:WrittenFile", ".bin", options=(suffix_option(".bin"),)
)
FOLDER = _own("paths:WrittenFolder", "folder", ".tar")
#: What a transform writes itself, to a path that it is given.
PATHS = ("file", "folder")
