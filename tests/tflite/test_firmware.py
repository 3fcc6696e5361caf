"""Firmware for microcontrollers: generated, compiled against a stub of TensorFlow Lite for Microcontrollers, and run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import converted
from echo_model import echo_model
from firmware import STUB, compile_firmware, run_firmware

import tflitekit as tk
from tflitekit.core.errors import BundleError, UsageError
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.micro_operators import MICRO_OPERATORS, resolver_method

HOSTILE = (
    'quote " and \\ backslash',
    "*/ class Evil { /*",
    "??/ trigraph",
    "größe 猫",
    "%d %s",
    "tab\t",
    "int",
    "2 many",
)


@pytest.fixture
def no_interpreter(monkeypatch, tmp_path):
    """As on a machine without the environments of `tflitekit setup`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_hostile_names_compile_and_the_program_verifies(tmp_path, no_interpreter):
    model = echo_model(
        tmp_path / "echo.tflite", (1, len(HOSTILE)), "int8", scale=0.5, zero_point=-3, names=(HOSTILE[1], HOSTILE[4])
    )
    rows = np.random.default_rng(0).normal(size=(3, len(HOSTILE))).astype(np.float32)
    out = tmp_path / "bundle"
    made = tk.bundle(model, data=rows, labels=HOSTILE, name=HOSTILE[2], out=out, samples=3, templates=["tflm"])
    assert sorted(path.name for path in (out / "wrappers" / "tflm").iterdir()) == [
        "main.cc", "trigraph_model.cc", "trigraph_model.h", "trigraph_model_data.cc", "trigraph_model_golden.cc", "trigraph_model_golden.h",
    ]  # fmt: skip
    program = compile_firmware(out, "-DTRIGRAPH_MODEL_ARENA_SIZE=2048")
    done = run_firmware(program, made, out)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "3 of 3 golden samples as expected" in done.stdout
    assert "%d %s: largest difference 0\n" in done.stdout
    changed = run_firmware(program, made, out, change=7)  # without the interpreter's own outputs, shown and not judged
    assert (changed.returncode, "largest difference 7\n" in changed.stdout) == (0, True)
    small = run_firmware(program, made, out, arena=2049)
    assert (small.returncode, "arena of 2048 bytes is too small" in small.stdout) == (1, True)
    text = (out / "wrappers" / "tflm" / "trigraph_model_data.cc").read_text()
    stored = bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w)", text))
    assert stored == model.read_bytes()


def test_an_arena_that_nobody_measured_does_not_compile(variants, shapes, tmp_path, cli, no_interpreter):
    out = tmp_path / "bundle"
    done = cli(
        "bundle",
        variants / "int8.tflite",
        "--data",
        shapes / "test",
        "--preprocess",
        "raw",
        "--templates",
        "tflm",
        "--out",
        out,
    )
    assert done[0] == 0, done[2]
    assert "does not say how large its arena has to be" in done[1] + done[2]
    assert "tflitekit setup tflm" in done[1] + done[2]
    header = (out / "wrappers" / "tflm" / "int8_model.h").read_text()
    assert '#error "The size of the arena is not known: define INT8_MODEL_ARENA_SIZE, in bytes"' in header
    assert "It computes with integers, but takes or gives floats (image, shape)" in header
    with pytest.raises(AssertionError, match="The size of the arena is not known"):
        compile_firmware(out, "-fsyntax-only")


def test_several_inputs_and_state(tmp_path, no_interpreter):
    converted("two_inputs", tmp_path / "c")
    file = tmp_path / "c" / "float32.tflite"
    data = {spec.name: np.ones((2, *spec.shape[1:]), np.float32) for spec in read_graph(file).inputs}
    out = tmp_path / "bundle"
    made = tk.bundle(file, data=data, out=out, samples=2, templates=["tflm"])
    done = run_firmware(compile_firmware(out, "-DFLOAT32_MODEL_ARENA_SIZE=4096"), made, out)
    assert (done.returncode, "reset" in done.stdout) == (0, False), done.stdout
    assert "0 millionths" in done.stdout


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (
            "shapes/dynamic_range",
            r"CONV_2D \(conv2\): the CPU does not compute in float on integer weights(?s:.*)int8:io=int8",
        ),
        ("two_inputs/float16", "the CPU does not convert float16 to float32(?s:.*)int8:io=int8"),
        ("tokens/float32", r"SELECT \(embedding\): the CPU has no such operator"),
    ],
)
def test_what_microcontrollers_do_not_take_is_refused(file, why, tmp_path, no_interpreter):
    path = converted(file.split("/")[0], tmp_path / "c") / f"{file.split('/')[1]}.tflite"
    data = {spec.name: np.zeros((2, *spec.shape[1:]), np.float32) for spec in read_graph(path).inputs}
    with pytest.raises(
        BundleError, match=rf"'{path.stem}' would not run on the hardware 'microcontroller'(?s:.*){why}"
    ):
        tk.bundle(path, data=data, out=tmp_path / "bundle", templates=["tflm"])
    assert not (tmp_path / "bundle").exists()


def test_unknown_templates_and_packages(variants, shapes, tmp_path):
    for options, said in (
        ({"templates": ["swift"]}, r"no template 'swift'(?s:.*)kotlin, java, web, tflm"),
        ({"templates": ["tflm"], "package": "a.b"}, "--package names the package of the wrappers"),
    ):
        with pytest.raises(UsageError, match=said):
            tk.bundle(variants / "int8.tflite", data=shapes / "test", out=tmp_path / "b", **options)


def test_the_stub_has_the_methods_of_the_table():
    header = (STUB / "tensorflow" / "lite" / "micro" / "micro_mutable_op_resolver.h").read_text()
    assert {f"Add{name}" for name in re.findall(r"\bADD\((\w+)\)", header)} - {"Addname"} == set(
        map(resolver_method, MICRO_OPERATORS)
    )
    assert resolver_method("SELECT") is None
