"""The page of `bundle --templates web` in a real browser, beside what Python makes of the same images."""

from __future__ import annotations

import base64
import functools
import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA
from echo_model import echo_model
from PIL import Image
from real_browser import CONTRAST, DESKTOP, PHONE, Browser, open_browser, require_web_runtime

import tflitekit as tk
from tflitekit.core.errors import BundleError, MissingDependencyError, UsageError
from tflitekit.data.preprocessing import Preprocessing
from tflitekit.tflite.runtime import Model

READY = "document.getElementById('status').textContent.startsWith('Ready') || !document.getElementById('error').hidden"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Cache-Control", "no-store")  # files change within a second here
        super().end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_web_runtime()
    with open_browser("--use-fake-device-for-media-stream") as found:
        yield found


@pytest.fixture(scope="module")
def bundle(optimized: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_web_runtime()
    out = tmp_path_factory.mktemp("web") / "bundle"
    tk.bundle(optimized, data=shapes / "test", out=out, templates=["web"], variants=["int8", "float32"], samples=4)
    return out


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=bundle))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/wrappers/web/"
    server.shutdown()
    server.server_close()


def text(page: Browser, name: str) -> str:
    return page.find(f"#{name}")[0].text


def classes(page: Browser) -> list[tuple[str, str]]:
    return [tuple(entry.text.splitlines()) for entry in page.find("#classes li")]


def test_golden_samples_verify_and_an_image_is_classified_as_in_python(browser, address, bundle, shapes):
    page = browser.open(address, ready=READY)
    assert text(page, "golden").startswith("All 4 verified: this browser computes what the host computed")
    assert not text(page, "error") and text(page, "status") == "Ready."
    made = tk.read_bundle(bundle)
    model = Model(bundle / made.variant(made.recommended).file)
    for file in [next(folder.glob("*.png")) for folder in sorted((shapes / "test").iterdir())]:
        pixels = made.preprocessing.image(Image.open(file), model.inputs[0].shape[1:])
        scores = model.run([pixels[None]])[0][0]
        order = np.argsort(-scores, kind="stable")
        page.find("#file")[0].send_keys(str(file))
        page.wait(f"document.querySelector('#classes li')?.textContent.startsWith('{made.labels[order[0]]}')")
        assert classes(page) == [(made.labels[i], f"{100 * scores[i]:.1f} %") for i in order]
    page.find("#file")[0].send_keys(str(bundle / "bundle.json"))
    page.wait("!document.getElementById('error').hidden")
    assert text(page, "error") == "bundle.json is not an image that this browser can read."
    assert classes(page) == []
    own = address.removesuffix("wrappers/web/")
    assert all(url.startswith((own, "blob:")) for url in page.requests())
    assert [line for line in page.log() if "SEVERE" in line or "Uncaught" in line] == []


def test_a_detector_is_verified_and_said_not_to_be_drawn(browser, address, bundle):
    folder = DATA / "tasks" / "detection"
    tk.bundle(
        folder / "float32.tflite", data=folder / "scenes" / "images", labels=folder / "labels.txt", preprocess="0-1",
        reader="yolov8", out=bundle / "detection", templates=["web"], samples=1,
    )  # fmt: skip
    page = browser.open(address.replace("wrappers", "detection/wrappers"), ready=READY)
    assert text(page, "golden").startswith("All 1 verified") and not text(page, "error")
    assert "draws no boxes: bundle.json says how the reader 'yolov8' decodes them" in text(page, "status")
    assert not page.find("#classify")[0].is_displayed()


def test_a_camera_that_is_denied_and_one_that_is_allowed(browser, address):
    page = browser.open(address, ready=READY)
    page.find("#camera")[0].click()
    page.wait("!document.getElementById('error').hidden")
    assert text(page, "error").startswith("The camera was denied. Allow it for this page")
    page.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["videoCapture"]})
    page.run(
        "const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);"
        "window.opened = 0; media.getUserMedia = (how) => { window.opened += 1; return open(how); };"
        "for (let i = 0; i < 2; i++) document.getElementById('camera').click();"  # one click too many while it is asked for
    )
    page.wait("document.querySelectorAll('#classes li').length === 3")
    assert not text(page, "error") and page.run("return window.opened") == 1
    assert page.find("#camera")[0].get_attribute("aria-pressed") == "true"
    page.find("#camera")[0].click()
    assert page.run(
        "return document.getElementById('video').hidden && !document.getElementById('video').srcObject.active"
    )
    page.driver.execute_cdp_cmd("Browser.resetPermissions", {})


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("models/int8.tflite", lambda content: content[:-1] + b"!", "models/int8.tflite is not the file that the bundle was made with"),
        ("models/int8.tflite", lambda _: None, "The bundle lacks /models/int8.tflite (HTTP 404)."),
        ("golden/0000/pixels.bin", lambda content: bytes(len(content)), "golden/0000/pixels.bin is not the file"),
        ("bundle.json", lambda content: content.replace(b'"schema_version": 1', b'"schema_version": 3'), "The bundle has version 3; this page reads up to 2."),
        ("bundle.json", lambda content: content.replace(b'"dtype": "float32"', b'"dtype": "int8"'), "is int8; a browser takes float32, int32, uint8."),
    ],
)  # fmt: skip
def test_a_damaged_bundle_is_refused_in_words(browser, address, bundle, file, change, words):
    path = bundle / file
    content = path.read_bytes()
    changed = change(content)
    try:
        if changed is None:
            path.unlink()
        else:
            assert changed != content
            path.write_bytes(changed)
        page = browser.open(address, ready=READY)
        assert words in text(page, "error")
        assert text(page, "status") == "The model cannot be used."
        assert not page.find("#classify")[0].is_displayed()
    finally:
        path.write_bytes(content)


def test_a_browser_that_computes_otherwise_is_told(browser, address, bundle):
    path = bundle / "bundle.json"
    content = path.read_bytes()
    described = json.loads(content)
    described["preprocessing"] |= {"divisor": 2.0}
    try:
        path.write_text(json.dumps(described))
        page = browser.open(address, ready=READY)
        assert text(page, "golden") == "This browser does not compute what the host computed:"
        problems = text(page, "problems")
        assert "Sample 0000: the pixels become another input." in problems
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_everyone_can_use_it(browser, address, shapes, width, scheme):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page = browser.open(address, width, scheme=scheme, ready=READY)
    page.find("#file")[0].send_keys(str(next((shapes / "test").rglob("*.png"))))
    page.wait("document.querySelectorAll('#classes li').length === 3")
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert page.run(CONTRAST) == []  # WCAG 2.2, 1.4.3, level AA: 4.5 to 1
    assert page.run("return [...document.querySelectorAll('input')].every((e) => e.labels.length)")
    assert page.run("return [...document.querySelectorAll('section')].every((e) => e.ariaLabelledByElements?.length)")
    assert page.run("return [...document.querySelectorAll('meter')].every((e) => e.ariaLabel)")
    page.run("document.activeElement.blur()")
    for name in ("file", "camera"):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        assert page.run("return document.activeElement.id") == name


def cases() -> list[tuple[Preprocessing, tuple[int, ...], np.ndarray]]:
    """Every filter with every fit; sizes, crops, layouts and orders of channels take turns."""
    generator = np.random.default_rng(5)
    sizes = itertools.cycle([(37, 23), (12, 16), (9, 40), (61, 12), (6, 7)])
    shapes = itertools.cycle([(12, 16, 3), (3, 16, 12), (13, 11, 1), (12, 12), (10, 12, 4)])
    crops, colors = itertools.cycle([1.0, 0.875, 0.5]), itertools.cycle(["rgb", "bgr"])
    found = []
    for resize in ("nearest", "box", "bilinear", "bicubic", "lanczos"):
        for fit in ("stretch", "center_crop", "pad"):
            for _ in range(4):
                height, width = next(sizes)
                shape = next(shapes)
                mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if 3 in shape else ((0.5,), (0.25,))
                how = Preprocessing(
                    resize=resize, fit=fit, crop_fraction=next(crops), color=next(colors), divisor=255, mean=mean, std=std
                )  # fmt: skip
                found.append((how, shape, generator.integers(0, 256, (height, width, 4), np.uint8)))
    return found


PREPARE = """
const [cases, done] = arguments;
import("./image.js").then(({ imageLayout, normalize, toPixels }) => done(cases.map(([preprocessing, shape, width, height, data]) => {
  const image = { data: Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), width, height };
  const layout = imageLayout(shape);
  const pixels = toPixels(image, preprocessing, layout);
  return [[...pixels], [...normalize(pixels, preprocessing, layout)]];
})), (error) => done(String(error)));
"""


def test_images_are_prepared_to_the_bit_as_in_python(browser, address):
    page = browser.open(address, ready=READY)
    given = [
        [how.model_dump(mode="json"), shape, pixels.shape[1], pixels.shape[0], base64.b64encode(pixels.tobytes()).decode()]
        for how, shape, pixels in cases()
    ]  # fmt: skip
    found = page.driver.execute_async_script(PREPARE, given)
    assert len(found) == len(given) == 60
    for (how, shape, rgba), (pixels, values) in zip(cases(), found, strict=True):
        image = Image.fromarray(rgba)  # four channels: what Pillow makes of them is what the model's input wants
        expected = how.pixels(image, shape)
        np.testing.assert_array_equal(np.asarray(pixels).reshape(shape), expected, err_msg=f"{how} {shape}")
        np.testing.assert_array_equal(np.float32(values).reshape(shape), how.normalized(expected, shape))


def test_photos_are_not_turned(browser, address, tmp_path):
    """A JPEG with an orientation in its EXIF is decoded as it is stored, as Pillow does."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    page = browser.open(address, ready=READY)
    script = """
        const [data, done] = arguments;
        const blob = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);
        import("./classifier.js").then(async ({ decode }) => {
          const { width, height, data } = await decode(blob);
          done([width, height, [...data]]);
        }, (error) => done(String(error)));
    """
    content = base64.b64encode((tmp_path / "turned.jpg").read_bytes()).decode()
    width, height, found = page.driver.execute_async_script(script, content)
    assert (width, height) == (32, 16)
    expected = np.asarray(Image.open(tmp_path / "turned.jpg"))
    # Decoders of JPEG may round differently.
    np.testing.assert_allclose(np.reshape(found, (16, 32, 4))[..., :3], expected, atol=2)


def test_a_page_that_cannot_be(variants, shapes, tmp_path, monkeypatch):
    require_web_runtime()
    out = tmp_path / "bundle"
    with pytest.raises(UsageError, match="There is no template 'swift'"):
        tk.bundle(variants / "int8.tflite", data=shapes / "test", out=out, templates=["swift"])
    with pytest.raises(UsageError, match="--package names the package of the wrappers"):
        tk.bundle(variants / "int8.tflite", data=shapes / "test", out=out, templates=["web"], package="com.example")
    file = echo_model(tmp_path / "bytes.tflite", (1, 12), "int8")
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 12), np.float32))
    with pytest.raises(BundleError, match=r"No page can run the variant 'bytes': its tensor '\w+' is int8"):
        tk.bundle(file, data=tmp_path / "data.npz", out=out, templates=["web"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"The template 'web' needs (?s:.*)tflitekit setup browser"):
        tk.bundle(variants / "int8.tflite", data=shapes / "test", out=out, templates=["web"])
    assert not out.exists()
