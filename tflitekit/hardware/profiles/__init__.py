"""The kit's own profiles: one TOML file each. ``docs/hardware.md`` says what stands in them."""

from tflitekit.hardware.library import register_profiles

register_profiles(__name__)
