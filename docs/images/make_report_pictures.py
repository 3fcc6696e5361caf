"""Takes the pictures of report.html in the README: python docs/images/make_report_pictures.py BUILD_FOLDER

Needs Chromium, its driver, and the dev extra.
"""

import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = {
    "report-page.png": {"width": 1280, "height": 1235, "scale": 1.5, "scheme": "light"},
    "report-phone.png": {"width": 390, "height": 844, "scale": 2, "scheme": "dark"},
}


def take(driver: webdriver.Chrome, page: Path, *, width: int, height: int, scale: float, scheme: str) -> Image.Image:
    size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.get(page.resolve().as_uri())
    WebDriverWait(driver, 60).until(lambda d: d.execute_script("return document.documentElement.dataset.plots"))
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    return Image.open(io.BytesIO(base64.b64decode(shot["data"])))


options = webdriver.ChromeOptions()
options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    for switch in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={profile}"):
        options.add_argument(switch)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        for name, look in PICTURES.items():
            picture = take(browser, Path(sys.argv[1]) / "report.html", **look)
            target = Path(__file__).parent / name
            colors = picture.convert("RGB").quantize(
                256, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
            )
            colors.save(target, optimize=True)
    finally:
        browser.quit()
