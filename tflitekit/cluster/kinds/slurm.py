"""Jobs of Slurm: ``slurm:N``, N workers that `dask_jobqueue.SLURMCluster` asks for as the user's own Dask configuration says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tflitekit.cluster.kinds import TAKES_TASKS, import_dask, register_cluster, wanted_workers
from tflitekit.cluster.settings import SETTINGS
from tflitekit.core.errors import MachineError, MissingDependencyError, UsageError

__all__ = ["slurm"]


@register_cluster("slurm")
@contextmanager
def slurm(rest: str) -> Iterator[Any]:
    """Starts a scheduler here, and workers as jobs, which are cancelled at the end of the block.

    Each takes one task at a time, with the cores of its process.
    """
    count = wanted_workers("slurm", rest)
    jobqueue, config = import_dask("dask_jobqueue"), import_dask("dask").config
    own = config.get("jobqueue.slurm.worker-extra-args", None) or []
    try:
        with config.set(SETTINGS):
            cluster = jobqueue.SLURMCluster(worker_extra_args=[*own, *TAKES_TASKS])
    except ValueError as error:  # cores, memory or an interface that it needs to know
        raise UsageError(
            f"Dask cannot ask Slurm for workers: {str(error).rstrip('.')}.",
            fix="Say what a job gets in ~/.config/dask/jobqueue.yaml, under jobqueue: slurm: cores, memory, queue, walltime, interface.",
        ) from error
    with cluster:
        _check(cluster.job_script())
        cluster.scale(count)
        yield cluster


def _check(script: str) -> None:
    """Raises where Slurm would not take such a job: Dask asks in the background, where nobody sees the answer."""
    try:
        asked = subprocess.run(
            ["sbatch", "--test-only"], input=script, capture_output=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise MissingDependencyError(
            "There is no 'sbatch' here.", fix="Run this where jobs of Slurm are submitted from."
        ) from error
    if asked.returncode:
        raise MachineError(
            "Slurm would not take the jobs of the workers.",
            why=asked.stderr.strip() or None,
            fix="What they ask for is in ~/.config/dask/jobqueue.yaml, under jobqueue: slurm.",
        )
