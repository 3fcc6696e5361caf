"""A scheduler that runs already: ``tcp://HOST:PORT``, or ``tls://HOST:PORT`` with Dask's own settings for certificates."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from tflitekit.cluster.kinds import import_dask, register_cluster
from tflitekit.core.errors import MachineError, UsageError
from tflitekit.core.process.threads import in_thread

__all__ = ["check_address", "connection_arguments", "existing"]

_ANSWER_S = 15.0


@register_cluster("tcp", "tls")
@contextmanager
def existing(address: str) -> Iterator[str]:
    """Gives the address; the scheduler is somebody else's and goes on."""
    security = connection_arguments(address, "client")
    check_address(address)
    try:
        in_thread(lambda: asyncio.run(_greet(address, security))).result(_ANSWER_S + 1.0)
    except Exception as error:  # whatever comes of what another program says; Dask's client would wait for ever
        why = str(error) if isinstance(error, OSError) and str(error) else "What listens there may be another program."
        raise MachineError(
            f"The scheduler {address} does not answer.",
            why=why,
            fix="Start it with 'dask scheduler', and look at the port, and for a firewall between the two machines.",
        ) from error
    yield address


async def _greet(address: str, security: dict[str, Any]) -> None:
    comm = await import_dask().comm.connect(address, timeout=_ANSWER_S, **security)
    await comm.close()


def check_address(address: str) -> None:
    """Raises where an address names no port, or no machine, for which nobody needs to wait."""
    host, wanted = urlsplit(address).hostname, f"Write {address.partition(':')[0]}://HOST:8786."
    try:
        port = urlsplit(address).port
    except ValueError:
        port = None
    if not host or not port:
        raise UsageError(f"'{address}' names no machine and port of a scheduler.", fix=wanted)
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise MachineError(
            f"There is no machine '{host}', which {address} names.", why=error.strerror, fix=wanted
        ) from error


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
