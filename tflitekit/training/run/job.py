"""One stage of training, from the source model or the stage before to a SavedModel and its weights (runs in a worker)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.structured import write_record
from tflitekit.options.training import TrainingOptions
from tflitekit.schemes import Request, Stage, find
from tflitekit.training.data.batches import read_rows
from tflitekit.training.data.store import TrainingSet
from tflitekit.training.distributed.strategy import open_distribution
from tflitekit.training.model.rebuild import Rebuilt
from tflitekit.training.run.outcome import keep_outcome
from tflitekit.training.run.stage_run import CHUNK, PARITY_SAMPLES, SETTLING_SAMPLES, StageRun
from tflitekit.training.run.stages import Prepared, prepare_stage

__all__ = ["train_stage"]


def train_stage(
    *,
    source: Mapping[str, Any],
    stage: Mapping[str, Any],
    options: Mapping[str, Any],
    data: Mapping[str, Any],
    folder: str,
    previous: str | None,
    seed: int,
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
    tensorboard: str | None,
    trial: Mapping[str, Any] | None = None,
    model: Any = None,
) -> dict[str, Any]:
    """Trains one stage; continues where a killed one left off.

    Writes ``saved_model``, ``weights.npz``, ``reference.npz`` (outputs on validation samples) and, last, ``stage.json``.

    Args:
        source: Path, kind, unsafe_load and custom_objects of the model (see `load_model`).
        options: `TrainingOptions` without their data.
        data: A `TrainingSet` as JSON.
        previous: Folder of the stage before; None for the first.
        trial: Scheme, its options and ``allow_select_tf_ops``, to convert the model with before anything trains.
        model: The model itself, where the caller has it in this process.

    Returns:
        What ``stage.json`` holds; nothing for a worker that is not the chief.
    """
    chosen = TrainingOptions(data=None, **options)
    found = TrainingSet.model_validate(data)
    with open_distribution(chosen.strategy) as distribution:
        import tf_keras

        started = time.perf_counter()
        tf_keras.utils.set_random_seed(seed)
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        run = StageRun(Stage(**stage), chosen, found, out, seed, distribution)
        opened = run.open(source, model, previous)
        batches = run.batches(opened)
        prepare = run.preparing(opened, batches)
        prepared = prepare(opened.rebuilt)
        quantized = _settle(prepared, found) if run.stage.kind == "quantize" else None
        if trial is not None and distribution.writes and not run.checkpoint.is_file():
            _try(trial, quantized, opened.copy, chosen, found, batch, input_shapes)
        tf_keras.utils.set_random_seed(seed)  # whatever was tried before
        trained = run.train(opened, batches, prepared, prepare, Path(tensorboard) if tensorboard else None, started)
        if not distribution.writes:
            return {}
        finished = _finish(prepared, opened.rebuilt, run.stage)
        main = opened.main
        keep_outcome(
            finished, opened.original.model, out, main.data, batch, input_shapes, main.index, prepared.paths, main.kind
        )
        facts = run.facts(opened, prepared, trained)
        write_record(out / "stage.json", {"facts": facts}, "saved_model", "weights.npz", "reference.npz")
        run.checkpoint.unlink(missing_ok=True)
        return facts


def _settle(prepared: Prepared, data: TrainingSet) -> Prepared:
    from tflitekit.training.quantize.observers import settle_ranges

    columns, _ = read_rows(data, "train", SETTLING_SAMPLES)
    starts = range(0, len(columns[0]), CHUNK)
    settle_ranges(prepared.model, [[c[start : start + CHUNK] for c in columns] for start in starts])
    return prepared


def _try(
    trial: Mapping[str, Any],
    prepared: Prepared | None,
    copy: Callable[[], Rebuilt],
    options: TrainingOptions,
    data: TrainingSet,
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
) -> None:
    """Converts the untrained model as the trained one will be.

    Args:
        prepared: The quantized model, where this stage quantizes; made of a ``copy`` where a later stage does.
    """
    from tflitekit.training.run.trial import try_conversion

    request = Request(find(trial["scheme"]), dict(trial["options"]))
    samples, _ = read_rows(data, "train", PARITY_SAMPLES)
    later = next((stage for stage in request.stages if stage.kind == "quantize"), None)
    if prepared is None and later is not None:
        made = prepare_stage(later, copy(), steps=1, samples=samples, strict=options.strict, prove=False)
        prepared = _settle(made, data)
    try_conversion(
        copy().model if prepared is None else prepared.model,
        request,
        samples,
        left_float=prepared is not None and bool(prepared.left_float),
        allow_select_tf_ops=trial["allow_select_tf_ops"],
        batch=batch,
        input_shapes=input_shapes,
    )


def _finish(prepared: Prepared, rebuilt: Rebuilt, stage: Stage) -> Any:
    """Returns the trained model as the next stage and the converter take it."""
    finished = prepared.finish()
    if stage.kind != "quantize":
        rebuilt.model.set_weights(finished.get_weights())
        finished = rebuilt.model
    return finished
