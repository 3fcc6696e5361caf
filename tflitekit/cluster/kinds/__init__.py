"""Where a cluster comes from: an address, processes of this machine, or a batch system. One file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tflitekit.core.errors import MissingDependencyError, UsageError
from tflitekit.core.registry import Registry

__all__ = ["cluster_kinds", "import_dask", "open_kind", "register_cluster", "wanted_workers"]

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

    Raises:
        UsageError: There is no such kind.
        MissingDependencyError: A package that it needs is not installed.
    """
    word, _, rest = name.partition(":")
    kinds = _registry.all()
    if word not in kinds:
        raise UsageError(
            f"There is no cluster '{name}'.",
            fix=f"Give a scheduler's address, such as tcp://scheduler:8786, or {', '.join(f'{kind}:N' for kind in kinds if kind not in ('tcp', 'tls'))}.",
        )
    with kinds[word](name if word in ("tcp", "tls") else rest) as cluster:
        yield cluster


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


def import_dask(module: str = "distributed", *, extra: str = "cluster") -> Any:
    """Imports a package of Dask's.

    Raises:
        MissingDependencyError: It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = (
            f"pip install 'tflitekit[{extra}]'"
            if module == "distributed"
            else f"pip install {module.replace('_', '-')}"
        )
        raise MissingDependencyError(
            f"A cluster needs the package {module.replace('_', '-')}, which is not installed.",
            fix=f"Install it with: {wanted}",
        ) from error
