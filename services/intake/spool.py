"""Where an uploaded file waits while it is read: small ones in memory, larger ones on disk, enciphered.

Such a file holds names and phones; the key never leaves memory and the file has no name, so that nothing
readable stays behind, whatever becomes of the process.
"""

import io
import os
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

IN_MEMORY = 1024 * 1024
PIECE = 64 * 1024


class TooLarge(Exception):
    """More was written than the spool takes."""


class Spool:
    """Bytes written once and read as often as needed. At most `limit` bytes; `TooLarge` beyond."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._cipher = Cipher(AES(os.urandom(32)), CTR(os.urandom(16)))
        self._encipher: CipherContext = self._cipher.encryptor()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._limit:
            raise TooLarge
        self._file.write(self._encipher.update(piece))

    def pieces(self) -> Iterator[bytes]:
        """All that was written, from the start."""
        decipher = self._cipher.decryptor()
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield decipher.update(piece)

    def open(self) -> io.BufferedReader:
        """All that was written, as a file. One reader at a time."""
        return io.BufferedReader(_Raw(self.pieces()), PIECE)

    def close(self) -> None:
        self._file.close()


class _Raw(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
