"""A message gateway's end of chuishao's letters, complete: pulls every letter in order and sends it on.

    pip install httpx
    FEEDBACK=http://127.0.0.1:8004 KEY=… python letters_sample.py

Put your SMS or messenger, and how you find the phone, into `send`. The contract: letters.md beside this file.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

log = logging.getLogger("letters")

Letter = dict[str, Any]


def send(letter: Letter) -> None:
    """To whoever reported this case. It may come twice: `id` tells."""
    log.info("%s %s: %s %s", letter["number"], letter["kind"], letter["zh"], "(link)" if letter["link"] else "")


def pull(feedback: httpx.Client, place: Path, send: Callable[[Letter], None]) -> bool:
    """Send what is new, and note how far that is; whether there is more at once."""
    after = place.read_text() if place.exists() else "now"  # "" instead: begin with the first there ever was
    answer = feedback.get("/letters", params={"after": after, "limit": 20}).raise_for_status().json()
    for letter in answer["letters"]:
        if letter["resident"] and not letter["over"]:
            send(letter)
    written = place.with_suffix(".new")
    written.write_text(answer["cursor"])
    written.replace(place)  # after they were sent: a crash in between repeats some, and loses none
    return bool(answer["more"])


def main() -> None:
    with httpx.Client(base_url=os.environ["FEEDBACK"], headers={"X-API-Key": os.environ["KEY"]}) as feedback:
        while True:
            try:
                more = pull(feedback, Path("letters-sent"), send)
            except (httpx.HTTPError, OSError) as error:  # feedback or your own service is away, or says no: try again
                log.warning("%s", error)
                more = False
            time.sleep(0 if more else 5)


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
    main()
