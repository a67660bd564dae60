"""The reporter at rest, the key, the numbers people use, and the set-up's files."""

import base64
import csv
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from pydantic import ValidationError

from services.intake.ids import case_number, new_id
from services.intake.reporter import ReporterVault
from services.intake.settings import IntakeSettings, key_bytes
from services.intake.setup import SetupInvalid, read_catalogue, read_mapping
from services.intake.spool import Spool, TooLarge
from tests.unit.intake.kit import CATALOGUE, REPORTER_KEY, SETUP, UNITS, ZONE

VAULT = ReporterVault(REPORTER_KEY)


def test_only_the_key_opens_a_reporter_and_only_under_its_id() -> None:
    sealed = VAULT.seal("王女士", "13800000000")
    other = VAULT.seal("王女士", "13800000000")
    assert sealed is not None
    assert other is not None
    assert VAULT.open(sealed.id, sealed.sealed) == ("王女士", "13800000000")
    assert sealed.sealed != other.sealed
    assert sealed.phone_hash == other.phone_hash
    changed = sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])
    for vault, reporter_id, content in [
        (VAULT, other.id, sealed.sealed),
        (VAULT, sealed.id, changed),
        (ReporterVault(bytes(32)), sealed.id, sealed.sealed),
    ]:
        with pytest.raises(InvalidTag):
            vault.open(reporter_id, content)


def test_nobody_is_not_kept() -> None:
    assert VAULT.seal("", "") is None
    named = VAULT.seal("只有名字", "")
    assert named is not None
    assert named.phone_hash is None


@pytest.mark.parametrize("written", ["138 0000 0000", "+86 13800000000", "0086-138-0000-0000"])
def test_a_phone_is_found_however_it_is_written(written: str) -> None:
    assert VAULT.phone_hash(written) == VAULT.phone_hash("13800000000")


def test_other_phones_are_others() -> None:
    hashes = {VAULT.phone_hash(phone) for phone in ("13800000000", "13800000001", "01055500000", "8613800000")}
    assert len(hashes) == 4


KEY = base64.urlsafe_b64encode(REPORTER_KEY).decode()


@pytest.mark.parametrize(
    ("given", "well"), [(KEY, True), (KEY.rstrip("="), True), (KEY[:-8], False), ("not a key!", False), ("", False)]
)
def test_the_service_starts_with_a_whole_key_only(given: str, well: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUISHAO_REPORTER_KEY", given)
    if well:
        assert key_bytes(IntakeSettings().reporter_key) == REPORTER_KEY
        return
    with pytest.raises(ValidationError) as refused:
        IntakeSettings()
    assert "CHUISHAO_REPORTER_KEY" in str(refused.value)
    assert given == "" or given not in str(refused.value)


def test_ids_sort_by_time_and_numbers_are_dated() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
    assert case_number("HA", 17, datetime(2026, 11, 2, 8, tzinfo=ZONE)) == "HA20261102000017"


def test_every_capability_of_a_unit_is_a_category() -> None:
    assert {capability for unit in UNITS for capability in unit.capabilities} <= set(CATALOGUE.tops)


@pytest.mark.parametrize("rows", [[], [["", "二级", "", ""]]])
def test_a_catalogue_that_cannot_be_used_is_named(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "categories.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["level1", "level2", "level3", "code"], *rows])
    with pytest.raises(SetupInvalid, match="level1"):
        read_catalogue(path)


@pytest.mark.parametrize(("old", "new"), [("source_ref:", "order_number:"), ("formats:", "forms:"), ("[", "[[")])
def test_a_mapping_that_cannot_be_used_is_named(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "hotline_mapping.yaml"
    path.write_text((SETUP / "hotline_mapping.yaml").read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(SetupInvalid, match="hotline_mapping"):
        read_mapping(path)


def test_a_spool_keeps_nothing_readable_and_gives_everything_back() -> None:
    spool = Spool(3 * 1024 * 1024)
    written = "来电人电话13800000000\n".encode() * 80_000
    for start in range(0, len(written), 100_000):
        spool.write(written[start : start + 100_000])
    assert spool.open().read() == written
    assert b"".join(spool.pieces()) == written
    spool._file.seek(0)
    assert b"13800000000" not in spool._file.read()
    with pytest.raises(TooLarge):
        spool.write(bytes(3 * 1024 * 1024))
    spool.close()
