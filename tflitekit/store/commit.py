"""Which commit of the user's project a report belongs to, as git says."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["commit_of"]

_TIMEOUT_S = 60.0


def commit_of(folder: Path, created: str) -> str | None:
    """Returns the commit that a folder stands at, with '-dirty' where tracked files were changed since.

    Args:
        created: When the report was made. A commit that is younger is not the one that it was made from.

    Returns:
        None where the folder belongs to no repository, git is not installed, or the commit is younger.
    """
    told = _git(folder, "log", "-1", "--format=%H %cI")
    commit, _, committed = (told or "").strip().partition(" ")
    if not commit or _is_later(committed, created):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    # A repository's own settings may name programs: those that these two commands would run stay off.
    safe = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
    try:
        done = subprocess.run(
            ["git", *safe, *arguments], cwd=folder, capture_output=True, timeout=_TIMEOUT_S, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout


def _is_later(committed: str, created: str) -> bool:
    try:
        first, second = (datetime.fromisoformat(text) for text in (committed, created))
        return first.astimezone(UTC) > second.replace(tzinfo=second.tzinfo or UTC)
    except (ValueError, OverflowError):
        return False
