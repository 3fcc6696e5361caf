"""Keypoints as COCO has them: one JSON file whose annotations have ``keypoints``."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflitekit.core.errors import DataError, UnreadableError
from tflitekit.core.files import is_file, read_bytes, shortened
from tflitekit.core.structured import read_json
from tflitekit.data.annotations import Boxes, Poses
from tflitekit.data.boxed import require_pictures
from tflitekit.data.fence import WITHIN, require_within
from tflitekit.data.image_files import decode_annotated
from tflitekit.data.kinds import data_kind
from tflitekit.data.samples import Dataset, Sample, balanced, file_content
from tflitekit.data.settings import check_settings

__all__ = ["PosedPictures"]

_LIMIT_BYTES = 1 << 30
_FIX = "Give annotations as COCO has them: https://cocodataset.org/#format-data (keypoint detection)."


@data_kind("poses", takes_settings=True)
def open_poses(source: Any, *, settings: Mapping[str, str], need_labels: bool, **options: Any) -> PosedPictures | None:
    """Opens a .json file with images and annotations that have keypoints."""
    del need_labels  # there always are some
    if not isinstance(source, str | Path) or "as" in settings:
        return None
    path = Path(source) / "annotations.json" if Path(source).is_dir() else Path(source)
    if path.suffix.lower() != ".json" or not is_file(path):
        return None
    try:
        if b'"keypoints"' not in read_bytes(path, _LIMIT_BYTES):
            return None
        content = read_json(path, limit_bytes=_LIMIT_BYTES)
    except UnreadableError as error:
        raise DataError(f"The annotations at {path} cannot be read: {error.reason}.", fix=_FIX) from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= set(content) or not _has_points(content):
        return None
    check_settings(str(source), settings, ("images", WITHIN))
    return PosedPictures(path, content, settings, **options)


def _has_points(content: Mapping[str, Any]) -> bool:
    """Whether an annotation has keypoints; exports of boxes may have empty lists of them."""
    annotations = content["annotations"]
    rows = annotations if isinstance(annotations, list) else []
    return not rows or any(not isinstance(row, dict) or row.get("keypoints") for row in rows)


class PosedPictures(Dataset):
    """Pictures with annotated people or things, each with keypoints; pictures without are left out.

    Attributes:
        keypoints: Their names, as the one category with keypoints has them; empty where there is none, or several.

    Args:
        path: The file.
        content: What it holds.
        settings: 'images', the folder of the pictures: without it, 'images' beside the file, else the file's own; 'within', where else
            pictures may lie.
    """

    kind = "poses"
    pictures = True
    upright = True

    def __init__(
        self,
        path: Path,
        content: Mapping[str, Any],
        settings: Mapping[str, str],
        *,
        labels: tuple[str, ...] | None,
        limit: int | None,
        seed: int,
    ) -> None:
        super().__init__(str(path), classes=labels)
        beside, folder = path.parent / "images", settings.get("images")
        self._root = Path(folder) if folder is not None else beside if beside.is_dir() else path.parent
        poses = _poses(path, content)
        images = sorted(
            (entry for entry in _listed(path, content, "images") if _id(entry.get("id")) in poses), key=_name
        )
        if not images:
            raise DataError(f"The annotations at {path} have no keypoints.", fix=_FIX)
        names = [_name(entry) for entry in images]
        require_within(path, self._root, names, settings.get(WITHIN))
        require_pictures(str(path), self._root, names, f"Name their folder: {path}:images=FOLDER.")
        self._sizes: dict[str, Any] = {
            name: (entry.get("width"), entry.get("height")) for name, entry in zip(names, images, strict=True)
        }
        pairs = [(name, poses[entry["id"]]) for name, entry in zip(names, images, strict=True)]
        if limit is not None:
            self.available, self.seed = len(pairs), seed
            pairs = [pairs[index] for index in balanced([None] * len(pairs), limit, seed)]
        self._pairs = pairs
        self.keypoints = _named(content)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Sample]:
        return self.pick(range(len(self)))

    def pick(self, positions: Sequence[int]) -> Iterator[Sample]:
        """Yields the samples at some positions, in any order."""
        for position in positions:
            name, label = self._pairs[position]
            path = str(self._root / name)
            yield Sample(name, label, functools.partial(decode_annotated, path, self._sizes.get(name)), path)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, label in self._pairs:
            assert label.boxes is not None
            for values in (label.points, label.boxes.xyxy, label.boxes.areas, label.boxes.crowd):
                digest.update(np.asarray(values).tobytes())
            content = file_content(str(self._root / name))
            digest.update(f"{name}\0".encode(errors="surrogateescape") + content)
        return digest.hexdigest()


def _named(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of keypoints, where one category has unlike ones."""
    entries = content.get("categories")
    found = (
        [entry.get("keypoints") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    names = [tuple(map(str, one)) for one in found if isinstance(one, list) and one]
    return names[0] if len(names) == 1 and len(set(names[0])) == len(names[0]) else ()


def _poses(path: Path, content: Mapping[str, Any]) -> dict[int, Poses]:
    """Returns the poses of each picture by its id.

    Raises:
        DataError: Keypoints or boxes are not numbers, or people have unlike numbers of keypoints.
    """
    known = {_id(entry.get("id")) for entry in _listed(path, content, "images")}
    found: dict[int, list[tuple[Any, ...]]] = {}
    count = None
    for place, entry in enumerate(_listed(path, content, "annotations")):
        if "keypoints" not in entry:
            continue
        where = f"The entry {place} of annotations in {path}"
        points, box = (_numbers(entry.get(name), where, name) for name in ("keypoints", "bbox"))
        count = len(points) if count is None else count
        if len(points) % 3 or len(points) != count or len(box) != 4:
            raise DataError(
                f"{where} has {len(points)} numbers of keypoints and {len(box)} of its box, where {count} and 4 were to be expected.",
                fix=_FIX,
            )
        number = _id(entry.get("image_id"))
        if number is None or number not in known:
            shown = shortened(json.dumps(entry.get("image_id")))
            raise DataError(f"{where} is of the image {shown}, which is not listed.", fix=_FIX)
        left, top, width, height = box
        area = _numbers([entry.get("area", width * height)], where, "area")[0]
        row = (points, (left, top, left + width, top + height), area, bool(entry.get("iscrowd")))
        found.setdefault(number, []).append(row)
    return {number: _of_rows(rows) for number, rows in found.items()}


def _of_rows(rows: Sequence[tuple[Any, ...]]) -> Poses:
    points, edges, areas, crowd = (np.asarray(column, np.float32) for column in zip(*rows, strict=True))
    boxes = Boxes(edges, np.zeros(len(rows), np.int32), crowd=crowd.astype(np.bool_), areas=areas)
    return Poses(points.reshape(len(rows), -1, 3), boxes)


def _numbers(values: Any, where: str, name: str) -> list[float]:
    numbers = isinstance(values, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numbers or not np.isfinite(np.asarray(values, np.float64)).all():
        raise DataError(f"{where} has no '{name}' that is made of numbers.", fix=_FIX)
    return [float(value) for value in values]


def _listed(path: Path, content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = content[key]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path} has no list of {key}.", fix=_FIX)
    return entries


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("file_name"))
