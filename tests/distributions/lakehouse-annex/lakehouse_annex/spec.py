"""What the format says of itself; loads nothing that is slow to load."""

from __future__ import annotations

from msgspec.structs import replace

from lakehouse_cli.formats import FormatOption, FormatSpec, SerializerSpec
from lakehouse_cli.formats.spec import FormatOptions


class CrateOptions(FormatOptions, frozen=True):
    """How a crate is packed.

    Attributes:
        level: How hard zlib tries.
    """

    level: int = 6


CRATE = FormatSpec(
    name="crate",
    implementation="lakehouse_annex.crate:CrateFormat",
    suffix=".crate",
    options=(FormatOption("level", 6, {"type": "integer", "minimum": 0}, "How hard zlib tries."),),
    options_class=f"{__name__}:CrateOptions",
    typed=True,
)
# As of programs whose files can be read, and not written.
SEALED = replace(CRATE, name="sealed", writable=False)

LABELS = SerializerSpec("labels", "lakehouse_annex.labels:Labels", ".labels")
