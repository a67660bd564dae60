"""Prints a `.env` for docker-compose.yml: example.env with a fresh random value for every secret left empty.

python3 deploy/compose/new_env.py > .env && chmod 600 .env
"""

import re
import secrets
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example.env"


def filled(example: str) -> str:
    """Each `NAME=` gets 32 random bytes as base64url without padding, which is also safe within a URL."""
    return re.sub(r"^([A-Z_]+)=$", lambda line: f"{line[1]}={secrets.token_urlsafe(32)}", example, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.stdout.write(filled(EXAMPLE.read_text(encoding="utf-8")))
