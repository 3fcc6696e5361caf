"""What the kit has of one kind, by name: one file each in one folder, and what other packages add.

A package adds a module by an entry point in its metadata, as in ``[project.entry-points."tflitekit.schemes"]``. The module
registers itself when it is imported, as the kit's own do.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import threading
import traceback
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tflitekit.core.arguments import meant
from tflitekit.core.errors import UsageError, package_adds

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Registry", "modules_in"]

T = TypeVar("T")
_loading = threading.RLock()
"""Who asks while another thread loads would get half; one for all, since modules ask other registries while they are imported."""


class Registry(Generic[T]):
    """Things of one kind by name. Nothing is imported before it is asked for the first time.

    Args:
        noun: What one of them is called in messages: 'scheme'.
        folder: The package whose modules are the kit's own.
        group: The group of entry points by which other packages add theirs.
    """

    def __init__(self, noun: str, folder: str, group: str) -> None:
        self._noun, self._folder, self._group = noun, folder, group
        self._things: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._complete = False

    def add(self, name: str, thing: T, module: str) -> None:
        """Adds one, or replaces one of the same module.

        Args:
            module: Where it stands.

        Raises:
            UsageError: Another module has one of this name.
        """
        if self._modules.get(name, module) != module:
            raise UsageError(
                f"There are two {self._noun}s named '{name}': in {self._modules[name]} and in {module}.",
                fix="Rename one of them.",
            )
        self._things[name], self._modules[name] = thing, module

    def all(self) -> dict[str, T]:
        """Returns all by name, the kit's own first.

        Raises:
            UsageError: A package adds a module that cannot be loaded.
        """
        with _loading:
            if not self._complete:
                self._complete = True  # first: modules may ask while they are imported
                try:
                    self._load()
                except BaseException:
                    self._complete = False
                    raise
            return dict(self._things)

    def find(self, name: str) -> T:
        """Returns one by name.

        Raises:
            UsageError: There is none of that name.
        """
        found = self.all()
        if name not in found:
            raise UsageError(
                f"There is no {self._noun} '{name}'.", fix=f"{meant(name, found)}Choose from: {', '.join(found)}."
            )
        return found[name]

    def _load(self) -> None:
        for module in modules_in(self._folder):
            importlib.import_module(module)
        for entry in _installed().select(group=self._group):
            package_adds(entry.module, _package(entry))
            try:
                entry.load()
            except (Exception, SystemExit) as error:
                raise self._refusal(entry, error) from error
            package = entry.module.partition(".")[0]
            if package not in {module.partition(".")[0] for module in self._modules.values()}:
                raise self._refusal(entry, ImportError("it registers none"))

    def _refusal(self, entry: EntryPoint, error: BaseException) -> UsageError:
        package = _package(entry)
        kind = "" if isinstance(error, ImportError | UsageError) else f"{type(error).__name__}: "
        told = error.what if isinstance(error, UsageError) else str(error)
        place = traceback.extract_tb(error.__traceback__)
        return UsageError(
            f"The package '{package}' cannot add a {self._noun} by its entry point '{entry.name} = {entry.value}' "
            f"({self._group}): {kind}{told.rstrip('.')}.",
            why=f"At {place[-1].filename}, line {place[-1].lineno}." if place and kind else None,
            fix=f"Fix the package, or uninstall it: pip uninstall {package}.",
        )


def modules_in(folder: str) -> tuple[str, ...]:
    """Returns the full names of the modules of a package, without importing these."""
    found = pkgutil.iter_modules(importlib.import_module(folder).__path__)
    return tuple(f"{folder}.{module.name}" for module in found)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


@functools.cache
def _installed() -> Any:
    """Returns the entry points of everything that is installed: looking for them takes a while, so once per process."""
    from importlib.metadata import entry_points

    return entry_points()  # has `select` in every version of Python, but not the same type
