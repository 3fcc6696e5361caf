"""A board of this package."""

from tflitekit.hardware import register_profiles

register_profiles(__name__)
