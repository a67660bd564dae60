"""The reporter's identity at rest: enciphered, searchable by phone only through a keyed hash.

AES-256-GCM with a random nonce; the row's id is authenticated with it, so that a row's content cannot be put
under another id. Two keys are derived from the one in the settings: one enciphers, one hashes.
"""

import hmac
import os
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.intake.domain.whistle import SealedReporter
from services.intake.ids import new_id

NONCE_BYTES = 12
MOBILE_DIGITS = 11


class Reporter(NamedTuple):
    name: str
    phone: str


class ReporterVault:
    """Seals and opens reporters. `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(_derived(key, b"chuishao reporter seal"))
        self._hash_key = _derived(key, b"chuishao reporter phone")
        self.key_name = sha256(b"chuishao key name" + key).hexdigest()[:16]

    def seal(self, name: str, phone: str) -> SealedReporter | None:
        """The reporter under a new opaque id; None where neither name nor phone is known."""
        if not name and not phone:
            return None
        reporter_id, nonce = new_id(), os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, orjson.dumps([name, phone]), reporter_id.bytes)
        return SealedReporter(
            id=reporter_id,
            key=self.key_name,
            sealed=sealed,
            phone_hash=self.phone_hash(phone) if phone else None,
        )

    def open(self, reporter_id: UUID, sealed: bytes) -> Reporter:
        """Raises cryptography's InvalidTag if the row was changed, or sealed for another id or with another key."""
        opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], reporter_id.bytes)
        return Reporter(*orjson.loads(opened))

    def phone_hash(self, phone: str) -> bytes:
        """The same for every way of writing one phone: HMAC-SHA256 of its digits, without the country's 86."""
        digits = "".join(char for char in phone if char.isdecimal())
        if digits[:-MOBILE_DIGITS] in ("86", "0086"):
            digits = digits[-MOBILE_DIGITS:]
        return hmac.digest(self._hash_key, digits.encode(), "sha256")


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)
