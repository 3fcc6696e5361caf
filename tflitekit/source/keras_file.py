"""Reads what a Keras file (``.keras``, ``.h5``) says of its model, without Keras, and refuses files that are made to mislead."""

from __future__ import annotations

import io
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tflitekit.core.errors import ModelError, UnreadableError
from tflitekit.core.files import TEXT_LIMIT_BYTES, shortened
from tflitekit.core.structured import parse_json

__all__ = ["keras_version", "read_archive_config", "read_hdf5_config", "refuse_outside_data", "refuse_two_models"]

_LARGEST_RATIO = 1032
"""DEFLATE shrinks to no less than this part of the size (https://zlib.net/zlib_tech.html)."""
_CONFIG = "config.json"


def read_archive_config(path: Path) -> dict[str, Any]:
    """Returns the configuration in a ``.keras`` file.

    Raises:
        ModelError: It is damaged, no such file, or made to write outside of its folder or to exhaust its reader.
    """
    with _damage(path, "not a .keras file"), zipfile.ZipFile(path) as archive:
        _refuse_hostile(path, archive.infolist())
        size = archive.getinfo(_CONFIG).file_size
        if size > TEXT_LIMIT_BYTES:
            raise UnreadableError(_CONFIG, f"it has {size:,} bytes, more than the {TEXT_LIMIT_BYTES:,} that are read")
        return _model(parse_json(archive.read(_CONFIG), _CONFIG, finite=False))


def read_hdf5_config(path: Path, attribute: str = "model_config", *, needed: bool = True) -> dict[str, Any]:
    """Returns a configuration that an HDF5 file holds as text; empty where it has none and that is no error.

    Raises:
        ModelError: It is damaged, or holds weights only.
    """
    import h5py

    with _damage(path, "cut short"):
        with h5py.File(path, "r") as file:
            config = file.attrs.get(attribute)
        if config is not None:
            if not isinstance(config, str | bytes):
                raise UnreadableError(attribute, "it is not text")
            return _model(parse_json(config, attribute, finite=False))
    if not needed:
        return {}
    raise ModelError(
        f"{path} holds weights only, not a model.",
        why="It has no 'model_config': it was written by save_weights().",
        fix="Build the model in Python, load these weights into it, and save it whole with model.save('name.keras').",
    )


def keras_version(path: Path) -> str:
    """Returns which Keras wrote an HDF5 file; empty for other files, and where it does not say."""
    import h5py

    if not h5py.is_hdf5(path):
        return ""
    with h5py.File(path, "r") as file:
        version = file.attrs.get("keras_version", "")
    return version.decode() if isinstance(version, bytes) else str(version)


def refuse_outside_data(path: Path) -> None:
    """Refuses a Keras file whose weights lie in other files, which loading would read.

    Raises:
        ModelError: It links to another file, or is damaged.
    """
    import h5py

    with _damage(path, "cut short"), _weights(path) as streams:
        found = None
        for stream in streams:
            with h5py.File(stream, "r") as file:
                found = found or next(_outside(file, set()), None)
    if found is not None:
        raise ModelError(
            f"The model {path} takes '{shortened(found)}' from another file, which the kit does not read unless you allow it.",
            why="An HDF5 file can name any file of this machine; no version of Keras writes such a model.",
            fix="If you trust where the file comes from, load it with --unsafe-load.",
        )


def refuse_two_models(path: Path) -> None:
    """Refuses a file that is an archive and HDF5 at once: which of its models Keras loads hangs on the name of the file.

    The weights in an archive are HDF5 too, and where they happen to begin at 512 bytes times a power of two, HDF5 finds them there; but they
    are no model.

    Raises:
        ModelError: It is both.
    """
    import h5py

    if not zipfile.is_zipfile(path) or not h5py.is_hdf5(path):
        return
    with h5py.File(path, "r") as file:
        two = "model_config" in file.attrs
    if two:
        raise ModelError(
            f"The model {path} is two models in one file, a .keras archive and HDF5.",
            why="No version of Keras writes that; a file that shows one model and loads another is meant to mislead.",
            fix="If you trust where the file comes from, load it with --unsafe-load.",
        )


@contextmanager
def _weights(path: Path) -> Iterator[list[Any]]:
    """Gives what HDF5 there is: the file, or those in a ``.keras`` file, whose weights Keras stores without compression."""
    if not zipfile.is_zipfile(path):
        yield [path]
        return
    with zipfile.ZipFile(path) as archive, ExitStack() as opened:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".h5")]
        yield [
            opened.enter_context(archive.open(entry))
            if entry.compress_type == zipfile.ZIP_STORED
            else io.BytesIO(archive.read(entry))
            for entry in entries
        ]


def _model(config: Any) -> dict[str, Any]:
    if not isinstance(config, dict):
        raise UnreadableError("the configuration", "it is not a JSON object, as that of a model is")
    return config


def _outside(group: Any, seen: set[int]) -> Iterator[str]:
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            yield f"{group.name}/{name}"
            continue
        found = group.get(name)
        if isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
            yield str(found.name)
        elif isinstance(found, h5py.Group):
            address = h5py.h5o.get_info(found.id).addr
            if address not in seen:
                seen.add(address)
                yield from _outside(found, seen)


def _refuse_hostile(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    twice = [name for name, count in Counter(entry.filename for entry in entries).items() if count > 1]
    if twice:
        raise UnreadableError(str(path), f"it has more than one file named '{shortened(twice[0])}'")
    for entry in entries:
        name, parts = entry.orig_filename, entry.orig_filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or parts[0].endswith(":") or any(ord(letter) < 32 for letter in name):
            raise UnreadableError(str(path), f"its file {shortened(ascii(name))} would lie outside the model")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnreadableError(str(path), f"its file '{shortened(name)}' is a link")
        if entry.file_size > entry.compress_size * _LARGEST_RATIO + 64:
            claim = f"{entry.compress_size:,} to {entry.file_size:,} bytes"
            raise UnreadableError(str(path), f"its file '{shortened(name)}' claims to unpack from {claim}")
    if sum(entry.compress_size for entry in entries) > path.stat().st_size:
        raise UnreadableError(str(path), "its files overlap")


@contextmanager
def _damage(path: Path, else_what: str) -> Iterator[None]:
    """Turns what zipfile, zlib and h5py raise for a damaged file into a `ModelError`."""
    try:
        yield
    except ModelError:
        raise
    except UnreadableError as error:
        raise ModelError(
            f"The model {path} is damaged or {else_what}.",
            why=f"{error.reason[:1].upper()}{error.reason[1:]}.",
            fix=_AGAIN,
        ) from error
    except Exception as error:  # h5py and zipfile let through whatever damaged bytes lead to
        raise ModelError(
            f"The model {path} is damaged or {else_what}.",
            why=shortened(f"{type(error).__name__}: {error}", 300) + ".",
            fix=_AGAIN,
        ) from error


_AGAIN = "Copy it again, or save it again with model.save('name.keras')."
