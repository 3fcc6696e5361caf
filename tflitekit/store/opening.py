"""Opens a store by its address."""

from __future__ import annotations

import re
from pathlib import Path

from tflitekit.store.store import Store

__all__ = ["is_database", "open_store"]


def is_database(address: str) -> bool:
    """Returns whether an address is that of a database; all others are folders."""
    return re.match(r"[A-Za-z][A-Za-z0-9+_.-]+://", address) is not None


def open_store(address: str | Path, *, create: bool = True, upgraded: bool = False) -> Store:
    """Opens a store of reports.

    Args:
        address: A folder, or a database's URL: ``sqlite:///results.db``, ``postgresql+psycopg://user@host/database``.
        create: Make it where there is none.
        upgraded: Bring a database of an older kit to the tables of this one; without it, such a database is refused.

    Returns:
        The store.

    Raises:
        UsageError: There is none, or what is there is none.
        StoreError: It cannot be reached or read, or is of a newer or older kind.
        MissingDependencyError: The address is a database's, and a package that it needs is not installed.

    Example:
        >>> store = tk.open_store("results")
        >>> print([entry.model for entry in store.entries().entries])
    """
    if is_database(str(address)):
        from tflitekit.store.database import DatabaseStore

        return DatabaseStore(str(address), create=create, upgraded=upgraded)
    from tflitekit.store.folder import FolderStore

    return FolderStore(Path(address), create=create)
