"""An anchor is read as it was written, signed or not, and what was changed is no anchor."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.audit.anchor import AnchorInvalid, passes_through, read, signing_key, written
from deploy.check.report import Finding

AT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HEADS = {("router", 0): (3, bytes([7] * 32)), ("router", 1): (0, bytes(32)), ("intake", 0): (9, bytes([9] * 32))}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Hashes:
    def __init__(self, found: bytes | None) -> None:
        self._found = found

    async def hash_at(self, _service: str, _shard: int, _sequence: int) -> bytes | None:
        return self._found


@pytest.mark.parametrize("key", [None, KEY])
def test_it_is_read_as_it_was_written(key: Ed25519PrivateKey | None) -> None:
    found = read(written(AT, "0.6.0", HEADS, key))
    assert (found.taken_at, found.release, found.heads) == (AT, "0.6.0", HEADS)
    assert found.signed_by == (key.public_key().public_bytes_raw().hex() if key else None)


def test_the_same_place_and_time_give_the_same_text() -> None:
    assert written(AT, "0.6.0", HEADS, KEY) == written(AT, "0.6.0", dict(reversed(HEADS.items())), KEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [("head router 0 3", "head router 0 2"), ("taken-at 2026", "taken-at 2025"), ("chuishao-anchor 1", "anchor")],
)
def test_what_was_changed_is_no_anchor(before: str, after: str) -> None:
    with pytest.raises(AnchorInvalid):
        read(written(AT, "0.6.0", HEADS, KEY).replace(before, after))


def test_a_signature_by_another_hand_is_not_good() -> None:
    text = written(AT, "0.6.0", HEADS, KEY)
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    with pytest.raises(AnchorInvalid, match="signature"):
        read(text.replace(KEY.public_key().public_bytes_raw().hex(), other))


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert signing_key(path).private_bytes_raw() == KEY.private_bytes_raw()
    path.write_text("no key", encoding="utf-8")
    with pytest.raises(AnchorInvalid):
        signing_key(path)


@pytest.mark.parametrize(
    ("found", "why"), [(bytes([7] * 32), None), (bytes([8] * 32), "rewritten"), (None, "ends before")]
)
async def test_a_log_leads_through_it_or_not(found: bytes | None, why: str | None) -> None:
    finding = Finding()
    await passes_through(Hashes(found), read(written(AT, "0.6.0", HEADS)), ["router"], finding)
    assert finding.checked == 1, "a shard without rows says nothing, and other services were not asked about"
    assert [why in str(one) for one in finding.violations if why] == ([True] if why else [])
    assert finding.ok == (why is None)
