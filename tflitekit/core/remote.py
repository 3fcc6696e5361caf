"""Files and folders behind a URL (S3, GCS, Azure, HTTP and whatever else fsspec has a backend for), and their copies in the user's cache.

A copy is known by its content: each object by what the store says of it (ETag, checksum, version, else time and size), and a folder by all objects
in it. So what has not changed is not read again, what has changed never takes the place of a copy that somebody reads, and any number of
processes may copy the same at once.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tflitekit.core.copies import copies_folder, keep_tree, place_of, store_object, use_copies
from tflitekit.core.errors import (
    DataError,
    MachineError,
    MissingDependencyError,
    NothingThereError,
    TflitekitError,
    UsageError,
    as_known,
)
from tflitekit.core.files import hash_json, require_inside
from tflitekit.core.printable import without_password

__all__ = ["Seen", "at_hand", "is_url", "local_copy", "look", "open_store", "reaching", "shown_place"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AT_A_TIME = 16
_MARKS = (
    "ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "Digest", "crc32c", "checksum", "generation", "version_id",
    "LastModified", "last_modified", "Last-Modified", "updated", "mtime", "modified",
)  # fmt: skip
"""What stores say of an object that changes with its content."""
_MOST_SAID = 300
_LOOK = "Look at the names of bucket and object."
_LATER = "Run the same command again: what was copied is kept."
_STATUS = ("status", "status_code", "code")
"""How backends call what a server answered."""
_CREDENTIALS = {
    "http": "user and password in the URL, or take a URL that the server signed",
    "s3fs": "AWS's own tools take them: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the environment; FSSPEC_S3_ANON=true reads a public bucket",
    "gcsfs": "Google's own tools take them: GOOGLE_APPLICATION_CREDENTIALS in the environment",
    "adlfs": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or as AZURE_STORAGE_CONNECTION_STRING, in the environment",
}
_OF_SETTINGS = ("ParamValidationError", "ProfileNotFound")
_BROKEN_OFF = ("ClientPayloadError", "IncompleteRead", "ResponseStreamingError", "SocketTimeoutError", "FSTimeoutError")
_SILENCE_S = 60.0
"""A web server that sends nothing for that long has broken off. How long a whole file takes has no limit."""
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}


def is_url(place: object) -> bool:
    """Whether a place is behind a URL, as in ``s3://bucket/model.keras``."""
    return isinstance(place, str) and _URL.match(place) is not None


def local_copy(place: str | Path) -> Path:
    """Returns a file or folder on this machine: the place itself, or the copy of what is behind its URL.

    Two slashes name what lies in a folder that is copied as a whole, with all that belongs to it: ``s3://bucket/coco//annotations.json``.

    Raises:
        DataError: Nothing is there, it may not be read, or it changes while it is read.
        MachineError: The store does not answer.
        MissingDependencyError: fsspec, or its backend, is not installed.
        UsageError: The URL cannot be.
        StorageError: The cache cannot be written.

    Example:
        >>> local_copy("s3://bucket/photos/test")  # doctest: +SKIP
        PosixPath('/home/me/.cache/tflitekit/remote/trees/5f…/test')
    """
    if not is_url(place):
        return Path(place)
    scheme, _, rest = str(place).partition("://")
    outer, _, inner = rest.rstrip("/").partition("//")
    url = f"{scheme}://{outer}"
    with reaching(url):
        copy = _copied(url)
    if not inner:
        return copy
    try:
        return copy / require_inside(inner)
    except ValueError as error:
        raise UsageError(f"{without_password(str(place))} cannot be: {error}.") from None


class Seen(NamedTuple):
    """What is behind a URL, at first sight.

    Attributes:
        folders: Names of the folders in a folder; None for a file.
        files: Names of the files in it.
    """

    folders: tuple[str, ...] | None
    files: tuple[str, ...]


def look(place: str) -> Seen:
    """Returns what is behind a URL, by a few questions: one byte is read, to see whether it may be.

    Raises:
        NothingThereError: Nothing is there.
        DataError: It may not be read.
        MachineError: The store does not answer.
        MissingDependencyError: fsspec, or its backend, is not installed.
        UsageError: The URL cannot be.
    """
    scheme, _, rest = place.partition("://")
    url = f"{scheme}://{rest.rstrip('/').replace('//', '/')}"
    with reaching(url):
        store, root = open_store(url)
        info = store.info(root)
        if info["type"] == "file":
            _read_a_byte(store, info)
            return Seen(None, ())
        inside = [one for one in store.ls(root, detail=True) if str(one["name"]).rstrip("/") != root.rstrip("/")]
        if not inside:
            raise NothingThereError(f"There is nothing at {without_password(url)}.", fix=_LOOK)
        first = inside[0] if inside[0]["type"] == "file" else next(iter(store.ls(inside[0]["name"], detail=True)), None)
        if first is not None and first["type"] == "file":
            _read_a_byte(store, first)
    names = {
        kind: tuple(str(one["name"]).rstrip("/").rpartition("/")[2] for one in inside if one["type"] == kind)
        for kind in ("directory", "file")
    }
    return Seen(names["directory"], names["file"])


def _read_a_byte(store: Any, info: Mapping[str, Any]) -> None:
    """Raises what the store does about a file that may be listed, but not read. Web servers said so already; some would send all of it."""
    if info.get("size") and "http" not in store.protocol:
        store.cat_file(info["name"], start=0, end=1)


def shown_place(path: str | Path) -> str:
    """Returns what the user calls a place: for a copy in the cache the URL that it is of, without a password."""
    if is_url(path):
        return without_password(str(path))
    with suppress(ValueError, OSError, KeyError):
        tree, *inner = Path(path).relative_to(copies_folder() / "trees").parts
        place, rest = place_of(copies_folder() / "trees" / tree), "/".join(inner[1:])
        return f"{place}{'//' if is_url(place) else '/'}{rest}" if rest else place
    return str(path)


def at_hand(given: Any) -> Any:
    """Returns what `local_copy` does for a URL, and anything else as it is."""
    return local_copy(given) if is_url(given) else given


def open_store(url: str) -> tuple[Any, str]:
    """Returns the file system of a URL, and the path in it.

    Raises:
        MissingDependencyError: fsspec, or its backend, is not installed.
        UsageError: fsspec has no backend of that name.
    """
    scheme = url.partition(":")[0].lower()
    if "::" in url:
        raise UsageError(
            f"{without_password(url)} names one store behind another.", fix="Give the place of the files themselves."
        )
    package = _PACKAGES.get(scheme, "aiohttp" if scheme in ("http", "https") else "")
    try:
        from fsspec.core import url_to_fs

        store, path = url_to_fs(url, **_patience(scheme))
    except ImportError as error:
        missing = "fsspec" if error.name == "fsspec" else package or str(error)
        raise _missing(scheme, package, missing) from error
    except ValueError as error:
        if scheme in _PACKAGES and find_spec(package) is None:  # fsspec learns some names of a backend only with that
            raise _missing(scheme, package) from error
        if scheme in _PACKAGES:
            raise _problem(error, url) from error
        why = without_password(str(error))
        fix = "Name a place as s3://, gs://, abfs://, https:// or another URL of fsspec's."
        raise UsageError(f"{without_password(url)} cannot be read.", why=why, fix=fix) from error
    store.invalidate_cache()
    return store, str(path)


def _missing(scheme: str, package: str, missing: str = "") -> MissingDependencyError:
    more = f" {package}" if package not in ("", "s3fs") else ""
    return MissingDependencyError(
        f"{scheme}:// needs the package {missing or package}, which is not installed.",
        fix=f"Install it with: pip install 'tflitekit[remote]'{more}",
    )


def _patience(scheme: str) -> dict[str, Any]:
    """Returns how long a store is waited for: by default aiohttp ends each file after five minutes, whether it comes or not."""
    if scheme not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)}}


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Says in one sentence what the store of a URL answers, whatever its backend raises."""
    try:
        yield
    except TflitekitError:
        raise
    except Exception as raised:  # noqa: BLE001 - each backend has its own
        error = _cause(raised)
        raise _problem(error, url) from error


def _problem(error: Exception, url: str) -> TflitekitError:
    """Returns what the error of a store's backend means, and what to do about it."""
    shown, host, why = without_password(url), socket.gethostname(), _said(error)
    name, status = type(error).__name__, _status(error)
    refused = isinstance(error, PermissionError) or "Credentials" in name or str(error).startswith("Forbidden")
    if refused or status in (401, 403):
        given = _CREDENTIALS.get(
            _PACKAGES.get(url.partition(":")[0].lower(), "http"), "the store's own tools take them"
        )
        what = f"{shown} may not be used with the credentials of {host}."
        return DataError(what, why=why, fix=f"Give them as {given}.")
    if isinstance(error, FileNotFoundError):
        why = None if why and why in shown else why
        is_web = url.lower().startswith(("http:", "https:"))
        return NothingThereError(
            f"There is nothing at {shown}.", why=why, fix="Look at the address." if is_web else _LOOK
        )
    if (known := as_known(error)) is not None:
        return known
    if isinstance(error, ValueError) or name in _OF_SETTINGS:
        fix = "Look at the URL, and at the variables of the environment that are for this store."
        return MachineError(f"{shown} cannot be used as it is set up on {host}.", why=why, fix=fix)
    if status >= 400:
        return MachineError(f"The server of {shown} answers {status} to {host}.", why=why, fix=_LATER)
    if name in _BROKEN_OFF:
        return MachineError(f"{shown} broke off while {host} read it.", why=why, fix=_LATER)
    return MachineError(
        f"The store of {shown} cannot be reached from {host}.",
        why=f"{name}: {why or ''}".rstrip(": "),
        fix="Look at the network and at the address, and run the same command again: what was copied is kept.",
    )


def _status(error: Exception) -> int:
    """Returns what a server answered, as its backend says; 0 where it says none."""
    response = getattr(error.__cause__, "response", None)  # botocore's, of which s3fs keeps the words
    told = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    return next((n for n in (*map(error.__dict__.get, _STATUS), told) if isinstance(n, int)), 0)


def _cause(error: Exception) -> Exception:
    """Returns why HTTP's backend found nothing, where that is another reason than that there is nothing."""
    cause = error.__cause__
    told = isinstance(cause, OSError) or getattr(cause, "status", 404) != 404
    return cause if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and told else error


def _said(error: Exception) -> str | None:
    return without_password(" ".join(str(error).split()))[:_MOST_SAID] or None


def _copied(url: str) -> Path:
    use_copies()
    store, root = open_store(url)
    found = _listed(store, root, url)
    folder = copies_folder() / "objects"
    shown = without_password(url)
    keys = {
        inside: None if marks is None else hash_json([shown, inside, marks]) for inside, (_, marks) in found.items()
    }
    fetched = [inside for inside, key in keys.items() if key is None or not (folder / key).is_file()]

    def fetch(inside: str) -> None:
        keys[inside] = store_object(keys[inside], lambda target: store.get_file(found[inside][0], str(target)))

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(fetch, fetched))
    if fetched:
        store.invalidate_cache()
        if _listed(store, root, url) != found:
            raise DataError(f"{shown} changes while it is read.", fix="Run the same command again when it is complete.")
    return keep_tree(
        shown, root.rstrip("/").rpartition("/")[2] or "data", {inside: str(key) for inside, key in keys.items()}
    )


def _listed(store: Any, root: str, url: str) -> dict[str, tuple[str, Any]]:
    """Returns name and marks of each object, by its path inside; '' is the object itself. Marks are None where the store has none.

    Raises:
        DataError: A name leads out of the folder, or there is no object.
    """
    info = store.info(root)
    if info["type"] == "file":
        return {"": (root, _marks(info))}
    found = {}
    for name, one in store.find(root, detail=True).items():
        inside = str(name)[len(root.rstrip("/")) + 1 :]
        if one["type"] != "file" or not inside or inside.endswith("/"):
            continue
        try:
            normal = str(PurePosixPath(require_inside(inside)))
        except ValueError as error:
            raise DataError(f"{without_password(url)} has an object whose name no folder can hold: {error}.") from None
        if normal != inside:
            raise DataError(f"{without_password(url)} has an object whose name no folder can hold: '{inside}'.")
        found[inside] = (str(name), _marks(one))
    if not found:
        raise NothingThereError(f"There is nothing at {without_password(url)}.", fix=_LOOK)
    return found


def _marks(info: Mapping[str, Any]) -> dict[str, str] | None:
    marks = {name: str(info[name]) for name in _MARKS if info.get(name) is not None}
    return marks | {"size": str(info.get("size"))} if marks else None
