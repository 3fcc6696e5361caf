"""Which schemes are tried for a piece of hardware when none is named."""

from __future__ import annotations

from tflitekit.hardware.profile import Profile
from tflitekit.schemes import Scheme, available, parse_request

__all__ = ["default_schemes"]


def default_schemes(profile: Profile, *, training: bool) -> list[str]:
    """Returns the schemes of the profile, those that other packages add for any CPU, and with training data those that train.

    Args:
        training: Whether there are data to train on.
    """
    others = [scheme for scheme in available().values() if scheme.by_default and not _is_own(scheme)]
    found = list(profile.schemes)
    if profile.takes_any:
        found += [scheme.name for scheme in others if scheme.needs != "training"]
    if training:
        trained = [scheme for scheme in available().values() if scheme.by_default and scheme.needs == "training"]
        found += [text for scheme in trained if (text := _trained(scheme, profile)) is not None]
    return found


def _is_own(scheme: Scheme) -> bool:
    return scheme.configure.__module__.startswith("tflitekit.")


def _trained(scheme: Scheme, profile: Profile) -> str | None:
    """Returns a scheme that trains with options for the hardware; None where it cannot make what the hardware takes."""
    if not any(parse_request(name).calibrated for name in profile.schemes):  # float only
        return f"{scheme.name}:then=float16" if "float16" in scheme.options.get("then", ()) else None  # type: ignore[operator]
    wanted = profile.io[0]
    io = scheme.options.get("io", ())
    return (
        f"{scheme.name}:io={wanted}" if isinstance(io, tuple) and wanted in io and wanted != "float32" else scheme.name
    )
