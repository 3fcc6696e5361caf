"""The lowest TensorFlow Lite runtime version that has each version of each builtin operator.

A model file lists its operators as (builtin operator, operator version) pairs, and a runtime refuses the
model when it lacks one of them. `MINIMUM_RUNTIME` says since which runtime version a pair is there, and
`minimum_runtime_version` says it for a whole model.

The table states facts only (operator name, operator version, runtime version); no code was taken from the
sources. Names are those of the schema's `BuiltinOperator`, without the `BuiltinOperator_` prefix. Sources:

* 420 pairs: repository tensorflow/tensorflow, file
  `tensorflow/compiler/mlir/lite/tools/versioning/runtime_version.cc`,
  commit 03f49db5a23ec2b22a59f3f3d72e5744469ea30b.
* The same 420 pairs, with the same values, and 6 more: repository google-ai-edge/LiteRT, file
  `tflite/converter/tools/versioning/runtime_version.cc`, commit 119ae633cc864d7c797a4b259706961f4baf22ed.
  The 6 that only this commit has, all at 2.23.0: CONCATENATION 6, COS 2, SIN 2, SLICE 8, SOFTMAX 4 and
  TRANSPOSE 9.

BROADCAST_TO has no version 1: the sources say that it was rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MINIMUM_RUNTIME", "minimum_runtime_version", "version_key"]

# fmt: off
MINIMUM_RUNTIME: dict[str, dict[int, str]] = {
    "ABS": {1: "1.13.0", 2: "2.4.0", 3: "2.5.0", 4: "2.6.0", 5: "2.12.0"},
    "ADD": {1: "1.5.0", 2: "1.14.0", 3: "2.4.0", 4: "2.6.0", 5: "2.13.0", 6: "2.23.0"},
    "ADD_N": {1: "1.14.0"},
    "ARG_MAX": {1: "1.9.0", 2: "1.14.0", 3: "2.9.0"},
    "ARG_MIN": {1: "1.9.0", 2: "1.14.0", 3: "2.9.0"},
    "ASSIGN_VARIABLE": {1: "2.6.0"},
    "ATAN2": {1: "2.10.0"},
    "AVERAGE_POOL_2D": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "BATCH_MATMUL": {1: "2.3.0", 2: "2.3.0", 3: "2.4.0", 4: "2.5.0"},
    "BATCH_TO_SPACE_ND": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0", 4: "2.12.0"},
    "BIDIRECTIONAL_SEQUENCE_LSTM": {1: "1.14.0", 2: "1.14.0", 3: "1.14.0"},
    "BIDIRECTIONAL_SEQUENCE_RNN": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0"},
    "BITCAST": {1: "2.13.0"},
    "BITWISE_XOR": {1: "2.13.0"},
    "BROADCAST_ARGS": {1: "2.6.0"},
    "BROADCAST_TO": {2: "2.5.0", 3: "2.5.0"},
    "BUCKETIZE": {1: "2.8.0"},
    "CALL_ONCE": {1: "2.5.0"},
    "CAST": {1: "1.5.0", 2: "2.7.0", 3: "2.8.0", 4: "2.9.0", 5: "2.12.0", 6: "2.15.0", 7: "2.17.0", 8: "2.21.0"},
    "CEIL": {1: "1.14.0"},
    "COMPLEX_ABS": {1: "2.5.0"},
    "CONCATENATION": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0", 4: "2.14.0", 5: "2.21.0", 6: "2.23.0"},
    "CONV_2D": {1: "1.5.0", 2: "1.14.0", 3: "1.14.0", 4: "2.3.0", 5: "2.4.0", 6: "2.9.0", 7: "2.11.0", 8: "2.15.0"},
    "CONV_3D": {1: "2.5.0"},
    "CONV_3D_TRANSPOSE": {1: "2.6.0"},
    "COS": {1: "1.14.0", 2: "2.23.0"},
    "CUMSUM": {1: "2.4.0"},
    "DENSIFY": {1: "2.2.0"},
    "DEPTHWISE_CONV_2D": {1: "1.5.0", 2: "1.12.0", 3: "1.14.0", 4: "2.2.0", 5: "2.3.0", 6: "2.3.0", 7: "2.11.0"},
    "DEPTH_TO_SPACE": {1: "2.1.0", 2: "2.5.0"},
    "DEQUANTIZE": {1: "1.13.1", 2: "1.14.0", 3: "1.15.0", 4: "2.2.0", 5: "2.7.0", 6: "2.18.0", 7: "2.21.0", 8: "2.22.0"},
    "DILATE": {1: "2.15.0"},
    "DIV": {1: "1.6.0", 2: "2.3.0"},
    "DYNAMIC_UPDATE_SLICE": {1: "2.9.0", 2: "2.17.0", 3: "2.19.0", 4: "2.20.0", 5: "2.21.0", 6: "2.22.0"},
    "ELU": {1: "1.14.0"},
    "EMBEDDING_LOOKUP": {1: "1.13.0", 2: "1.14.0", 3: "1.14.0", 4: "2.18.0", 5: "2.21.0"},
    "EMBEDDING_LOOKUP_SPARSE": {1: "1.5.0"},
    "EQUAL": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0", 4: "2.13.0", 5: "2.21.0"},
    "EXP": {1: "1.7.0", 2: "2.12.0"},
    "EXPAND_DIMS": {1: "1.10.0"},
    "FAKE_QUANT": {1: "1.5.0", 2: "1.10.0"},
    "FILL": {1: "1.13.0", 2: "2.3.0", 3: "2.5.0", 4: "2.12.0"},
    "FLOOR": {1: "1.9.0"},
    "FLOOR_DIV": {1: "1.14.0", 2: "1.14.0", 3: "2.13.0"},
    "FLOOR_MOD": {1: "1.13.0", 2: "2.13.0"},
    "FULLY_CONNECTED": {1: "1.5.0", 2: "1.10.0", 3: "1.14.0", 4: "1.14.0", 5: "2.0.0", 6: "2.1.0", 7: "2.3.0", 8: "2.3.0", 9: "2.3.0", 10: "2.11.0", 11: "2.15.0", 12: "2.17.0", 13: "2.18.0", 14: "2.21.0"},
    "GATHER": {1: "1.6.0", 2: "1.14.0", 3: "1.15.0", 4: "2.4.0", 5: "2.5.0", 6: "2.13.0", 7: "2.15.0"},
    "GATHER_ND": {1: "1.14.0", 2: "2.3.0", 3: "2.5.0", 4: "2.13.0", 5: "2.16.0"},
    "GELU": {1: "2.9.0", 2: "2.9.0"},
    "GREATER": {1: "1.14.0", 2: "1.14.0"},
    "GREATER_EQUAL": {1: "1.14.0", 2: "1.14.0", 3: "2.13.0"},
    "HARD_SWISH": {1: "1.15.0"},
    "HASHTABLE": {1: "2.5.0"},
    "HASHTABLE_FIND": {1: "2.5.0"},
    "HASHTABLE_IMPORT": {1: "2.5.0"},
    "HASHTABLE_LOOKUP": {1: "1.5.0"},
    "HASHTABLE_SIZE": {1: "2.5.0"},
    "IF": {1: "1.15.0"},
    "IMAG": {1: "2.5.0"},
    "L2_NORMALIZATION": {1: "1.5.0", 2: "1.14.0"},
    "L2_POOL_2D": {1: "1.5.0"},
    "LEAKY_RELU": {1: "1.13.1", 2: "2.3.0"},
    "LESS": {1: "1.14.0", 2: "1.14.0", 3: "2.13.0"},
    "LESS_EQUAL": {1: "1.14.0", 2: "1.14.0"},
    "LOCAL_RESPONSE_NORMALIZATION": {1: "1.5.0"},
    "LOG": {1: "1.14.0", 2: "2.15.0"},
    "LOGICAL_AND": {1: "1.11.0"},
    "LOGICAL_NOT": {1: "1.11.0"},
    "LOGICAL_OR": {1: "1.11.0"},
    "LOGISTIC": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0"},
    "LOG_SOFTMAX": {1: "1.14.0", 2: "1.14.0"},
    "LSH_PROJECTION": {1: "1.5.0"},
    "LSTM": {1: "1.7.0", 2: "1.10.0", 3: "1.14.0", 4: "2.3.0"},
    "MATRIX_DIAG": {1: "1.14.0"},
    "MATRIX_SET_DIAG": {1: "1.14.0"},
    "MAXIMUM": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0", 4: "2.3.0"},
    "MAX_POOL_2D": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "MEAN": {1: "1.6.0", 2: "1.14.0", 3: "2.4.0"},
    "MINIMUM": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0", 4: "2.3.0"},
    "MIRROR_PAD": {1: "1.13.1", 2: "2.3.0", 3: "2.12.0"},
    "MUL": {1: "1.5.0", 2: "1.14.0", 3: "1.15.0", 4: "2.3.0", 5: "2.6.0", 6: "2.11.0", 7: "2.13.0", 8: "2.23.0"},
    "MULTINOMIAL": {1: "2.8.0"},
    "NEG": {1: "1.9.0"},
    "NON_MAX_SUPPRESSION_V4": {1: "2.1.0"},
    "NON_MAX_SUPPRESSION_V5": {1: "2.1.0"},
    "NOT_EQUAL": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0", 4: "2.21.0"},
    "ONE_HOT": {1: "1.11.0"},
    "PACK": {1: "1.11.0", 2: "1.14.0", 3: "2.3.0", 4: "2.13.0"},
    "PAD": {1: "1.5.0", 2: "1.14.0", 3: "2.4.0", 4: "2.6.0", 5: "2.20.0"},
    "PADV2": {1: "1.9.0", 2: "1.14.0", 3: "2.4.0", 4: "2.6.0", 5: "2.20.0"},
    "POW": {1: "1.10.0"},
    "PRELU": {1: "1.8.0"},
    "QUANTIZE": {1: "1.14.0", 2: "1.15.0", 3: "2.7.0", 4: "2.21.0", 5: "2.21.0", 6: "2.21.0"},
    "RANDOM_STANDARD_NORMAL": {1: "2.8.0"},
    "RANDOM_UNIFORM": {1: "2.8.0"},
    "RANGE": {1: "1.13.0", 2: "2.14.0"},
    "RANK": {1: "1.14.0"},
    "READ_VARIABLE": {1: "2.6.0"},
    "REAL": {1: "2.5.0"},
    "REDUCE_ALL": {1: "2.6.0"},
    "REDUCE_ANY": {1: "1.11.0"},
    "REDUCE_MAX": {1: "1.11.0", 2: "1.14.0", 3: "2.5.0"},
    "REDUCE_MIN": {1: "1.11.0", 2: "1.14.0", 3: "2.5.0"},
    "REDUCE_PROD": {1: "1.11.0", 2: "2.6.0"},
    "REDUCE_WINDOW": {1: "2.15.0"},
    "RELU": {1: "1.5.0", 2: "2.1.0", 3: "2.5.0"},
    "RELU6": {1: "1.5.0", 2: "1.14.0", 3: "2.5.0"},
    "RELU_0_TO_1": {1: "2.10.0"},
    "RELU_N1_TO_1": {1: "1.5.0"},
    "RESHAPE": {1: "1.5.0"},
    "RESIZE_BILINEAR": {1: "1.7.0", 2: "1.14.0", 3: "2.2.0", 4: "2.5.0"},
    "RESIZE_NEAREST_NEIGHBOR": {1: "1.13.1", 2: "1.14.0", 3: "2.3.0", 4: "2.4.0"},
    "REVERSE_SEQUENCE": {1: "1.14.0"},
    "REVERSE_V2": {1: "1.14.0", 2: "2.2.0", 3: "2.5.0"},
    "RFFT2D": {1: "2.5.0"},
    "RIGHT_SHIFT": {1: "2.13.0"},
    "RNN": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "ROUND": {1: "1.14.0"},
    "RSQRT": {1: "1.10.0", 2: "2.5.0", 3: "2.15.0"},
    "SCATTER_ND": {1: "2.1.0"},
    "SEGMENT_SUM": {1: "2.2.0"},
    "SELECT": {1: "1.14.0", 2: "1.14.0", 3: "2.12.0", 4: "2.12.0"},
    "SELECT_V2": {1: "2.2.0", 2: "2.12.0"},
    "SHAPE": {1: "1.10.0"},
    "SIGN": {1: "2.11.0", 2: "2.12.0"},
    "SIN": {1: "1.9.0", 2: "2.23.0"},
    "SKIP_GRAM": {1: "1.5.0"},
    "SLICE": {1: "1.14.0", 2: "1.14.0", 3: "1.14.0", 4: "2.4.0", 5: "2.5.0", 6: "2.14.0", 7: "2.21.0", 8: "2.23.0"},
    "SOFTMAX": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0", 4: "2.23.0"},
    "SPACE_TO_BATCH_ND": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0", 4: "2.12.0"},
    "SPACE_TO_DEPTH": {1: "1.5.0", 2: "1.14.0"},
    "SPARSE_TO_DENSE": {1: "1.9.0", 2: "1.14.0", 3: "1.15.0"},
    "SPLIT": {1: "1.5.0", 2: "1.14.0", 3: "1.14.0", 4: "2.3.0"},
    "SPLIT_V": {1: "1.13.1", 2: "2.3.0"},
    "SQRT": {1: "1.10.0", 2: "2.21.0"},
    "SQUARE": {1: "1.12.0"},
    "SQUARED_DIFFERENCE": {1: "1.13.1", 2: "2.5.0"},
    "SQUEEZE": {1: "1.6.0", 2: "2.5.0"},
    "STABLEHLO_ADD": {1: "2.16.0"},
    "STABLEHLO_AND": {1: "2.17.0"},
    "STABLEHLO_CASE": {1: "2.17.0"},
    "STABLEHLO_CBRT": {1: "2.17.0"},
    "STABLEHLO_COMPOSITE": {1: "2.17.0"},
    "STABLEHLO_GATHER": {1: "2.16.0"},
    "STABLEHLO_MAXIMUM": {1: "2.16.0"},
    "STABLEHLO_MINIMUM": {1: "2.16.0"},
    "STABLEHLO_MULTIPLY": {1: "2.16.0"},
    "STABLEHLO_PAD": {1: "2.16.0"},
    "STABLEHLO_REDUCE_WINDOW": {1: "2.16.0"},
    "STABLEHLO_RNG_BIT_GENERATOR": {1: "2.15.0"},
    "STABLEHLO_SCATTER": {1: "2.15.0"},
    "STABLEHLO_SHIFT_LEFT": {1: "2.17.0"},
    "STRIDED_SLICE": {1: "1.6.0", 2: "1.14.0", 3: "2.1.0", 4: "2.2.0", 5: "2.5.0", 6: "2.6.0", 7: "2.14.0", 8: "2.14.0"},
    "SUB": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0", 4: "2.4.0", 5: "2.4.0"},
    "SUM": {1: "1.10.0", 2: "1.15.0"},
    "SVDF": {1: "1.5.0", 2: "1.14.0", 3: "2.2.0", 4: "2.3.0"},
    "TANH": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0"},
    "TILE": {1: "1.10.1", 2: "2.2.0", 3: "2.8.0"},
    "TOPK_V2": {1: "1.7.0", 2: "1.14.0", 3: "2.13.0"},
    "TRANSPOSE": {1: "1.6.0", 2: "1.14.0", 3: "1.15.0", 4: "2.3.0", 5: "2.4.0", 6: "2.12.0", 7: "2.14.4", 8: "2.22.0", 9: "2.23.0"},
    "TRANSPOSE_CONV": {1: "1.9.0", 2: "2.2.0", 3: "2.3.0", 4: "2.13.0", 5: "2.15.0"},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {1: "1.13.1", 2: "1.14.0", 3: "2.3.0", 4: "2.12.0"},
    "UNIDIRECTIONAL_SEQUENCE_RNN": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0"},
    "UNIQUE": {1: "1.14.0"},
    "UNPACK": {1: "1.11.0", 2: "1.14.0", 3: "2.2.0", 4: "2.3.0", 5: "2.22.0"},
    "UNSORTED_SEGMENT_MAX": {1: "2.10.0"},
    "UNSORTED_SEGMENT_MIN": {1: "2.11.0"},
    "UNSORTED_SEGMENT_PROD": {1: "2.10.0"},
    "UNSORTED_SEGMENT_SUM": {1: "2.10.0"},
    "VAR_HANDLE": {1: "2.6.0"},
    "WHERE": {1: "1.14.0", 2: "2.8.0"},
    "WHILE": {1: "1.15.0"},
    "ZEROS_LIKE": {1: "1.12.0"},
}
# fmt: on


PER_CHANNEL_FULLY_CONNECTED = "2.14.0"
"""The lowest runtime that was seen to compute integer FULLY_CONNECTED with one weight scale per channel, which no operator version shows.

Older ones accept such a model and use the first scale for all: 2.6.2 gives the same probability for every class. The converter
has written one scale per channel since TensorFlow 2.17 (tensorflow/tflite-micro, pull request 2602). Versions between 2.6.2 and 2.14.0
were not tried.
"""


def version_key(version: str) -> tuple[int, ...]:
    """Turns a dotted version into a key that compares numerically, so that 1.5.0 comes before 1.14.0.

    Args:
        version: Whole numbers between dots, such as "2.14.4".

    Returns:
        The numbers, first to last.

    Raises:
        ValueError: If a part is not a whole number.
    """
    return tuple(int(part) for part in version.split("."))


def minimum_runtime_version(operators: Iterable[tuple[str, int]]) -> tuple[str | None, list[tuple[str, int]]]:
    """Returns the lowest runtime version that has every operator given, and the pairs not in the table.

    Args:
        operators: (name, operator version) pairs; the name without the `BuiltinOperator_` prefix. Repeats
            are allowed.

    Returns:
        The lowest runtime version that has every known (name, operator version) given, compared
        numerically, or None where no pair is known; and the pairs that the table does not know, each once,
        in the order given. Where that list is not empty, the version is a lower bound only.
    """
    lowest: str | None = None
    unknown: dict[tuple[str, int], None] = {}
    for name, op_version in operators:
        runtime = MINIMUM_RUNTIME.get(name, {}).get(op_version)
        if runtime is None:
            unknown[name, op_version] = None
        elif lowest is None or version_key(runtime) > version_key(lowest):
            lowest = runtime
    return lowest, list(unknown)
