"""Clustering of weights while training: each kernel has a few distinct values."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tflitekit.core.errors import UsageError
from tflitekit.training.compress.compressible import (
    Wrapped,
    compressible_layers,
    kernel_of,
    strip_wrappers,
    wrap_layers,
)
from tflitekit.training.model.tfmot import load_tfmot
from tflitekit.training.model.walk import TRAINING_ONLY, Call, calls, flatten_tensors

__all__ = ["cluster"]

_MOST_CLUSTERS = 256
_LLOYD_STEPS = 20
_NORMALIZATIONS = {"BatchNormalization", "LayerNormalization", "GroupNormalization"}


def cluster(model: Any, *, clusters: int, keep_sparsity: bool) -> Wrapped:
    """Wraps the layers of a rebuilt model so that each kernel has at most so many distinct values, which are trained.

    A Dense layer right behind a normalization is left alone: the converter multiplies its weights by the factors of the
    normalization, which differ from input to input, and equal weights would become different ones.

    The first centroids are those of k-means++, whose random numbers have a fixed seed: the same weights give the same ones.
    Lloyd's algorithm, which tensorflow-model-optimization leaves out, then moves them to the means of their weights.

    With ``keep_sparsity`` which weights are zero is taken from ``model``, and is not among the weights of the result: an
    unfinished training is continued on a model that was wrapped with the same weights as before.

    Args:
        model: Flat, of tf_keras; it is not changed.
        clusters: From 2 to 256; from 3 with ``keep_sparsity``.
        keep_sparsity: One of the values is 0, and weights that are 0 stay so.

    Raises:
        UsageError: The number of clusters is out of range.
        ModelError: The model has nothing to compress.
    """
    least = 3 if keep_sparsity else 2
    if not least <= clusters <= _MOST_CLUSTERS:
        raise UsageError(
            f"{clusters} is not a valid number of clusters.",
            why="int8 has 256 values."
            if clusters > _MOST_CLUSTERS
            else "Zero is one of them."
            if keep_sparsity
            else None,
            fix=f"Give a number from {least} to {_MOST_CLUSTERS}, like 16 or 32.",
        )
    clustering = load_tfmot().clustering.keras
    scaled = _behind_normalization(model)
    layers = [layer for layer in compressible_layers(model) if layer.name not in scaled]
    if keep_sparsity:  # a kernel with hardly any weight left needs no clusters
        layers = [layer for layer in layers if np.count_nonzero(kernel_of(layer)) >= clusters]

    def wrap(layer: Any) -> Any:
        return clustering.cluster_weights(
            layer,
            number_of_clusters=clusters,
            cluster_centroids_init=clustering.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=keep_sparsity,
        )

    wrapped = wrap_layers(model, layers, wrap)
    for layer in wrapped.layers:
        for name, centroids in getattr(layer, "cluster_centroids", {}).items():
            centroids.assign(_move_to_means(layer.original_clusterable_weights[name].numpy(), centroids.numpy()))
    return Wrapped(
        model=wrapped,
        callbacks=(),
        ready_step=0,
        layers=tuple(layer.name for layer in layers),
        strip=lambda: strip_wrappers(model, wrapped, _clustered),
    )


def _move_to_means(weights: Any, centroids: Any) -> Any:
    """Returns centroids after Lloyd's algorithm; one that is zero stays, and zeros then count for no other."""
    from scipy.cluster.vq import kmeans2

    moving = centroids != 0
    if not moving.any():
        return centroids  # a kernel of zeros
    values = weights[weights != 0] if not moving.all() else weights
    start = centroids[moving][:, np.newaxis]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centroid that no weight is nearest to stays where it is
        found, _ = kmeans2(values.reshape(-1, 1), start, iter=_LLOYD_STEPS, minit="matrix")
    result = np.zeros_like(centroids)
    result[moving] = found[:, 0]
    return result


def _behind_normalization(model: Any) -> set[str]:
    """Returns the names of Dense layers that read a normalization, with nothing between that computes."""
    steps = calls(model)
    producers = {id(tensor): step for step in steps for tensor in step.outputs}
    found = set()
    for step in steps:
        before: Call | None = step
        while before is step or (before is not None and type(before.layer).__name__ in TRAINING_ONLY):
            before = producers.get(id(flatten_tensors((before.args, before.kwargs))[0]))
        if (
            before is not None
            and type(step.layer).__name__ == "Dense"
            and type(before.layer).__name__ in _NORMALIZATIONS
        ):
            found.add(step.layer.name)
    return found


def _clustered(wrapper: Any) -> list[Any]:
    """Returns the weights with each kernel replaced by its centroids, as ``strip_clustering`` does for a whole model."""
    wrapper.update_clustered_weights_associations()
    weights = list(wrapper.layer.get_weights())
    for position, name in sorted(wrapper.position_original_weights.items()):
        weights.insert(position, np.asarray(wrapper.get_weight_from_layer(name)))
    return weights
