import base64
from pathlib import Path

from deploy.local import secrets


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = secrets.settle(file, ["one", "two"])
    assert first["one"] != first["two"]
    assert len(base64.urlsafe_b64decode(first["one"] + "=")) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    later = secrets.settle(file, ["one", "two", "three"])
    assert later["one"] == first["one"]
    assert "three" in later
