"""What time it is: by this machine's clock, or by that of the cluster that it works for, where its own is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["moment", "set_right"]

_TRUSTED_S = 60.0
"""How far two clocks may be apart before the difference is more than what a busy network makes of it."""
_behind_s: Callable[[], float] | None = None


def set_right(behind_s: Callable[[], float]) -> float:
    """Sets by how many seconds this machine's clock is behind, from now on and as it changes; returns it, 0 for what is not worth a word."""
    global _behind_s  # noqa: PLW0603 - a process has one clock
    _behind_s = behind_s
    return _off()


def moment() -> datetime:
    """Returns this moment in UTC."""
    return datetime.fromtimestamp(time.time() + _off(), UTC)


def _off() -> float:
    found = _behind_s() if _behind_s is not None else 0.0
    return found if abs(found) > _TRUSTED_S else 0.0
