"""SavedModels: folders that TensorFlow or ``model.export`` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.options.convert import LoadOptions
from tflitekit.source.few_samples import FewSamples, Original, compared
from tflitekit.source.kinds import register_source
from tflitekit.source.prepared import (
    SIGNATURE,
    Exported,
    PreparedSource,
    check_finite,
    dynamic_notes,
    named_shapes,
    reason,
    tensor_spec,
    without_gradients,
)
from tflitekit.source.saved_model_file import refuse_file_operators

__all__ = ["SavedModelFolder"]


class SavedModelFolder:
    """A SavedModel, of which one signature is converted."""

    name = "saved_model"
    shown: str | None = "a SavedModel folder"
    suffixes: tuple[str, ...] = ()
    has_layers = False
    needs_tensorflow = True
    converter: None = None

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Returns whether a path is a folder with a SavedModel in it."""
        return not head and any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))

    def prepare(self, path: Path, folder: Path, how: LoadOptions, samples: FewSamples) -> PreparedSource:
        """Loads a SavedModel and exports one signature of it; ``how.custom_objects`` are for kinds that have layers.

        Raises:
            ModelError: It reads or writes files (unless ``how.unsafe_load``), cannot be loaded, or lacks the signature.
        """
        import numpy as np
        import tensorflow as tf

        if not how.unsafe_load:
            refuse_file_operators(path)
        loaded = _load(path)
        function = loaded.signatures[_choice(list(loaded.signatures), how.signature, path)]
        variables = getattr(loaded, "variables", None) or function.variables
        check_finite(((v.name, v) for v in variables), str(path))
        specs = _specs(function, how.batch, how.input_shapes, path)

        def serve(*flat: Any) -> dict[str, Any]:
            return dict(function(**{spec.name: value for spec, value in zip(specs, flat, strict=True)}))

        module = tf.Module()
        module.source = loaded
        exported = tf.function(serve, input_signature=specs)
        found = exported.get_concrete_function().structured_outputs
        tf.saved_model.save(module, str(folder), signatures={SIGNATURE: exported}, options=without_gradients())
        inputs = tuple(tensor_spec(spec.name, spec) for spec in specs)
        names = sorted(found)

        def answer(row: Sequence[Any]) -> list[Any]:
            given = {spec.name: tf.constant(value) for spec, value in zip(specs, row, strict=True)}
            outputs = function(**given)
            return [outputs[name] for name in names]

        loader = f"tensorflow {tf.__version__} SavedModel"
        return PreparedSource(
            kind=self.name,
            loader=loader,
            inputs=inputs,
            outputs=tuple(tensor_spec(name, found[name]) for name in names),
            **compared(Exported(folder), loader, Original(answer, _state(loaded, function)), inputs, samples),
            parameters=sum(int(np.prod(v.shape.as_list())) for v in variables),
            notes=tuple(dynamic_notes(inputs)),
        )


def _state(loaded: Any, function: Any) -> Sequence[Any]:
    """Returns the variables that a call may change: none where nothing in the graph assigns, as in most models."""
    import tensorflow as tf

    graph = function.graph.as_graph_def()
    nodes = (node for part in (graph.node, *(inner.node_def for inner in graph.library.function)) for node in part)
    if not any(node.op.startswith("Assign") for node in nodes):
        return ()
    return [found for found in tf.train.TrackableView(loaded).descendants() if isinstance(found, tf.Variable)]


def _load(path: Path) -> Any:
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        raise ModelError(
            f"The SavedModel {path} cannot be loaded.", why=reason(error), fix="Export it again."
        ) from error


def _choice(choices: list[str], wanted: str | None, path: Path) -> str:
    key = wanted or (SIGNATURE if SIGNATURE in choices else choices[0] if len(choices) == 1 else None)
    if key is None or key not in choices:
        raise ModelError(
            f"The SavedModel {path} has no signature '{key or SIGNATURE}'.",
            why=f"Its signatures: {', '.join(choices) or 'none'}.",
            fix="Choose one with --signature NAME." if choices else "Export the model with model.export(folder).",
        )
    return key


def _specs(function: Any, batch: int, input_shapes: Mapping[str, Sequence[int]], path: Path) -> list[Any]:
    """Returns the inputs of a signature, with the batch, and the shapes that the user gave."""
    import tensorflow as tf

    arguments = function.structured_input_signature[1]
    given = named_shapes(input_shapes, list(arguments), str(path))
    specs = []
    for name, spec in arguments.items():
        if spec.shape.rank is None and name not in given:
            raise ModelError(
                f"The input '{name}' of {path} has no shape.", fix=f"Give it: --input-shape {name}=224,224,3"
            )
        shape = [batch, *given[name]] if name in given else spec.shape.as_list()
        if name not in given and shape and shape[0] is None:
            shape[0] = batch
        specs.append(tf.TensorSpec(shape, spec.dtype, name=name))
    return specs


register_source(SavedModelFolder())
