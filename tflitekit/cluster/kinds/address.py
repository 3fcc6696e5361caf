"""A scheduler that runs already: ``tcp://HOST:PORT``, or ``tls://HOST:PORT`` with Dask's own settings for certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from tflitekit.cluster.kinds import import_dask, register_cluster
from tflitekit.core.errors import UsageError

__all__ = ["connection_arguments", "existing"]


@register_cluster("tcp", "tls")
@contextmanager
def existing(address: str) -> Iterator[str]:
    """Gives the address; the scheduler is somebody else's and goes on."""
    connection_arguments(address, "client")
    yield address


def connection_arguments(address: str, role: Literal["client", "worker"]) -> dict[str, Any]:
    """Returns what Dask needs to connect to an address: certificates, as its configuration names them.

    Raises:
        UsageError: The address needs certificates, and there are none, or they cannot be read.
    """
    why = f"Dask's configuration names no distributed.comm.tls.ca-file, or no cert of distributed.comm.tls.{role}."
    try:
        found: dict[str, Any] = import_dask().Security().get_connection_args(role)
    except (OSError, ValueError) as error:
        found, why = {}, f"What Dask's configuration names cannot be read: {error}."
    if address.startswith("tls://") and found.get("ssl_context") is None:
        raise UsageError(
            f"{address} needs certificates.", why=why, fix="Name them as docs/cluster.md, *Security*, shows."
        )
    return found
