"""Models that other programs run: ONNX."""

from __future__ import annotations

from typing import Any, BinaryIO

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer


class Onnx(Serializer):
    """A model of ONNX with its weights; reading it runs no code."""

    takes = "an onnx.ModelProto, or the bytes of one"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write a model, the same bytes for the same model."""
        import onnx

        is_written = isinstance(value, bytes | bytearray | memoryview)
        if not is_written and not isinstance(value, onnx.ModelProto):
            raise self.refuse(value, "onnx")
        try:
            model = onnx.load_model_from_string(bytes(value)) if is_written else value
            has_others = any(map(onnx.external_data_helper.uses_external_data, model.graph.initializer))
            if not has_others:
                onnx.checker.check_model(model)
        except Exception as error:  # noqa: BLE001  # of protobuf, of onnx, or a ValueError
            reason = str(error).strip().partition("\n")[0]
            raise TransformError(f"it is no valid ONNX model: {reason}", hint=f"return {self.takes}") from None
        if has_others:
            message = "the model has weights in files beside it, which would not be stored"
            raise TransformError(message, hint="load them into it: `onnx.load_external_data_for_model(model, folder)`")
        sink.write(bytes(value) if is_written else model.SerializeToString(deterministic=True))
        return ("onnx",)

    def load(self, source: BinaryIO) -> Any:
        """Read a model."""
        import onnx

        return onnx.load_model_from_string(source.read())
