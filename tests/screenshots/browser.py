"""A headless Chromium that a script steers by the WebDriver protocol (Debian's packages chromium, chromium-driver)."""

from __future__ import annotations

import base64
import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")

#: The key of an element's id in the protocol.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_TIMEOUT = 30.0
#: Keys, as the protocol names them.
ENTER, SELECT_ALL = "\ue007", "\ue009a\ue000"
#: Sets the value in the way that React notices.
_PASTE = """
const [input, text] = arguments;
input.focus();
Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), "value").set.call(input, text);
input.dispatchEvent(new Event("input", {bubbles: true}));
input.dispatchEvent(new Event("change", {bubbles: true}));
input.blur();
"""
_CHOOSE = """
const [id, value] = arguments;
const list = document.getElementById(id);
list.value = value;
list.dispatchEvent(new Event("change", {bubbles: true}));
"""


class BrowserError(RuntimeError):
    """The browser did not do what it was asked for."""


def is_installed() -> bool:
    """Return whether the browser and its driver are there."""
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


def install_browser() -> None:
    """Install the browser and its driver, if they are missing."""
    if is_installed():
        return
    for command in ("update",), ("install", "--yes", "--no-install-recommends", "chromium", "chromium-driver"):
        subprocess.run(["apt-get", "-q", *command], check=True)


class Browser:
    """
    A browser with one window, open inside a ``with`` block.

    :param width: of the window, in pixels.
    :param height: of the window, in pixels.
    """

    def __init__(self, width: int = 1400, height: int = 1000) -> None:
        self._size = width, height
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy

    def __enter__(self) -> Browser:
        # The driver selects a free port of the loopback address and prints it.
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        try:
            self._url = f"http://127.0.0.1:{self._read_port()}/session"
            width, height = self._size
            # As root, Chromium has no sandbox of its own.
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
            capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}
            session = self._request("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
            self._url += f"/{session['sessionId']}"
        except BaseException:
            self._driver.kill()
            self._driver.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._request("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(20)

    def open(self, url: str) -> None:
        """Load a page."""
        self._request("POST", "/url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self._request("POST", "/window/rect", {"width": width, "height": height})

    @contextlib.contextmanager
    def phone(self) -> Iterator[None]:
        """Show pages as a phone does: windows cannot be so narrow."""
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        try:
            yield
        finally:
            self._devtools("Emulation.clearDeviceMetricsOverride", {})

    def find(self, xpath: str, timeout: float = _TIMEOUT) -> str:
        """Wait for a visible element, and return its id."""
        return self._wait(lambda: next(iter(self._visible(xpath)), None), timeout, f"nothing matches {xpath}")

    def click(self, xpath: str) -> None:
        """Click an element as soon as it is visible and nothing covers it."""

        def clicked() -> bool:
            try:
                self._request("POST", f"/element/{self.find(xpath)}/click", {})
            except BrowserError:  # replaced, moving or still covered
                return False
            return True

        self._wait(clicked, _TIMEOUT, f"{xpath} cannot be clicked")

    def enter(self, xpath: str, text: str) -> None:
        """Replace the text of an input at once, as if it was pasted: pages lose keys that are typed fast."""
        self.run(_PASTE, {_ELEMENT: self.find(xpath)}, text)

    def choose(self, id: str, value: str) -> None:
        """Choose an option of a list by its value."""
        self.run(_CHOOSE, id, value)

    def type(self, text: str) -> None:
        """Type into the element that has the focus."""
        active = self._request("GET", "/element/active")[_ELEMENT]
        self._request("POST", f"/element/{active}/value", {"text": text})

    def run(self, script: str, *arguments: object) -> Any:
        """Run JavaScript, and return its result."""
        return self._request("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self) -> str:
        """Return the text that the page shows."""
        return str(self.run("return document.body.innerText"))

    def wait_for_text(self, *texts: str, timeout: float = _TIMEOUT) -> str:
        """Wait until the page shows one of the texts, and return which."""
        return self._wait(
            lambda: next((text for text in texts if text in self.text()), None),
            timeout,
            f"the page does not show {' or '.join(texts)}",
        )

    def wait_until(self, script: str, timeout: float = _TIMEOUT) -> None:
        """Wait until JavaScript returns a true value."""
        self._wait(lambda: self.run(script) or None, timeout, f"not fulfilled: {script}")

    def take_picture(self, file: Path) -> None:
        """Write a picture of the window as PNG."""
        time.sleep(0.7)  # for animations
        file.write_bytes(base64.b64decode(self._request("GET", "/screenshot")))

    def _visible(self, xpath: str) -> list[str]:
        found = self._request("POST", "/elements", {"using": "xpath", "value": xpath})
        elements = [element[_ELEMENT] for element in found]
        return [one for one in elements if self._is_displayed(one)]

    def _is_displayed(self, element: str) -> bool:
        try:
            return bool(self._request("GET", f"/element/{element}/displayed"))
        except BrowserError:  # no longer on the page
            return False

    def _wait(self, condition: Callable[[], T | None], timeout: float, problem: str) -> T:
        deadline = time.monotonic() + timeout
        while True:
            if result := condition():
                return result
            if time.monotonic() > deadline:
                raise BrowserError(f"{problem} after {timeout:g} s; the page shows:\n{self.text()}")
            time.sleep(0.1)

    def _devtools(self, command: str, parameters: dict[str, object]) -> None:
        self._request("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _read_port(self) -> int:
        assert self._driver.stdout
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                return int(line.strip().rstrip(".").rpartition(" ")[2])
        raise BrowserError("chromedriver did not start")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        response = self._http.request(method, self._url + path, json=body, timeout=120)
        value = response.json()["value"]
        if not response.ok:
            raise BrowserError(f"{path}: {value['error']}: {value['message']}")
        return value
