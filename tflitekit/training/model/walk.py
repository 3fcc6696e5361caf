"""Walks through the layers of a Keras 3 or tf_keras model in the order in which they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tflitekit.core.errors import ModelError

__all__ = ["TRAINING_ONLY", "Call", "calls", "flatten_tensors", "is_keras3", "is_masked", "map_tensors", "run"]

TRAINING_ONLY = {
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
    "ActivityRegularization", "Identity",
}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of an operation such as ``keras.ops.add``, in a model's graph.

    Attributes:
        layer: The Keras layer or operation.
        path: Its name, with the names of the models around it: ``backbone/conv1``.
        args: Positional arguments; what came from other layers are symbolic tensors.
        outputs: The symbolic tensors that it returned, flat.
    """

    layer: Any
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Any, ...]


def is_keras3(model: Any) -> bool:
    """Whether a model or layer is one of Keras 3; False for tf_keras.

    Raises:
        ModelError: It is neither.
    """
    packages = [base.__module__.split(".")[0] for base in type(model).__mro__]
    if "tf_keras" in packages:
        return False
    if "keras" in packages:
        return True
    raise ModelError(f"A {type(model).__name__} is not a Keras model.", fix="Give a Keras 3 or tf_keras model.")


def run(model: Any, inputs: Sequence[Any], call: Callable[[Call, tuple[Any, ...], dict[str, Any]], Any]) -> list[Any]:
    """Goes through a model with values of one's own in place of its symbolic tensors; models inside it are flattened.

    Args:
        model: Functional or Sequential.
        inputs: One value for each of its inputs.
        call: Gets each `Call` with the arguments filled in; returns the values of its outputs, in any structure.

    Returns:
        The values of the model's outputs, flat.

    Raises:
        ModelError: The model has no graph of layers (a subclassed model).
    """
    return _run(model, inputs, call, prefix="")


def calls(model: Any) -> list[Call]:
    """Returns all calls of a model, in order; those of the models inside it too."""
    found: list[Call] = []

    def record(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del args, kwargs
        found.append(call)
        return list(call.outputs)

    _run(model, list(model.inputs or ()), record, prefix="")
    return found


def _run(model: Any, inputs: Sequence[Any], call: Callable[..., Any], *, prefix: str) -> list[Any]:
    graph = _graph(model)
    values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}

    def fill(tensor: Any) -> Any:
        return values[id(tensor)]

    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            step = _call(node, prefix)
            if step is None:
                continue
            tensors = flatten_tensors((step.args, step.kwargs))
            if any(id(tensor) not in values for tensor in tensors):
                continue
            if _is_model(step.layer):
                given = {name: value for name, value in step.kwargs.items() if name != "mask"}  # tensors carry theirs
                tensors = flatten_tensors((step.args, given))
                results = _run(step.layer, [fill(t) for t in tensors], call, prefix=f"{step.path}/")
            else:
                results = _flatten(call(step, map_tensors(fill, step.args), map_tensors(fill, step.kwargs)))
            values.update({id(tensor): value for tensor, value in zip(step.outputs, results, strict=True)})
    return [values[id(tensor)] for tensor in graph.outputs]


def _graph(model: Any) -> Any:
    """Returns the object with the nodes of a model."""
    graph = getattr(model, "_functional", None) or model  # a Keras 3 Sequential model keeps a Functional one inside
    if not getattr(graph, "_nodes_by_depth", None) or not getattr(graph, "inputs", None):
        raise ModelError(
            f"The model '{model.name}' ({type(model).__name__}) has no graph of layers: it is a subclassed or unbuilt model.",
            why="Compression while training goes through a model layer by layer.",
            fix="Build it from layers as a Sequential or Functional model, with keras.Input(shape) first; "
            "a subclassed model can be written that way, too, with the same layers and weights.",
        )
    return graph


def _is_model(layer: Any) -> bool:
    """Whether a layer is a model with layers of its own (nested)."""
    return any(base.__name__ == "Model" and _package(base) in ("keras", "tf_keras") for base in type(layer).__mro__)


def _package(kind: type) -> str:
    return kind.__module__.split(".")[0]


def _call(node: Any, prefix: str) -> Call | None:
    if hasattr(node, "operation"):  # Keras 3
        if not node.operation or node.is_input:
            return None
        layer, args, kwargs = node.operation, tuple(node.arguments.args), dict(node.arguments.kwargs)
    else:
        if node.is_input:
            return None
        layer, args, kwargs = node.layer, tuple(node.call_args), dict(node.call_kwargs)
    outputs = tuple(_flatten(node.outputs))
    return Call(layer, prefix + str(layer.name), args, kwargs, outputs)


def map_tensors(change: Callable[[Any], Any], value: Any) -> Any:
    """Replaces each symbolic tensor in a structure of lists, tuples and dicts."""
    if _is_tensor(value):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(change, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(change, inner) for inner in value)
    return value


def flatten_tensors(value: Any) -> list[Any]:
    """Returns the symbolic tensors in a structure; those of a dict by its sorted keys, as Keras does."""
    if _is_tensor(value):
        return [value]
    if isinstance(value, dict):
        return [tensor for key in sorted(value) for tensor in flatten_tensors(value[key])]
    if isinstance(value, list | tuple):
        return [tensor for inner in value for tensor in flatten_tensors(inner)]
    return []


def is_masked(tensor: Any) -> bool:
    """Whether a symbolic tensor carries a mask."""
    return getattr(tensor, "_keras_mask", None) is not None


def _is_tensor(value: Any) -> bool:
    return type(value).__name__.endswith("KerasTensor")


def _flatten(value: Any) -> list[Any]:
    return list(_leaves(value))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(value[key])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value
