"""The environments that the kit knows, one file each. Other packages add theirs by an entry point of the group ``tflitekit.environments``."""
