"""What a PNG says of itself: text chunks, as its standard has them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

HEAD = 33  # bytes of the signature and the first chunk, after which text may stand


def with_text(png: bytes, about: Mapping[str, str]) -> bytes:
    """The PNG with these texts by their keywords, in UTF-8."""
    chunks = b"".join(_chunk(name, text) for name, text in about.items())
    return png[:HEAD] + chunks + png[HEAD:]


def texts(png: bytes) -> dict[str, str]:
    """The texts that a PNG holds."""
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"iTXt":
            name, rest = png[at + 8 : at + 8 + length].split(b"\0", 1)
            found[name.decode()] = rest[4:].decode()
        at += 12 + length
    return found


def _chunk(name: str, text: str) -> bytes:
    """An iTXt chunk: not compressed, of no language."""
    body = name.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    checked = b"iTXt" + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))
