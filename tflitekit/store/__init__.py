"""Reports that are kept: what was found before, and what has changed since?

A store is a folder, or a database that SQLAlchemy speaks. Both keep whole reports, by the hash of their content, with a few key figures
beside each (`Entry`), so that a thousand reports are listed without reading them. `history` has what changed over time.
"""

from __future__ import annotations

from tflitekit.store.entry import Acceptance, Entry, Row
from tflitekit.store.opening import open_store
from tflitekit.store.store import Added, Listing, Store

__all__ = ["Acceptance", "Added", "Entry", "Listing", "Row", "Store", "open_store"]
