"""Runs in the environment of PyTorch: makes one small network of each kind, and samples with what PyTorch says of them.

python make_torch.py FOLDER
"""

import sys
from pathlib import Path

import torch
from sure_samples import random_samples, write_samples
from torch import nn

CLASSES = 3


class Convolution(nn.Module):
    """Strides, batch normalization, a depthwise convolution; a picture in, scores and a map out."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.depthwise, self.last = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 5, 1)
        self.head = nn.Linear(5 * 8 * 8, CLASSES)
        nn.init.uniform_(self.norm.running_mean)
        nn.init.uniform_(self.norm.running_var, 0.5, 2.0)

    def forward(self, picture):
        inner = torch.relu(self.depthwise(torch.relu(self.norm(self.first(picture)))))
        features = self.last(inner)
        return {"scores": self.head(features.flatten(1)), "features": features}


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, sequence):
        return {"scores": self.head(self.gru(sequence)[0][:, -1])}


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, tokens):
        return {"scores": self.head(self.block(tokens)[:, 0])}


NETWORKS = {
    "convolution": (Convolution, (3, 16, 16)),
    "recurrent": (Recurrent, (10, 6)),
    "transformer": (Transformer, (12, 16)),
}


@torch.no_grad()
def main(folder):
    for name, (kind, shape) in NETWORKS.items():
        torch.manual_seed(0)
        network, samples = kind().eval(), random_samples(shape)
        inputs = torch.from_numpy(samples)
        network.head.bias -= network(inputs)["scores"].mean(0)  # no class is preferred
        write_samples(folder / name, samples, network(inputs)["scores"].numpy())
        torch.export.save(torch.export.export(network, (inputs[:1].clone(),)), folder / f"{name}.pt2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
