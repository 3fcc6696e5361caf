"""Fixtures: small real models and data, made once per session; the shared real data where they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# A console that is made while it is set keeps that width, and pytest-xdist's processes have 80.
os.environ.pop("COLUMNS", None)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "android_demo" / "offline"))

# How long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], parent=hypothesis.settings()
)
hypothesis.settings.load_profile("patient")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CLASSES = ("circle", "square", "stripe")
LINTS = {
    "broken-part", "calibration-leak", "calibration-range", "chance", "clipped-input", "coarse-input", "coarse-output",
    "collapsed-confidence", "constant-input", "constant-output", "damaged-part", "dead-channel", "double-normalization",
    "few-calibration-samples", "float16-not-checked", "float16-overflow", "float16-weights", "noise-calibration",
    "one-class-calibration", "saturated-output", "trained-on-evaluation-data",
}  # fmt: skip
"""Findings that healthy models and data never give."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In several processes keeps a file in one, and all that use Maven in the same one: its cache is not made for two."""
    from xdist.scheduler import LoadScopeScheduling

    tests = Path(__file__).parent
    with_maven = {path.name for path in tests.rglob("test_*.py") if "mark.android" in path.read_text(encoding="utf-8")}

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "maven" if Path(file).name in with_maven else file

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def protocols() -> dict[str, Any]:
    """The protocols as they are. In tests latency takes at most two seconds a file instead of ten, which a busy machine would
    spend in each of them to be no more certain."""
    from tflitekit.targets.protocols import PROTOCOLS

    before = dict(PROTOCOLS)
    PROTOCOLS["quick"] = PROTOCOLS["quick"].model_copy(update={"budget_s": 2.0})
    return before


@pytest.fixture(autouse=True)
def names_from_the_start() -> None:
    """Keras numbers the names that it gives ('split_5') by process: what ran before must not show in a test's."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package that adds to registries, in this process and its workers, for one test.

    It is a folder with modules and a ``.dist-info`` beside them, as an installation has them.
    """
    from tflitekit.core import registry

    folders = []

    def install(folder: Path, *registries: registry.Registry[Any]) -> None:
        for one in registries:
            monkeypatch.setattr(one, "_things", one.all())
            monkeypatch.setattr(one, "_modules", dict(one._modules))
            monkeypatch.setattr(one, "_complete", False)
        monkeypatch.setattr(registry, "_installed", entry_points)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        monkeypatch.syspath_prepend(str(folder))
        folders.append(str(folder))

    yield install
    for name, module in list(sys.modules.items()):
        if any(str(getattr(module, "__file__", "")).startswith(folder) for folder in folders):
            del sys.modules[name]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real CIFAR-10 images and MLPerf Tiny models."""
    if not (SHARED / "models" / "resnet8_cifar10.h5").is_file():
        pytest.skip("the shared real data (../shared/data) are not here")
    return SHARED


def shape_image(kind: str, generator: np.random.Generator, side: int = 12) -> np.ndarray:
    """Draws one noisy grey picture of a class, so that a tiny model can really learn the data."""
    canvas = generator.integers(0, 60, (side, side)).astype(np.int32)
    y, x = np.mgrid[:side, :side]
    center = generator.uniform(side * 0.4, side * 0.6, 2)
    distance = np.hypot(y - center[0], x - center[1])
    if kind == "circle":
        canvas[np.abs(distance - side * 0.3) < 1.1] += 170
    elif kind == "square":
        canvas[(np.abs(y - center[0]) < side * 0.25) & (np.abs(x - center[1]) < side * 0.25)] += 150
    else:
        canvas[(y + generator.integers(0, 3)) % 3 == 0] += 160
    return canvas.clip(0, 255).astype(np.uint8)


def shape_arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns images ``(n, 12, 12, 1)`` from 0 to 255 as float32, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = np.stack([shape_image(CLASSES[label], generator) for label in labels])
    return images[..., None].astype(np.float32), labels


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train`` and ``test``, each with one folder of PNG images per class."""
    root = tmp_path_factory.mktemp("shapes")
    for part, count, seed in (("train", 90, 1), ("test", 120, 2)):
        images, labels = shape_arrays(count, seed)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / part / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0].astype(np.uint8)).save(folder / f"{index:03d}.png")
    return root


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models of every kind, made in one child process so that the tests import TensorFlow once."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[convert]'")
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).parent / "make_models.py"
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="session")
def variants(models: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All schemes that do not train, of the small trained classifier, in one folder."""
    from tflitekit import convert
    from tflitekit.schemes import available

    out = tmp_path_factory.mktemp("variants")
    schemes = [name for name, scheme in available().items() if scheme.needs != "training"]
    result = convert(
        models / "shapes.keras", schemes=[*schemes, "int8:io=uint8"], calibration=shapes / "train", out=out
    )
    assert [v.name for v in result.variants if v.status != "ok"] == []
    return out


@pytest.fixture(scope="session")
def trained_variants(models: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All schemes that train, of the same classifier, trained for two epochs a stage."""
    from tflitekit import ConvertOptions, TrainingOptions, convert
    from tflitekit.schemes import available

    out = tmp_path_factory.mktemp("trained_variants")
    result = convert(
        models / "shapes.keras",
        schemes=[name for name, scheme in available().items() if scheme.needs == "training"],
        out=out,
        options=ConvertOptions(training=TrainingOptions(data=shapes / "train", epochs=2, batch_size=16)),
    )
    assert [(v.name, v.error) for v in result.variants if v.status != "ok"] == []
    return out


@pytest.fixture(scope="session")
def optimized(models: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of `optimize` on the small trained classifier: three schemes."""
    from tflitekit import optimize

    out = tmp_path_factory.mktemp("optimized")
    schemes = ["float32", "dynamic_range", "int8"]
    optimize(
        models / "shapes.keras",
        data=shapes / "test",
        calibration=shapes / "train",
        preprocess="raw",
        schemes=schemes,
        out=out,
    )
    return out


@pytest.fixture(scope="session")
def android_tools() -> None:
    """The tools that build the Android app; without them skips, but fails where CI runs."""
    from apkbuild.tools import missing

    if missing():
        absent = f"Tools that build the Android app are not installed (Debian packages {', '.join(missing())})"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(absent)
        pytest.skip(absent)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs the real command line in this process; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: Any) -> tuple[int, str, str]:
        from tflitekit.cli import app

        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            app([str(a) for a in arguments])
        out, err = capfd.readouterr()
        code = stopped.value.code
        return (0 if code is None else int(code)), out, err

    return run


def interruptible(*arguments: Any) -> list[str]:
    """Returns the command line as a command that Ctrl-C stops, also where pytest runs in the background and ignores it."""
    handle = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{handle}; from tflitekit.__main__ import main; main()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def run_json(result: tuple[int, str, str]) -> Any:
    """Parses what a command printed with --json."""
    return json.loads(result[1])
