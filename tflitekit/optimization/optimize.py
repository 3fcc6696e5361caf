"""The verb *optimize*: the whole way from a trained model to a recommended file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tflitekit.cluster.crew import ClusterCrew, crew_of
from tflitekit.conversion import WORK_FOLDER
from tflitekit.core.progress import Progress
from tflitekit.optimization.order import Order
from tflitekit.optimization.phases import devices_of, run_at_devices
from tflitekit.optimization.run import finish, prepare
from tflitekit.options.base import takes
from tflitekit.options.convert import ConvertOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.results import Constraints, Report
from tflitekit.source.foreign.module import on_disk

__all__ = ["optimize"]


@takes(OptimizeOptions)
def optimize(
    model: Any,
    *,
    data: Any,
    out: str | Path,
    how: OptimizeOptions,
    constraints: Constraints | None = None,
    options: ConvertOptions | None = None,
    example_inputs: Any = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Takes a trained model through every scheme and recommends one variant.

    Writes ``NAME.tflite`` with sidecars, ``report.json``, ``report.html``, ``report.md`` and ``report.csv`` into ``out``. What
    an earlier run with the same model, data and options finished is reused. float32 is always among the schemes: it is the
    baseline.

    Args:
        model: A file or folder (Keras, SavedModel, float ``.tflite``, ONNX, ``.pt2``), a Keras model object, or a PyTorch module.
        data: Data to evaluate on (see `open_dataset`). Without labels the float32 variant's outputs are the reference.
        out: Folder for the results.
        constraints: The limits; see `Constraints` for the defaults.
        options: How to load, convert and train.
        example_inputs: What a PyTorch module is called with, a tuple of tensors; for no other model.
        seed: Of everything that is drawn: samples, training, the order of measurements; that of ``options`` when not given.
        progress: Receives progress.

    Returns:
        The report; ``recommendation.constraints_met`` says whether a variant meets all constraints.

    Raises:
        TflitekitError: Wrong input, or an evaluation that failed; what was converted is in the report then, too. Where only
            the float32 baseline fails, the report says so and recommends nothing.

    Example:
        >>> report = tk.optimize("model.keras", data="photos/test", calibration="photos/train", preprocess="0-1", out="build")
        >>> print(report.recommendation.chosen, report.recommendation.reasons)
    """
    out, options = Path(out), options or ConvertOptions()
    out = out if how.cluster is None else out.resolve()  # where workers see it
    order = Order(
        model=on_disk(model, example_inputs, out / WORK_FOLDER),
        data=data,
        out=out,
        how=how,
        constraints=constraints or Constraints(),
        options=options if seed is None else options.replaced(seed=seed),
    )
    progress = progress or Progress()
    prepared = prepare(order)  # before anybody is asked to work
    with crew_of(how.cluster, (str(out.resolve()),), progress, depot=how.depot) as crew:
        if not isinstance(crew, ClusterCrew) or not devices_of(order):
            return finish(prepared, crew, progress)
        return run_at_devices(order, prepared, crew, progress)
