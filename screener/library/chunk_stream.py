"""Streams that are made of one chunk of bytes after another."""

import io
from abc import abstractmethod


class ChunkStream(io.RawIOBase):
    """Bytes of chunks; to be read through an `io.BufferedReader`."""

    def __init__(self) -> None:
        self._ready = b""

    @abstractmethod
    def next_chunk(self) -> bytes:
        """The next bytes, as many as are convenient; none at the end."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        """Fill some of `buffer`; returns how many bytes, 0 at the end."""
        self._ready = self._ready or self.next_chunk()
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n
