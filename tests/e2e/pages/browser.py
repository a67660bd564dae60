"""A headless Chromium for tests, spoken to over a pipe in its own DevTools protocol: nothing to install beside it.

with Browser.launch(folder) as browser:
    page = browser.open("http://…", width=390)
    page.wait("document.querySelector('h1')")
"""

import base64
import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and answers on 4. Away from there first: one of the ends may already
# be where the other has to go.
LAUNCH = """
import os, sys
reading, writing = os.dup2(int(sys.argv[1]), 30), os.dup2(int(sys.argv[2]), 31)
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
ANSWER_SECONDS = 30.0
WAIT_SECONDS = 15.0
LOOK_SECONDS = 0.05


def find() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One Chromium process with a profile of its own."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self._process = process
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._listeners: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    @contextmanager
    def launch(cls, profile: Path) -> Iterator["Browser"]:
        path = find()
        if path is None:
            raise FileNotFoundError("no Chromium on the PATH")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), path, *FLAGS, f"--user-data-dir={profile}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        browser = cls(process, ours_out, ours_in)
        try:
            yield browser
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                browser.send("Browser.close")
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            browser._reader.join(5)
            for end in (ours_out, ours_in):
                with contextlib.suppress(OSError):
                    os.close(end)

    def open(
        self,
        url: str,
        width: int = 1280,
        height: int = 900,
        media: Mapping[str, str] | None = None,
        scripts: bool = True,
        languages: str = "",
    ) -> "Page":
        """A new page at this address, `media` being features such as `{"prefers-color-scheme": "dark"}`."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        self._listeners[session] = page.hear
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.resize(width, height)
        features = [{"name": name, "value": value} for name, value in (media or {}).items()]
        page.send("Emulation.setEmulatedMedia", features=features)
        if languages:
            page.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": languages})
        if not scripts:
            page.send("Emulation.setScriptExecutionDisabled", value=True)
        page.go(url)
        return page

    def send(self, method: str, params: Mapping[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """One command and its answer. Raises `RuntimeError` where the browser refuses it."""
        self._number += 1
        number = self._number
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        self._waiting[number] = answer
        message: dict[str, Any] = {"id": number, "method": method, "params": dict(params or {})}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        try:
            found = answer.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise TimeoutError(f"{method}: the browser does not answer") from None
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        result: dict[str, Any] = found.get("result", {})
        return result

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                chunk = os.read(self._answers, 1 << 16)
            except OSError:
                return
            if not chunk:
                return
            *whole, rest = (rest + chunk).split(b"\0")
            for raw in whole:
                message = json.loads(raw)
                if "id" in message:
                    waiting = self._waiting.pop(message["id"], None)
                    if waiting is not None:
                        waiting.put(message)
                elif message.get("sessionId") in self._listeners:
                    self._listeners[message["sessionId"]](message["method"], message["params"])


class Page:
    """One page. `complaints` holds what the browser's console said: errors, refused scripts, failed requests."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = threading.Event()
        self.complaints: list[str] = []
        self.received_bytes = 0

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.send(method, params, self._session)

    def hear(self, event: str, params: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded.set()
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"].get("exception", params), ensure_ascii=False))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(params["args"], ensure_ascii=False))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} ({params['entry'].get('url', '')})")
        elif event == "Network.loadingFinished":
            self.received_bytes += int(params["encodedDataLength"])

    def go(self, url: str) -> None:
        self._loaded.clear()
        self.send("Page.navigate", url=url)
        if not self._loaded.wait(ANSWER_SECONDS):
            raise TimeoutError(f"{url} was not loaded")

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def value(self, expression: str) -> Any:
        """What a JavaScript expression yields."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until an expression yields something true, and return it."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(RuntimeError):  # between two pages there is nothing to ask yet
                found = self.value(expression)
                if found:
                    return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"never true: {expression}; the page says: {self.value('document.body.innerText')}")
            threading.Event().wait(LOOK_SECONDS)

    def text(self, selector: str) -> str:
        return str(self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def press(self, key: str, code: int = 0) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Save what is seen, or the whole page, as PNG."""
        if whole:
            width, height = self.value("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            self.resize(width, height)
        found = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))
