"""As much of HTTP/2 and gRPC as tells a server of Ray's from another, and whether it answers at all.

Frames and headers are those of https://www.rfc-editor.org/rfc/rfc9113 and https://www.rfc-editor.org/rfc/rfc7541; every
header is written out, and of those that come one value is looked for.
"""

from __future__ import annotations

from typing import BinaryIO

_DATA, _HEADERS, _RESET, _SETTINGS, _GO_AWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
# The status of a method that there is not, 12, as a header has it: as it is, or in the code of HTTP/2.
_UNIMPLEMENTED = b"\x0212", b"\x82\x08\xbf"
# The header of a frame: its length, kind, flags and stream.
_FRAME = 9


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


#: How a client begins, with no settings; a server begins with a frame of `SETTINGS`.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0)


def call_of(method: str, authority: str) -> bytes:
    """The frames of a call of gRPC with an empty message.

    Args:
        method: Its path.
        authority: The address that it goes to.
    """
    headers = b"\x83\x86"  # POST, http
    for name, value in (
        (b"\x04", method),
        (b"\x01", authority),
        (b"\x0f\x10", "application/grpc"),
        (b"\x00\x02te", "trailers"),
    ):
        headers += name + bytes((len(value),)) + value.encode()
    return _frame(_HEADERS, _END_HEADERS, 1, headers) + _frame(_DATA, _END_STREAM, 1, bytes(5))


def begins_http2(received: BinaryIO) -> bool:
    """Whether a server begins as one of HTTP/2 does.

    Raises:
        OSError: It says nothing.
    """
    header = received.read(_FRAME)
    if header[3:4] != bytes((_SETTINGS,)):
        return False
    received.read(_length(header))
    return True


def lacks_method(received: BinaryIO) -> bool:
    """Whether a call is answered by the error that there is no such method, or by an end, as by other servers.

    Raises:
        OSError: It is not answered.
    """
    while len(header := received.read(_FRAME)) == _FRAME:
        kind, flags, content = header[3], header[4], received.read(_length(header))
        if kind == _HEADERS:  # with which an answer ends that is an error alone
            return bool(flags & _END_STREAM) and any(each in content for each in _UNIMPLEMENTED)
        if kind in (_RESET, _GO_AWAY):
            return True
    return True


def _length(header: bytes) -> int:
    return int.from_bytes(header[:3], "big")
