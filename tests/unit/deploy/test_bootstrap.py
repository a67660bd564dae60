from pathlib import Path

import pytest

from deploy import bootstrap
from deploy.local.places import PROJECT

CA = "/some/ca.pem"


@pytest.mark.parametrize("given", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_one_certificate_variable_serves_every_downloader(given: str, tmp_path: Path) -> None:
    environment = {given: CA, "HOME": str(tmp_path)}
    bootstrap.settle_environment(environment)
    assert {environment[name] for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")} == {CA}


def test_what_the_user_said_about_certificates_stays(tmp_path: Path) -> None:
    environment = {"PIP_CERT": "/pip.pem", "SSL_CERT_FILE": CA, "HOME": str(tmp_path)}
    bootstrap.settle_environment(environment)
    assert environment["PIP_CERT"] == "/pip.pem"
    assert environment["SSL_CERT_FILE"] == CA


@pytest.mark.parametrize("home", ["", "/no/such/folder"])
def test_without_a_home_the_project_is_home(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CACHE", str(tmp_path / "cache"))
    environment = {"HOME": home}
    bootstrap.settle_environment(environment)
    assert environment["HOME"] == str(tmp_path / "cache" / "home")
    assert environment["PIP_CACHE_DIR"] == str(tmp_path / "cache" / "pip")


def test_settings_that_would_leave_the_environment_are_dropped(tmp_path: Path) -> None:
    environment = {"PIP_USER": "1", "PYTHONPATH": "/elsewhere", "HOME": str(tmp_path)}
    bootstrap.settle_environment(environment)
    assert not {"PIP_USER", "PYTHONPATH"} & environment.keys()


def test_every_package_of_the_lock_has_its_hash_and_no_address_is_in_it() -> None:
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    packages = lock.count("==") - lock.count("sys_platform ==") - lock.count("python_full_version ==")
    assert packages > 50
    assert "://" not in lock
    assert "--index-url" not in lock
    blocks = [block for block in lock.replace("\\\n", " ").splitlines() if block[:1].isalnum()]
    assert all("--hash=sha256:" in block for block in blocks)
