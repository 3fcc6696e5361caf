"""Fixtures: small real models and data, made once per session; the shared real data where they are there."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from importlib.metadata import EntryPoints, distributions
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Ten seconds a file are for users who want to know; here and in the processes that tests start it is enough that it works.
os.environ.setdefault("TFLITEKIT_QUICK_BUDGET_S", "0.5")
# Compilations and tests of a minute end before the second compiler of the JVM has earned what it takes.
os.environ.setdefault("MAVEN_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
# A console that is made while it is set keeps that width, and pytest-xdist's processes have 80.
os.environ.pop("COLUMNS", None)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "android_demo" / "offline"))

# The same examples in each run: what a change breaks fails for everybody, and nothing fails by the draw. How long an example takes says
# something about the machine, not about the code. `pytest --hypothesis-profile exploring` draws others each time.
patient = hypothesis.settings(
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.register_profile("patient", patient)
hypothesis.settings.register_profile("exploring", patient, derandomize=False)
hypothesis.settings.load_profile("patient")

DATA = Path(__file__).parent / "data"
"""Committed files that tests read."""
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CLASSES = ("circle", "square", "stripe")
LINTS = {
    "broken-part", "calibration-leak", "calibration-range", "chance", "clipped-input", "coarse-input", "coarse-output",
    "collapsed-confidence", "constant-input", "constant-output", "damaged-part", "dead-channel", "double-normalization",
    "few-calibration-samples", "float16-not-checked", "float16-overflow", "float16-weights", "noise-calibration",
    "one-class-calibration", "saturated-output", "trained-on-evaluation-data",
}  # fmt: skip
"""Findings that healthy models and data never give."""


LONGEST = (
    "test_training_run", "test_android_app", "test_training", "test_distribution", "test_compression", "test_cluster", "test_optimize",
    "test_readme", "test_converters", "test_schemes", "test_real_data", "test_ssh", "test_sources", "test_depot", "test_suite_runs",
    "test_tracking", "test_quickstart", "test_explanation", "test_training_tasks", "test_report_browser", "test_microcontrollers",
    "test_browser_target", "test_proof_of_models", "test_fuzz",
)  # fmt: skip
"""Files that take long, the longest first: all processes have work to the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports without the garbage collector, which takes half of TensorFlow's import and later never looks at what stays anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def tier(item: pytest.Item) -> str:
    """The folder below tests/ in which a test stands, which says what it needs."""
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest files, gives each test its folder as a marker, and skips what needs TensorFlow without it."""
    light = importlib.util.find_spec("tensorflow") is None
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))
    for item in items:
        item.add_marker(tier(item))
        if light and tier(item) in ("convert", "training"):
            item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed: pip install '.[convert]'"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In several processes keeps a file in one, and all that use Maven in the same one: its cache is not made for two."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = (
        False  # in the order of `pytest_collection_modifyitems`, not of how many tests there are
    )

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "maven" if "/android/" in file else file

    return ByFile(config, log)


def one_environment() -> None:
    """Workers with TensorFlow are taken again where the environment is the same, and pytest names the test in it."""
    os.environ["PYTEST_CURRENT_TEST"] = "any"


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    one_environment()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    one_environment()


@pytest.fixture(autouse=True)
def names_from_the_start() -> None:
    """Keras numbers the names that it gives ('split_5') by process: what ran before must not show in a test's."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)


@pytest.fixture(scope="session", autouse=True)
def nothing_else() -> Iterator[None]:
    """Keeps out what packages on this machine add to the kit."""
    from tflitekit.core import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_installed", EntryPoints)
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_workers() -> Iterator[None]:
    """Keeps workers for longer than users' are kept: between two tests that need one there may be minutes."""
    from tflitekit.core.process import workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_IDLE_S", 150.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def keras_once() -> Iterator[None]:
    """Lets workers import tf_keras once, too, which each task of a training would do for itself: a quarter of those tests' time."""
    from tflitekit.core.process.workers import TENSORFLOW

    with pytest.MonkeyPatch.context() as patch:
        for module in ("tflitekit.engines.preload", "tflitekit.training.preflight"):
            patch.setattr(f"{module}.TENSORFLOW", (*TENSORFLOW, "tf_keras"))
        yield


@pytest.fixture
def spread_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spreads evaluations over a cluster that take milliseconds."""
    monkeypatch.setattr("tflitekit.accuracy.spread._PART_S", 1e-3)
    monkeypatch.setattr("tflitekit.accuracy.spread._LEAST_S", 1e-3)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package that adds to registries, in this process and its workers, for one test.

    It is a folder with modules and a ``.dist-info`` beside them, as an installation has them.
    """
    from tflitekit.core import registry

    folders: list[str] = []

    def found() -> EntryPoints:
        return EntryPoints(entry for package in distributions(path=folders) for entry in package.entry_points)

    def install(folder: Path, *registries: registry.Registry[Any]) -> None:
        for one in registries:
            monkeypatch.setattr(one, "_things", one.all())
            monkeypatch.setattr(one, "_modules", dict(one._modules))
            monkeypatch.setattr(one, "_complete", False)
        monkeypatch.setattr(registry, "_installed", found)
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


def write_shapes(root: Path) -> None:
    """Writes ``train`` and ``test``, each with one folder of PNG images per class."""
    for part, count, seed in (("train", 90, 1), ("test", 120, 2)):
        images, labels = shape_arrays(count, seed)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / part / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0].astype(np.uint8)).save(folder / f"{index:03d}.png")


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``train`` and ``test``, each with one folder of PNG images per class."""
    root = tmp_path_factory.mktemp("shapes")
    write_shapes(root)
    return root


def made_from() -> dict[str, str]:
    """What the committed models depend on: the script that makes them, and the pinned versions of what it uses."""
    pinned = (DATA.parents[1] / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tools = ("tensorflow==", "keras==", "tf_keras==")
    script = hashlib.sha256((DATA.parent / "make_models.py").read_bytes()).hexdigest()
    return {"make_models.py": script} | dict(line.split("==") for line in pinned if line.startswith(tools))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models of every kind, committed; see make_models.py."""
    return Path(shutil.copytree(DATA / "models", tmp_path_factory.mktemp("models"), dirs_exist_ok=True))


def converted(name: str, out: Path) -> Path:
    """Copies what the converter made of a model (see make_models.py) into a folder of the test's, and returns that."""
    files = shutil.ignore_patterns("source.json")
    return Path(shutil.copytree(DATA / "converted" / name, out, dirs_exist_ok=True, ignore=files))


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All schemes that do not train, of the small trained classifier, in one folder, committed."""
    return converted("shapes", tmp_path_factory.mktemp("variants"))


@pytest.fixture(scope="session")
def trained() -> Path:
    """All schemes that train, of the same classifier, committed."""
    return DATA / "converted" / "shapes_trained"


def direct_schemes() -> list[str]:
    """The schemes that say what to make. Those that search for it have tests of their own."""
    from tflitekit.schemes import available

    return [name for name, scheme in available().items() if scheme.search is None]


@pytest.fixture
def file_of(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The finished file of a scheme, trained or not."""
    from tflitekit.schemes import available

    def find(name: str) -> Path:
        trains = name in available() and available()[name].needs == "training"
        return request.getfixturevalue("trained" if trains else "variants") / f"{name}.tflite"

    return find


@pytest.fixture(scope="session")
def optimized(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of `optimize` on the small trained classifier: three schemes."""
    return optimize_converted("shapes", shapes, tmp_path_factory.mktemp("optimized"))


def optimize_converted(name: str, shapes: Path, out: Path, **how: Any) -> Path:
    """Runs `optimize` on a model whose files the converter made before: all but the conversion happens as always."""
    from tflitekit.conversion import ConversionSpec, ConvertResult
    from tflitekit.core.progress import Progress
    from tflitekit.core.structured import read_model
    from tflitekit.data.calibration import store_calibration
    from tflitekit.data.dataset import open_dataset
    from tflitekit.optimization import run as module
    from tflitekit.optimization.optimize import optimize
    from tflitekit.source.prepared import PreparedSource
    from tflitekit.targets.protocols import PROTOCOLS
    from tflitekit.tflite.variant import read_sidecar

    source = read_model(PreparedSource, DATA / "converted" / name / "source.json")
    calibration = open_dataset(shapes / "train")

    def convert(model: Path, spec: ConversionSpec, *, out: Path, **_: Any) -> ConvertResult:
        files = [DATA / "converted" / name / f"{request.name}.tflite" for request in spec.requests]
        for file in files:
            shutil.copy(file, out)
            shutil.copy(file.with_suffix(".json"), out)
        variants = [read_sidecar(out / file.name) for file in files]
        samples = store_calibration(
            calibration, source.inputs, spec.preprocessing, out / ".tflitekit" / "calibration", Progress()
        )
        return ConvertResult(
            out=out,
            source_location=str(model),
            source_sha256=variants[0].source_sha256,
            source=source,
            variants=tuple(variants),
            calibration=samples,
            calibration_location=calibration.location,
            calibration_kind=calibration.kind,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "convert_unlocked", convert)
        # As many rounds whatever the machine does: what is uncertain on a busy one has intervals all the same.
        few = {"rounds": 6, "precision": None, "budget_s": 600.0}
        patch.setitem(PROTOCOLS, "quick", PROTOCOLS["quick"].model_copy(update=few))
        optimize(
            DATA / "models" / f"{name}.keras",
            data=shapes / "test",
            calibration=shapes / "train",
            preprocess="raw",
            schemes=["float32", "dynamic_range", "int8"],
            out=out,
            **how,
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


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the app's project; without Maven and a JDK skips, but fails where CI runs."""
    from android_jvm import copy_project

    if shutil.which("mvn") is None or shutil.which("javac") is None:
        absent = "Maven and a JDK are not installed (Debian packages maven, openjdk-17-jdk-headless)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(absent)
        pytest.skip(absent)
    return copy_project(tmp_path_factory.mktemp("android"))


@pytest.fixture(scope="session")
def core(project: Path) -> Any:
    """The app's core and its tests, compiled: an `android_jvm.Core`."""
    from android_jvm import compile_core

    return compile_core(project)


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
