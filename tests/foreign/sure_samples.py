"""Random samples that a network is sure of, labelled by the network: what computes the same scores 100 %, and chance a third."""

import numpy as np

POOL, EACH = 3000, 60


def random_samples(shape):
    """Returns samples as the network takes them; the shape is that of one."""
    return np.random.default_rng(1).standard_normal((POOL, *shape)).astype(np.float32)


def write_samples(path, samples, scores):
    """Writes ``PATH.npz`` to score on and ``PATH_calibration.npz``; pictures get their channels last, as the app has them."""
    labels, ordered = scores.argmax(1), np.sort(scores, 1)
    margins = ordered[:, -1] - ordered[:, -2]
    surest = [np.flatnonzero(labels == label) for label in range(scores.shape[1])]
    surest = [places[np.argsort(-margins[places])] for places in surest]
    if samples.ndim == 4:
        samples = samples.transpose(0, 2, 3, 1)
    to_score = np.concatenate([places[:EACH] for places in surest])
    to_calibrate = np.concatenate([places[EACH : 2 * EACH] for places in surest])
    np.savez(path.with_suffix(".npz"), x=samples[to_score], y=labels[to_score])
    np.savez(path.with_name(f"{path.name}_calibration.npz"), x=samples[to_calibrate])
