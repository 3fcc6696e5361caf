"""How a process ends that was started with pipes."""

from __future__ import annotations

import subprocess
from contextlib import suppress

__all__ = ["end_process"]

_END_S = 10.0


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Closes the pipes of a process, at which it ends by itself; kills it where it does not."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            assert stream is not None
            stream.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
