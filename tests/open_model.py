"""Samples of unlike sizes for the model that leaves its sizes open."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

SIZES = [(5, 6), (9, 10), (9, 10), (7, 4), (9, 10), (12, 3)]


def plain(path, sample):
    """What the runtime alone gives for one sample, loaded for it alone."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [1, *sample.shape])
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]


def feed(path, sizes=SIZES, labelled=True):
    """A factory of samples of these sizes with what the file answers as targets; later ones have larger values."""

    def samples():
        generator = np.random.default_rng(0)
        for number, size in enumerate(sizes, 1):
            sample = generator.uniform(0, number, (*size, 3)).astype(np.float32)
            yield (sample, plain(path, sample)) if labelled else sample

    return samples
