"""A message gateway's end of chuishao, complete: pulls every notice in order and sends it on.

    pip install httpx
    SLA=http://127.0.0.1:8003 KEY=… python notices_sample.py

Put your SMS or messenger into `send`. The contract: notices.md beside this file.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

log = logging.getLogger("notices")

Notice = dict[str, Any]


def send(notice: Notice) -> None:
    """To the people who hold this post in this unit. It may come twice: `number` tells."""
    log.info("%s %s %s: %s", notice["number"], notice["unit_name"], notice["post"], notice["zh"])


def pull(sla: httpx.Client, place: Path, send: Callable[[Notice], None]) -> bool:
    """Send what is new, and note how far that is; whether there was any."""
    after = place.read_text() if place.exists() else "0"
    answer = sla.get("/notices", params={"after": after}).raise_for_status()
    for notice in answer.json()["digests"]:
        send(notice)
        written = place.with_suffix(".new")
        written.write_text(str(notice["number"]))
        written.replace(place)  # after it was sent: a crash in between repeats one, and loses none
    return bool(answer.json()["digests"])


def main() -> None:
    with httpx.Client(base_url=os.environ["SLA"], headers={"X-API-Key": os.environ["KEY"]}) as sla:
        while True:
            try:
                idle = not pull(sla, Path("notices-sent"), send)
            except (httpx.HTTPError, OSError) as error:  # sla or your own service is away, or says no: try again
                log.warning("%s", error)
                idle = True
            time.sleep(5 if idle else 0)


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    main()
