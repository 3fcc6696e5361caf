"""Folders of sounds, with one sub-folder per class or without classes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tflitekit.core.files import is_folder
from tflitekit.data.class_folders import ClassFolders
from tflitekit.data.image_files import IMAGE_SUFFIXES, is_one_of
from tflitekit.data.kinds import data_kind
from tflitekit.data.samples import Raw
from tflitekit.data.settings import check_settings
from tflitekit.data.sound import SOUND_SETTINGS, SOUND_SUFFIXES, SoundReader

__all__ = ["SoundFolder"]


@data_kind("sounds", takes_settings=True)
def open_sounds(source: Any, *, settings: Mapping[str, str], **options: Any) -> SoundFolder | None:
    """Opens a folder whose first file, of images and sounds, is a sound."""
    if not isinstance(source, str | Path) or not is_folder(Path(source)) or not _begins_with_sound(Path(source)):
        return None
    check_settings(str(source), settings, SOUND_SETTINGS)
    return SoundFolder(Path(source), SoundReader.of(settings), **options)


class SoundFolder(ClassFolders):
    """A folder of sounds."""

    kind = "sounds"
    noun = "sound"
    suffixes = SOUND_SUFFIXES

    def __init__(self, root: Path, sounds: SoundReader, **options: Any) -> None:
        super().__init__(root, **options)
        first = next(self.pick([0])).path
        self._sounds = sounds if first is None else sounds.like(first)
        self.sound = self._sounds.format

    def decode(self, path: str, key: str) -> Raw:
        return self._sounds.read(path, key)

    def fingerprint(self) -> str:
        return f"{super().fingerprint()}{self._sounds}"


def _begins_with_sound(root: Path) -> bool:
    for _, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(names):
            if is_one_of(name, SOUND_SUFFIXES | IMAGE_SUFFIXES):
                return is_one_of(name, SOUND_SUFFIXES)
    return False
