"""`tflitekit preflight`."""

from __future__ import annotations

from typing import Annotated

import typer

from tflitekit.cli.shared import (
    SEED,
    CustomObjects,
    Json,
    Preprocess,
    Seed,
    UnsafeLoad,
    app,
    guarded,
    print_json,
    progress,
)

_SAMPLES = 16
_TIMEOUT_S = 600.0

_Data = Annotated[
    str | None,
    typer.Option("--data", help="Real samples on which the rebuilt model is compared; random ones if not given."),
]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="Samples to compare on.")]
_Strict = Annotated[bool, typer.Option("--strict", help="Fail when a layer would stay float or is not supported.")]
_Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds after which it is given up.")]
_Model = Annotated[str, typer.Argument(help="Keras model (.keras or .h5).", show_default=False)]


@app.command()
@guarded
def preflight(
    model: _Model,
    data: _Data = None,
    preprocess: Preprocess = None,
    limit: _Limit = _SAMPLES,
    strict: _Strict = False,
    unsafe_load: UnsafeLoad = False,
    custom_objects: CustomObjects = None,
    timeout: _Timeout = _TIMEOUT_S,
    seed: Seed = SEED,
    as_json: Json = False,
) -> int:
    """Says for each layer of a Keras model whether it can be trained for int8, why, and what to do.

    The untrained model is also converted and run once; exit code 1 where that fails.
    """
    from tflitekit.training.preflight import preflight as run

    with progress().task("Looking at the layers", None):
        found = run(
            model,
            data=data,
            preprocess=preprocess,
            limit=limit,
            seed=seed,
            unsafe_load=unsafe_load,
            custom_objects=custom_objects,
            timeout_s=timeout,
        )
    if as_json:
        print_json(found.model_dump(mode="json") | {"counts": found.counts, "clean": found.clean})
    else:
        from tflitekit.cli.console import show_preflight

        show_preflight(found)
    return 1 if found.problem is not None or (strict and not found.clean) else 0
