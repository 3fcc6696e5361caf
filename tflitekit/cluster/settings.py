"""What the kit sets of Dask where it starts schedulers and workers."""

from __future__ import annotations

from typing import Any

from tflitekit.cluster.pool import ATTEMPTS

__all__ = ["SETTINGS"]

SETTINGS: dict[str, Any] = {
    "distributed.scheduler.worker-ttl": "60s",  # a worker that says nothing for so long is ended and started again
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,  # workers that die under one task before it is given up
    "distributed.worker.daemon": False,  # evaluation has processes of its own
    # What Dask looks at while nothing happens took 4 % of a core in each of its processes, also while latency is measured; 0.5 % with these.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}
