"""Pruning by magnitude while training."""

from __future__ import annotations

from typing import Any

from tflitekit.core.errors import UsageError
from tflitekit.training.compress.compressible import (
    Wrapped,
    compressible_layers,
    count_calls,
    strip_wrappers,
    wrap_layers,
)
from tflitekit.training.model.tfmot import load_tfmot

__all__ = ["prune"]

_RAMP = 0.6
_UPDATES = 50


def prune(model: Any, *, sparsity: float, steps: int) -> Wrapped:
    """Wraps the layers of a rebuilt model so that training sets their smallest weights to zero, more and more.

    The share of zeros of each kernel grows from 0 with the third power of the time, and reaches ``sparsity`` after 60 % of
    the steps, which leaves 40 % to recover (Zhu and Gupta, To prune, or not to prune, 2017, arXiv:1710.01878).

    The wrappers count the steps themselves, not by the optimizer's ``iterations``; the count is one of the model's weights.
    After ``set_weights`` with the weights of an unfinished training it goes on where that one was.

    Args:
        model: Flat, of tf_keras; it is not changed.
        sparsity: Share of zeros, between 0 and 1.
        steps: Optimizer steps of the training.

    Raises:
        UsageError: The sparsity is out of range.
        ModelError: The model has nothing to compress.
    """
    if not 0 < sparsity < 1:
        raise UsageError(
            f"The sparsity {sparsity:g} is not a share of zeros.", fix="Give one between 0 and 1, like 0.5."
        )
    sparsification = load_tfmot().sparsity.keras
    layers = compressible_layers(model)
    uses = count_calls(model)
    end = max(1, round(_RAMP * steps))
    frequency = max(1, end // _UPDATES)
    end -= end % frequency  # the last update is at the end

    def wrap(layer: Any) -> Any:
        # A layer that is called several times in one step counts each call.
        schedule = sparsification.PolynomialDecay(
            initial_sparsity=0.0, final_sparsity=sparsity, begin_step=0, end_step=end * uses[layer.name], power=3,
            frequency=frequency * uses[layer.name],
        )  # fmt: skip
        return sparsification.prune_low_magnitude(layer, pruning_schedule=schedule)

    wrapped = wrap_layers(model, layers, wrap)
    return Wrapped(
        model=wrapped,
        callbacks=(sparsification.UpdatePruningStep(),),
        ready_step=end,
        layers=tuple(layer.name for layer in layers),
        strip=lambda: strip_wrappers(model, wrapped, _masked),
    )


def _masked(wrapper: Any) -> list[Any]:
    """Returns the weights with the masks applied: the last optimizer step moved what was zero."""
    masks = {id(weight): mask.numpy() for weight, mask, _ in wrapper.pruning_vars}
    return [weight.numpy() * masks.get(id(weight), 1) for weight in wrapper.layer.weights]
