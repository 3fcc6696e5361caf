"""What Google Play asks of an APK, and since when. Facts as of November 2026, each with its source."""

from __future__ import annotations

from datetime import date

__all__ = [
    "KNOWN_UNTIL",
    "PAGES_SINCE",
    "PAGES_UPDATES",
    "PAGE_BYTES",
    "PAGE_TARGET_SDK",
    "SOURCE_64_BIT",
    "SOURCE_PAGES",
    "SOURCE_PUBLISHING",
    "SOURCE_TARGET_SDK",
    "form_factor",
    "required_target_sdk",
]

SOURCE_PAGES = "https://developer.android.com/guide/practices/page-sizes"
PAGE_BYTES = 16_384
PAGES_SINCE = date(2025, 11, 1)
PAGES_UPDATES = date(2027, 2, 1)
"""Extensions for updates of existing apps were to end on 31 May 2026; the page now gives this day."""
PAGE_TARGET_SDK = 35
"""New apps and updates that target Android 15 or newer must run on 64-bit devices with pages of 16 KB."""

SOURCE_64_BIT = "https://developer.android.com/google/play/requirements/64-bit"
SOURCE_PUBLISHING = "https://developer.android.com/studio/publish/preparing"
SOURCE_TARGET_SDK = "https://developer.android.com/google/play/requirements/target-sdk"
_TARGET_SDK: tuple[tuple[date, dict[str, int]], ...] = (
    (date(2025, 8, 31), {"phone": 35, "watch": 34, "automotive": 34, "television": 34}),
    (date(2026, 8, 31), {"phone": 36, "watch": 35, "automotive": 35, "television": 34, "headset": 34}),
)
KNOWN_UNTIL = date(2027, 8, 31)
"""Play raises the level about every year; from this day on there will be a rule that is not here."""

_FORM_FACTORS = (
    ("android.hardware.type.watch", "watch"),
    ("android.hardware.type.automotive", "automotive"),
    ("android.software.leanback", "television"),
    ("android.software.xr.", "headset"),
)


def form_factor(features: tuple[str, ...]) -> str:
    """Returns the kind of device that an app is for, by the features it needs: 'phone' for most."""
    return next(
        (form for prefix, form in _FORM_FACTORS if any(feature.startswith(prefix) for feature in features)), "phone"
    )


def required_target_sdk(form: str, on: date) -> tuple[int, date] | None:
    """Returns the target API level that new apps and updates for a kind of device need, and since when.

    Args:
        form: As `form_factor` returns it.
        on: The day of the upload.

    Returns:
        None for days before the rules known here.
    """
    rules = [(levels.get(form, levels["phone"]), since) for since, levels in _TARGET_SDK if since <= on]
    return rules[-1] if rules else None
