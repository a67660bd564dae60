"""Set the project up in its own folder, then run a command in it.

    python3 deploy/bootstrap.py chuishao up
    python3 deploy/bootstrap.py python -m pytest

Only the standard library, and a syntax that an old Python can still read, because this runs
before anything is installed and has to be able to say that the Python is too old. What it makes
is `.venv` (the packages of requirements.lock, each checked against its hash) and `var/cache`.
An interrupted run leaves no stamp, and the next one goes on from what pip already has.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from typing import Dict, List, NoReturn

OLDEST = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(PROJECT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
CACHE = os.path.join(PROJECT, "var", "cache")
LOCK = os.path.join(PROJECT, "requirements.lock")
STAMP = os.path.join(VENV, "chuishao-stamp")

# The folder is found from the launcher's own place, so the project can be moved or renamed.
LAUNCHER = '#!/bin/sh\nexec "$(dirname -- "$0")/python" -X utf8 -m deploy.cli "$@"\n'


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def refuse(text: str) -> NoReturn:
    say("chuishao: " + text)
    raise SystemExit(1)


def require_python() -> None:
    """Go on with a newer Python where the one called is too old; say what to install otherwise."""
    if sys.version_info[:2] >= OLDEST:
        return
    for name in NEWER_NAMES:
        newer = shutil.which(name)
        # A name on the PATH may be a shim for a Python that is not installed.
        if newer and subprocess.call([newer, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(newer, [newer, os.path.abspath(__file__), *sys.argv[1:]])
    refuse(
        "Python 3.11 or newer is needed; {} is {}.{}. Install one, then run "
        "`make PYTHON=/path/to/python3.11 ...`.".format(sys.executable, *sys.version_info[:2])
    )


def settle_environment(environment: "Dict[str, str]") -> None:
    """Make every downloader below see the same certificates, and no home folder necessary."""
    certificates = (
        environment.get("PIP_CERT") or environment.get("SSL_CERT_FILE") or environment.get("REQUESTS_CA_BUNDLE")
    )
    if certificates:
        for variable in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            if not environment.get(variable):
                environment[variable] = certificates
    home = environment.get("HOME")
    if not home or not os.path.isdir(home) or not os.access(home, os.W_OK):
        environment["HOME"] = os.path.join(CACHE, "home")
        os.makedirs(environment["HOME"], exist_ok=True)
    environment.setdefault("PIP_CACHE_DIR", os.path.join(CACHE, "pip"))
    environment["PYTHONUTF8"] = "1"
    # The stack is on this machine, and a proxy knows nothing of it.
    given = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    direct = ",".join([name for name in (given, "127.0.0.1,localhost") if name])
    environment.update({"NO_PROXY": direct, "no_proxy": direct})
    # These would make Python or pip look or write outside the project's own environment.
    for variable in (
        "PYTHONHOME",
        "PYTHONPATH",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_REQUIRE_VIRTUALENV",
    ):
        environment.pop(variable, None)


def expected_stamp() -> str:
    """What a finished set-up was made from: the lock and the Python under it."""
    with open(LOCK, "rb") as lock:
        digest = hashlib.sha256(lock.read()).hexdigest()
    return "{} python{}.{}".format(digest, *sys.version_info[:2])


def is_set_up() -> bool:
    try:
        with open(STAMP) as stamp:
            made_from = stamp.read().strip()
    except OSError:
        return False
    # The link to the base Python breaks when that Python is removed.
    return made_from == expected_stamp() and os.path.exists(VENV_PYTHON)


def make_environment() -> None:
    """A virtual environment with a working pip, kept if it is already there."""
    version = "import sys, pip; print('{}.{}'.format(*sys.version_info[:2]))"
    try:
        found = subprocess.run([VENV_PYTHON, "-c", version], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if found.returncode == 0 and found.stdout.decode().strip() == "{}.{}".format(*sys.version_info[:2]):
            return
    except OSError:
        pass
    say("Making the virtual environment .venv …")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV])
    if made.returncode != 0:
        refuse(
            "{} could not make a virtual environment in {}.\n  Where `venv` or `ensurepip` is missing "
            "(Debian, Ubuntu), install the package python3-venv; otherwise see the lines above.".format(
                sys.executable, VENV
            )
        )


def install_packages(environment: "Dict[str, str]") -> None:
    say("Installing the packages of requirements.lock, each checked against its hash …")
    command = [VENV_PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--prefer-binary", "--retries", "3", "-r", LOCK]
    if subprocess.run(command, env=environment).returncode == 0:
        return
    shown = [
        "    {}={}".format(name, "(set)" if "PROXY" in name.upper() else environment[name])
        for name in ("HTTPS_PROXY", "https_proxy", "PIP_CERT", "SSL_CERT_FILE", "PIP_INDEX_URL")
        if environment.get(name)
    ]
    refuse(
        "installing the Python packages failed; the last lines above name the package and the reason.\n"
        "  Behind a proxy set HTTPS_PROXY; with a certificate authority of your own set SSL_CERT_FILE\n"
        "  to its PEM file; for a mirror of the package index set PIP_INDEX_URL; on a slow line set\n"
        "  PIP_DEFAULT_TIMEOUT (seconds). Now set: {}\n"
        "  Then run the same command again; it goes on from what is there.".format(
            "\n" + "\n".join(shown) if shown else "none of them"
        )
    )


def join_project() -> None:
    """Let the environment's Python import the project, and give it its command."""
    found = subprocess.run(
        [VENV_PYTHON, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        stdout=subprocess.PIPE,
        check=True,
    )
    packages = found.stdout.decode("utf-8").strip()
    # A relative path needs no encoding and survives a move of the project.
    root = os.path.relpath(os.path.realpath(PROJECT), os.path.realpath(packages))
    with open(os.path.join(packages, "chuishao.pth"), "w") as path_file:
        path_file.write(root + "\n")
    launcher = os.path.join(VENV, "bin", "chuishao")
    with open(launcher, "w") as script:
        script.write(LAUNCHER)
    os.chmod(launcher, 0o755)


def set_up(environment: "Dict[str, str]") -> None:
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "bootstrap.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another run is setting the project up; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_set_up():
            return
        make_environment()
        install_packages(environment)
        join_project()
        with open(STAMP, "w") as stamp:
            stamp.write(expected_stamp() + "\n")


def main(arguments: "List[str]") -> None:
    require_python()
    environment = dict(os.environ)
    settle_environment(environment)
    if not is_set_up():
        set_up(environment)
    if not arguments:
        return
    program = os.path.join(VENV, "bin", arguments[0])
    if not os.path.exists(program):
        refuse("{} is not a command of the project's environment ({}).".format(arguments[0], VENV))
    os.execve(program, [program, *arguments[1:]], environment)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PermissionError as error:
        refuse("{}. Was it made by another user? Run as that user, or remove it.".format(error))
    except KeyboardInterrupt:
        say("\nStopped. Run the same command again to go on.")
        raise SystemExit(130) from None
