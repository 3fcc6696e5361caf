"""Exports Keras model objects, of Keras 3 and of tf_keras, as SavedModels with a fixed batch and named tensors."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.source.few_samples import FewSamples, Original, compared
from tflitekit.source.precision import as_float32
from tflitekit.source.prepared import (
    SIGNATURE,
    Exported,
    PreparedSource,
    check_finite,
    dynamic_notes,
    named_shapes,
    tensor_spec,
    without_gradients,
)

__all__ = ["export_model", "hash_model"]

_MOST_FROZEN_BYTES = 1 << 30
_OBJECT_OR_PATH = "Give a Keras model object, or the path of a model."
_UNBUILT_FIX = (
    "Wrap it before saving: inputs = keras.Input(shape); keras.Model(inputs, model(inputs)); or export it as a "
    "SavedModel with model.export(folder); or give its input shape with --input-shape 224,224,3. Neither makes it "
    "trainable here: for schemes that train, write it as a Functional model of the same layers, and copy the weights."
)


@contextmanager
def _without_loggers() -> Iterator[None]:
    """Keeps what TensorFlow and Keras log below errors off standard error: a model object is exported in the user's process."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@_without_loggers()
def export_model(
    model: Any,
    folder: Path,
    *,
    batch: int,
    input_shapes: Mapping[str, Sequence[int]],
    kind: str = "model object",
    notes: Sequence[str] = (),
    origin: str = "the model",
    samples: FewSamples | None = None,
) -> PreparedSource:
    """Exports a Keras 3 or tf_keras model object as a SavedModel with a fixed batch and named tensors.

    Args:
        samples: To leave what the model makes of them, for the proof; None where nobody compares.

    Raises:
        ModelError: It has no input shapes, or weights that are not finite.
    """
    import tensorflow as tf

    is_keras3 = _is_keras3(model, origin)
    model, precision = as_float32(model)
    specs, pack, output_names = _keras_interface(model, is_keras3, batch, input_shapes, origin)
    check_finite(((getattr(w, "path", w.name), w) for w in model.weights), origin)
    flatten = _tree(is_keras3).flatten

    def serve(*flat: Any) -> dict[str, Any]:
        outputs = flatten(model(pack(flat), training=False))
        names = output_names or _default_names(len(outputs))
        return dict(zip(names, outputs, strict=True))

    function = tf.function(serve, input_signature=specs)
    with _named_operations(model):
        concrete = function.get_concrete_function()
    _save(model, folder, function, concrete, is_keras3)
    found = concrete.structured_outputs
    inputs = tuple(tensor_spec(spec.name, spec) for spec in specs)
    names = output_names or sorted(found)

    def answer(row: Sequence[Any]) -> list[Any]:
        outputs = serve(*map(tf.constant, row))
        return [outputs[name] for name in names]

    loader = _loader(is_keras3)
    comparable: dict[str, Any] = {}
    if samples is not None:
        trained = {id(getattr(weight, "value", weight)) for weight in model.trainable_weights}
        state = [variable for variable in concrete.graph.variables if id(variable) not in trained]
        original = Original(answer, state)
        comparable = compared(Exported(folder), loader, original, inputs, samples)
    return PreparedSource(
        kind=kind,
        loader=loader,
        inputs=inputs,
        vocabularies=_vocabularies(model, [spec.name for spec in inputs], flatten),
        outputs=tuple(tensor_spec(name, found[name]) for name in names),
        **comparable,
        parameters=int(model.count_params()),
        layers=tuple(_layer_names(model)),
        loops=_loops(concrete.graph),
        notes=(*notes, *precision, *dynamic_notes(inputs)),
    )


def _is_keras3(model: Any, origin: str) -> bool:
    """Returns whether a model is of Keras 3; it is of tf_keras else.

    Raises:
        ModelError: It is of neither.
    """
    import tensorflow as tf

    if type(model).__module__.startswith("keras.") or _inherits(model, "keras.src"):
        return True
    if _inherits(model, "tf_keras"):
        return False
    if isinstance(model, tf.Module | tf.keras.layers.Layer):
        fix = "Save it with tf.saved_model.save and give the folder."
    else:
        fix = _OBJECT_OR_PATH
    raise ModelError(f"{origin} is a {type(model).__name__}, not a Keras model.", fix=fix)


def _loader(is_keras3: bool) -> str:
    if is_keras3:
        import keras

        return f"keras {keras.__version__}"
    import tf_keras

    return f"tf_keras {tf_keras.__version__}"


def _save(model: Any, folder: Path, function: Any, concrete: Any, is_keras3: bool) -> None:
    """Writes a SavedModel with the function as its signature: frozen where that changes nothing, else as Keras does."""
    import tensorflow as tf

    frozen = _freeze(concrete, model)
    if frozen is not None:
        signatures = {SIGNATURE: tf.function(frozen, input_signature=function.input_signature)}
        tf.saved_model.save(tf.Module(), str(folder), signatures=signatures, options=without_gradients())
    elif is_keras3:
        import keras

        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(SIGNATURE, function)
        archive.write_out(str(folder), options=without_gradients(), verbose=False)
    else:
        tf.saved_model.save(model, str(folder), signatures={SIGNATURE: function}, options=without_gradients())


def _layer_names(model: Any) -> Iterator[str]:
    for layer in getattr(model, "operations", None) or getattr(model, "layers", None) or ():
        yield str(layer.name)
        yield from _layer_names(layer)


@contextmanager
def _named_operations(model: Any) -> Iterator[None]:
    """Puts what functions of Keras 3 compute (``keras.ops``, ``x + y``) below their names, as the layers' computations are."""
    named = list(_operations(model))
    for operation in named:
        operation.call = _in_scope(operation.name, operation.call)
    try:
        yield
    finally:
        for operation in named:
            del operation.call


def _in_scope(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    def scoped(*arguments: Any, **options: Any) -> Any:
        with tf.name_scope(name):
            return call(*arguments, **options)

    return scoped


def _operations(model: Any) -> Iterator[Any]:
    """Yields the operations of a Keras 3 model, and of models inside it, that are no layers."""
    for operation in getattr(model, "operations", ()):
        if hasattr(operation, "weights"):
            yield from _operations(operation)
        elif "call" not in vars(operation):
            yield operation


def _loops(graph: Any) -> tuple[str, ...]:
    return tuple(op.name for op in graph.get_operations() if op.type in ("While", "StatelessWhile"))


def _freeze(concrete: Any, model: Any) -> Callable[..., dict[str, Any]] | None:
    """Turns variables into constants once, instead of once per scheme; None where that could change the graph.

    A graph with control flow or inner functions is left as it is: tf_keras marks its LSTM and GRU functions for the
    converter, which fuses them into one operator, and freezing would inline them. Lookup tables are no variables and stay
    what they are, and what is assigned, as the state of a random generator, cannot be constant. Protobuf ends at 2 GiB.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    size = sum(int(weight.numpy().nbytes) for weight in model.weights)
    assigns = any(operation.type.startswith("Assign") for operation in concrete.graph.get_operations())
    if size > _MOST_FROZEN_BYTES or assigns or len(concrete.graph.as_graph_def().library.function):
        return None
    constant = convert_variables_to_constants_v2(concrete)
    if len(constant.inputs) > len(concrete.structured_input_signature[0]):
        return None
    names = sorted(concrete.structured_outputs)

    def serve(*flat: Any) -> dict[str, Any]:
        outputs = constant(*flat)
        return dict(outputs) if isinstance(outputs, dict) else dict(zip(names, outputs, strict=True))

    return serve


def _inherits(model: Any, package: str) -> bool:
    return any(
        base.__module__.split(".")[0] == package or base.__module__.startswith(package) for base in type(model).__mro__
    )


def _tree(is_keras3: bool) -> Any:
    if is_keras3:
        import keras

        return keras.tree
    import tensorflow as tf

    return tf.nest


def _keras_interface(
    model: Any, is_keras3: bool, batch: int, input_shapes: Mapping[str, Sequence[int]], origin: str
) -> tuple[list[Any], Callable[[Sequence[Any]], Any], list[str] | None]:
    """Returns the input specs, a function that packs flat inputs into the model's structure, and output names."""
    import tensorflow as tf

    tensors = list(_attribute(model, "inputs") or ())
    if not tensors:
        if len(input_shapes) != 1 or "" not in input_shapes:
            raise ModelError(
                f"{origin} has no input shapes: it is a subclassed or unbuilt model.",
                why="The converter must know the shape of every input.",
                fix=_UNBUILT_FIX,
            )
        return [tf.TensorSpec([batch, *input_shapes[""]], tf.float32, name="input")], lambda flat: flat[0], None
    names = [t.name for t in tensors] if is_keras3 else list(model.input_names)
    given = named_shapes(input_shapes, names, origin)
    specs = []
    for name, tensor in zip(names, tensors, strict=True):
        shape = [batch, *given.get(name, tuple(tensor.shape)[1:])]
        specs.append(tf.TensorSpec(shape, tensor.dtype, name=name))
    structure = _attribute(model, "input")
    if structure is None:  # a Keras 3 Sequential model has .inputs and no .input
        structure = tensors[0] if len(tensors) == 1 else tensors
    output = _attribute(model, "output")
    names = _attribute(model, "output_names") or [model.layers[-1].name]
    output_names = sorted(output) if isinstance(output, dict) else _unique(list(names))
    tree = _tree(is_keras3)
    return specs, lambda flat: tree.pack_sequence_as(structure, list(flat)), output_names


def _vocabularies(model: Any, names: Sequence[str], flatten: Callable[[Any], list[Any]]) -> dict[str, int]:
    """Returns how many rows there are to pick by the values of each input that an embedding reads, of a model of layers."""
    by_tensor = dict(zip(map(id, _attribute(model, "inputs") or ()), names, strict=False))
    found: dict[str, int] = {}
    for layer in getattr(model, "layers", ()):
        for node in layer._inbound_nodes if type(layer).__name__ == "Embedding" else ():
            for name in {by_tensor[id(tensor)] for tensor in flatten(node.input_tensors) if id(tensor) in by_tensor}:
                found[name] = min(int(layer.input_dim), found.get(name, int(layer.input_dim)))
    return found


def _default_names(count: int) -> list[str]:
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]


def _attribute(model: Any, name: str) -> Any:
    """Returns an attribute that Keras defines only for models that are built, or None."""
    try:
        return getattr(model, name)
    except (AttributeError, ValueError):
        return None


def _unique(names: list[str]) -> list[str]:
    """Appends a number to repeated names (a shared layer that gives two outputs, say)."""
    return [name if names.index(name) == i else f"{name}_{i}" for i, name in enumerate(names)]


def hash_model(model: Any) -> str:
    """Returns the SHA-256 of a model object's architecture and weights.

    Raises:
        ModelError: It is no Keras model.
    """
    if not hasattr(model, "weights"):
        raise ModelError(f"A {type(model).__name__} is not a model.", fix=_OBJECT_OR_PATH)
    digest = hashlib.sha256()
    try:
        digest.update(model.to_json().encode())
    except (NotImplementedError, TypeError, ValueError):  # subclassed models have no configuration
        digest.update(type(model).__qualname__.encode())
    for weight in model.weights:
        values = weight.numpy()
        digest.update(f"{values.dtype}{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()
