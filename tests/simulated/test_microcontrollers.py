"""The interpreter for microcontrollers and Arm's compiler for Ethos-U, really run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA
from edit_tflite import open_shapes
from firmware import compile_firmware, run_firmware
from ready_environment import ready

import tflitekit as tk
from tflitekit.core.errors import ModelError, UsageError
from tflitekit.hardware import judge, load_profile
from tflitekit.targets import open_target
from tflitekit.targets.remote import WORKER, Start
from tflitekit.targets.tflm import Tflm
from tflitekit.tflite.graph import read_graph
from tflitekit.tflite.micro_operators import MICRO_OPERATORS
from tflitekit.tflite.runtime import Model

SEE_WHICH_OPERATORS = Path(__file__).parents[1] / "data" / "micro_operators.py"


@pytest.fixture(scope="module")
def tflm():
    ready("tflm")
    with open_target("tflm") as target:
        yield target


@pytest.fixture(scope="module")
def ethos_u():
    ready("ethos-u")
    with open_target("ethos-u:ethos-u55-128") as target:
        yield target


def examine(target, path):
    return target.examine(path, graph=read_graph(path))


def test_the_arena_is_the_interpreters_own(tflm, variants):
    found = examine(tflm, variants / "int8-io-uint8.tflite")
    assert found.tool.startswith("tflite-micro 0.dev")
    assert found.arena_bytes == 5472
    assert (
        "int8-io-uint8 uses 5,472 bytes of its arena, in the interpreter's own words: 2,880 for tensors, and 2,592 that persist"
        in found.notes[0]
    )


def test_planning_may_need_more_than_is_used(tflm):
    found = examine(tflm, DATA / "converted" / "regression" / "int8.tflite")
    assert found.arena_bytes > 2000
    assert "int8 uses 2,000 bytes of its arena" in found.notes[0]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("shapes/dynamic_range", r"CONV_2D|FULLY_CONNECTED.*\(layer 'shape'\): Hybrid models are not supported"),
        ("two_inputs/float16", r"DEQUANTIZE \(layer 'alpha'\): input->type"),
        ("tokens/float32", r"It has no SELECT \(layer 'embedding'\)\."),
    ],
)
def test_what_the_interpreter_refuses_is_told_in_its_words_and_the_users_names(tflm, file, said):
    path = DATA / "converted" / f"{file}.tflite"
    for ask in (lambda: examine(tflm, path), lambda: tflm.model(path, graph=read_graph(path))):
        with pytest.raises(ModelError, match=f"(?s)does not take {path.name}.*({said})"):
            ask()


def test_a_file_that_crashes_the_interpreter(variants, tmp_path, monkeypatch):
    ready("tflm")
    folder = shutil.copytree(WORKER, tmp_path / "worker")
    (folder / "crashing.py").write_text(
        "import os, signal\nclass Engine:\n    runtime = staticmethod(str)\n"
        "    examine = staticmethod(lambda path, options: os.kill(os.getpid(), signal.SIGSEGV))\n"
    )
    crashing = Tflm()
    monkeypatch.setattr(crashing, "_start", Start([sys.executable, str(folder), "crashing"], "TFLM"))
    with pytest.raises(
        ModelError, match=r"(?s)does not take int8\.tflite\..*The worker for TFLM was ended by signal 11"
    ):
        examine(crashing, variants / "int8.tflite")


def test_several_inputs_and_state_in_the_interpreter(tflm):
    for path in (DATA / "converted" / "two_inputs" / "float32.tflite", DATA / "converted" / "lstm" / "float32.tflite"):
        graph, host, random = read_graph(path), Model(path), np.random.default_rng(1)
        columns = [random.random((3, *spec.shape[1:]), np.float32) for spec in graph.inputs]
        model = tflm.model(path, graph=graph)
        found = model.run(columns)
        model.close()
        for row in range(3):
            for here, there in zip(host.run([values[row : row + 1] for values in columns]), found, strict=True):
                np.testing.assert_allclose(
                    there[row : row + 1], here, rtol=1e-5, atol=1e-6
                )  # float32 sums in another order


def test_files_beside_the_host(tflm, ethos_u, variants, shapes):
    files = [variants / f"{name}.tflite" for name in ("float32", "int8", "dynamic_range")]
    found = tk.evaluate(files, data=shapes / "test", also_on=[tflm.name, ethos_u.name], also_on_limit=40)
    by_name = {row.name: row.on_targets for row in found.variants}
    micro, npu = by_name["int8"]
    assert (micro.provenance, micro.samples, npu.provenance, npu.samples) == ("emulated", 40, "estimated", None)
    assert micro.accuracy.value > 0.9
    assert micro.deviation < 0.05
    assert npu.examination.estimated_ms > 0
    assert "Hybrid models" in by_name["dynamic_range"][0].refused
    assert by_name["dynamic_range"][1].examination.accelerated == 0


def test_profiles_say_what_the_interpreter_and_the_compiler_do(tflm, ethos_u):
    told, seen = {}, {}
    for path in sorted((DATA / "converted" / "shapes").glob("*.tflite")):
        graph = read_graph(path)
        told[path.stem] = judge(graph, load_profile("microcontroller")).verdict != "would not run"
        try:
            tflm.model(path, graph=graph).close()
        except ModelError:
            seen[path.stem] = False
        else:
            seen[path.stem] = True
        if path.stem in ("float32", "int16x8", "int8", "int8-io-uint8"):
            told[f"{path.stem} on the NPU"] = judge(graph, load_profile("ethos-u55-128")).taken
            placed = ethos_u.examine(path, graph=graph).placements
            seen[f"{path.stem} on the NPU"] = sum(one.where == "NPU" for one in placed)
    assert seen == told


def test_the_table_of_operators_is_the_interpreters(tflm):
    """Asks the interpreter for each operator of the schema; custom ones have no list there."""
    del tflm
    done = subprocess.run([ready("tflm").python, "-E", SEE_WHICH_OPERATORS], capture_output=True, text=True, check=True)
    asked = json.loads(done.stdout)
    assert len(asked) > 150
    assert {name for name, has in asked.items() if has} == MICRO_OPERATORS & asked.keys()


def test_all_of_an_int8_model_runs_on_the_npu(ethos_u, variants):
    found = examine(ethos_u, variants / "int8-io-uint8.tflite")
    assert found.tool == "ethos-u-vela 5.2.0"
    assert found.configuration == (
        "ethos-u55-128 at 500 MHz, system configuration Ethos_U55_High_End_Embedded, memory mode Shared_Sram"
    )
    assert 0 < found.estimated_ms < 1
    assert 1000 < found.sram_bytes < 10_000
    assert 1000 < found.flash_bytes < 10_000


def test_check_asks_the_compiler_and_names_what_it_assumes(ethos_u, variants, cli):
    done = cli("check", variants / "int8.tflite", "--on", "ethos-u55-128", "--also-on", ethos_u.name)
    assert done[0] == 1, done[2]
    assert "system configuration Ethos_U55_High_End_Embedded, memory mode Shared_Sram" in done[1]
    assert "operators on the NPU" in done[1]
    assert "estimated" in done[1]


def test_what_stays_on_the_cpu_is_told_with_the_reason(ethos_u, variants):
    found = examine(ethos_u, variants / "int8.tflite")
    left = {one.op: one.why for one in found.placements if one.where == "CPU"}
    assert left["QUANTIZE"].startswith("Operation has tensor with unsupported DataType Float32")
    assert left["DEQUANTIZE"] == "Unsupported opType"
    assert set(left) == {"QUANTIZE", "DEQUANTIZE"}
    assert found.notes == ("The estimate for int8 leaves out the 2 operators that stay on the CPU.",)
    floats = examine(ethos_u, variants / "float32.tflite")
    assert (floats.accelerated, floats.estimated_ms, floats.sram_bytes) == (0, None, None)
    (conv, *_) = [one for one in floats.placements if one.op == "CONV_2D"]
    assert (conv.layer, "unsupported DataType Float32 (" in conv.why) == ("conv1", True)


def test_a_file_that_crashes_the_compiler(ethos_u, variants):
    with pytest.raises(
        ModelError, match=r"int4x8\.tflite crashes ethos-u-vela(?s:.*)SIGFPE. Its weights are int4, and Vela takes"
    ):
        examine(ethos_u, variants / "int4x8.tflite")


def test_other_configurations_and_the_compiled_file(variants, tmp_path):
    ready("ethos-u")
    keep = tmp_path / "npu"
    name = f"ethos-u:ethos-u55-128,system=Ethos_U55_Deep_Embedded,memory=Sram_Only,keep={keep}"
    with open_target(name) as target:
        assert target.name == "ethos-u:ethos-u55-128,system=Ethos_U55_Deep_Embedded,memory=Sram_Only"
        assert target.identity() == {
            "keep": str(keep), "runtime": "ethos-u-vela 5.2.0", "accelerator": "ethos-u55-128", "system": "Ethos_U55_Deep_Embedded", "memory": "Sram_Only",
        }  # fmt: skip
        found = examine(target, variants / "int8-io-uint8.tflite")
    assert "at 200 MHz, system configuration Ethos_U55_Deep_Embedded, memory mode Sram_Only" in found.configuration
    assert "ethos-u" in read_graph(keep / "int8-io-uint8_vela.tflite").custom_ops
    for wrong, said in (
        ("ethos-u:ethos-u55-128,system=Fast", r"no system configuration 'Fast'(?s:.*)Ethos_U55_Deep_Embedded"),
        ("ethos-u:ethos-u55-128,memory=Fast", r"no memory mode 'Fast'(?s:.*)Shared_Sram"),
    ):
        with pytest.raises(UsageError, match=said), open_target(wrong):
            pass


def test_the_interpreter_says_how_large_the_arena_is_and_what_a_device_computes(variants, shapes, tmp_path):
    ready("tflm")
    out = tmp_path / "bundle"
    made = tk.bundle(
        variants / "int8-io-uint8.tflite",
        data=shapes / "test",
        preprocess="raw",
        samples=3,
        out=out,
        templates=["tflm"],
    )
    header = (out / "wrappers" / "tflm" / "int8_io_uint8_model.h").read_text()
    assert "#define INT8_IO_UINT8_MODEL_ARENA_SIZE 5472" in header
    assert "computes with integers, but" not in header
    program = compile_firmware(out)
    assert run_firmware(program, made, out).returncode == 0  # LiteRT's outputs are the interpreter's here
    changed = run_firmware(program, made, out, change=1)
    assert (changed.returncode, ", TOO LARGE" in changed.stdout) == (1, True)
    assert "2 of 3 golden samples as expected" in changed.stdout


def test_an_open_batch_is_taken_as_one_and_other_open_sizes_are_not(tflm, ethos_u, variants, tmp_path):
    source = variants / "int8.tflite"
    batch, all_of_it = (
        open_shapes(source, tmp_path / "batch.tflite", 0),
        open_shapes(source, tmp_path / "all.tflite", 0, 1, 2),
    )
    fixed = examine(tflm, source)
    assert examine(tflm, batch).arena_bytes == fixed.arena_bytes
    assert [one.where for one in examine(ethos_u, batch).placements] == [
        one.where for one in examine(ethos_u, source).placements
    ]
    assert all(one.where == "CPU" for one in examine(ethos_u, all_of_it).placements)
    for profile in ("microcontroller", "ethos-u55-128"):
        assert tk.check(batch, on=profile).verdict == tk.check(source, on=profile).verdict
        assert "takes fixed shapes only" in tk.check(all_of_it, on=profile).summary
