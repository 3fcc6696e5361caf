"""Debian's Chromium, headless, for tests of pages: at desktop and phone width, with what a page logged and asked the network for."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from free_port import free_port

DESKTOP, PHONE, PAPER = 1280, 390, 690
"""Widths in CSS pixels; the last is an A4 page without the style sheet's margins of 14 mm."""

DRAWN = "document.documentElement.dataset.plots === 'drawn'"
"""When report.html is ready."""


def find_browser() -> tuple[str, str]:
    """Returns the paths of Chromium and its driver; without them skips, but fails where CI runs."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    missing = "Chromium and its driver are not installed (Debian packages chromium and chromium-driver)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(missing)
    pytest.skip(missing)


class Browser:
    """A page in the browser, at a width, with what the page logged and asked the network for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(
        self, address: Path | str, width: int = DESKTOP, *, scheme: str = "light", media: str = "", ready: str = DRAWN
    ) -> Browser:
        """Opens a file or a URL and waits until a JavaScript expression is true."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.emulate(scheme=scheme, media=media)
        self.driver.get(address.as_uri() if isinstance(address, Path) else address)
        self.wait(ready)
        return self

    def emulate(self, *, scheme: str = "light", media: str = "") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def wait(self, script: str, *, seconds: float = 120) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds).until(lambda driver: driver.execute_script(f"return {script}"))

    def log(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("data:", "about:"))]


@contextmanager
def open_browser(*switches: str) -> Iterator[Browser]:
    """Starts the browser with a profile of its own."""
    path, service = find_browser()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = path
    with tempfile.TemporaryDirectory(prefix="tflitekit-browser-", ignore_cleanup_errors=True) as profile:
        for switch in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}", *switches,
        ):  # fmt: skip
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service, port=free_port()))
        try:
            yield Browser(driver)
        finally:
            driver.quit()


def check_sound(browser: Browser, page: Path) -> None:
    """Nothing logged, nothing asked for but the file, every plot drawn, nothing wider than the window."""
    assert browser.log() == []
    assert browser.requests() == [page.as_uri()]
    plots = browser.run(
        "return [...document.querySelectorAll('figure.plot')].map((f) => {"
        "  const svg = f.querySelector('svg.marks');"
        "  const marks = svg ? [...svg.querySelectorAll('[role=graphics-symbol] path, .mark-symbol path, .mark-rect path,"
        "    .mark-rule line, .mark-line path')].filter((m) => m.getBoundingClientRect().width > 0) : [];"
        "  return [f.id, marks.length, f.querySelector('[role=graphics-document]')?.ariaLabel?.length ?? 0];"
        "})"
    )
    assert plots
    for name, marks, described in plots:
        assert marks > 1, name
        assert described > 30, name
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")


def require_web_runtime() -> None:
    """Skips where the web runtime is not there, but fails where CI runs."""
    from tflitekit.environments.known.browser import BROWSER

    if BROWSER.status().state == "ready":
        return
    missing = f"The web runtime is not there: {BROWSER.setup_command}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(missing)
    pytest.skip(missing)


CONTRAST = """
const parse = (color) => { const v = color.match(/[\\d.]+/g).map(Number); return [v[0], v[1], v[2], v[3] ?? 1]; };
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const color = parse(getComputedStyle(e).backgroundColor);
    if (color[3] === 1) return color;
  }
  return [255, 255, 255, 1];
};
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  if (element.closest("script, style, noscript, .canvas .mark-rect, #confusion, #confusion-change")) continue;
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !element.checkVisibility({contentVisibilityAuto: true})) continue;
  const style = getComputedStyle(element);
  const front = parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
  const [a, b] = [light(front), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) poor.push([element.tagName, element.className.baseVal ?? element.className, element.textContent.slice(0, 40), ratio]);
}
return poor;
"""
