"""Where on this machine lies what a suite names, and what one entry of it asks of *optimize*."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tflitekit.cluster.places import each_text
from tflitekit.core.errors import TflitekitError, UsageError
from tflitekit.core.progress import Progress
from tflitekit.core.remote import at_hand, is_url
from tflitekit.data.settings import PLACES, split_settings
from tflitekit.optimization.order import Order
from tflitekit.optimization.suites.file import Data, Entry, Model, Suite
from tflitekit.options.convert import ConvertOptions, LoadOptions, WorkOptions
from tflitekit.options.evaluate import ScoringOptions
from tflitekit.options.optimize import OptimizeOptions
from tflitekit.targets import abilities

__all__ = ["DATA_VARIABLE", "AbsentError", "Places", "order_of", "root_of", "takes_app"]

DATA_VARIABLE = "TFLITEKIT_DATA"
_EMBEDDED = "embedded:"
_CODE = re.compile(r"(.+?\.py)((?::.*)?)", re.DOTALL)


def root_of(path: Path, suite: Suite, given: str | Path | None) -> str | Path:
    """Returns where the paths of a suite start: a folder, or a URL."""
    chosen = given or os.environ.get(DATA_VARIABLE)
    if chosen or is_url(suite.data_root):
        chosen = str(chosen or suite.data_root)
        return chosen if is_url(chosen) else Path(chosen)
    return Path(os.path.normpath(path.parent / _at_home(suite.data_root)))


def _at_home(name: str) -> Path:
    """Returns a path with the home folder in place of its ``~``."""
    return Path(name).expanduser() if name.split("/", maxsplit=1)[0] == "~" else Path(name)


class AbsentError(TflitekitError):
    """A file that a suite names is not on this machine."""


class Places:
    """Finds what a suite names: all relative paths in it start at one place, those of code, profiles and settings of data too.

    Args:
        root: Where paths start: a folder, or a URL.
        embedded: Folder for what `quickstart` makes.
    """

    def __init__(self, root: str | Path, embedded: Path, progress: Progress) -> None:
        self._root, self._embedded, self._progress = root, embedded, progress

    def find(self, name: str | None) -> str | Path | None:
        """Returns where it is; what is behind a URL is looked for when it is read."""
        if name is None or is_url(name):
            return name
        if name.startswith(_EMBEDDED):
            from tflitekit.optimization import quickstart

            quickstart.prepare(self._embedded, progress=self._progress)
            return self._embedded / name.removeprefix(_EMBEDDED)
        path = _at_home(name)
        if isinstance(self._root, str) and not path.is_absolute():
            return f"{self._root.rstrip('/')}/{name}"
        path = self._root / path
        if not path.exists():
            raise AbsentError(
                f"{path} is not there.",
                fix=f"Paths start at the data root: give another one with --data-root or {DATA_VARIABLE}.",
            )
        return path

    def find_data(self, name: str | None) -> str | Path | None:
        """As `find`, with the settings behind it, some of which are paths themselves; ``module:function`` is a factory and stays as it is."""
        if name is None or is_url(name):
            return name
        place, settings = split_settings(name)
        if ":" in place and not place.startswith(_EMBEDDED):
            return self.find_code(name)
        found = self.find(place)
        if not settings or found is None:
            return found
        for key in PLACES & settings.keys():
            settings[key] = str(self._find_beside(found, settings[key]))
        return ":".join([str(found), *(f"{key}={value}" for key, value in settings.items())])

    def _find_beside(self, data: str | Path, name: str) -> str | Path | None:
        """Returns a path in the settings of data: it starts where all do, or else beside the data."""
        beside = Path(data).parent / name
        if isinstance(self._root, str) or (self._root / _at_home(name)).exists() or not beside.exists():
            return self.find(name)
        return beside

    def find_code(self, name: str) -> str:
        """As `find` for the file in ``path/to/file.py:function``; other texts stay as they are."""
        code = _CODE.fullmatch(name)
        if code is None or is_url(name):
            return name
        if isinstance(self._root, str) and not _at_home(code[1]).is_absolute():
            raise UsageError(
                f"'{name}' would be code behind a URL, which is not run.",
                fix="Name it by an absolute path, or as module:function.",
            )
        return f"{self.find(code[1])}{code[2]}"

    def find_profile(self, name: str) -> str:
        """As `find` for a profile of hardware that is a file; a URL's is copied."""
        return str(at_hand(self.find(name))) if name.endswith(".toml") else name


def _conversion(suite: Suite, model: Model, data: Data, places: Places) -> ConvertOptions:
    """Returns how a model is loaded, converted and trained, with its files where they are on this machine."""
    training = data.training
    if training is not None:
        found = {name: places.find_data(getattr(training, name)) for name in ("data", "validation")}
        weights = training.class_weights
        if weights not in (None, "balanced"):
            found["class_weights"] = places.find(weights)
        training = training.replaced(**each_text(training.given(), places.find_code) | found)
    loading = each_text(model.part(LoadOptions).given(), places.find_code)
    conversion = suite.conversion.part(WorkOptions).given()
    if "search_data" in conversion:
        conversion["search_data"] = places.find_data(conversion["search_data"])
    return ConvertOptions(**conversion, **loading, training=training)


def takes_app(target: str) -> bool:
    """Whether a target measures with the kit's app, as far as is known before it is opened; the others have no use for one."""
    return "measures bundles" in (abilities(target) or ())


def order_of(suite: Suite, entry: Entry, out: Path, places: Places) -> Order:
    """Returns what an entry asks of *optimize*.

    Raises:
        AbsentError: A file that it names is not there.
    """
    model, data = entry.model, entry.data
    preprocess = places.find(data.preprocess) if str(data.preprocess).endswith(".json") else data.preprocess
    scoring = each_text(data.part(ScoringOptions).given(), places.find_code)
    scoring |= {"preprocess": preprocess, "labels": places.find(data.labels)}
    constraints = suite.limits_of(model)
    conversion = _conversion(suite, model, data, places)
    found = places.find(model.path)
    how = OptimizeOptions(
        **scoring,
        calibration=places.find_data(data.calibration),
        schemes=suite.schemes,
        rounding=suite.rounding,
        calibration_curve=suite.calibration_curve,
        explain=suite.explain,
        target=entry.target,
        **suite.model_dump(include={"also_on", "also_on_limit"}, exclude_unset=True),
        threads=suite.threads,
        protocol=entry.protocol,
        profile=suite.profile,
        app=places.find(suite.app) if takes_app(entry.target) else None,
    )
    return Order(
        model=found,
        data=places.find_data(data.evaluation),
        out=out,
        how=how,
        constraints=constraints.replaced(deploy_on=places.find_profile(constraints.deploy_on)),
        options=conversion,
    )
