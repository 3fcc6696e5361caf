"""The web runtime in a real headless Chromium: what it computes, how long that takes, and every way of not being there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import interruptible
from echo_model import echo_model
from edit_tflite import open_shapes
from real_browser import find_browser, require_web_runtime

import tflitekit as tk
from tflitekit.core.errors import BundleError, MissingDependencyError, ModelError, UsageError
from tflitekit.targets.browser import BrowserModel, BrowserTarget, WebGpuTarget, open_browser
from tflitekit.targets.chromium.devtools import Crashed
from tflitekit.targets.chromium.loopback import Loopback
from tflitekit.targets.chromium.program import VARIABLE
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model, quantize, zeros

DATA = Path(__file__).parents[1] / "data"
CONVERTED = DATA / "converted"
TWO_INPUTS = CONVERTED / "two_inputs" / "float32.tflite"
SAMPLES = 8


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    find_browser()
    require_web_runtime()


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserTarget]:
    target = BrowserTarget()
    yield target
    target.close()


def samples(path: Path) -> list[np.ndarray]:
    """Returns values for each input, as they are stored."""
    generator, model = np.random.default_rng(3), Model(path)
    columns = []
    for spec in model.inputs:
        shape = (SAMPLES * model.batch, *spec.shape[1:])
        real = spec.quantization is not None or spec.dtype.startswith("float")
        columns.append(quantize(generator.random(shape, np.float32), spec) if real else zeros(spec, shape))
    return columns


def on_host(path: Path, columns: list[np.ndarray]) -> list[np.ndarray]:
    model, found = Model(path), []
    for start in range(0, len(columns[0]), model.batch):
        batch = [values[start : start + model.batch] for values in columns]
        model.run([
            values if spec.quantization is None else (values.astype(np.float32) - spec.quantization.zero_point[0]) * spec.quantization.scale[0]
            for spec, values in zip(model.inputs, batch, strict=True)
        ])  # fmt: skip
        found.append([model.stored_output(index) for index in range(len(model.outputs))])
    return [np.concatenate(column) for column in zip(*found, strict=True)]


@pytest.mark.parametrize(
    "file",
    [
        "shapes/float32",
        "shapes/int8",  # integers inside, floats outside
        "shapes/int8-io-uint8",
        "two_inputs_batch/float32",  # two inputs whose order in the signature is not that of the file, two outputs, a batch of four
        "tokens/float32",  # integer inputs, an embedding
    ],
)
def test_samples_are_computed_as_on_the_host(browser, file):
    path = CONVERTED / f"{file}.tflite"
    columns = samples(path)
    model = browser.model(path, graph=read_graph(path))
    found = model.run(columns)
    model.close()
    for values, expected in zip(found, on_host(path, columns), strict=True):
        assert (values.dtype, values.shape) == (expected.dtype, expected.shape)
        # The same kernels (XNNPACK) with another width of vectors: float sums round in another order.
        np.testing.assert_allclose(values, expected, atol=0 if "int8" in file else 1e-6)


def test_an_open_batch_is_refused_by_the_target_by_check_and_by_the_template(browser, shapes, tmp_path):
    path = open_shapes(CONVERTED / "shapes" / "float32.tflite", tmp_path / "open.tflite", 0)
    with pytest.raises(ModelError, match=r"the batch of its input 'image' is open(?s:.*)--batch 1"):
        browser.model(path, graph=read_graph(path))
    assert "LiteRT.js takes fixed shapes only, and 'image'" in tk.check(path, on="browser").summary
    with pytest.raises(BundleError, match="the batch of its tensor 'image' is open"):
        tk.bundle(path, data=shapes / "test", samples=1, out=tmp_path / "bundle", templates=["web"])


def test_each_sample_begins_with_fresh_state(browser):
    path = DATA / "models" / "counter.tflite"
    model = browser.model(path, graph=read_graph(path))
    found = model.run([np.ones((3, 2), np.float32)])
    model.close()
    np.testing.assert_array_equal(found[0], on_host(path, [np.ones((3, 2), np.float32)])[0])


def test_a_session_measures(browser):
    session = browser.open(TWO_INPUTS, threads=2)
    other = browser.open(CONVERTED / "shapes" / "int8.tflite", threads=1)  # they take turns
    assert session.warm_up(3, 0) > 3  # for a second: V8 compiles what runs often again
    assert session.warm_up(3, 0) == 3
    times, window_s = session.run(5, 0.05)
    assert len(other.run(2, 0)[0]) == 2
    facts = session.facts()
    session.close()
    other.close()
    assert len(times) >= 5 and window_s >= 0.05
    assert window_s >= times.sum() / 1e6 > 0
    assert session.loaded.timer_us <= 10  # 5 in a page that is isolated, else 100
    assert session.loaded.init_us > 0 and session.loaded.first_us > 0
    assert facts.input_us >= 0 and facts.output_us >= 0
    assert facts.accelerator.actual == "wasm"
    assert sys.platform != "linux" or facts.peak_memory_bytes > 0


def test_what_it_is(browser):
    identity = browser.identity()
    assert identity["browser"].startswith("Chrome/")
    assert identity["runtime"] == "@litertjs/core 2.5.3"
    assert (browser.kind, browser.good_for) == ("browser", ("latency", "memory", "accuracy"))


def test_what_the_web_runtime_does_not_take(browser, tmp_path):
    for path, words in (
        (DATA / "models" / "open.tflite", "the size of its input 'image' is open"),
        (
            echo_model(tmp_path / "bytes.tflite", (1, 4), "int8"),
            r"its input '.*' is int8(?s:.*)hold float32, int32, uint8 only",
        ),
    ):
        with pytest.raises(ModelError, match=words):
            browser.model(path, graph=read_graph(path))
        with pytest.raises(ModelError, match=words):
            browser.open(path, threads=1)
    path = DATA / "models" / "fused_lstm.tflite"
    with pytest.raises(ModelError, match=r"cannot run fused_lstm\.tflite(?s:.*)Variable tensors not yet supported"):
        browser.model(path, graph=read_graph(path))
    cores = os.cpu_count()
    with pytest.raises(UsageError, match=f"at most {cores} threads on this machine.*{cores + 1} were asked for"):
        browser.open(TWO_INPUTS, threads=cores + 1)
    with pytest.raises(ModelError, match="no profiler"):
        browser.profile(TWO_INPUTS, threads=1)
    with pytest.raises(UsageError, match="'browser' knows no 'npu'"):
        open_browser("npu")


def test_a_page_that_crashes_or_hangs_is_told_and_the_others_go_on(browser, monkeypatch):
    chromium = browser._chromium
    crashing, other = (browser.open(TWO_INPUTS, threads=1) for _ in range(2))
    with pytest.raises(Crashed):
        chromium.call("Page.crash", crashing._page._session)
    with pytest.raises(ModelError, match=r"The page of float32\.tflite in the browser has crashed"):
        crashing.run(1, 0)
    assert len(other.run(3, 0)[0]) == 3
    monkeypatch.setattr(chromium, "_patience_s", 0.5)
    with pytest.raises(ModelError, match="does not answer any more"):
        other._page._evaluate("(() => { for (;;); })()", 0)
    monkeypatch.undo()
    for session in (crashing, other):
        session.close()


def test_without_the_address_nobody_reads_the_model(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "page").mkdir()
    server = Loopback({"page": tmp_path / "page"})
    try:
        name = server.offer(b"model")
        assert urllib.request.urlopen(server.address + name).read() == b"model"
        assert urllib.request.urlopen(server.address + name).headers["Cross-Origin-Resource-Policy"] == "same-origin"
        root = server.address.rstrip("/").rpartition("/")[0]
        awaited = server.reserve()
        urllib.request.urlopen(server.address + awaited, data=b"output")
        assert server.take(awaited) == b"output"
        server.withdraw(name)
        for address, sent in (
            (f"{root}/{awaited}", None), (f"{root}/guess/{name}", None), (server.address + name, None),
            (server.address + "page/../secret", None), (server.address + "page/%2e%2e/secret", None),
            (server.address + awaited, b"again"), (f"{root}/bytes/1", b"more"),
        ):  # fmt: skip
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address, data=sent)
    finally:
        server.close()


WAITS = """
import sys, time
from tflitekit.targets.browser import BrowserTarget
target = BrowserTarget()
print(target._chromium._pid, target._chromium._folder.name, flush=True)
time.sleep(600)
"""


def test_a_kit_that_is_killed_leaves_no_browser():
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as kit:
        pid = int(kit.stdout.readline().split()[0])
        chromium = psutil.Process(pid)
        family = [chromium, *chromium.children(recursive=True)]
        kit.kill()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []


def browsers(kit: int) -> list[psutil.Process]:
    """Returns the browsers that a process has started."""
    found = []
    for one in psutil.Process(kit).children():
        with suppress(psutil.NoSuchProcess):
            if any("user-data-dir" in part for part in one.cmdline()):
                found.append(one)
    return found


def test_ctrl_c_ends_the_browser_and_removes_its_profile(tmp_path):
    command = interruptible("benchmark", TWO_INPUTS, "--target", "browser", "--protocol", "mlperf-mobile")
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)}) as kit:
        begin = time.monotonic()
        while not (found := browsers(kit.pid)) and time.monotonic() - begin < 300:
            time.sleep(0.1)
        assert found  # once: while a script becomes the browser, its process has no command line
        family = psutil.Process(kit.pid).children(recursive=True)
        kit.send_signal(signal.SIGINT)
        assert kit.wait(300) == 130
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "no-such-browser")
    with pytest.raises(
        MissingDependencyError, match=r"TFLITEKIT_BROWSER is 'no-such-browser'(?s:.*)apt-get install chromium"
    ):
        BrowserTarget()
    monkeypatch.setenv(VARIABLE, "true")  # ends at once
    with pytest.raises(MissingDependencyError, match="does not start as a headless browser"):
        BrowserTarget()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="needs Chromium or Chrome, and there is none"):
        BrowserTarget()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        MissingDependencyError,
        match=r"needs the environment 'browser', which is missing(?s:.*)tflitekit setup browser",
    ):
        BrowserTarget()


BROKEN = """
((make) => function (descriptor) { return make.call(this, {...descriptor, code: "nonsense"}); })(GPUDevice.prototype.createShaderModule)
"""  # as the program is that LiteRT.js 2.5.3 writes for some int16 operators


def open_webgpu() -> WebGpuTarget:
    try:
        return WebGpuTarget()
    except MissingDependencyError as error:
        if "has no WebGPU" not in error.what:
            raise
        pytest.skip(error.what)


def test_a_gpu_in_software_is_called_emulated():
    target = open_webgpu()
    try:
        path = CONVERTED / "shapes" / "float32.tflite"
        model, columns = target.model(path, graph=read_graph(path)), samples(path)
        # A GPU computes with float16 where it can; SwiftShader with float32.
        np.testing.assert_allclose(model.run(columns)[0], on_host(path, columns)[0], atol=5e-3)
        model.close()
        if "swiftshader" in target.identity()["webgpu"]:
            assert (target.kind, target.good_for) == ("emulator", ("accuracy",))
        with pytest.raises(UsageError, match="no threads to choose"):
            target.open(path, threads=2)
        page = target._page(path.name)
        page._evaluate(f"GPUDevice.prototype.createShaderModule = {BROKEN.strip()}; 0", 0)
        with pytest.raises(
            ModelError, match=r"the GPU refuses what the runtime gives it, and the outputs are wrong: .*WGSL"
        ):
            BrowserModel(page, path, read_graph(path), "webgpu").run(columns)
        page.close()
        path = CONVERTED / "tokens" / "float32.tflite"
        examined = target.examine(path, graph=read_graph(path))
        (gather,) = [one for one in examined.placements if one.op == "GATHER"]
        assert (gather.where, gather.why) == ("CPU", "Only support 1D indices")
        assert "in WebAssembly" in examined.notes[-1]
    finally:
        target.close()


def test_evaluation_and_benchmark_name_it(variants, shapes):
    report = tk.evaluate([variants / "int8.tflite"], data=shapes / "test", also_on=("browser",), limit=20)
    (found,) = report.variants[0].on_targets
    assert (found.target, found.provenance, found.samples, found.identical) == ("browser", "measured", 20, 20)
    assert found.accuracy == report.variants[0].accuracy
    row = tk.benchmark(TWO_INPUTS, target="browser", protocol="benchmark-model", runs=10).variants[0]
    assert (row.latency.target, row.latency.target_kind, row.latency.runtime) == (
        "browser",
        "browser",
        "@litertjs/core 2.5.3",
    )
    assert row.latency.rounds == 10
