"""Named places where a process can be made to die, so that tests can ask what survives.

`CHUISHAO_FAILPOINT=after_commit:3` kills this process with SIGKILL the third time it gets there; with
`after_commit:3:SIGSTOP` it stands still there instead, until it is sent SIGCONT. In-memory tests install a hook that
raises instead. Without either, a failpoint costs one comparison.
"""

import os
import signal
from collections.abc import Callable

NAMES = (
    "after_poll",
    "after_claim",
    "after_taking",
    "after_firing",
    "before_commit",
    "after_commit",
    "after_publish",
    "before_marking",
    "before_offset_commit",
    "amid_import",
    "after_calling_back",
)

_hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Say that this place was reached; does nothing unless a failpoint is armed."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Let `hook` decide what happens at each failpoint; None disarms all."""
    global _hook  # noqa: PLW0603 - one per process, as the failpoints are
    _hook = hook


def arm_from_environment() -> None:
    """Arm the failpoint named in `CHUISHAO_FAILPOINT`, if any. Raises ValueError for an unknown name."""
    setting = os.environ.get("CHUISHAO_FAILPOINT")
    if not setting:
        return
    name, count, sent = [*setting.split(":"), "", ""][:3]
    if name not in NAMES:
        raise ValueError(f"CHUISHAO_FAILPOINT: {name!r} is none of {', '.join(NAMES)}")
    left, signal_ = int(count or 1), signal.Signals[sent or "SIGKILL"]

    def die(reached: str) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal_)

    install(die)
