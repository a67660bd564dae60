"""The letters' sample against feedback's own door, over HTTP: every letter once or more, none lost, whatever breaks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docs.sample import load
from tests.docs.test_notices_sample import client, serving
from tests.unit.feedback.histories import closed
from tests.unit.feedback.test_letters import CONCLUDED, KEY, Told, app_over, many

sample: Any = load("letters_sample")


@pytest.fixture
async def told() -> Told:
    """Letters of 50 cases, three pages of the sample's, and of one that is over."""
    case = await many(50)
    return await case.tell(*CONCLUDED, closed())


@pytest.fixture
def url(told: Told) -> Iterator[str]:
    with serving(app_over(told.log)) as there:
        yield there


class Messenger:
    """Breaks once, at its thirtieth letter."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.broke = False

    def send(self, letter: dict[str, Any]) -> None:
        if len(self.sent) == 29 and not self.broke:
            self.broke = True
            raise ConnectionResetError("the messenger is away")
        self.sent.append(f"{letter['number']} {letter['kind']}")


def test_it_sends_every_letter_and_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    messenger, place = Messenger(), tmp_path / "letters-sent"
    place.write_text("")
    with client(url, KEY) as feedback:
        assert sample.pull(feedback, place, messenger.send)
        with pytest.raises(ConnectionResetError):
            sample.pull(feedback, place, messenger.send)
        while sample.pull(feedback, place, messenger.send):
            pass
        known = len(messenger.sent)
        assert not sample.pull(feedback, place, messenger.send)
    assert len(messenger.sent) == known, "nothing comes again once it is noted"
    asked = {f"HA-{number} asked" for number in range(50)}
    assert set(messenger.sent) - asked == {"HA20261123-0001 closed"}, "what is over is not sent"
    assert asked <= set(messenger.sent)


def test_left_alone_it_begins_now(url: str, tmp_path: Path) -> None:
    messenger = Messenger()
    with client(url, KEY) as feedback:
        assert not sample.pull(feedback, tmp_path / "letters-sent", messenger.send)
        assert not sample.pull(feedback, tmp_path / "letters-sent", messenger.send)
    assert messenger.sent == []


def test_a_refusal_is_an_error_after_which_it_tries_again(url: str, tmp_path: Path) -> None:
    with client(url, "another key") as feedback, pytest.raises(httpx.HTTPError, match="401"):
        sample.pull(feedback, tmp_path / "letters-sent", print)
