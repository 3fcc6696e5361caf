"""Where finished reports are kept."""

from __future__ import annotations

from typing import Annotated

from tflitekit.options.base import Option, Options, Panel

__all__ = ["StoreOptions"]


class StoreOptions(Options):
    """Which store gets the report, if any.

    Attributes:
        store: A folder, or the URL of a database.
        store_model: What the model is called there.
    """

    store: Annotated[
        str | None,
        Option(
            Panel.OUTPUT,
            "Also add the report to this store: a folder, sqlite:///FILE or postgresql+psycopg://... (docs/store.md).",
            metavar="STORE",
        ),
    ] = None
    store_model: Annotated[
        str | None,
        Option(
            Panel.OUTPUT,
            "What the model is called in the store. Default: the name of its file.",
            metavar="NAME",
        ),
    ] = None
