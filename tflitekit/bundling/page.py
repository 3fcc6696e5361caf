"""Writes a page that runs a bundle in the browser, with the web runtime beside it: it works from any web server, without a build step."""

from __future__ import annotations

from pathlib import Path

from tflitekit.bundling.contents import Bundle
from tflitekit.core.errors import BundleError
from tflitekit.core.files import write_whole
from tflitekit.environments.known.browser import BROWSER, MODULES, TYPES

__all__ = ["check_page", "write_page"]

_TEMPLATES = Path(__file__).parent / "templates" / "web"
_WASM = "core/wasm/litert_wasm"
_RUNTIME = {
    "core/index.js": "core/dist/index.js",
    "wasm-utils/index.js": "wasm-utils/dist/index.js",
    # With and without relaxed SIMD: not every browser has it. Threads and WebGPU would need two more builds.
    **{
        f"{name}.{suffix}": f"{name}.{suffix}"
        for name in (f"{_WASM}_internal", f"{_WASM}_compat_internal")
        for suffix in ("js", "wasm")
    },
}


def check_page() -> None:
    """Raises `MissingDependencyError` where the web runtime is not there."""
    BROWSER.require("The template 'web'")


def write_page(bundle: Bundle, folder: Path) -> Path:
    """Writes ``folder/web/`` for the recommended variant of a bundle, which lies two folders above.

    Returns:
        The page.

    Raises:
        BundleError: A tensor of the variant is of a type that the web runtime does not take.
        MissingDependencyError: The web runtime is not there.
    """
    check_page()
    variant = bundle.variant(bundle.recommended)
    for spec in (*variant.inputs, *variant.outputs):
        if spec.dtype not in TYPES:
            raise BundleError(
                f"No page can run the variant '{variant.name}': its tensor '{spec.name}' is {spec.dtype}.",
                why=f"The web runtime takes {', '.join(TYPES)} only.",
                fix="Bundle one with float inputs and outputs (--variant NAME), or leave out --templates web.",
            )
    if opened := next((spec.name for spec in (*variant.inputs, *variant.outputs) if -1 in spec.shape), None):
        raise BundleError(
            f"No page can run the variant '{variant.name}': the batch of its tensor '{opened}' is open.",
            why="The web runtime cannot be told its size.",
            fix="Convert the model with --batch 1, or leave out --templates web.",
        )
    target = folder / "web"
    for template in sorted(_TEMPLATES.iterdir()):
        write_whole(
            target / ("runtime/LICENSE" if template.name == "LICENSE" else template.name), template.read_bytes()
        )
    for name, source in _RUNTIME.items():
        write_whole(target / "runtime" / name, (BROWSER.folder / MODULES / "@litertjs" / source).read_bytes())
    return target / "index.html"
