"""Makes candidates and judges them, in worker processes."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from pydantic import BaseModel, ConfigDict

from tflitekit.core.errors import ConversionError
from tflitekit.core.files import hash_json, write_json, write_whole
from tflitekit.core.structured import read_model
from tflitekit.data.calibration import CalibrationSet
from tflitekit.data.contract import find_output
from tflitekit.engines.clipping import narrowed
from tflitekit.engines.equalization import equalized as equalize
from tflitekit.engines.litert_quantizer import float_file, refuse_loops, require_quantizer, rewrite
from tflitekit.engines.quantizer_repairs import made_ready
from tflitekit.engines.ranges import Range, range_of
from tflitekit.engines.rounding.blended import with_rounded_layers
from tflitekit.engines.rounding.editing import EditableModel
from tflitekit.engines.rounding.rounding import round_weights, weight_layers
from tflitekit.engines.samples import Batches
from tflitekit.engines.shared_ranges import shared_ranges
from tflitekit.engines.weighted import Exceptions, exceptions, shared_weights
from tflitekit.schemes import Recipe, Request, find
from tflitekit.search.bounds import Bounds, Loss
from tflitekit.search.joins import unlike_joins
from tflitekit.search.judging import Reference
from tflitekit.search.plan import Plan, SearchedLayer
from tflitekit.source.prepared import Exported, PreparedSource
from tflitekit.tflite.graph import Operator, parse_graph
from tflitekit.tflite.layers import layer_names
from tflitekit.tflite.runtime import Model

__all__ = ["PREPARED", "Candidates", "Judged", "Prepared", "judge", "prepare", "round_layers"]

_FLOAT, PREPARED = "float.tflite", "prepared.json"
_EQUALIZED_ON = 64  # samples
_PLACES = 64  # of a layer's output for each sample: a few hundred samples then are many times the inputs of any layer


class Passing(BaseModel):
    """A float tensor that one operator gives and another one reads; None is the model's input or output."""

    model_config = ConfigDict(frozen=True)

    source: str | None
    reader: str | None
    elements: int


class Prepared(BaseModel):
    """What all candidates of a search share; its files lie in the search's folder.

    Attributes:
        layers: Those with weights.
        operators: These and all others, in the order of execution.
        joined: Those of `unlike_joins`.
        passages: Float tensors that go from one of the operators to another.
        classes, probable, temperature: See `Reference`.
    """

    model_config = ConfigDict(frozen=True)

    layers: tuple[SearchedLayer, ...]
    operators: tuple[SearchedLayer, ...]
    joined: tuple[str, ...]
    outputs: tuple[str, ...]
    classes: str | None
    probable: bool
    temperature: float
    labels: bool
    float_bytes: int
    passages: tuple[Passing, ...] = ()


class NothingToChangeError(Exception):
    """A plan asks for what the model has nothing for."""


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
        self, folder: Path, recipe: Recipe, prepared: Prepared, calibration: CalibrationSet, batch: int
    ) -> None:
        self._folder, self._recipe, self._prepared = folder, recipe, prepared
        self._samples = Batches(calibration, batch)
        self._base = exceptions((folder / _FLOAT).read_bytes(), recipe)

    def make(self, plan: Plan) -> bytes:
        """Returns the file that a plan describes."""
        recipe = self._recipe
        if plan.activations is not None:
            recipe = replace(recipe, activations=None if plan.activations == "float32" else plan.activations)
        content = plain = self._float(equalized=plan.equalized)
        measured, layers = content, self._prepared.layers
        if plan.rounding == "gptq":
            content = measured = self.rounded(plan, threads=1)
        elif plan.rounding == "blended":
            measured = self.rounded(Plan(types={}), threads=1)
            own = {layer.name for layer in layers if _is_smallest(layer, plan, self._recipe)}
            content = with_rounded_layers(content, measured, own)
        if recipe.activations != self._recipe.activations:
            content, measured = (made_ready(each, activations=recipe.activations) for each in (content, measured))
        ranges = None
        if recipe.activations is not None:
            ranges = self._ranges(measured, plan, 16 if recipe.activations == "int16" else 8)
        elif "int16" in plan.types.values():  # of single layers: the same for all candidates
            ranges = self._ranges(plain, plan, 16)
        return rewrite(recipe, content, ranges, self._exceptions(plan))

    def _exceptions(self, plan: Plan) -> Exceptions:
        """Returns the operators that are excepted by the plan, and by the recipe where the plan says nothing of them."""
        found = plan.exceptions(self._prepared.operators, self._recipe)
        by_recipe = {"floats": self._base.floats, "int8": self._base.int8}
        own = {name: tuple(each for each in names if each not in plan.types) for name, names in by_recipe.items()}
        return replace(found, floats=found.floats + own["floats"], int8=found.int8 + own["int8"])

    def _float(self, *, equalized: bool) -> bytes:
        """Returns the float file; that with channels of alike ranges is made once.

        Raises:
            NothingToChangeError: There is nothing to equalize.
        """
        content = (self._folder / _FLOAT).read_bytes()
        path = self._folder / "equalized.tflite"
        if not equalized:
            return content
        if not path.exists():
            changed = equalize(content, itertools.islice(self._samples, _EQUALIZED_ON))
            if changed is None:
                raise NothingToChangeError("There are no two layers whose channels could be equalized.")
            write_whole(path, changed)
        return path.read_bytes()

    def rounded(self, plan: Plan, *, threads: int | None) -> bytes:
        """Returns the float file with weights rounded for a plan's types; kept for other candidates."""
        bits = plan.bits(self._prepared.layers, self._recipe)
        path = self._folder / f"rounded-{hash_json([bits, plan.equalized])[:16]}.tflite"
        if not path.exists():
            content = self._float(equalized=plan.equalized)
            able = {layer.name for layer in weight_layers(content)}
            wanted = {name: count for name, count in bits.items() if name in able and name not in self._base.floats}
            write_whole(path, round_weights(content, self._samples, wanted, places=_PLACES, threads=threads).content)
        return path.read_bytes()

    def _ranges(self, content: bytes, plan: Plan, bits: int) -> dict[str, Range]:
        ranges = shared_ranges(content, self._samples, Exported(self._folder / "candidates", "tflite"))
        if plan.ranges == "extremes":
            return ranges
        path = self._folder / f"{plan.ranges}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not path.exists():
            found = narrowed(content, self._samples, ranges, plan.ranges, bits)
            write_json(path, {name: [float(each["min"][0]), float(each["max"][0])] for name, each in found.items()})
        kept = json.loads(path.read_bytes())
        return {name: range_of(low, high) for name, (low, high) in kept.items()}


def _ranges(place: Path, content: bytes, job: dict[str, Any]) -> dict[str, Range]:
    samples = Batches(CalibrationSet.model_validate(job["calibration"]), job["batch"])
    return shared_ranges(content, samples, Exported(place / "candidates", "tflite"))


def _is_smallest(layer: SearchedLayer, plan: Plan, recipe: Recipe) -> bool:
    smallest = layer.types(recipe)[0]
    return plan.types.get(layer.name, smallest) == smallest


def prepare(
    *,
    job: dict[str, Any],
    scheme: str,
    options: dict[str, Any],
    exported: str,
    source: dict[str, Any],
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
    place = Path(job["folder"])
    content = made_ready(content, activations=recipe.activations)
    path = place / _FLOAT
    write_whole(path, content)
    layers = tuple(_layers(content, prepared))
    operators = tuple(_operators(content, prepared, layers))
    if not layers:
        raise ConversionError(
            f"{request.name}: the model has no layers with weights.", fix="There is nothing to search; use float16."
        )
    model = Model(path)
    names = [spec.name for spec in model.outputs]
    scored = find_output(prepared.outputs, output).name
    scored = scored if scored in names else names[0]
    known = np.array(labels) if labels is not None else None
    reference = Reference.of(model, CalibrationSet.model_validate(job["selection"]), scored, known)
    reference.save(place / "reference")
    found = Prepared(
        layers=layers,
        operators=operators,
        joined=unlike_joins(content, _ranges(place, content, job)) if recipe.activations is not None else (),
        passages=tuple(_passages(content, operators)),
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
    weights, own = shared_weights(content), parse_graph(content, "the model").own_names
    operators = [Operator(each.kind, (), each.operators[:1]) for each in weights]
    return [
        SearchedLayer(
            name=each.operators[0],
            operators=each.operators,
            shown=layer or own.get(each.operators[0], each.operators[0]),
            kind=each.kind,
            elements=each.elements,
        )
        for each, layer in zip(weights, layer_names(operators, source.layers), strict=True)
    ]


def _operators(content: bytes, source: PreparedSource, layers: Sequence[SearchedLayer]) -> Iterator[SearchedLayer]:
    """Yields all operators, those that share weights together."""
    leading = {layer.name: layer for layer in layers}
    others = {name for layer in layers for name in layer.operators[1:]}
    graph = parse_graph(content, "the model")
    found = [operator for operator in graph.operators if operator.outputs]
    for operator, shown in zip(found, layer_names(found, source.layers), strict=True):
        name = operator.outputs[0]
        if name in leading:
            yield leading[name]
        elif name not in others:
            yield SearchedLayer(
                name=name,
                operators=(name,),
                shown=shown or graph.own_names.get(name, name),
                kind=operator.name,
                elements=0,
            )


def _passages(content: bytes, operators: Sequence[SearchedLayer]) -> Iterator[Passing]:
    leading = {name: each.name for each in operators for name in each.operators}
    model = EditableModel(content)
    graph = model.graph
    given: dict[int, str | None] = {int(index): None for index in graph.inputs}
    for operator in graph.operators:
        given |= {int(index): leading.get(model.tensor_name(operator.outputs[0])) for index in operator.outputs}
    reads = [(leading.get(model.tensor_name(op.outputs[0])), op.inputs) for op in graph.operators]
    for reader, indices in (*reads, (None, graph.outputs)):
        for index in (int(index) for index in indices):
            tensor = graph.tensors[index]
            if index in given and tensor.type == schema.TensorType.FLOAT32:
                elements = prod(max(1, int(size)) for size in ([] if tensor.shape is None else tensor.shape))
                yield Passing(source=given[index], reader=reader, elements=elements)


def round_layers(*, job: dict[str, Any], threads: int | None) -> None:
    """Rounds the weights of all layers to the smallest type that each can have.

    Args:
        threads: Of the interpreters; all cores that it may use when not given.
    """
    _candidates(job).rounded(Plan(types={}), threads=threads)


def make(*, job: dict[str, Any], plan: dict[str, Any]) -> None:
    """Makes a candidate and leaves its file in the folder."""
    wanted = Plan.model_validate(plan)
    write_whole(Path(job["folder"]) / f"{wanted.key}.tflite", _candidates(job).make(wanted))


def judge(*, job: dict[str, Any], plan: dict[str, Any], bounds: dict[str, Any]) -> dict[str, Any]:
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
    judging = prepared.model_dump(include={"classes", "probable", "temperature"})
    reference = Reference.load(place / "reference", prepared.outputs, **judging, by_agreement=job["by_agreement"])
    samples = CalibrationSet.model_validate(job["selection"])
    loss = reference.loss(Model(path), samples, Bounds.model_validate(bounds), at_once=wanted.probe)
    return Judged(plan=wanted, size_bytes=len(content), loss=loss).model_dump(mode="json")


def _candidates(job: dict[str, Any]) -> Candidates:
    place = Path(job["folder"])
    return Candidates(
        place,
        Recipe(**job["recipe"]),
        read_model(Prepared, place / PREPARED),
        CalibrationSet.model_validate(job["calibration"]),
        job["batch"],
    )
