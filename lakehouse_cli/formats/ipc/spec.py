"""Arrow IPC files: columns as they lie in memory."""

from __future__ import annotations

from lakehouse_cli.formats.spec import FormatOption, FormatOptions, FormatSpec, suffix_option


class IpcOptions(FormatOptions, frozen=True):
    """How an Arrow IPC file is written; read is any.

    Attributes:
        compression: ``zstd``, ``lz4`` or ``none``.
    """

    compression: str = "zstd"


IPC = FormatSpec(
    name="ipc",
    implementation="lakehouse_cli.formats.ipc.format:IpcFormat",
    suffix=".arrow",
    options_class=f"{__name__}:IpcOptions",
    typed=True,
    options=(
        FormatOption(
            "compression", "zstd", {"enum": ["zstd", "lz4", "none"]}, "Of the columns inside of the file; any is read."
        ),
        suffix_option(".arrow"),
    ),
)
