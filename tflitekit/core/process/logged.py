"""Runs a command that writes what it prints into a file."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tflitekit.core.lifetime import end_with_parent
from tflitekit.core.process.workers import last_words

__all__ = ["run_logged"]


def run_logged(
    arguments: Sequence[str],
    log: Path,
    timeout_s: float | None,
    variables: Mapping[str, str] | None = None,
    inside: Path | None = None,
) -> tuple[str | None, str]:
    """Runs a command that ends with this process and adds what it prints to a file.

    Args:
        variables: Of its environment, beside ours.
        inside: Its working directory.

    Returns:
        How it ended, unless well, and its last words.

    Raises:
        OSError: It cannot be started.
    """
    ended = None
    with log.open("ab") as stream:
        begin = stream.tell()
        try:
            code = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=timeout_s, check=False,
                env=os.environ | (variables or {}), cwd=inside,
                preexec_fn=functools.partial(end_with_parent, os.getpid()) if sys.platform == "linux" else None,
            ).returncode  # fmt: skip
            if code:
                ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed (exit code {code})"
        except subprocess.TimeoutExpired:
            ended = f"took more than {timeout_s or 0:.0f} s and was ended"
    return ended, last_words(log.read_bytes()[begin:])
