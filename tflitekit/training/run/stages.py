"""The stages of training: what each makes of a model before it trains, and what it takes away again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflitekit.core.errors import ModelError
from tflitekit.schemes import Stage
from tflitekit.tflite.training_record import Parity
from tflitekit.training.compress.compressible import compressible_layers
from tflitekit.training.model.rebuild import Rebuilt
from tflitekit.training.quantize.annotate import annotate_model, quantize

__all__ = ["Prepared", "prepare_stage"]


@dataclass(frozen=True)
class Prepared:
    """A model as one stage trains it.

    Attributes:
        model: To be trained.
        finish: Returns the model that goes to the converter or the next stage, after training.
        callbacks: Of tf_keras, that the stage needs.
        ready_step: The step from which on the model is what the stage promises; no checkpoint before it can be the best.
        compressed: The user's names of the layers that are pruned or clustered.
        left_float: The user's names of the layers that quantization leaves float.
        paths: The user's layer for each layer of ``model``.
        parity: Proof that the annotated model computes what the model does; of quantizing stages.
    """

    model: Any
    finish: Callable[[], Any]
    paths: Mapping[str, str]
    callbacks: Sequence[Any] = ()
    ready_step: int = 0
    compressed: tuple[str, ...] = ()
    left_float: tuple[str, ...] = ()
    parity: Parity | None = None
    notes: tuple[str, ...] = field(default=())


def prepare_stage(
    stage: Stage, rebuilt: Rebuilt, *, steps: int, samples: Sequence[Any], strict: bool, prove: bool = True
) -> Prepared:
    """Makes the model that a stage trains.

    Args:
        rebuilt: With the weights that the stage begins with. Its model may be trained itself.
        steps: Of the whole stage.
        samples: Real inputs, one array for each input: for the proof of parity.
        strict: Refuse to leave a layer float.

    Raises:
        ModelError: ``strict``, and a layer has no integer form; or no layer can be compressed.
    """
    if stage.kind == "finetune":
        return Prepared(rebuilt.model, lambda: rebuilt.model, rebuilt.paths)
    if stage.kind == "quantize":
        return _quantizing(stage, rebuilt, samples, strict, prove)
    if stage.kind == "prune":
        from tflitekit.training.compress.pruning import prune

        assert stage.sparsity is not None
        wrapped = prune(rebuilt.model, sparsity=stage.sparsity, steps=steps)
    else:
        from tflitekit.training.compress.clustering import cluster

        assert stage.clusters is not None
        wrapped = cluster(rebuilt.model, clusters=stage.clusters, keep_sparsity=stage.sparsity is not None)
    return Prepared(
        wrapped.model,
        wrapped.strip,
        rebuilt.paths,
        tuple(wrapped.callbacks),
        ready_step=wrapped.ready_step,
        compressed=_users(wrapped.layers, rebuilt),
    )


def _users(layers: Iterable[str], rebuilt: Rebuilt) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rebuilt.paths.get(name, name) for name in layers))


def _quantizing(stage: Stage, rebuilt: Rebuilt, samples: Sequence[Any], strict: bool, prove: bool) -> Prepared:
    keeps = stage.sparsity is not None or stage.clusters is not None
    compressed = _users((layer.name for layer in compressible_layers(rebuilt.model)) if keeps else (), rebuilt)
    annotated = annotate_model(
        rebuilt.model,
        paths=rebuilt.paths,
        samples=samples,
        prove=prove,
        keep_sparsity=stage.sparsity is not None,
        keep_clusters=stage.clusters,
        part_joins=not strict,
    )
    left = tuple(layer.layer for layer in annotated.layers if layer.treatment == "left float")
    if strict and left:
        first = next(layer for layer in annotated.layers if layer.treatment == "left float")
        raise ModelError(
            f"Layers would stay float: {', '.join(left[:8])}{', ...' if len(left) > 8 else ''}.",
            why=f"{first.layer}: {first.how}",
            fix=f"{first.fix} 'tflitekit preflight MODEL' lists all; without --strict they stay float.",
        )
    model = quantize(annotated.model)
    return Prepared(
        model, lambda: model, annotated.origins, compressed=compressed, left_float=left, parity=annotated.parity
    )
