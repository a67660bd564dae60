"""`python -m deploy.documents write|check|release VERSION`."""

import re
import sys

from deploy.documents.catalogue import PROJECT, REFERENCE, documents, elsewhere, stale, write
from deploy.documents.schemas import release

USAGE = "usage: python -m deploy.documents write | check | release X.Y.Z"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["write"]:
            written = write(documents(), REFERENCE) + write(elsewhere(), PROJECT)
            say(*(written or ["docs/reference, dashboards and Prometheus' files are up to date"]))
        case ["check"]:
            found = stale(documents(), REFERENCE) + stale(elsewhere(), PROJECT)
            if found:
                say(*found, "Run `python -m deploy.documents write` and commit what changed.")
                return 1
        case ["release", version] if re.fullmatch(r"\d+\.\d+\.\d+", version):
            say(f"docs/reference/schemas/released/{version}: {release(REFERENCE, version)} schemas")
        case _:
            say(USAGE)
            return 2
    return 0


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
