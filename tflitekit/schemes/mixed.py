"""See `mixed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tflitekit.core.errors import UsageError
from tflitekit.schemes import Promise, Recipe, scheme


def _check(options: Mapping[str, Any]) -> None:
    if options["minimize"] == "latency" and options["integers"]:
        raise UsageError(
            "mixed: minimize=latency has no integers=true.",
            why="Of files in integers only, one in int8 throughout is the fastest on every target so far.",
            fix="Use int8, or leave out integers=true.",
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
    """The best type for each layer: the smallest or fastest file that loses no more than the limits allow, found by a search.

    Tries int4, int8, float16 and float32 weights and int16 activations for each layer, with weights rounded by GPTQ, and judges whole files
    on samples that are not evaluated on (--search-data). With integers=true, activations are int8 (int16 where that loses too much) and
    weights int4 or int8, in integers only. With minimize=latency, activations may change from layer to layer, and layers are measured where the
    model will run (optimize --deploy-on host, or --target). --max-accuracy-drop is the limit, --search-budget the most time or candidates.
    """
    activations: Literal["int8"] | None = "int8" if integers or minimize == "latency" else None
    return Recipe(weights="int4", activations=activations, io=io)
