"""The verb *preflight*: what would happen to each layer of a model that is trained for int8, before anything trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ConversionError, DataError, ModelError
from tflitekit.core.process.workers import TENSORFLOW, run_alone
from tflitekit.core.tensor import TensorSpec
from tflitekit.data.dataset import InputPipeline, open_dataset
from tflitekit.data.preprocessing import load_preprocessing
from tflitekit.options.base import takes
from tflitekit.options.preflight import PreflightOptions
from tflitekit.schemes import parse_request
from tflitekit.source.custom_objects import import_custom_objects
from tflitekit.source.kinds.keras import load_model
from tflitekit.source.models import identify, require_layers, require_numbers
from tflitekit.tflite.training_record import Parity
from tflitekit.training.model.parity import input_names, inputs_of, random_samples
from tflitekit.training.model.rebuild import Rebuilt, Refused, rebuild
from tflitekit.training.model.walk import calls, is_keras3
from tflitekit.training.quantize.annotate import Annotated, annotate_model, quantize
from tflitekit.training.quantize.treatments import Treatment

__all__ = ["Preflight", "examine", "examine_model", "layers_of", "preflight"]


class Preflight(BaseModel):
    """What `preflight` found.

    Attributes:
        loader: What loaded it: 'keras 3.x' or 'tf_keras 2.x'.
        layers: One `Treatment` for each layer, in the order in which they compute.
        rebuilt: Proof that the tf_keras model computes what the given one does; None where a layer cannot be rebuilt.
        annotated: Proof that the model which is quantized computes what the rebuilt one does.
        problem: Why the untrained model, quantized so, does not become a file that runs; None where it does, and where a
            layer is not supported.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    loader: str
    layers: tuple[Treatment, ...]
    rebuilt: Parity | None
    annotated: Parity | None
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many layers get each treatment."""
        kinds = ("quantized", "left float", "not supported")
        return {kind: sum(layer.treatment == kind for layer in self.layers) for kind in kinds}

    @property
    def clean(self) -> bool:
        """Whether every layer is quantized, and the file runs: what ``--strict`` wants."""
        return self.counts["quantized"] == len(self.layers) and self.problem is None


@takes(PreflightOptions)
def preflight(model: Any, *, how: PreflightOptions) -> Preflight:
    """Says for each layer whether it can be trained for int8, why, and what to do.

    Args:
        model: A ``.keras`` or ``.h5`` file, which is loaded in a separate process, or a Keras model object.

    Returns:
        What happens to each layer, and whether the untrained model becomes a file that runs.

    Raises:
        ModelError: The model has no graph of layers, cannot be loaded, or computes something else when rebuilt.

    Example:
        >>> found = tk.preflight("model.keras")
        >>> print([(layer.layer, layer.treatment, layer.fix) for layer in found.layers])
    """
    if not isinstance(model, str | Path):
        return examine_model(model)
    found = identify(model)
    require_layers(found)
    arguments = {"path": str(found.path), "kind": found.kind, "how": how.model_dump(mode="json")}
    value = run_alone(
        "tflitekit.training.preflight:examine",
        arguments,
        label="preflight",
        timeout_s=how.timeout_s,
        preload=TENSORFLOW,
    )
    return Preflight.model_validate(value)


def examine(*, path: str, kind: Any, how: dict[str, Any]) -> dict[str, Any]:
    """Loads a model and examines it (runs in a worker); returns a `Preflight` as JSON."""
    options = PreflightOptions(**how)
    model, notes = load_model(
        Path(path), kind=kind, unsafe_load=options.unsafe_load, custom_objects=options.custom_objects, keras2=True
    )
    samples = None if options.data is None else _read_samples(model, options)
    counterparts = import_custom_objects(options.custom_objects, attribute="tf_keras_objects")
    found = examine_model(model, samples=samples, counterparts=counterparts, origin=path, notes=notes)
    return found.model_dump(mode="json")


def examine_model(
    model: Any,
    *,
    samples: Sequence[Any] | None = None,
    counterparts: Mapping[str, Any] | None = None,
    origin: str | None = None,
    notes: Sequence[str] = (),
    convert: bool = True,
) -> Preflight:
    """Examines a model object in this process; see `preflight`.

    Args:
        samples: Real inputs, one array for each input of the model.
        counterparts: tf_keras classes for layers of one's own; see `rebuild`.
        convert: Also convert and run the untrained model, which takes longer than all else.
    """
    require_numbers(_specs(model))
    refused: list[Refused] = []
    rebuilt = rebuild(model, samples=samples, counterparts=counterparts, refused=refused)
    annotated = annotate_model(rebuilt.model, paths=rebuilt.paths, samples=samples, prove=rebuilt.parity is not None)
    problem = _try(annotated, rebuilt, samples) if convert and not refused else None
    treatments = {layer.layer: layer for layer in annotated.layers}
    treatments |= {
        item.path: Treatment(
            layer=item.path,
            kind=item.kind,
            treatment="not supported",
            how=item.error.why or item.error.what,
            fix=item.error.fix or "",
        )
        for item in refused
    }
    if is_keras3(model):
        import keras

        loader = f"keras {keras.__version__}"
    else:
        import tf_keras

        loader = f"tf_keras {tf_keras.__version__}"
    return Preflight(
        model=origin or f"{type(model).__name__} object",
        loader=loader,
        layers=layers_of(model, treatments.values()),
        rebuilt=rebuilt.parity,
        annotated=annotated.parity,
        problem=problem,
        notes=(*notes, *rebuilt.notes),
    )


def layers_of(model: Any, treatments: Iterable[Treatment]) -> tuple[Treatment, ...]:
    """Returns treatments in the order of the model's layers, each with the class that its layer has in the model."""
    found = {treatment.layer: treatment for treatment in treatments}
    kinds = {call.path: _kind(call.layer) for call in calls(model)}
    return tuple(found[path].model_copy(update={"kind": kind}) for path, kind in kinds.items() if path in found)


def _try(annotated: Annotated, rebuilt: Rebuilt, samples: Sequence[Any] | None) -> str | None:
    """Converts and runs the untrained model with the scheme qat; returns what is wrong with the file."""
    from tflitekit.training.quantize.observers import settle_ranges
    from tflitekit.training.run.trial import try_conversion

    columns = list(samples) if samples is not None else random_samples(rebuilt.model)
    left_float = any(layer.treatment == "left float" for layer in annotated.layers)
    try:
        model = quantize(annotated.model)
        settle_ranges(model, [columns])
        try_conversion(model, parse_request("qat"), columns, left_float=left_float)
    except (ConversionError, ModelError) as error:
        return str(error)
    return None


def _kind(layer: Any) -> str:
    """Returns a layer's class; of an operation that Keras 2 made a layer of, its name."""
    name = type(layer).__name__
    return str(layer.symbol or name) if name in ("TFOpLambda", "SlicingOpLambda") else name


def _specs(model: Any) -> list[TensorSpec]:
    return [
        TensorSpec(
            name=name,
            shape=(1, *(-1 if d is None else int(d) for d in tuple(tensor.shape)[1:])),
            dtype=str(getattr(tensor.dtype, "name", tensor.dtype)),
        )
        for name, tensor in zip(input_names(model, is_keras3(model)), inputs_of(model), strict=True)
    ]


def _read_samples(model: Any, how: PreflightOptions) -> list[Any]:
    import numpy as np

    pipeline = InputPipeline(_specs(model), load_preprocessing(how.preprocess))
    dataset = open_dataset(how.data, limit=how.limit, seed=how.seed, need_labels=False)
    rows = [pipeline.prepare(sample.read(), sample.key) for sample in dataset]
    if not rows:
        raise DataError(f"The data at {how.data} are empty.")
    return [np.stack(column) for column in zip(*rows, strict=True)]
