"""Where a cluster comes from: an address, processes of this machine, a batch system (one file each), or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tflitekit.cluster.pool import SLOT
from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.core.registry import Registry
from tflitekit.core.user_code import call_function

__all__ = ["TAKES_TASKS", "cluster_kinds", "import_dask", "open_kind", "register_cluster", "wanted_workers"]

TAKES_TASKS = ("--resources", f"{SLOT}=1")
"""What makes a worker of Dask's own one that takes tasks, one at a time."""

Opener = Callable[[str], AbstractContextManager[Any]]
"""Takes what follows the kind's name and a colon; gives what `distributed.Client` takes: an address, or a cluster of Dask's."""

_registry: Registry[Opener] = Registry("kind of cluster", __name__, "tflitekit.clusters")


def register_cluster(*names: str) -> Callable[[Opener], Opener]:
    """Registers how a cluster is reached whose name begins so."""

    def register(opener: Opener) -> Opener:
        for name in names:
            _registry.add(name, opener, opener.__module__)
        return opener

    return register


def cluster_kinds() -> list[str]:
    """Returns the names of all kinds, the kit's own first."""
    return list(_registry.all())


@contextmanager
def open_kind(name: str) -> Iterator[Any]:
    """Opens a cluster by what the user calls it, and closes what was started for it.

    Args:
        name: A kind with what it takes, or ``module:function`` that returns any of Dask's clusters.

    Raises:
        UsageError: There is no such kind.
        MissingDependencyError: A package that it needs is not installed.
    """
    word, _, rest = name.partition(":")
    kinds = _registry.all()
    if word in kinds:
        opened = kinds[word](name if word in ("tcp", "tls") else rest)
    elif rest.isidentifier():
        opened = _own(name)
    else:
        named = ", ".join(f"{kind}:N" for kind in kinds if kind not in ("tcp", "tls"))
        raise UsageError(
            f"There is no cluster '{name}'.",
            fix=f"Give a scheduler's address, such as tcp://scheduler:8786, {named}, or your own as module:function.",
        )
    with opened as cluster:
        yield cluster


def _own(name: str) -> AbstractContextManager[Any]:
    """Returns what the user's function returns, where that is a cluster: it is closed at the end of its block."""
    cluster = call_function(name, "cluster")
    if not isinstance(cluster, import_dask().deploy.Cluster):
        raise UsageError(f"'{name}' returned {type(cluster).__name__}, which is no cluster of Dask's.")
    return cluster  # type: ignore[no-any-return]


def wanted_workers(name: str, rest: str) -> int:
    """Returns the number of workers behind a kind's name.

    Raises:
        UsageError: There is none.
    """
    if not rest.isdigit() or int(rest) < 1:
        raise UsageError(
            f"'{name}:{rest}' is no cluster." if rest else f"'{name}' says no number of workers.",
            fix=f"Write {name}:4.",
        )
    return int(rest)


def import_dask(module: str = "distributed") -> Any:
    """Imports a package of Dask's.

    Raises:
        MissingDependencyError: It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        wanted = "'tflitekit[cluster]'" if package in ("dask", "distributed") else package
        raise MissingDependencyError(
            f"A cluster needs the package {package}, which is not installed.",
            fix=f"Install it with: pip install {wanted}",
        ) from error
