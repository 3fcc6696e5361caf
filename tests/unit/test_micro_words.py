"""What TensorFlow Lite for Microcontrollers and Vela say, as it was recorded, and anything else that they might."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.targets import open_target
from tflitekit.targets.ethos_u import ACCELERATORS, read_settings
from tflitekit.targets.tflm_words import Arena, Refusal, read_arena, read_refusal
from tflitekit.targets.vela import last_words, read_on_cpu, read_reasons, read_summary

ALLOCATIONS = """\
[RecordingMicroAllocator] Arena allocation total 55936 bytes\r
[RecordingMicroAllocator] Arena allocation head 49152 bytes\r
[RecordingMicroAllocator] Arena allocation tail 6784 bytes\r
[RecordingMicroAllocator] 'TfLiteEvalTensor data' used 864 bytes with alignment overhead (requested 864 bytes for 36 allocations)\r
[RecordingMicroAllocator] 'NodeAndRegistration struct' used 960 bytes with alignment overhead (requested 960 bytes for 15 NodeAndRegistration structs)\r
"""
REASONS = """\

Warning (supported operators) operator: DEQUANTIZE, ofm: 'PartitionedCall:0'
Reason: Unsupported opType

Warning (supported operators) operator: QUANTIZE, ofm: 'it's, ofm: 'quoted''
Reason: Operation has tensor with unsupported DataType Float32 (serving_default_input_1:0)
Warning: No memory mode specified. Using a default of Shared_Sram. Compilation may be invalid or non-optimal.
Feature-map dataTypes must be one of {"INT16", "INT32", "INT64", "INT8", "UINT8"}

Network summary for int8
Accelerator configuration               Ethos_U55_128
"""
SUMMARY = """\
experiment,network,accelerator_configuration,system_config,memory_mode,core_clock,arena_cache_size,inference_time,sram_memory_used,dram_memory_used,on_chip_flash_memory_used,off_chip_flash_memory_used,nn_macs
default,int8,Ethos_U55_128,Ethos_U55_High_End_Embedded,Shared_Sram,500000000.0,4194304.0,0.00040359,50.625,0.0,0.0,77.4375,12505748
"""
LAYERS = """\
Original Operator,NNG Operator,Target,Staging Usage,Peak% (Staging),Op Cycles,Network% (cycles),NPU,SRAM AC,DRAM AC,OnFlash AC,OffFlash AC,MAC Count,Network% (MAC),Util% (MAC),Name
Quantize,Passthrough,CPU,0,0.0,0,0.0,0,0,0,0,0,0,0.0,100,tfl.quantize
Conv2D,Conv2D,NPU,20224,39.0,14752,7.3,14752,5036,0,0,1888,442368,3.5,23.4,"a, b;c"
Dequantize,Passthrough,CPU,0,0.0,0,0.0,0,0,0,0,0,0,0.0,100,PartitionedCall:0
"""


def test_the_arena_in_the_words_of_the_interpreter():
    assert read_arena(ALLOCATIONS) == Arena(total_bytes=55936, tensor_bytes=49152, persistent_bytes=6784)
    assert read_arena(ALLOCATIONS.replace("head", "neck")) is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            "Didn't find op for builtin opcode 'SELECT'\r\nFailed to get registration from op code SELECT\r\n ",
            Refusal("It has no operator SELECT.", "SELECT", lacks=True),
        ),
        (
            "tensorflow/lite/micro/kernels/conv_common.cc Hybrid models are not supported on TFLite Micro.\r\n"
            "Node CONV_2D (number 1) failed to prepare with status 1\r\n",
            Refusal("Hybrid models are not supported on TFLite Micro.", "CONV_2D", 1),
        ),
        (
            "tensorflow/lite/micro/kernels/dequantize_common.cc:42 input->type == kTfLiteInt8 was not true.\r\n"
            "Node DEQUANTIZE (number 0) failed to prepare with status 1\r\n",
            Refusal("input->type == kTfLiteInt8 was not true.", "DEQUANTIZE", 0),
        ),
        (
            "Node PAD (number 7) failed to invoke with status 1",
            Refusal("Node PAD (number 7) failed to invoke with status 1", "PAD", 7),
        ),
        (
            "Op#3 (SPLIT) of subgraph 0 has dynamic tensor #1\nDynamic tensors are not supported",
            Refusal("Dynamic tensors are not supported", "SPLIT", 3),
        ),
        ("Input 0 has the shape [1, 2] in the file", Refusal("Input 0 has the shape [1, 2] in the file")),
        ("\r\n", Refusal("It gave no reason.")),
    ],
)
def test_why_the_interpreter_refuses_a_file(words, found):
    assert read_refusal(words) == found


def test_why_operators_stay_on_the_cpu():
    assert read_reasons(REASONS) == {
        "PartitionedCall:0": "Unsupported opType",
        "it's, ofm: 'quoted'": "Operation has tensor with unsupported DataType Float32 (serving_default_input_1:0). "
        'Feature-map dataTypes must be one of {"INT16", "INT32", "INT64", "INT8", "UINT8"}',
    }


def test_tables_of_vela(tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY)
    (tmp_path / "layers.csv").write_text(LAYERS)
    found = read_summary(tmp_path / "summary.csv")
    assert (found.system_config, found.memory_mode, found.clock_hz) == (
        "Ethos_U55_High_End_Embedded", "Shared_Sram", 500e6,
    )  # fmt: skip
    assert (found.sram_bytes, found.dram_bytes, found.flash_bytes) == (51840, 0, 79296)
    assert found.inference_s == pytest.approx(403.59e-6)
    assert read_on_cpu(tmp_path / "layers.csv") == {"tfl.quantize", "PartitionedCall:0"}
    for broken in ("", SUMMARY.splitlines()[0], SUMMARY.replace("50.625", "nan"), SUMMARY.replace("77.4375", "much")):
        (tmp_path / "summary.csv").write_text(broken)
        with pytest.raises(ValueError, match=r"summary\.csv is not a summary of Vela"):
            read_summary(tmp_path / "summary.csv")


def test_the_last_words_of_vela():
    assert last_words("Warning: No\nTraceback\n  File\nRuntimeError: Compilation failed: No networks\n\n") == (
        "RuntimeError: Compilation failed: No networks"
    )
    assert last_words("Warning: No system configuration specified.\n") == "It said nothing."


@given(st.text())
@example("Node CONV_2D (number 1) failed to prepare with status 1")
def test_any_words_are_read(words):
    read_arena(words)
    refusal = read_refusal(words)
    assert refusal.why
    assert all(isinstance(one, str) and one for one in read_reasons(words).values())
    assert last_words(words)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30), st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1))  # fmt: skip
def test_any_name_of_a_tensor_and_any_reason_is_found(name, reason):
    words = f"before\nWarning (supported operators) operator: ADD, ofm: '{name}'\nReason: {reason}\n\nafter\n"
    assert read_reasons(words) == {name: reason}


def test_without_the_tools_each_target_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, command in (("tflm", "tflitekit setup tflm"), ("ethos-u", "tflitekit setup ethos-u")):
        with (
            pytest.raises(MissingDependencyError, match=f"(?s)The target {name} needs.*missing.*{command}"),
            open_target(name),
        ):
            pass


def test_settings_are_checked_before_anything_is_looked_for():
    assert [read_settings(one).memory for one in (ACCELERATORS[0], ACCELERATORS[-1])] == [
        "Shared_Sram",
        "Dedicated_Sram_384KB",
    ]
    for wrong, said in (("ethos-u75-1", "no NPU 'ethos-u75-1'"), ("ethos-u55-32,clock=1", "no setting 'clock=1'"), ("ethos-u55-32,keep=", "no setting")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            read_settings(wrong)
