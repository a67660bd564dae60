"""The image's health check: asks this container's service whether it is ready (or, with `live`, whether it lives)."""

import os
import sys
import urllib.error
import urllib.request

PATIENCE_SECONDS = 4


def main(question: str) -> int:
    url = f"http://127.0.0.1:{os.environ.get('CHUISHAO_HTTP_PORT', '8000')}/health/{question}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE_SECONDS) as answer:
            said, well = answer.read(2000), answer.status == 200
    except urllib.error.HTTPError as error:
        with error:
            said, well = error.read(2000), False
    except OSError as error:
        said, well = str(error).encode(), False
    sys.stdout.write(said.decode("utf-8", "replace") + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["ready"])))
