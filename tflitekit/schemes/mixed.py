"""See `mixed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, Recipe, scheme


def _check(options: Mapping[str, Any]) -> None:
    if options["minimize"] == "latency":
        raise UsageError(
            "mixed: minimize=latency is not possible yet.",
            why="int4 is slower than int8 on today's CPUs, so the fastest file seldom mixes types.",
            fix="Use minimize=size, or compare the schemes with 'tflitekit benchmark'.",
        )
    if options["io"] != "float32" and not options["integers"]:
        raise UsageError(f"mixed: io={options['io']} needs integers=true.", fix="Add integers=true, or leave out io.")


@scheme(
    needs="calibration",
    promise=lambda options: Promise(io=options["io"], integer_only=options["integers"]),
    check=_check,
    by_default=False,
    engine="litert_quantizer",
    search="mixed",
)
def mixed(
    *,
    minimize: Literal["size", "latency"] = "size",
    integers: bool = False,
    io: Literal["float32", "int8", "uint8"] = "float32",
) -> Recipe:
    """The best type for each layer: the smallest file that loses no more than the limit, found by a search.

    Tries int4, int8 and float16 weights for each layer, with weights rounded by GPTQ, and judges whole files on samples that are not
    evaluated on (--search-data). With integers=true, activations are int8 and weights int4 or int8, in integers only. --max-accuracy-drop
    is the limit, --search-budget the most time or candidates.
    """
    return Recipe(weights="int4", activations="int8" if integers else None, io=io)
