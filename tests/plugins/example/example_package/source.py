"""Models in a format of one's own: recognized, and refused with what to do."""

from tflitekit.core.errors import ModelError
from tflitekit.source.kinds import register_source


class Pickled:
    """A model that somebody pickled."""

    name = "pickle"
    shown = None
    suffixes = (".pkl",)
    has_layers = False
    needs_tensorflow = False
    converter = None

    def recognizes(self, path, head):
        return head.startswith(b"\x80") and path.suffix == ".pkl"

    def prepare(self, path, folder, how, samples):
        raise ModelError(f"{path} is pickled, which runs code when it is loaded.", fix="Save it with model.save().")


register_source(Pickled())
