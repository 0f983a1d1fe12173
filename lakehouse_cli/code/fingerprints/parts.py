"""The parts of a fingerprint: what each is called, its value, and what it leads to."""

from __future__ import annotations

from _blake2 import blake2b  # hashlib's, without the OpenSSL that it loads first
from collections.abc import Iterable

from msgspec import Struct, field

from lakehouse_cli.code.fingerprints.module_code import Definition, Event, ModuleCode, Piece
from lakehouse_cli.code.fingerprints.resolution import Landing


class Part(Struct, frozen=True, eq=False):
    """A part, and what it leads to.

    Attributes:
        key: What it is called.
        value: Its kind and digests.
        leads: Where what it uses leads.
        events: The statements in it.
        acting: The modules of those among them that may change what others bind.
        asks_text: Whether code may be looked at as it is written.
        in_order: Whether the order of statements matters for it.
    """

    key: str
    value: str
    leads: Landing = field(default_factory=Landing)
    events: frozenset[Event] = frozenset()
    acting: frozenset[str] = frozenset()
    asks_text: bool = False
    in_order: bool = False

    @property
    def leads_outside(self) -> bool:
        """Whether it leads to packages alone."""
        leads = self.leads
        return not (leads.names or leads.passed or leads.modules or leads.unknown)


def value_of_acting(code: ModuleCode, entries: Iterable[Event], acting: list[Piece]) -> str:
    """Digests of what acts on a name, apart from that which binds it; for messages."""
    by_name: dict[str, list[str]] = {}
    for piece in acting:
        if isinstance(piece.statement, Definition):
            by_name.setdefault(f"{piece.code.label}:{piece.statement.name}", []).append(piece.text)
    found = "".join(f"; {name} {digest_of(texts, 6)}" for name, texts in by_name.items())
    if any(piece.code is code for piece in acting):
        found += f"; = {digest_of((entry.text for entry in entries), 6)}"
    return found


def digest_of(texts: Iterable[str], size: int) -> str:
    """Twice `size` hexadecimal digits that distinguish sequences of texts."""
    whole = "".join([f"{len(text)}:{text}" for text in texts])
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()
