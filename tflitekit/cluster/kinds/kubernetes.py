"""Pods of Kubernetes: ``kubernetes:N``, N workers of `dask_kubernetes.operator.KubeCluster` as the user's own Dask configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tflitekit.cluster.kinds import TAKES_TASKS, import_dask, register_cluster, wanted_workers
from tflitekit.core.errors import UsageError

__all__ = ["kubernetes"]

_DASKS_OWN = "ghcr.io/dask/dask"


@register_cluster("kubernetes")
@contextmanager
def kubernetes(rest: str) -> Iterator[Any]:
    """Starts a scheduler and its workers as pods, which are deleted at the end of the block.

    The operator appends arguments of Dask's own worker to the command, so that this is what runs.
    """
    count = wanted_workers("kubernetes", rest)
    operator, config = import_dask("dask_kubernetes.operator"), import_dask("dask").config
    described = config.get("kubernetes.custom-cluster-spec", None) is not None
    if not described and config.get("kubernetes.image").startswith(_DASKS_OWN):
        raise UsageError(
            "The pods would run Dask's own image, which does not have tflitekit.",
            fix="Build one with the versions of this machine, and name it in ~/.config/dask/kubernetes.yaml, under kubernetes: image.",
        )
    command = config.get("kubernetes.worker-command")
    words = command.split() if isinstance(command, str) else list(command)
    with operator.KubeCluster(n_workers=count, worker_command=[*words, *TAKES_TASKS], quiet=True) as cluster:
        yield cluster
