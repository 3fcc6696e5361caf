"""Clustering of weights while training: each kernel has a few distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflitekit.errors import UsageError
from tflitekit.training.compressible import Wrapped, compressible_layers, kernel_of, strip_wrappers, wrap_layers
from tflitekit.training.tfmot import load_tfmot

__all__ = ["cluster"]

_MOST_CLUSTERS = 256


def cluster(model: Any, *, clusters: int, keep_sparsity: bool) -> Wrapped:
    """Wraps the layers of a rebuilt model so that each kernel has at most so many distinct values, which are trained.

    The first centroids are those of k-means++, whose random numbers have a fixed seed: the same weights give the same ones.

    With ``keep_sparsity`` which weights are zero is taken from ``model``, and is not among the weights of the result: an
    unfinished training is continued on a model that was wrapped with the same weights as before.

    Args:
        model: Flat, of tf_keras; it is not changed.
        clusters: From 2 to 256; from 3 with ``keep_sparsity``.
        keep_sparsity: One of the values is 0, and weights that are 0 stay so.

    Raises:
        UsageError: A number of clusters that cannot be.
        ModelError: The model has nothing to compress.
    """
    least = 3 if keep_sparsity else 2
    if not least <= clusters <= _MOST_CLUSTERS:
        raise UsageError(
            f"{clusters} clusters cannot be.",
            why="int8 has 256 values."
            if clusters > _MOST_CLUSTERS
            else "Zero is one of them."
            if keep_sparsity
            else None,
            fix=f"Give a number from {least} to {_MOST_CLUSTERS}, like 16 or 32.",
        )
    clustering = load_tfmot().clustering.keras
    layers = compressible_layers(model)
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
    return Wrapped(
        model=wrapped,
        callbacks=(),
        ready_step=0,
        layers=tuple(layer.name for layer in layers),
        strip=lambda: strip_wrappers(model, wrapped, _clustered),
    )


def _clustered(wrapper: Any) -> list[Any]:
    """Returns the weights with each kernel replaced by its centroids, as ``strip_clustering`` does for a whole model."""
    wrapper.update_clustered_weights_associations()
    weights = list(wrapper.layer.get_weights())
    for position, name in sorted(wrapper.position_original_weights.items()):
        weights.insert(position, np.asarray(wrapper.get_weight_from_layer(name)))
    return weights
