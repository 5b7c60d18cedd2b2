"""A headless Chromium, driven over WebDriver (W3C) as plain HTTP: as much of it as the tests of the page need.

All calls block; tests make them in a thread.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0
"""Seconds that anything may take, on a machine that does other things, too."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=900,940",
)

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which WebDriver tells an element (section 12, "Elements")."""


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`. The test is skipped where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed")
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"successfully on port (\d+)", line) for line in process.stdout)), None)
        assert found, "chromedriver did not start"
        browser = Browser(f"http://127.0.0.1:{found[1]}")
        browser.start(chromium, folder / "profile")
        try:
            yield browser
        finally:
            browser.command("DELETE", "")
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


class Browser:
    """One window."""

    def __init__(self, driver: str) -> None:
        self._session = f"{driver}/session"

    def start(self, chromium: str, profile: Path) -> None:
        options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self._session += "/" + self.command("POST", "", wanted)["sessionId"]

    def command(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps({} if body is None else body).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._session + path, data, headers, method=method)  # noqa: S310  # loopback
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def go(self, url: str) -> None:
        self.command("POST", "/url", {"url": url})

    def reload(self) -> None:
        self.command("POST", "/refresh")

    @property
    def url(self) -> str:
        return str(self.command("GET", "/url"))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function of this body returns in the page."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def type(self, selector: str, keys: str) -> None:
        self.command("POST", f"/element/{self._find(selector)}/value", {"text": keys})

    def click(self, selector: str) -> None:
        self.command("POST", f"/element/{self._find(selector)}/click")

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """What the script returns, once that is true."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < deadline, f"in vain: {script}\n{self.text('body')}"
            time.sleep(0.03)
        return value

    def wait_for_text(self, selector: str, text: str) -> None:
        self.wait_for(
            "return (document.querySelector(arguments[0])?.innerText ?? '').includes(arguments[1])", selector, text
        )

    def screenshot(self) -> bytes:
        return base64.b64decode(self.command("GET", "/screenshot"))

    def _find(self, selector: str) -> str:
        found: dict[str, str] = self.command("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]
