"""What all pages have in common: one file with everything in it, that escapes what comes from files and loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tflitekit._version import __version__
from tflitekit.core.printable import printable
from tflitekit.render.plots import CONFIG, Spec

__all__ = ["PLOTTING", "fill", "plain", "plots_of", "script_json"]

PLOTTING = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
"""The libraries that ``report.js`` draws plots with."""


def fill(
    template: str, *, libraries: Sequence[str], script: str, styles: Sequence[str] = ("report.css",), **values: Any
) -> str:
    """Returns a page.

    Args:
        template: Its name; it extends ``base.html.jinja``.
        libraries: Of others, in the folder of assets.
        script: The page's own, among the templates; ``styles`` likewise.
        values: What the template shows.
    """
    scripts = [*map(_asset, libraries), _part(script)]
    return (
        _templates()
        .get_template(template)
        .render(
            policy=_policy(scripts),
            style=Markup("".join(map(_part, styles))),
            scripts=[Markup(one) for one in scripts],
            licences=_asset("LICENSES.txt"),
            version=__version__,
            **values,
        )
    )


def plots_of(specs: dict[str, dict[str, Spec]], **more: Any) -> Markup:
    """Returns what ``report.js`` draws, by the id of each figure.

    Args:
        specs: Of those with ``datasets``, what they have in common beside these stands once.
        more: What the page's plots share.
    """
    looks: dict[str, int] = {}
    short = {id: {key: _short(spec, looks) for key, spec in plots.items()} for id, plots in specs.items()}
    return script_json(plain({"config": CONFIG, "looks": [json.loads(look) for look in looks], "specs": short, **more}))


def _short(spec: Spec, looks: dict[str, int]) -> Spec:
    if "datasets" not in spec:
        return spec
    own = {name: spec[name] for name in ("description", "datasets")}
    look = json.dumps({name: value for name, value in spec.items() if name not in own})
    return {"look": looks.setdefault(look, len(looks)), **own}


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("tflitekit.render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )
    environment.filters["one_line"] = _one_line
    return environment


def _shown(value: Any) -> Any:
    """Returns text as the page may show it; finished markup stays."""
    return printable(value) if type(value) is str else value


def _policy(scripts: Sequence[str]) -> str:
    """Returns a content security policy: these scripts, the page's own styles, pictures in the page; nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def script_json(value: Any) -> Markup:
    """Returns JSON that can stand inside a script element: nothing in it can end the element."""
    found = _one_line(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    for character in "<>&":
        found = found.replace(character, f"\\u{ord(character):04x}")
    return Markup(found)


def plain(value: Any) -> Any:
    """Returns the value as a plot needs it: printable text, five digits, null for what JSON has no number for (a metric of one's own may give it)."""
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_printable(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


_printable = lru_cache(maxsize=10_000)(printable)
"""Pages with a thousand reports have the same words in each of their points."""


def _one_line(value: str) -> str:
    """Returns text without Unicode's line separators, which Vega's expression parser refuses inside names."""
    return value.replace("\u2028", " ").replace("\u2029", " ")


@cache
def _asset(name: str) -> str:
    return files("tflitekit.render").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _part(name: str) -> str:
    return files("tflitekit.render").joinpath("templates", name).read_text(encoding="utf-8")
