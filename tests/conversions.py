"""What a converter of another framework leaves in a folder."""

from tflitekit.source.foreign.call import Answer
from tflitekit.tflite.proof import compare


def read_answer(folder):
    return Answer.model_validate_json((folder / "answer.json").read_text())


def compared(folder):
    """Compares the file with what the original gave."""
    answer = read_answer(folder)
    return compare(
        folder / "model.tflite",
        folder / "reference.npz",
        inputs=[f"in{place}" for place in range(len(answer.inputs))],
        outputs=[f"out{place}" for place in range(len(answer.outputs))],
        original=answer.original,
        origin="random",
    )
