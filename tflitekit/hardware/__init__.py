"""What does a piece of hardware take? Profiles as data, and what each would do with a file.

Reports hold judgements, and need no more of this room: the rest is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tflitekit.core.lazy import lazily
from tflitekit.hardware.judgement import Hardware, IoJudgement, Judgement, OperatorGroup, Verdict
from tflitekit.hardware.profile import Profile

if TYPE_CHECKING:
    from tflitekit.hardware.checking import check
    from tflitekit.hardware.defaults import default_schemes
    from tflitekit.hardware.judging import judge
    from tflitekit.hardware.library import load_profile, profile_names, register_profiles

__all__ = [
    "Hardware",
    "IoJudgement",
    "Judgement",
    "OperatorGroup",
    "Profile",
    "Verdict",
    "check",
    "default_schemes",
    "judge",
    "load_profile",
    "profile_names",
    "register_profiles",
]

_HOMES = {
    "check": "checking", "default_schemes": "defaults", "judge": "judging", "load_profile": "library", "profile_names": "library", "register_profiles": "library",
}  # fmt: skip

__getattr__ = lazily("tflitekit.hardware", _HOMES)
