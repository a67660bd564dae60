import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local import records
from deploy.local.launch import clear_stale_lock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_living_process_is_found_again(folder: Path) -> None:
    records.write(folder / "r.json", folder, os.getpid())
    process = records.living(folder / "r.json", folder)
    assert process is not None
    assert process.pid == os.getpid()


def test_an_id_given_to_another_process_is_not_ours(folder: Path) -> None:
    records.write(folder / "r.json", folder, os.getpid())
    note = json.loads((folder / "r.json").read_text())
    (folder / "r.json").write_text(json.dumps(note | {"started": note["started"] - 60}))
    assert records.living(folder / "r.json", folder) is None


def test_a_copied_record_is_not_ours(folder: Path) -> None:
    records.write(folder / "r.json", folder, os.getpid())
    assert records.living(folder / "r.json", folder / "copy") is None


@pytest.mark.parametrize("deaf", [False, True])
def test_ending_a_process_also_where_it_does_not_listen(deaf: bool) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if deaf else ""
    code = f"import signal, sys; {ignore} print('up', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        records.end(psutil.Process(child.pid), signal.SIGTERM, patience=0.3)
        assert child.wait() == (-signal.SIGKILL if deaf else -signal.SIGTERM)


@pytest.mark.parametrize(("pid", "kept"), [(os.getpid(), False), (2**22 + 1, True)], ids=["recycled", "dead"])
def test_postgresql_lock_of_a_recycled_id_goes_that_of_a_dead_one_is_postgresqls(
    folder: Path, pid: int, kept: bool
) -> None:
    lock = folder / "postmaster.pid"
    lock.write_text(f"{pid}\n{folder}\n")
    clear_stale_lock(folder)
    assert lock.exists() is kept
