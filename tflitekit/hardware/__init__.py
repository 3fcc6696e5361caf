"""What does a piece of hardware take? Profiles as data, and what each would do with a file."""

from tflitekit.hardware.checking import check
from tflitekit.hardware.default_schemes import default_schemes
from tflitekit.hardware.judgement import Hardware, IoJudgement, Judgement, OperatorGroup, Verdict
from tflitekit.hardware.judging import judge
from tflitekit.hardware.library import load_profile, profile_names, register_profiles
from tflitekit.hardware.profile import Profile

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
