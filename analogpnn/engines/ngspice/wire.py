"""The framing of messages between an `Ngspice` engine and its worker process.

A message is a JSON header and a block of raw bytes: two little-endian 64-bit lengths, then the two. JSON and
float64 bytes rather than pickle: a reader of either end can execute nothing.
"""

from __future__ import annotations

import json
import struct
from typing import BinaryIO

_LENGTHS = struct.Struct("<QQ")


def send(stream: BinaryIO, header: dict, payload: bytes | memoryview = b"") -> None:
    """Write one message and flush it."""
    text = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict, bytes]:
    """Read one message; `EOFError` when the other end is gone."""
    text_length, payload_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    header = json.loads(_exactly(stream, text_length))
    return header, _exactly(stream, payload_length)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size) if size else b""
    if len(data) < size:
        raise EOFError
    return data
