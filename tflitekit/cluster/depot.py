"""Files of a run on machines that share no folder: they travel through a store behind a URL, the depot, where each has the hash of its content as name.

Who asks publishes what a task names: files below the folder of the run, and the model and the data where they lie on that machine, with the
pictures and sounds that the data name elsewhere. The worker copies what it lacks, runs the task in a folder of its own, and publishes what is new
there; who asked takes that into the folder of the run. The scheduler sees hashes only.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from tflitekit.cluster.places import each_text, place_of
from tflitekit.core.copies import copies_folder, keep_tree, run_folder, store_object, use_copies
from tflitekit.core.errors import (
    DataError,
    MachineError,
    StorageError,
    TflitekitError,
    UsageError,
    as_known,
    disk_errors,
)
from tflitekit.core.files import content_hash, files_below, read_bytes, require_inside, write_whole
from tflitekit.core.printable import without_password
from tflitekit.core.remote import is_url, open_store, reaching
from tflitekit.data.dataset import named_files, open_dataset
from tflitekit.data.settings import PLACES, split_settings

__all__ = ["Depot", "Parcel", "pack", "patiently", "require_relative", "take", "unpacked"]

_Done = TypeVar("_Done")

_AT_A_TIME = 16
_PATIENCE_S, _AGAIN_S = 600.0, 5.0
"""How long work that is done waits for a place that takes nothing."""
_OWN = ("converter_python",)
"""Arguments that name programs of each machine."""
_LISTS = (".csv", ".json", ".jsonl", ".tsv", ".txt", ".yaml", ".yml")
_FEW = 3
_SETTING = re.compile(r"(?<==)[^:=]+")


class Input(NamedTuple):
    """A file or a folder that a task reads.

    Attributes:
        root: The path that holds all its files, on the machine that asks.
        inside: Its own path below that.
        listed: Hash of the list of files.
    """

    root: str
    inside: str
    listed: str


class Parcel(BaseModel):
    """What belongs to a task.

    Attributes:
        depot: Its URL.
        home: The folder of the run, on the machine that asks.
        files: Hash of the list of what the task reads below that.
        inputs: What each path outside of it is.
    """

    model_config = ConfigDict(frozen=True)

    depot: str
    home: str
    files: str
    inputs: dict[str, Input]


class RefusedError(MachineError):
    """A depot that is not there, or that may not be used from this machine: waiting does not help."""


class Depot:
    """A store of files by the SHA-256 of their content.

    Raises:
        UsageError: It is no URL.
        MachineError: It cannot be reached, or it refuses; another machine may be let in.
    """

    def __init__(self, url: str) -> None:
        if not is_url(url):
            raise UsageError(
                f"The depot '{url}' is no URL.",
                fix="Name a place in a store, such as s3://bucket/depot; a folder that all machines see needs no --depot.",
            )
        self.url = url
        self._store, self._root = open_store(url)
        self._there: set[str] = set()

    def check(self) -> None:
        """Raises `MachineError` where nothing can be stored from here, before there is work that needs it."""
        try:
            self.publish({})
        except (MachineError, StorageError) as error:
            why = " ".join(part for part in (error.what, error.why) if part)
            what = f"Nothing can be stored in the depot {without_password(self.url)}."
            raise MachineError(what, why=why, fix=error.fix) from error

    def forget(self) -> None:
        """Looks again, when it is next asked, for what it has: objects may be gone, or damaged and removed."""
        self._there.clear()

    def publish(self, files: Mapping[str, Path]) -> str:
        """Stores files by their names, those that it lacks, and returns the hash of the list of them."""
        with self._reached(), ThreadPoolExecutor(_AT_A_TIME) as pool:
            hashes = dict(zip(files, pool.map(self._put, files.values()), strict=True))
            with tempfile.NamedTemporaryFile() as made:
                made.write(json.dumps(hashes, sort_keys=True).encode())
                made.flush()
                return self._put(Path(made.name))

    def listed(self, sha256: str) -> dict[str, str]:
        """Returns the hashes of published files, by their names."""
        content = json.loads(read_bytes(self.fetch(sha256)))
        return {require_inside(name) if name else "": str(found) for name, found in content.items()}

    def fetch_all(self, hashes: Mapping[str, str]) -> None:
        """Copies objects into the cache, those that it lacks."""
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(self.fetch, set(hashes.values())))

    def fetch(self, sha256: str) -> Path:
        """Returns an object's copy in the cache."""
        use_copies()
        path = copies_folder() / "objects" / sha256
        if not path.is_file():
            with self._reached():
                store_object(sha256, lambda target: self._get(sha256, target))
        return path

    def _get(self, sha256: str, target: Path) -> None:
        self._store.get_file(f"{self._root}/{sha256}", str(target))
        if content_hash(target) != sha256:
            with suppress(Exception):  # whoever has the file stores it anew
                self._store.rm_file(f"{self._root}/{sha256}")
            raise MachineError(
                f"The depot {without_password(self.url)} held something else as {sha256} than was stored there.",
                fix="Run the same command again: it is stored anew.",
            )

    def _put(self, path: Path) -> str:
        status = path.stat()
        sha256 = _hash_of(str(path), status.st_size, status.st_mtime_ns, status.st_ino)
        name = f"{self._root}/{sha256}"
        if sha256 not in self._there and self._size(name) != status.st_size:  # as what a full disk left of it
            try:
                self._store.put_file(str(path), name)
            except Exception as error:
                if isinstance(as_known(error), StorageError):
                    raise self._full(error) from error
                raise
        self._there.add(sha256)
        return sha256

    def _full(self, error: Exception) -> StorageError:
        return StorageError(
            f"The depot {without_password(self.url)} has no room.",
            why=" ".join(without_password(str(error)).split()) or None,
            fix="Make some there, and run the same command again: it continues where it stopped.",
        )

    def _size(self, name: str) -> int | None:
        try:
            return int(self._store.info(name)["size"])
        except FileNotFoundError:
            return None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            with reaching(self.url):
                yield
        except DataError as error:
            raise RefusedError(error.what, why=error.why, fix=error.fix) from error


@functools.lru_cache(maxsize=100_000)
def _hash_of(path: str, size: int, time_ns: int, number: int) -> str:
    del size, time_ns, number  # with which it changes
    return content_hash(Path(path))


def pack(depot: Depot, home: Path, arguments: Mapping[str, Any]) -> Parcel:
    """Publishes what the arguments of a task name."""
    files: dict[str, Path] = {}
    inputs: dict[str, Input] = {}
    for text in set(_texts(arguments)):
        path = Path(place_of(text))
        if path.is_relative_to(home):
            files |= {str(one.relative_to(home)): one for one in _files(path).values()}
        else:
            inputs |= _input(depot, text, path)
    return Parcel(depot=depot.url, home=str(home), files=depot.publish(files), inputs=inputs)


@contextmanager
def unpacked(
    parcel: Parcel, arguments: Mapping[str, Any], told: Callable[[str], object] = lambda words: None
) -> Iterator[tuple[dict[str, Any], Callable[..., tuple[Any, str]]]]:
    """Gives the arguments with paths of this machine, and what takes the value of the task, afterwards: it publishes what is new, and returns
    the value with paths of the machine that asked, and the hash of the list of what is new; with ``waits=False`` at once or not at all.

    Args:
        told: Hears why what is done cannot be published yet.
    """
    depot, there = Depot(parcel.depot), Path(parcel.home)
    hashes = depot.listed(parcel.files)
    depot.fetch_all(hashes)
    with run_folder(parcel.home) as here:
        for name, sha256 in hashes.items():
            _copy(depot.fetch(sha256), here / name)
        places = {parcel.home: str(here)}
        for place, (root, inside, listed) in parcel.inputs.items():
            inputs = depot.listed(listed)
            depot.fetch_all(inputs)
            places[place] = str(keep_tree(root, Path(root).name or "files", inputs) / inside)

        def pack_back(value: Any, *, waits: bool = True) -> tuple[Any, str]:
            new = {name: path for name, path in files_below(here).items() if hashes.get(name) != content_hash(path)}
            files = patiently(lambda: depot.publish(new), told) if waits else depot.publish(new)
            return _moved(value, {str(here): str(there)}), files

        yield _moved(dict(arguments), places), pack_back


def patiently(do: Callable[[], _Done], told: Callable[[str], object], over: threading.Event | None = None) -> _Done:
    """Stores what took long to make; a place that is full, or does not answer, may be mended meanwhile.

    Args:
        told: Hears what is waited for.
        over: Set when nobody waits for it any more.
    """
    until, over = time.monotonic() + _PATIENCE_S, over or threading.Event()
    while True:
        try:
            return do()
        except RefusedError:
            raise
        except (MachineError, StorageError) as error:
            if time.monotonic() > until:
                raise
            told(f"Waiting to store what was made. {error.what}")
            if over.wait(_AGAIN_S):
                raise


def take(depot: Depot, home: Path, listed: str) -> None:
    """Takes what a worker published into the folder of the run."""
    hashes = depot.listed(listed)
    depot.fetch_all(hashes)
    for name, sha256 in hashes.items():
        _copy(depot.fetch(sha256), home / name)


def _copy(source: Path, target: Path) -> None:
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, source.read_bytes())


def _texts(value: Any, name: str = "") -> Iterator[str]:
    """Yields the texts in a value that begin with an absolute path that there is here."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, key)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, name)
    elif isinstance(value, str) and name not in _OWN and Path(value).is_absolute():
        with suppress(OSError, ValueError):
            if Path(place_of(value)).exists():
                yield value


def _input(depot: Depot, text: str, path: Path) -> dict[str, Input]:
    """Publishes a path and the files that data there name elsewhere, and returns what it is; also the paths in its settings."""
    elsewhere = _elsewhere(text, path, path.stat().st_mtime_ns)
    settings = split_settings(text)[1]
    given = [Path(settings[name]) for name in PLACES & settings.keys() if Path(settings[name]).is_absolute()]
    root = Path(os.path.commonpath([path, *elsewhere, *given]))
    files = (*_files(path).values(), *elsewhere, *filter(Path.is_file, given))
    listed = depot.publish({"" if one == root else str(one.relative_to(root)): one for one in files})
    return {str(one): Input(str(root), str(one.relative_to(root)), listed) for one in (path, *given)}


@functools.lru_cache(maxsize=100)
def _elsewhere(text: str, path: Path, time_ns: int) -> tuple[Path, ...]:
    """Returns the files that data name outside of their path, by absolute paths without links to folders above."""
    del time_ns  # with which it changes
    if path.suffix == ".py":
        return ()
    try:
        named = [Path(os.path.normpath(os.path.abspath(name))) for name in named_files(text)]  # noqa: PTH100
    except TflitekitError:  # it is something else, or whoever reads the data says what is wrong with them
        return ()
    return tuple(one for one in named if not one.is_relative_to(path))


def require_relative(data: object) -> None:
    """Raises `UsageError` where data are a list that names its files by absolute paths: on another machine these lead nowhere.

    Anything else passes, also what cannot be read: who reads it says so.
    """
    if is_url(data) or not isinstance(data, str | Path) or not Path(place_of(str(data))).is_file():
        return
    try:
        found = open_dataset(data, need_labels=False)
    except TflitekitError:
        return
    named = [sample.path for sample in itertools.islice(found, _FEW) if sample.path is not None]
    place = Path(place_of(str(data)))
    for one in (place, *map(Path, found.beside)):
        if one.suffix not in _LISTS or not named:
            continue
        folder = os.path.abspath(one.parent)  # noqa: PTH100 - links stay
        said = "|".join(re.escape(os.path.abspath(text)) for text in (*named, folder) if text != "/")  # noqa: PTH100
        if absolute := re.search(rf"(?:^|[\s\"',:=])({said})", read_bytes(one).decode(errors="replace")):
            raise UsageError(
                f"{one} names files by absolute paths, such as {absolute[1]}.",
                why="With --depot, each machine copies the data to a place of its own, where such paths lead nowhere.",
                fix=f"Name them relative to {folder}.",
            )


def _files(path: Path) -> dict[str, Path]:
    """Returns the files of a path by their names in it; '' is a file itself."""
    return {"": path} if path.is_file() else files_below(path)


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    """Returns a value with other paths."""
    outermost_last = sorted(places, key=len, reverse=True)

    def moved(text: str) -> str:
        for place in outermost_last:
            if text == place or text.startswith((f"{place}/", f"{place}:")):
                rest = _SETTING.sub(lambda found: places.get(found[0], found[0]), text.removeprefix(place))
                return f"{places[place]}{rest}"
        return text

    return each_text(value, moved)
