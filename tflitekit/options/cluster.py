"""Who does the work of a run."""

from __future__ import annotations

from typing import Annotated, Any

from tflitekit.core.errors import UsageError
from tflitekit.options.base import Option, Options, Panel

__all__ = ["Cluster", "ClusterOptions", "Depot"]

Cluster = Annotated[
    str | None,
    Option(
        Panel.OUTPUT,
        "Dask cluster that does the work: tcp://SCHEDULER:8786, local:N for N workers on this machine, slurm:N, kubernetes:N, or your own as module:function. Default: this machine.",
        metavar="CLUSTER",
        shapes=False,
    ),
]

Depot = Annotated[
    str | None,
    Option(
        Panel.OUTPUT,
        "With --cluster, where its machines share no folder: URL of a store that all can write to, through which files travel, such as s3://bucket/depot.",
        metavar="URL",
        shapes=False,
    ),
]


class ClusterOptions(Options):
    """Which cluster does the work, if any, and how files get there."""

    cluster: Cluster = None
    depot: Depot = None

    def model_post_init(self, context: Any) -> None:
        """Refuses a depot for nobody."""
        super().model_post_init(context)
        if self.depot is not None and self.cluster is None:
            raise UsageError("--depot only applies with --cluster.", fix="Give both, or neither.")
