"""存证锚点: where every log ends, in a text so short that it can be printed, and what still has to lead through it.

    chuishao-anchor 1
    taken-at 2026-11-23T16:30:00.123456+00:00
    release 0.6.0
    head <service> <shard> <sequence> <hash>       one line for each shard of each log
    sha256 <SHA-256 of all lines before, each with its line feed>
    ed25519 <public key> <signature over the same bytes>      where a key was given; hexadecimal both

Whoever has it can tell whether a log of today is that log gone on: the hash at that place is still the same. A chain
that was computed anew after a change is whole in itself, and does not lead through an anchor that was taken before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.check.report import Finding, Violation

FORMAT = "chuishao-anchor 1"
Place: TypeAlias = tuple[str, int]
"""A service and one of its log's shards."""
End: TypeAlias = tuple[int, bytes]
"""A sequence, and the hash of the row that has it; 0 and 32 zero bytes before the first."""


class AnchorInvalid(ValueError):
    """The file is no anchor, or was changed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """`signed_by`: the public key whose signature was found to be good, hexadecimal; None where there is none."""

    taken_at: datetime
    release: str
    heads: Mapping[Place, End]
    signed_by: str | None = None


class Hashes(Protocol):
    async def hash_at(self, service: str, shard: int, sequence: int) -> bytes | None:
        """The hash of one row of a log; None where there is no such row."""
        ...


def written(taken_at: datetime, release: str, heads: Mapping[Place, End], key: Ed25519PrivateKey | None = None) -> str:
    """The anchor as a text."""
    lines = [FORMAT, f"taken-at {taken_at.isoformat()}", f"release {release}"]
    lines += [f"head {log} {shard} {end} {digest.hex()}" for (log, shard), (end, digest) in sorted(heads.items())]
    told = "".join(f"{line}\n" for line in lines)
    ends = f"sha256 {sha256(told.encode()).hexdigest()}\n"
    if key is not None:
        ends += f"ed25519 {key.public_key().public_bytes_raw().hex()} {key.sign(told.encode()).hex()}\n"
    return told + ends


def read(text: str) -> Anchor:
    """Raises `AnchorInvalid` unless it is whole, its digest is right, and its signature, if it has one, is good."""
    told, found, ends = text.replace("\r\n", "\n").partition("\nsha256 ")
    told += "\n"
    digest, _, signed = ends.partition("\n")
    if not found or not told.startswith(f"{FORMAT}\n"):
        raise AnchorInvalid("不是存证锚点文件 It is no anchor; make one with `chuishao audit anchor`")
    if sha256(told.encode()).hexdigest() != digest.strip():
        raise AnchorInvalid("锚点内容与其摘要不符 The anchor was changed: its text is not what its sha256 was taken of")
    try:
        said = [line.split(" ") for line in told.splitlines()[1:]]
        only = {words[0]: words[1] for words in said if words[0] != "head"}
        heads = {(one[1], int(one[2])): (int(one[3]), bytes.fromhex(one[4])) for one in said if one[0] == "head"}
        return Anchor(datetime.fromisoformat(only["taken-at"]), only["release"], heads, _signer(signed, told))
    except (IndexError, KeyError, ValueError) as error:
        raise AnchorInvalid(f"锚点内容无法读取 The anchor cannot be read: {error}") from error


def _signer(signed: str, told: str) -> str | None:
    words = signed.split()
    if not words:
        return None
    name, key, signature = words
    if name != "ed25519":
        raise ValueError(f"{name} is not a kind of signature this release knows")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), told.encode())
    except InvalidSignature:
        raise AnchorInvalid("锚点签名无效 The anchor's signature is not good: it was changed") from None
    return key


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The key of a PEM file, as `openssl genpkey -algorithm ed25519` makes it. Raises `AnchorInvalid`."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise AnchorInvalid(f"{path}: {error}; make one with `openssl genpkey -algorithm ed25519`") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AnchorInvalid(f"{path} is no Ed25519 key; make one with `openssl genpkey -algorithm ed25519`")
    return key


async def passes_through(logs: Hashes, anchor: Anchor, services: Iterable[str], finding: Finding) -> None:
    """Add to `finding` wherever a log is not the anchored one gone on. The chains themselves are checked elsewhere."""
    wanted = set(services)
    for (service, shard), (sequence, anchored) in anchor.heads.items():
        if service not in wanted or sequence == 0:
            continue
        finding.checked += 1
        found = await logs.hash_at(service, shard, sequence)
        if found != anchored:
            why = "the log ends before it" if found is None else "history was rewritten after it was anchored"
            said = f"does not lead through the anchor of {anchor.taken_at:%Y-%m-%d %H:%M:%S %Z}: {why}"
            finding.violate(Violation(said, service=service, shard=shard, sequence=sequence))
