"""Named places where a process can be made to die, stand still, fail or be slow, so that tests can ask what survives.

`CHUISHAO_FAILPOINT=after_commit:3` kills this process with SIGKILL the third time it gets there. A failpoint is written
`name:count:action`, count 1 and SIGKILL where nothing else is said; the actions are

    SIGKILL, SIGSTOP, any signal   sent to this process at the count-th time
    raise                          a connection error raised there at the count-th time: `after_commit:1:raise` is the
                                   commit whose answer was lost
    slow:<seconds>                 everything waits there for so long, each of the first `count` times

With `CHUISHAO_FAILPOINTS_FILE` set, SIGUSR1 makes the process read that file again: the failpoints in it, one a line,
take the place of those it had. It writes what it does into `<file>.told`, a line each: its process id, then `listening`
(from now on it may be sent SIGUSR1), `armed`, `refused <why>`, or the failpoint's name and action as it strikes.
In-memory tests install a hook that raises instead. Without any of these, a failpoint costs one comparison.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "after_poll",
    "after_claim",
    "after_taking",
    "after_firing",
    "before_commit",
    "after_commit",
    "before_publish",
    "after_publish",
    "before_marking",
    "before_offset_commit",
    "amid_import",
    "amid_noting",
    "amid_telling",
    "after_calling_back",
)
RAISE, SLOW = "raise", "slow"

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
    """Arm the failpoint named in `CHUISHAO_FAILPOINT`, if any, and listen where `CHUISHAO_FAILPOINTS_FILE` says so.

    Raises ValueError for an unknown name or action.
    """
    if setting := os.environ.get("CHUISHAO_FAILPOINT"):
        install(Armed([Failpoint.read(setting)]))
    if file := os.environ.get("CHUISHAO_FAILPOINTS_FILE"):
        _listen(Path(file))


@dataclass(slots=True)
class Failpoint:
    """One armed place. `left` = how often it is still to be reached, `seconds` = how long it is slow."""

    name: str
    left: int
    action: str
    seconds: float = 0.0

    @classmethod
    def read(cls, written: str) -> "Failpoint":
        """From `name:count:action`. Raises ValueError, which says what is wrong."""
        name, count, action, seconds = [*written.strip().split(":", 3), "", "", ""][:4]
        if name not in NAMES:
            raise ValueError(f"failpoint: {name!r} is none of {', '.join(NAMES)}")
        action = action or "SIGKILL"
        if action not in (RAISE, SLOW, *signal.Signals.__members__):
            raise ValueError(f"failpoint {name}: {action!r} is neither a signal nor {RAISE} nor {SLOW}")
        return cls(name, int(count or 1), action, float(seconds or 1) if action == SLOW else 0.0)

    def strikes(self) -> bool:
        """Count one more time that this place was reached."""
        self.left -= 1
        return self.left == 0 or (self.action == SLOW and self.left > 0)

    def strike(self) -> None:
        if self.action == RAISE:
            raise ConnectionError(f"failpoint {self.name}")
        if self.action == SLOW:
            time.sleep(self.seconds)
        else:
            os.kill(os.getpid(), signal.Signals[self.action])


class Armed:
    """A hook: the failpoints that are armed now. `telling` hears of each that strikes."""

    def __init__(self, failpoints: Sequence[Failpoint], telling: Callable[[str], None] = lambda _: None) -> None:
        self._failpoints = failpoints
        self._telling = telling

    def __call__(self, reached: str) -> None:
        due = [one for one in self._failpoints if one.name == reached and one.strikes()]
        for one in due:
            self._telling(f"{one.name} {one.action}")
            one.strike()


def _listen(file: Path) -> None:
    told = file.with_name(file.name + ".told")

    def tell(what: str) -> None:
        with told.open("a", encoding="utf-8") as lines:
            lines.write(f"{os.getpid()} {what}\n")

    def read_again(*_: object) -> None:
        try:
            armed = [Failpoint.read(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, ValueError) as error:
            install(None)
            tell(f"refused {error}")
        else:
            install(Armed(armed, tell) if armed else None)
            tell("armed")

    signal.signal(signal.SIGUSR1, read_again)
    tell("listening")
