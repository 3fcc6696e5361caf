"""Makes candidates and judges them, in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ConversionError
from tflitekit.core.files import hash_json, write_json, write_whole
from tflitekit.core.structured import read_model
from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.contract import find_output
from tflitekit.engines.litert_quantizer import float_file, refuse_loops, require_quantizer, rewrite
from tflitekit.engines.quantizer_repairs import made_ready
from tflitekit.engines.rounding.blended import with_rounded_layers
from tflitekit.engines.rounding.rounding import round_weights, weight_layers
from tflitekit.engines.samples import Batches
from tflitekit.engines.shared_ranges import shared_ranges
from tflitekit.engines.weighted import shared_weights
from tflitekit.schemes import Recipe, Request, find
from tflitekit.search.judging import Loss, Reference
from tflitekit.search.plan import Plan, SearchedLayer
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import Operator, parse_graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.runtime import Model

__all__ = ["PREPARED", "Candidates", "Judged", "Prepared", "judge", "prepare", "round_layers"]

_FLOAT, PREPARED = "float.tflite", "prepared.json"
_PLACES = 64  # of a layer's output for each sample: a few hundred samples then are many times the inputs of any layer


class Prepared(BaseModel):
    """What all candidates of a search share; its files lie in the search's folder.

    Attributes:
        classes, probable, temperature: See `Reference`.
    """

    model_config = ConfigDict(frozen=True)

    layers: tuple[SearchedLayer, ...]
    outputs: tuple[str, ...]
    classes: str | None
    probable: bool
    temperature: float
    labels: bool
    float_bytes: int


class Judged(BaseModel):
    """A candidate and what it loses; without a file where it could not be made, for the reason in ``failed``."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    size_bytes: int = 0
    loss: Loss | None = None
    failed: str | None = None


class Candidates:
    """Makes the candidates of one search.

    Args:
        folder: With the files that all candidates share.
        recipe: What holds where a plan says nothing else.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, layers: Sequence[SearchedLayer], calibration: CalibrationSet, batch: int
    ) -> None:
        self._folder, self._recipe, self._layers = folder, recipe, layers
        self._samples = Batches(calibration, batch)

    def make(self, plan: Plan) -> bytes:
        """Returns the file that a plan describes."""
        content = (self._folder / _FLOAT).read_bytes()
        measured = content
        if plan.rounding != "nearest":
            rounded = self.rounded(plan if plan.rounding == "gptq" else Plan(types={}), threads=1)
            names = plan.bits(self._layers, self._recipe)
            if plan.rounding == "blended":
                names = {layer.name: 0 for layer in self._layers if _is_smallest(layer, plan, self._recipe)}
            content, measured = with_rounded_layers(content, rounded, names), rounded
        ranges = None
        if self._recipe.activations is not None:
            ranges = shared_ranges(measured, self._samples, Exported(self._folder / "candidates", "tflite"))
        return rewrite(self._recipe, content, ranges, plan.exceptions(self._layers, self._recipe))

    def rounded(self, plan: Plan, *, threads: int) -> bytes:
        """Returns the float file with weights rounded for a plan's types; kept for other candidates."""
        bits = plan.bits(self._layers, self._recipe)
        path = self._folder / f"rounded-{hash_json(bits)[:16]}.tflite"
        if not path.exists():
            content = (self._folder / _FLOAT).read_bytes()
            able = {layer.name for layer in weight_layers(content)}
            wanted = {name: count for name, count in bits.items() if name in able}
            write_whole(path, round_weights(content, self._samples, wanted, places=_PLACES, threads=threads).content)
        return path.read_bytes()


def _is_smallest(layer: SearchedLayer, plan: Plan, recipe: Recipe) -> bool:
    smallest = layer.types(recipe)[0]
    return plan.types.get(layer.name, smallest) == smallest


def prepare(
    *,
    folder: str,
    scheme: str,
    options: dict[str, Any],
    exported: str,
    source: dict[str, Any],
    selection: dict[str, Any],
    output: str | None,
    labels: list[int] | None,
    allow_select_tf_ops: bool,
) -> dict[str, Any]:
    """Makes the float file ready and runs it on the samples that candidates are judged on.

    Args:
        labels: Of these samples, where all of them are classes.

    Returns:
        `Prepared`.
    """
    request = Request(find(scheme), options)
    prepared = PreparedSource.model_validate(source)
    require_quantizer(request, prepared.form)
    assert request.scheme.recipe is not None
    recipe = request.scheme.recipe(options)
    content = float_file(Exported(Path(exported), prepared.form), prepared, allow_select_tf_ops).read_bytes()
    graph = parse_graph(content, f"{request.name}.tflite")
    if recipe.activations is not None:
        refuse_loops(request, graph, prepared)
    place = Path(folder)
    content = made_ready(content, activations=recipe.activations)
    path = place / _FLOAT
    write_whole(path, content)
    layers = tuple(_layers(content, prepared))
    if not layers:
        raise ConversionError(
            f"{request.name}: the model has no layers with weights.", fix="There is nothing to search; use float16."
        )
    model = Model(path)
    names = [spec.name for spec in model.outputs]
    scored = find_output(prepared.outputs, output).name
    scored = scored if scored in names else names[0]
    known = np.array(labels) if labels is not None else None
    reference = Reference.of(model, CalibrationSet.model_validate(selection), scored, known)
    reference.save(place / "reference")
    found = Prepared(
        layers=layers,
        outputs=tuple(reference.outputs),
        classes=reference.classes,
        probable=reference.probable,
        temperature=reference.temperature,
        labels=known is not None and reference.classes is not None,
        float_bytes=len(content),
    )
    write_json(place / PREPARED, found.model_dump(mode="json"))
    return found.model_dump(mode="json")


def _layers(content: bytes, source: PreparedSource) -> list[SearchedLayer]:
    weights = shared_weights(content)
    operators = [Operator(each.kind, (), each.operators[:1]) for each in weights]
    return [
        SearchedLayer(
            name=each.operators[0],
            operators=each.operators,
            shown=layer or each.operators[0],
            kind=each.kind,
            elements=each.elements,
        )
        for each, layer in zip(weights, layer_names(operators, source.layers), strict=True)
    ]


def round_layers(*, job: dict[str, Any], threads: int) -> None:
    """Rounds the weights of all layers to the smallest type that each can have."""
    _candidates(job).rounded(Plan(types={}), threads=threads)


def judge(*, job: dict[str, Any], plan: dict[str, Any], limit: float) -> dict[str, Any]:
    """Makes a candidate, leaves its file in the folder, and judges it.

    Returns:
        `Judged`.
    """
    wanted, place = Plan.model_validate(plan), Path(job["folder"])
    try:
        content = _candidates(job).make(wanted)
    except Exception as error:  # noqa: BLE001 - of the quantizer, which has no class of its own
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Judged(plan=wanted, failed=reason).model_dump(mode="json")
    path = place / f"{wanted.key}.tflite"
    write_whole(path, content)
    prepared = read_model(Prepared, place / PREPARED)
    reference = Reference.load(
        place / "reference", prepared.outputs, prepared.classes, prepared.probable, prepared.temperature
    )
    loss = reference.loss(Model(path), CalibrationSet.model_validate(job["selection"]), limit)
    return Judged(plan=wanted, size_bytes=len(content), loss=loss).model_dump(mode="json")


def _candidates(job: dict[str, Any]) -> Candidates:
    place = Path(job["folder"])
    return Candidates(
        place,
        Recipe(**job["recipe"]),
        read_model(Prepared, place / PREPARED).layers,
        CalibrationSet.model_validate(job["calibration"]),
        job["batch"],
    )
