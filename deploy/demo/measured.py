"""What is made of a rehearsal when it is over: scorecards, letters, the public board."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from deploy.demo.doors import Doors, Unanswered
from deploy.demo.hotline import Listening
from deploy.scorecard.verifying import cards_to_verify, snapshot_of, verify
from services.feedback.domain.measuring.periods import SHANGHAI

WITHIN_SECONDS = 120.0
NOT_YET = 409
FORMS = ("xlsx", "csv", "html", "json")
PERSONAL = re.compile(r"010-?5550|(?<!某)(?:先生|女士)|\d+号楼")
"""What the samples' reporters have: phones, names with their titles, doors."""

Counted = Callable[[str, int], None]


async def measure(
    doors: Doors, postgres_url: str, hotline: Listening, expected: int, counted: Counted
) -> dict[str, Any]:
    """Have yesterday's and today's scorecards computed, publish what may be, verify both; read letters and board.

    `expected`: how many answers 12345 is to get.
    """
    today = datetime.now(SHANGHAI).date()
    yesterday = await _computed(doors, (today - timedelta(days=1)).isoformat())
    published = await doors.post("feedback", f"/scorecards/{yesterday}/publish", doors.operator())
    counted("scorecard_published", published["status"] == "published")
    number = await _computed(doors, today.isoformat())
    counted("scorecard_computed", 1)
    too_early = await doors.knock("POST", "feedback", f"/scorecards/{number}/publish", who=doors.operator())
    if too_early.status_code != NOT_YET:
        raise Unanswered(f"a day that is not over was published: {too_early.status_code} {too_early.text[:300]}")
    counted("scorecard_too_early", 1)
    for form in FORMS:
        made = await doors.knock("GET", "feedback", f"/scorecards/{number}/export?format={form}", who=doors.operator())
        counted("scorecard_exported", made.is_success and bool(made.content))
    found = await _verified(postgres_url, yesterday, number)
    counted("scorecard_verified", sum(one["ok"] for one in found))
    counted("letters", await _letters(doors))
    counted("on_the_public_board", await _entries(doors))
    counted("answered_12345_by_http", await _answers(hotline, expected))
    return {"scorecards": found, "answers_to_12345": len(hotline.answered), "wrong_signatures": hotline.wrong}


async def _computed(doors: Doors, day: str) -> int:
    """The number of that day's scorecard, once it is computed."""
    asked = await doors.post("feedback", "/scorecards", doors.operator(), {"rhythm": "day", "period": day})
    number: int = asked["id"]
    until = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while asyncio.get_running_loop().time() < until:
        card = await doors.get("feedback", f"/scorecards/{number}", doors.operator())
        if card["status"] in ("computed", "published"):
            return number
        if card["status"] == "failed":
            raise Unanswered(f"scorecard {number}: {card['failure']}")
        await asyncio.sleep(0.2)
    raise Unanswered(f"scorecard {number} was not computed within {WITHIN_SECONDS:.0f} s")


async def _verified(postgres_url: str, *numbers: int) -> list[dict[str, Any]]:
    """Made again from the logs, as `chuishao scorecard verify` does."""
    found = []
    async with snapshot_of(postgres_url) as connection:
        for number in numbers:
            ((card, stored),) = await cards_to_verify(connection, number)
            verdict = await verify(connection, card, stored, lambda _done, _total: None)
            found.append(
                {
                    "period": card.period,
                    "hash": card.hash,
                    "ok": verdict.holds,
                    "cases": verdict.replayed.cases if verdict.replayed else 0,
                    "differences": list(verdict.differences),
                }
            )
    return found


async def _letters(doors: Doors) -> int:
    """How many letters a gateway is given, page by page."""
    count, after = 0, ""
    while True:
        page = await doors.get("feedback", f"/letters?after={after}", doors.operator())
        count, after = count + len(page["letters"]), page["cursor"]
        if not page["more"]:
            return count


async def _entries(doors: Doors) -> int:
    """How many entries anybody can read; none where one says more than it may."""
    page = await doors.knock("GET", "feedback", "/board.json?limit=100")
    said = PERSONAL.search(page.text)
    if said is not None:
        raise Unanswered(f"the public board says {said.group()!r}")
    return len(page.json()["entries"])


async def _answers(hotline: Listening, expected: int) -> int:
    """How many answers 12345 got by HTTP, once it has all of them."""
    until = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while len(hotline.answered) < expected and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.2)
    if len(hotline.answered) < expected or hotline.wrong:
        raise Unanswered(f"12345 got {len(hotline.answered)} of {expected} answers by HTTP, {hotline.wrong} unsigned")
    return len(hotline.answered)
