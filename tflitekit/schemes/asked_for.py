"""Types and names that people ask for and that are no schemes: what there is instead, and why."""

from __future__ import annotations

import re

__all__ = ["instead_of"]

_NONE_BFLOAT16 = "No LiteRT CPU kernel takes bfloat16, and the converter writes none. A Keras model under the mixed_bfloat16 policy has float32 weights."
_FLOAT8 = "LiteRT has no kernels for 8-bit floats."
_INSTEAD: tuple[tuple[str, str | None, str], ...] = (
    (r"b(rain)?_?f(loat)?_?16|mixed_bfloat16", _NONE_BFLOAT16, "Take float16, the half format that exists, or float32."),
    (r"(fp|float|f)_?8.*|e[45]m[32]", _FLOAT8, "Take int8 for files of that size."),
    (r"tf32|fp_?19", "TF32 is a format inside of graphics processors, not one of files.", "Take float32."),
    (r"(fp|f|half)_?(16)?|mixed_float16", None, "Take float16."),
    (r"(fp|f)_?32|float|full", None, "Take float32."),
    (r"(fp|f|float)_?64|double", "LiteRT computes in float32 at most.", "Take float32."),
    (r"(full_?)?integer|full_?int(eger)?(_?quant(ization)?)?|i8|w8a8|ptq|static(_int8)?", None, "Take int8; int8:io=int8 has integer inputs and outputs too."),
    (r"u(int)?_?8", "LiteRT's kernels compute in int8; uint8 remains as a type of inputs and outputs.", "Take int8:io=uint8."),
    (r"(int|i)_?16|w8a16|16x8", "int16 is a type of activations; weights have 8 bits.", "Take int16x8."),
    (r"drq|dynamic(_int8|_quant(ization)?)?|hybrid", None, "Take dynamic_range."),
    (r"(int|i|w)_?4|w4a(16|32)|nf4|q4.*", "4 bits are a type of weights; what is computed in depends on the scheme.", "Take weight_only_int4, dynamic_int4 or int4x8 (int8 activations)."),
    (r"w4a8", None, "Take int4x8."),
    (r"(int|i|w)_?[123]|ternary|binary|bnn", "Fewer than 4 bits have no scheme here: LiteRT has int2 weights in few kernels.", "Take weight_only_int4, or clustered for fewer distinct weights."),
    (r"awq|gptq|adaround|smoothquant", "It is a way to round weights, not a type.", "Take a scheme with rounding=gptq, such as int8:rounding=gptq."),
    (r"sparse|sparsity|prune|pruning", None, "Take pruned, which needs --train."),
)  # fmt: skip


def instead_of(name: str) -> tuple[str | None, str] | None:
    """Returns why there is no scheme of a name that people use, and what to take instead; None for other names."""
    wanted = name.strip().lower().replace("-", "_")
    return next(((why, fix) for pattern, why, fix in _INSTEAD if re.fullmatch(pattern, wanted)), None)
