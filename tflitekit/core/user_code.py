"""The one loader of a user's Python: metrics, losses, optimizers, augmentation, callbacks, data factories, the model's own
layers.

``FILE.py`` is that file. Anything else is a module, looked for in the working directory first, then where Python looks. Both
may import what lies beside them, by ``import helpers``, and a file by ``from .helpers import name`` too. ``sys.path`` stays
as it is: folders of the user's code are searched last, so that a file there takes the place of no installed package.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from tflitekit.core.errors import UsageError

__all__ = ["call_function", "find_source", "load_function", "load_module", "own_objects", "place"]


class _UserFolders:
    """Finds modules in the folders that the user's code came from, after everything else of `sys.meta_path`."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self._found: dict[str, list[str]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if path is not None:
            return None
        spec = PathFinder.find_spec(name, self.folders, target)
        if spec is not None:
            self._found[name] = _location(spec)
        return spec

    def search_first(self, folder: Path) -> None:
        """Searches a folder before the other ones, whose modules of the same names its own code does not get."""
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        self.folders = [str(folder), *(known for known in self.folders if known != str(folder))]
        for name, location in list(self._found.items()):
            spec = PathFinder.find_spec(name, [str(folder)])
            if spec is not None and _location(spec) != location:
                for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                    del sys.modules[loaded]
                del self._found[name]


def _location(spec: ModuleSpec) -> list[str]:
    """Returns the file of a module, or the folders of a package without an ``__init__.py``."""
    return [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())


_folders = _UserFolders()
_loaded: dict[str, ModuleType] = {}


def load_module(name: str, purpose: str, *, called: str | None = None) -> ModuleType:
    """Imports ``path/to/file.py`` or ``module``, once for each content.

    Args:
        purpose: What it is for, in messages: 'metric'.
        called: What the user wrote, where that is more than the name.

    Raises:
        UsageError: There is none, or it fails; the message has the file and the line.
    """
    try:
        return _load_file(Path(name)) if name.endswith(".py") else _load_named(name)
    except (Exception, SystemExit) as error:
        raise _refusal(name, called or name, purpose, error) from error


def load_function(name: str, purpose: str) -> Callable[..., Any]:
    """Imports ``module:function`` or ``path/to/file.py:function``.

    Raises:
        UsageError: There is no such module or function.
    """
    module_name, _, function_name = name.rpartition(":")
    if not module_name or not function_name:
        raise UsageError(
            f"'{name}' does not name a {purpose}.", fix="Write module:function or path/to/file.py:function."
        )
    module = load_module(module_name, purpose, called=name)
    function = getattr(module, function_name, None)
    if function is None:
        own = [key for key, value in own_objects(module).items() if callable(value)]
        raise UsageError(
            f"The {purpose} '{name}' cannot be loaded: {module.__file__ or module_name} has no '{function_name}'.",
            fix=f"It has {', '.join(own[:10])}." if own else None,
        )
    if not callable(function):
        raise UsageError(
            f"The {purpose} '{name}' is not a function.", why=f"It is a {type(function).__name__}: {function!r:.80}."
        )
    return function  # type: ignore[no-any-return]


def call_function(name: str, purpose: str, *arguments: Any) -> Any:
    """Loads a function and calls it.

    Raises:
        UsageError: There is none, or it fails; the message has the file and the line.
    """
    function = load_function(name, purpose)
    try:
        return function(*arguments)
    except Exception as error:
        where = place(error)
        raise UsageError(
            f"The {purpose} '{name}' failed: {type(error).__name__}: {error}.", why=f"At {where}." if where else None
        ) from error


def own_objects(module: ModuleType) -> dict[str, Any]:
    """Returns the public classes and functions that a module defines itself, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def find_source(name: str) -> Path | None:
    """Returns the file of ``path/to/file.py`` or ``module`` without importing it; None where it is not found."""
    if name.endswith(".py"):
        return Path(name) if Path(name).is_file() else None
    try:
        # A parent package is not imported for this: the file of a.b is looked for below the folders of a.
        paths: Sequence[str] | None = None
        for part in name.split("."):
            spec = _find(part, paths)
            paths = spec.submodule_search_locations if spec is not None else None
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def place(error: BaseException) -> str | None:
    """Returns 'FILE, line N', where the user's code raised an error; None where it did not."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(Path(frame.filename))]
    return f"{_shown(frames[-1].filename)}, line {frames[-1].lineno}" if frames else None


def _is_users(path: Path) -> bool:
    foreign = "site-packages" in path.parts or path.is_relative_to(Path(__file__).parents[1])
    return not foreign and any(path.is_relative_to(folder) for folder in _folders.folders)


def _shown(path: str) -> str:
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def _find(part: str, paths: Sequence[str] | None) -> ModuleSpec | None:
    """Finds a module by the rules of `load_module`: the working directory first, for the first part of a name."""
    if paths is not None:
        return PathFinder.find_spec(part, paths)
    here = PathFinder.find_spec(part, [str(Path.cwd())])
    return here if here is not None and here.origin else importlib.util.find_spec(part) or here


def _package(folder: Path) -> str:
    """Returns the name of a package that stands for a folder, which nothing else has."""
    name = "_tflitekit_user_" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if name not in sys.modules:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    return name


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise ImportError(f"there is no file {path}")
    name = f"{_package(path.parent)}.{path.stem.replace('.', '_')}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if name + digest not in _loaded:
        _folders.search_first(path.parent)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        _loaded[name + digest] = _execute(spec)
    return _loaded[name + digest]


def _load_named(name: str) -> ModuleType:
    """Imports a module; one of the working directory whose name is taken becomes a part of that folder's package."""
    _folders.search_first(Path.cwd())
    first = name.partition(".")[0]
    here, taken = PathFinder.find_spec(first, [str(Path.cwd())]), importlib.util.find_spec(first)
    if here is not None and here.origin and taken is not None and taken.origin != here.origin:
        return importlib.import_module(f"{_package(Path.cwd())}.{name}")
    return importlib.import_module(name)


def _execute(spec: ModuleSpec) -> ModuleType:
    """Executes a module as an import does: under its name in `sys.modules`, where dataclasses and pickle look it up."""
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(spec.name)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if before is None:
            del sys.modules[spec.name]
        else:
            sys.modules[spec.name] = before
        raise
    return module


def _refusal(name: str, called: str, purpose: str, error: BaseException) -> UsageError:
    where = place(error)
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    told = str(error.msg if isinstance(error, SyntaxError) else error).rstrip(".")
    kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
    fix = f"Install the package that contains '{missing}', or correct the name." if missing else None
    if missing and missing in (name, name.partition(".")[0]):
        fix = f"Install the package that contains '{missing}', or name a module in this folder or a file: path/to/file.py."
    return UsageError(
        f"The {purpose} '{called}' cannot be loaded: {where + ': ' if where else ''}{kind}{told}.",
        fix=fix or (f"Correct {where}, and run the same command again." if where else None),
    )
