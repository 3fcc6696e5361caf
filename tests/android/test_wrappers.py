"""Generated wrappers: compiled as an app compiles them, and run on the JVM with a real runtime."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DATA, SHARED
from echo_model import echo_model
from PIL import Image

import tflitekit as tk
from tflitekit.bundling.contents import Bundle, BundledVariant, Golden, Tolerance, Tolerances
from tflitekit.bundling.wrappers import LANGUAGES, class_name, render, write_wrapper
from tflitekit.core.errors import BundleError, ContractError, UsageError
from tflitekit.core.files import content_hash
from tflitekit.data.preprocessing import PRESETS, Preprocessing
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.runtime import Model

HERE = Path(__file__).parents[1] / "data" / "wrappers"
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""The JVM's first compiler only: programs of seconds start faster, and it keeps every allocation, which tests count."""
HOSTILE = (
    'quote " and \\ backslash', "*/ class Evil { /*", "\\u0022 + evil() + \\u0022", "${evil()} $evil", "\\u000a evil();",
    "tab\tand bell\a", "größe 猫 🐈", "<b>&amp;</b> @param {@link}", "'; DROP", "1", "class",
)  # fmt: skip


def describe(path: Path, **changes: Any) -> Bundle:
    """Returns a bundle of one file, without golden samples."""
    graph = read_graph(path)
    tolerance = Tolerance(max_difference=None, unit="real", reason="")
    variant = BundledVariant(
        name="only", scheme=None, file=f"models/{path.name}", sha256=content_hash(path), size_bytes=path.stat().st_size,
        measured_sha256="", min_runtime_version=None, operators=1, integer_op_fraction=None, keeps_state=graph.keeps_state,
        inputs=graph.inputs, outputs=graph.outputs, primary_output=0, accuracy=None, accuracy_drop=None,
        tolerances=(Tolerances(cpu=tolerance, cpu_builtin=tolerance, gpu=tolerance, nnapi=tolerance),),
    )  # fmt: skip
    fields = {
        "tool": {"tflitekit": "0"}, "name": "some", "input_kind": "tensors", "task": "other", "recommended": "only",
        "baseline": None, "preprocessing": PRESETS["raw"], "labels": None, "output_meaning": "values", "source": None,
        "dataset": None, "variants": (variant,), "golden": Golden(seed=0, top_k=5, samples=()),
    }  # fmt: skip
    return Bundle(**(fields | changes))


@dataclass
class Case:
    """A bundle, what its wrapper is called with, and what comes back.

    Attributes:
        samples: For each sample, what each parameter gets.
        reals: For each sample, the real values of the inputs with the batch.
        call: 'classify', 'classifyPixels', 'run', ...
        getters: Names of the outputs, as in ``outputDigit``.
    """

    bundle: Bundle
    model: Path
    samples: list[list[np.ndarray]]
    reals: list[list[np.ndarray]]
    call: str
    getters: list[str]
    exact: bool = True
    found: dict[str, Path] = field(default_factory=dict)

    def harness(self, name: str, language: str) -> str:
        """Returns the class that calls the wrapper with types."""
        wrapper = f"org.example.{language}.{name}.{class_name(self.bundle.name)}"
        kinds = {"uint8": ("byte[]", "bytes"), "float32": ("float[]", "floats"), "int32": ("int[]", "ints")}
        kinds["int64"] = ("long[]", "longs")
        types = [kinds[str(values.dtype)] for values in self.samples[0]]
        prefix = "get" if language == "kotlin" else ""
        outputs = [f"model.{prefix + g[0].upper() + g[1:] if prefix else g}()" for g in self.getters]
        ranks = self.bundle.task != "other"
        labels = len(self.bundle.labels or ()) if ranks else 0
        companion = ".Companion" if language == "kotlin" else ""
        reads = "".join(
            f'in{i}[s] = Main.{read}(folder.resolve(s + "-" + {i} + ".bin"));' for i, (_, read) in enumerate(types)
        )
        declared = "".join(
            f"final {kind}[] in{i} = new {kind[:-2]}[{len(self.samples)}][];" for i, (kind, _) in enumerate(types)
        )
        arguments = ", ".join(f"in{i}[sample]" for i in range(len(types)))
        return f"""
            public final class {name}_{language} implements Main.Case {{
              final {wrapper} model; {declared}
              public {name}_{language}(java.nio.ByteBuffer content, java.nio.file.Path folder) throws java.io.IOException {{
                {wrapper}{companion}.verify(content);
                model = new {wrapper}(content, 1);
                for (int s = 0; s < {len(self.samples)}; s++) {{ {reads} }}
              }}
              public void run(int sample) {{ model.{self.call}({arguments}); }}
              public Object[] outputs() {{ return new Object[] {{ {", ".join(outputs)} }}; }}
              public int[] top() {{
                int[] top = new int[4];
                java.util.Arrays.fill(top, -1);
                {"top[3] = model.best(); int[] three = new int[3]; java.util.Arrays.fill(three, -1); model.top(three); System.arraycopy(three, 0, top, 0, 3);" if ranks else ""}
                return top;
              }}
              public String[] labels() {{
                String[] all = new String[{labels}];
                {f"for (int i = 0; i < all.length; i++) all[i] = {wrapper}{companion}.label(i);" if labels else ""}
                return all;
              }}
              public void close() {{ model.close(); }}
            }}
            """

    def write(self, folder: Path, harness: str) -> None:
        folder.mkdir(parents=True)
        shutil.copy(self.model, folder / "model.tflite")
        keeps_state = self.bundle.variants[0].keeps_state
        measured = 1000 if self.model.stat().st_size < 50_000 else 100
        settings = (harness, str(keeps_state).lower(), len(self.samples), measured)
        (folder / "case.txt").write_text("\n".join(map(str, settings)))
        for index, sample in enumerate(self.samples):
            for number, values in enumerate(sample):
                (folder / f"{index}-{number}.bin").write_bytes(values.tobytes())


def echo_cases(folder: Path) -> dict[str, Case]:
    """Models that give back their input, so that every stored bit of it is compared."""
    generator = np.random.default_rng(5)
    torch, caffe = PRESETS["imagenet-torch"], PRESETS["imagenet-caffe"]
    signed = Preprocessing(divisor=127.5, mean=(1.0,), std=(0.7,))
    images = [
        ("Rgb", (1, 4, 5, 3), "float32", {}, torch),
        ("Bgr", (-1, 4, 5, 3), "float32", {}, caffe),
        ("Planes", (1, 3, 4, 5), "float32", {}, torch),
        ("Alpha", (1, 4, 5, 4), "float32", {}, PRESETS["-1-1"]),
        ("Grey", (1, 6, 7, 1), "float32", {}, PRESETS["0-1"]),
        ("Flat", (1, 6, 6), "float32", {}, signed),
        ("Int8", (-1, 4, 5, 3), "int8", {"scale": 1.7 / 127, "zero_point": -3}, torch),
        ("Uint8", (1, 4, 5, 3), "uint8", {"scale": 0.0113, "zero_point": 119}, signed),
        ("Int16", (1, 4, 5, 1), "int16", {"scale": 2.7e-5}, signed),
        ("Raw8", (1, 4, 5, 3), "uint8", {}, PRESETS["raw"]),
        ("Raw32", (1, 4, 5, 3), "int32", {}, PRESETS["raw"]),
        ("Raw64", (1, 4, 5, 1), "int64", {}, PRESETS["raw"]),
    ]  # fmt: skip
    cases = {}
    for name, shape, dtype, quantized, preprocessing in images:
        path = echo_model(folder / f"{name}.tflite", shape, dtype, **quantized)
        bundle = describe(path, input_kind="image", preprocessing=preprocessing, name=name)
        inner = shape[1:]
        height, width = inner[1:] if name == "Planes" else inner[:2]
        argb, raw, reals = [], [], []
        for _ in range(2):
            colors = generator.integers(0, 256, (height, width, 4), dtype=np.uint8)
            colors[..., 3] = colors[..., 3] if name == "Alpha" else 255
            image = Image.fromarray(colors, "RGBA")
            pixels = preprocessing.pixels(image if name == "Alpha" else image.convert("RGB"), inner)
            argb.append([colors[..., [2, 1, 0, 3]].copy().view("<i4")[..., 0]])
            raw.append([pixels])
            reals.append([preprocessing.normalized(pixels, inner)[None]])
        cases[name] = Case(bundle, path, argb, reals, "run", ["outputEcho"])
        cases[f"{name}Pixels"] = Case(bundle, path, raw, reals, "runPixels", ["outputEcho"])

    path = echo_model(folder / "arrays.tflite", (1, 300), "int8", scale=0.031, zero_point=4, names=("x", "x"))
    halves = (np.arange(300, dtype=np.float32) - 150) * np.float32(0.0155)  # many lie between two steps
    cases["Arrays"] = Case(describe(path), path, [[halves]], [[halves[None]]], "run", ["outputX"])

    path = echo_model(folder / "hostile.tflite", (1, len(HOSTILE)), "float32", names=(HOSTILE[1], HOSTILE[4]))
    scores = generator.integers(0, 4, (3, len(HOSTILE))).astype(np.float32)  # with ties
    scores[2, :] = np.nan
    scores[2, 4] = -1
    bundle = describe(path, name=HOSTILE[1], labels=HOSTILE, task="classification")
    reals = [[row[None]] for row in scores]
    cases["Hostile"] = Case(bundle, path, [[row] for row in scores], reals, "classify", ["outputU000aEvil"])

    names = tuple(f"name {i}" for i in range(2345))
    path = echo_model(folder / "many.tflite", (1, len(names)), "float32", names=("class", "buffer_0"))
    row = generator.random(len(names)).astype(np.float32)
    bundle = describe(path, labels=names, task="classification", output_meaning="probabilities", name="2 many")
    cases["Many"] = Case(bundle, path, [[row]], [[row[None]]], "classify", ["output0"])

    path = echo_model(folder / "logit.tflite", (-1, 1), "float32", names=("0", "é"))
    bundle = describe(path, labels=("no", "yes"), task="binary")
    values = [np.array([v], np.float32) for v in (-2.5, 3.25)]
    cases["Logit"] = Case(bundle, path, [[v] for v in values], [[v[None]] for v in values], "classify", ["output0"])
    return cases


def real_cases(variants: Path, models: Path, shapes: Path, folder: Path) -> dict[str, Case]:
    """Models that were converted, with operators that the old runtime has."""
    cases = {}
    out = folder / "trained"
    bundle = tk.bundle(
        variants / "float32.tflite", data=shapes / "test", out=out, preprocess="raw", samples=3, name="shapes"
    )
    samples, reals = [], []
    for sample in bundle.golden.samples:
        samples.append([np.fromfile(out / sample.pixels.file, np.uint8)])
        reals.append([np.fromfile(out / sample.inputs[0].file, "<f4").reshape(sample.inputs[0].shape)])
    model = out / bundle.variants[0].file
    cases["Trained"] = Case(bundle, model, samples, reals, "classifyPixels", ["outputShape"], exact=False)

    generator = np.random.default_rng(3)
    for path, key, task, call in (
        (DATA / "converted" / "two_inputs" / "float32.tflite", "Two", "other", "run"),
        (DATA / "converted" / "tokens" / "float32.tflite", "Tokens", "binary", "classify"),
        (models / "fused_lstm.tflite", "Lstm", "other", "run"),  # which keeps state
    ):
        graph = read_graph(path)
        changes = {"task": task, "name": key}
        if task == "binary":
            changes |= {"labels": ("no", "yes"), "output_meaning": "probabilities"}
        bundle = describe(path, **changes)
        reals = [
            [
                generator.integers(0, 50, (1, *s.shape[1:])).astype(s.dtype)
                if s.dtype.startswith("int")
                else generator.normal(size=(1, *s.shape[1:])).astype(np.float32)
                for s in graph.inputs
            ]
            for _ in range(3)
        ]
        samples = [[values[0] for values in sample] for sample in reals]
        getters = [
            "output" + "".join(w[0].upper() + w[1:] for w in re.findall(r"[A-Za-z0-9]+", s.name)) for s in graph.outputs
        ]
        cases[key] = Case(bundle, path, samples, reals, call, getters, exact=False)
    assert cases["Lstm"].bundle.variants[0].keeps_state
    return cases


def resnet8() -> dict[str, Case]:
    """The MLPerf Tiny reference model in int8, where it is there: what the kit converts needs a newer runtime than 2.6."""
    path = SHARED / "models" / "resnet8_cifar10_reference_int8.tflite"
    if not path.is_file():
        return {}
    labels = tuple(f"class {index}" for index in range(10))
    bundle = describe(
        path, name="resnet-8", input_kind="image", task="classification", labels=labels, output_meaning="probabilities"
    )
    photos = sorted((SHARED / "cifar10").rglob("*.jpg"))[:: max(1, len(list((SHARED / "cifar10").rglob("*.jpg"))) // 8)]
    pixels = [np.asarray(Image.open(photo).convert("RGBA")) for photo in photos]
    argb = [[p[..., [2, 1, 0, 3]].copy().view("<i4")[..., 0]] for p in pixels]
    reals = [[p[None, ..., :3].astype(np.float32)] for p in pixels]
    spec = read_graph(path).outputs[0]
    getter = "output" + "".join(w[0].upper() + w[1:] for w in re.findall(r"[A-Za-z0-9]+", spec.name))
    return {"Resnet8": Case(bundle, path, argb, reals, "classify", [getter], exact=False)}


@dataclass
class Libraries:
    """Class paths: to compile against, to run with, of Kotlin's compiler; and the runtime's library."""

    compile: list[Path]
    run: list[Path]
    kotlin: list[Path]
    native: Path


def run(*command: Any) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


@pytest.fixture(scope="module")
def libraries(android_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    folder = tmp_path_factory.mktemp("libraries")
    pom, listed = HERE / "pom.xml", folder / "classpath.txt"
    command = ["mvn", "--quiet", "--batch-mode", "--file", str(pom), "dependency:build-classpath"]
    command.append(f"-Dmdep.outputFile={listed}")
    done = subprocess.run([*command, "--offline"], capture_output=True, text=True, check=False)
    if done.returncode:  # the local repository does not have everything yet
        run(*command)
    jars = {}
    for path in map(Path, listed.read_text().strip().split(os.pathsep)):
        if path.suffix == ".aar":
            with zipfile.ZipFile(path) as archive:
                jars[path.parents[1].name] = folder / f"{path.stem}.jar"
                jars[path.parents[1].name].write_bytes(archive.read("classes.jar"))
        else:
            jars[path.parents[1].name] = path
    native = folder / "libtensorflowlite_jni.so"
    with zipfile.ZipFile(jars["tflite-native-cpu"]) as archive:
        native.write_bytes(archive.read("native/lib/libtensorflowlite_jni.so"))
    kotlin = [path for name, path in jars.items() if "kotlin" in name or name == "annotations"]
    return Libraries(
        compile=[jars[name] for name in ("android-all", "tensorflow-lite", "tensorflow-lite-api", "kotlin-stdlib")],
        run=[jars["tflite-engine"], jars["kotlin-stdlib"]],
        kotlin=kotlin,
        native=native,
    )


def joined(*paths: Path) -> str:
    return os.pathsep.join(map(str, paths))


@pytest.fixture(scope="module")
def cases(
    libraries: Libraries, variants: Path, models: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Case]:
    """All cases, with their wrappers written, compiled in one go for each language, and run in one JVM."""
    folder = tmp_path_factory.mktemp("wrappers")
    found = echo_cases(folder) | real_cases(variants, models, shapes, folder) | resnet8()
    sources: dict[str, list[Path]] = {language: [] for language in LANGUAGES}
    harnesses = [HERE / "Main.java"]
    for name, case in found.items():
        for language in LANGUAGES:
            package = f"org.example.{language}.{name}"
            sources[language].append(write_wrapper(case.bundle, folder / name, language=language, package=package))
            harnesses.append(folder / f"{name}_{language}.java")
            harnesses[-1].write_text(case.harness(name, language))
            case.found[language] = folder / "runs" / f"{name}_{language}"
            case.write(case.found[language], harnesses[-1].stem)
    classes, path = folder / "classes", joined(*libraries.compile)
    javac = [f"-J{option}" for option in BRIEF]
    run(
        "java", *BRIEF, "-cp", joined(*libraries.kotlin), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib", "-no-reflect",
        "-Werror", "-jvm-target", "1.8", "-d", classes, "-cp", path, *sources["kotlin"],
    )  # fmt: skip
    run(
        "javac",
        *javac,
        "--release",
        "8",
        "-encoding",
        "US-ASCII",
        "-nowarn",
        "-d",
        classes,
        "-cp",
        path,
        *sources["java"],
    )
    run("javac", *javac, "-d", classes, "-cp", joined(classes, *libraries.run), *harnesses)
    run(
        "java", *BRIEF, "-cp", joined(classes, *libraries.run), "Main", libraries.native,
        *(place for case in found.values() for place in case.found.values()),
    )  # fmt: skip
    return found


def of(cases: dict[str, Case], name: str) -> Case:
    if name not in cases:
        pytest.skip("the shared real data (../shared/data) are not here")
    return cases[name]


CASES = [
    *(f"{name}{way}" for name in ("Rgb", "Bgr", "Planes", "Alpha", "Grey", "Flat", "Int8", "Uint8", "Int16", "Raw8", "Raw32", "Raw64")
      for way in ("", "Pixels")),
    "Arrays", "Hostile", "Many", "Logit", "Trained", "Two", "Tokens", "Lstm", "Resnet8",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_a_wrapper_computes_what_python_computes(cases, name, language):
    assert set(cases) | {"Resnet8"} == set(CASES)
    case = of(cases, name)
    folder, model = case.found[language], Model(case.model)
    for index, reals in enumerate(case.reals):
        answers = model.run(reals)
        for number, answer in enumerate(answers):
            kind = "<f4" if answer.dtype.kind == "f" else "<i8" if answer.dtype == np.int64 else "<i4"
            got = np.fromfile(folder / f"output-{index}-{number}.bin", kind).reshape(answer.shape)
            if case.exact:
                np.testing.assert_array_equal(got, answer)
            else:  # kernels of TensorFlow Lite 2.6 round otherwise: 6 steps of 1/256 in one of 8 photos, none in the others
                np.testing.assert_allclose(got, answer, rtol=0, atol=8 / 256 if name == "Resnet8" else 1e-5)
        if case.bundle.task != "other":
            values = np.fromfile(folder / f"output-{index}-0.bin", "<f4")
            if case.bundle.task == "binary":
                p = values[0]
                values = np.array([1 - p if case.bundle.output_meaning == "probabilities" else -p, p], np.float32)
            order = [i for i in np.argsort(-values, kind="stable") if not np.isnan(values[i])][:3]
            top = np.fromfile(folder / f"top-{index}.bin", "<i4").tolist()
            assert top[:3] == [*order, *[-1] * (3 - len(order))]
            assert top[3] == order[0]
    labels = (folder / "labels.txt").read_bytes().decode().split("\0")[:-1]
    assert labels == list(case.bundle.labels or ())


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_a_run_allocates_what_the_interpreter_allocates_and_nothing_else(cases, name, language):
    wrapper, interpreter = map(int, (of(cases, name).found[language] / "allocated.txt").read_text().split())
    assert wrapper == interpreter


def test_names():
    assert class_name("digits") == "DigitsModel"
    assert class_name("my-model") == "MyModel"
    assert class_name("2024 digits") == "Model2024DigitsModel"
    assert class_name("猫") == "BundledModel"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_text_says(tmp_path, language):
    path = echo_model(tmp_path / "m.tflite", (1, 8, 9, 3), "uint8", scale=0.5, zero_point=3)
    bundle = describe(path, input_kind="image", preprocessing=PRESETS["imagenet-tf"])
    text = render(bundle, bundle.variants[0], language, "com.example.app")
    words = " ".join(text.replace("*", " ").split())
    assert "first cut the centered 0.875 of its width and height, then cut the largest centered rectangle" in words
    assert "Pillow's filter 'bilinear'" in words
    assert "The input 'image', 1 x 8 x 9 x 3, uint8, real values." in words
    assert content_hash(path) in text and '"models/m.tflite"' in text
    assert "package com.example.app" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_outputs_that_a_reader_decodes_are_said_to_be_raw(tmp_path, language):
    path = echo_model(tmp_path / "m.tflite", (1, 6, 40), "float32")
    reader = {"name": "yolov8", "outputs": ["out"], "box": "cxcywh", "iou": 0.5, "anchors": [[0.5] * 4] * 40}
    bundle = describe(path, task="detection", reader=reader, schema_version=2, labels=("a", "b"))
    text = render(bundle, bundle.variants[0], language, "com.example.app")
    words = " ".join(text.replace("*", " ").split())
    assert "raw values and are not decoded here. They become boxes with classes and scores" in words
    assert "it reads out with box cxcywh, iou 0.5, anchors as bundle.json has it." in words
    assert "classify" not in text and "of each class" not in text


def test_wrong_use(tmp_path):
    path = echo_model(tmp_path / "m.tflite", (1, 4), "float32")
    bundle = describe(path)
    with pytest.raises(UsageError, match="no template for 'swift'"):
        write_wrapper(bundle, tmp_path, language="swift", package="a.b")
    for package in (None, "", "com.example.", "com.class.app", "a.b; import evil", "1a.b", "com/example"):
        with pytest.raises(UsageError, match="package"):
            write_wrapper(bundle, tmp_path, language="java", package=package)
    with pytest.raises(BundleError, match="no variant 'int4'"):
        write_wrapper(bundle, tmp_path, language="java", package="a.b", variant="int4")
    assert not (tmp_path / "java").exists()


@pytest.mark.parametrize(
    ("shape", "dtype", "problem"),
    [((1, -1), "float32", "a dynamic size besides the batch"), ((1, 4), "bool", "the type bool")],
)
def test_tensors_that_no_wrapper_holds_are_refused(tmp_path, shape, dtype, problem):
    path = echo_model(tmp_path / "m.tflite", (1, 4), "float32")
    bundle = describe(path)
    variant = bundle.variants[0]
    changed = variant.model_copy(update={"inputs": (replace(variant.inputs[0], shape=shape, dtype=dtype),)})
    with pytest.raises(BundleError, match=problem):
        render(bundle, changed, "java", "a.b")


def test_preprocessing_that_does_not_fit_is_refused(tmp_path):
    path = echo_model(tmp_path / "m.tflite", (1, 4, 4, 1), "float32")
    bundle = describe(path, input_kind="image", preprocessing=PRESETS["imagenet-torch"])
    with pytest.raises(ContractError, match="3 values for mean"):
        render(bundle, bundle.variants[0], "java", "a.b")
