"""Workers on this machine: ``local:N``, each a process with its share of the cores."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tflitekit.cluster.kinds import import_dask, register_cluster, wanted_workers
from tflitekit.cluster.pool import SLOT
from tflitekit.cluster.settings import SETTINGS
from tflitekit.core.lifetime import scratch
from tflitekit.core.machine import SHARE

__all__ = ["local"]


@register_cluster("local")
@contextmanager
def local(rest: str) -> Iterator[Any]:
    """Starts a scheduler and its workers, which end with the block."""
    count = wanted_workers("local", rest)
    distributed = import_dask()
    share = max(1, (os.cpu_count() or 1) // count)
    with (
        import_dask("dask").config.set(SETTINGS),
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            resources={SLOT: 1},
            env={SHARE: str(share)},
            local_directory=str(scratch()),
            silence_logs=logging.CRITICAL,
            memory_limit=0,  # models and data are in processes of their own, which Dask does not count
        ) as cluster,
    ):
        yield cluster
