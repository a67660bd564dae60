"""Ports of one stack: chosen free, kept in a file, kept again at the next start."""

import hashlib
import json
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.files import read_json, write_private

# Below every usual range of ephemeral ports: inside it, a client that keeps trying a port whose
# server is down can be given that very port as its own and so connect to itself.
CHOICE = range(15_000, 32_000)


def known(path: Path) -> dict[str, int]:
    """The ports of an earlier start; empty before the first."""
    return {str(name): int(port) for name, port in (read_json(path) or {}).items()}


def settle(path: Path, names: Iterable[str], seed: str) -> dict[str, int]:
    """A port for each name, the one of the last start wherever it is free (again).

    `seed`, the stack's folder, keeps the stacks of one machine apart.
    """
    ports = known(path)
    candidates = _candidates(seed)
    # All are held until all are chosen, so that none is given out twice.
    with ExitStack() as holding:
        for name in names:
            if name in ports and _hold(ports[name], holding):
                continue
            taken = set(ports.values())
            found = next((port for port in candidates if port not in taken and _hold(port, holding)), None)
            if found is None:
                raise StackError(f"No free port between {CHOICE.start} and {CHOICE.stop} on 127.0.0.1.")
            ports[name] = found
    write_private(path, json.dumps(ports, indent=2) + "\n")
    return ports


def _candidates(seed: str) -> list[int]:
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % len(CHOICE)
    return [*CHOICE[start:], *CHOICE[:start]]


def _hold(port: int, holding: ExitStack) -> bool:
    listener = holding.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
    except OSError:
        return False
    return True
