"""See `repaired`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, Recipe, find, scheme


def _check(options: Mapping[str, Any]) -> None:
    able = find(options["of"]).options.get("io", ("float32",))
    assert isinstance(able, tuple)
    if options["io"] not in able:
        raise UsageError(
            f"repaired: {options['of']} has no io={options['io']}.",
            fix=f"Give io={' or io='.join(able)}, or leave it out.",
        )


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"]),
    check=_check,
    by_default=False,
    engine="litert_quantizer",
    search="repaired",
)
def repaired(
    *,
    of: Literal[
        "int8", "int16x8", "int4x8", "dynamic_range", "dynamic_int4", "weight_only_int8", "weight_only_int4"
    ] = "int8",
    io: Literal["float32", "int8", "uint8", "int16"] = "float32",
) -> Recipe:
    """A scheme with the smallest change that brings its loss within the limit, found by a search.

    Tries cures in the order of what they cost, and keeps those that help: finer ranges of activations, weights rounded by GPTQ, channels
    equalized across layers, outputs that mix ranges in float, and single operators in int16 or float, those that lose most first. It
    judges files on samples that are not evaluated on (--search-data). --max-accuracy-drop is the limit. The report says what was changed
    and what each change brought.
    """
    base = find(of)
    assert base.recipe is not None
    return base.recipe({**base.defaults, **({"io": io} if "io" in base.defaults else {})})
