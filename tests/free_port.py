"""Ports of this machine for servers that cannot choose one by themselves."""

import os
import random
import socket

_FIRST, _LAST, _PROCESSES = 10_000, 32_000, 32
_given: set[int] = set()


def free_port() -> int:
    """Returns one that is free, and stays so until the server has it.

    It lies below those that systems give to connections (from 32768 on Linux, from 49152 elsewhere), of which the tests make many meanwhile, and
    each process of pytest-xdist draws from ports of its own.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _PROCESSES
    while True:
        port = random.SystemRandom().randrange(_FIRST + process, _LAST, _PROCESSES)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
