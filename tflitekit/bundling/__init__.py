"""The verb *bundle*: what an app needs of a model, with the proof that the phone computes what the host computed."""

from __future__ import annotations

from tflitekit.bundling.contents import Bundle, read_bundle

__all__ = ["Bundle", "read_bundle"]
