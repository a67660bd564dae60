"""Failpoints: what is written is what strikes, at the count that was said, in a process that runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.runtime import failpoints
from shared.runtime.failpoints import Armed, Failpoint


@pytest.mark.parametrize(
    ("written", "name", "left", "action", "seconds"),
    [
        ("after_commit", "after_commit", 1, "SIGKILL", 0.0),
        ("after_poll:3", "after_poll", 3, "SIGKILL", 0.0),
        ("before_publish:2:SIGSTOP", "before_publish", 2, "SIGSTOP", 0.0),
        ("after_commit:1:raise", "after_commit", 1, "raise", 0.0),
        ("after_poll:6:slow:0.25", "after_poll", 6, "slow", 0.25),
        (" amid_telling ", "amid_telling", 1, "SIGKILL", 0.0),
    ],
)
def test_as_it_is_written(written: str, name: str, left: int, action: str, seconds: float) -> None:
    assert Failpoint.read(written) == Failpoint(name, left, action, seconds)


@pytest.mark.parametrize(
    "written", ["", "after_lunch", "after_commit:1:SIGLUNCH", "after_commit:soon", "after_poll:1:slow:x"]
)
def test_what_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"failpoint|invalid literal|could not convert"):
        Failpoint.read(written)


def _struck(armed: Armed, name: str, times: int) -> list[int]:
    """At which of so many times an error was raised there."""
    found = []
    for time_ in range(1, times + 1):
        try:
            armed(name)
        except ConnectionError:
            found.append(time_)
    return found


def test_an_error_is_raised_at_the_count_and_never_again() -> None:
    told: list[str] = []
    armed = Armed([Failpoint.read("after_commit:3:raise")], told.append)

    assert _struck(armed, "before_commit", 5) == []
    assert _struck(armed, "after_commit", 6) == [3]
    assert told == ["after_commit raise"]


def test_several_of_one_name_each_count_for_themselves() -> None:
    armed = Armed([Failpoint.read(f"before_publish:{count}:raise") for count in (1, 2, 4)])

    assert _struck(armed, "before_publish", 6) == [1, 2, 4]


def test_slow_is_slow_each_time_up_to_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    armed = Armed([Failpoint.read("after_poll:2:slow:0.5")])
    for _ in range(4):
        armed("after_poll")

    assert waited == [0.5, 0.5]


PROGRAM = """
import sys, time
from shared.runtime import failpoints
failpoints.arm_from_environment()
while True:
    try:
        failpoints.reach("after_commit")
    except ConnectionError as error:
        print(error, flush=True)
    time.sleep(0.005)
"""


def _until(file: Path, line: str) -> None:
    deadline = time.monotonic() + 30
    while not file.exists() or line not in file.read_text(encoding="utf-8").splitlines():
        assert time.monotonic() < deadline, f"{line} was not told"
        time.sleep(0.01)


def test_a_running_process_reads_its_failpoints_again(tmp_path: Path) -> None:
    file, told = tmp_path / "failpoints", tmp_path / "failpoints.told"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"CHUISHAO_FAILPOINTS_FILE": str(file)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        pid = process.pid
        _until(told, f"{pid} listening")
        for written, line in (
            ("after_lunch", "refused failpoint: 'after_lunch' is none of " + ", ".join(failpoints.NAMES)),
            ("", "armed"),
            ("after_commit:2:raise", "after_commit raise"),
            ("after_commit:2:SIGKILL", "after_commit SIGKILL"),
        ):
            file.write_text(written, encoding="utf-8")
            process.send_signal(signal.SIGUSR1)
            _until(told, f"{pid} {line}")
        output, _ = process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
        assert output == "failpoint after_commit\n"
    finally:
        process.kill()
        process.communicate()


def test_without_the_variables_nothing_is_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHUISHAO_FAILPOINT", "CHUISHAO_FAILPOINTS_FILE"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGUSR1)
    failpoints.arm_from_environment()

    assert failpoints._hook is None
    assert signal.getsignal(signal.SIGUSR1) is before
