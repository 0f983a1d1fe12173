"""Addresses of clusters: how they are written, and what is said of those that are none."""

from __future__ import annotations

import re

from lakehouse_cli.config.reading import Invalid, Reader
from lakehouse_cli.config.value_types import Text
from lakehouse_cli.config.yaml_tree import Node, Scalar
from lakehouse_cli.text.close_names import did_you_mean

_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]]+)"
_PORT = r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
# What may be wrong behind the scheme, and is said then.
_FAULTS = (
    ("/", "with nothing behind the port"),
    (rf"^{_HOST}:?$", "with its port"),
    (rf"^{_HOST}:", "with a port from 1 to 65535"),
    (r"^[^\[]+:.*:", "with an address of IPv6 in brackets"),
)
# Behind a host and a port, or before them; clusters that take it in an address are not known.
_MORE = r"[@?#;]"


class Address(Text, frozen=True):
    """The address of a cluster: a host and a port. Credentials are none of it, and not shown where some are written.

    Attributes:
        example: One that is right.
        schemes: How it may begin.
        others: What to do where it begins otherwise, by how.
        word: What may stand in its place.
        credentials: Where they go.
    """

    example: str = ""
    schemes: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    word: str = ""
    credentials: str = ""

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The address."""
        if isinstance(node, Scalar) and re.search(_MORE, node.text):
            return reader.report(node, f"{what} has more in it than a host and a port", self.credentials)
        return super().read(reader, node, what)

    def _hint(self, text: str) -> str:
        written = f"write it as in `{self.example}`"
        if re.search(r"\s", text):
            return f"{written}, without blanks"
        scheme, is_url, place = text.rpartition("://")
        if is_url and scheme not in self.schemes:
            return dict(self.others).get(scheme) or did_you_mean(scheme, self.schemes, written="{}://…") or written
        close = did_you_mean(text, [self.word]) if self.word else None
        return close or next((f"{written}, {how}" for fault, how in _FAULTS if re.search(fault, place)), written)


def address_pattern(schemes: tuple[str, ...], word: str = "") -> str:
    """The pattern of an address that may begin with one of some schemes, or be a word."""
    scheme = f"(?:(?:{'|'.join(schemes)})://)?" if schemes else ""
    return f"{word}|{scheme}{_HOST}:{_PORT}" if word else f"{scheme}{_HOST}:{_PORT}"
