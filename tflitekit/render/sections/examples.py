"""Samples on which a variant does worse than the baseline: what there is, what the baseline said, and what it says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from tflitekit.render.blocks import Gallery, Section, Shot
from tflitekit.render.sections import View, section
from tflitekit.render.summary import by_reference
from tflitekit.results import Example, VariantReport

__all__ = ["examples", "is_jpeg"]

_MOST_IMAGE_BYTES = 300_000


@section(place=75)  # behind the classes
def examples(view: View) -> Section:
    """Returns the worst samples of a few variants, those of the one that lost most first."""
    kept, rest = view.few([row for row in view.able if row.examples])
    rows = sorted(kept, key=lambda row: -(row.loss or 0.0))
    base = view.base.name if view.base is not None else "the baseline"
    first = "what the baseline said" if by_reference(view.report) else "the truth, what the baseline said"
    intro = f"The samples on which a variant fell most behind {base}, the worst first: {first}, and what the variant says.{rest}"
    return Section("examples", "Examples", intro, tuple(_galleries(rows)) if rows else ())


def _galleries(rows: list[VariantReport]) -> Iterator[Gallery]:
    room = _MOST_IMAGE_BYTES
    for position, row in enumerate(rows):
        shots = []
        for example in row.examples:
            pictures = _pictures(example)
            size = sum(len(image) for _, image in pictures)
            if size > room:
                pictures, size = (), 0
            room -= size
            shots.append(Shot(None, example.sample, (example.text,), beside=pictures))
        title = f"Worse in {row.name}"
        yield Gallery(title, "", tuple(shots), folded=title if position else "")


def _pictures(example: Example) -> tuple[tuple[str, str], ...]:
    """Returns the pictures with their titles, if all are JPEGs in base64, as the report promises."""
    found = tuple((picture.title, picture.image) for picture in example.pictures)
    return found if all(is_jpeg(image) for _, image in found) else ()


def is_jpeg(image: str) -> bool:
    """Whether a text is a JPEG in base64."""
    try:
        return base64.b64decode(image, validate=True).startswith(b"\xff\xd8\xff")
    except (binascii.Error, ValueError):
        return False
