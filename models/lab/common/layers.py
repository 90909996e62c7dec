"""What networks of several labs are made of and measured by."""

import torch
from torch import nn
from torch.nn import functional as F


def twice(features):
    """`[b, c, h, w]` to `[b, c, 2h, 2w]`, each cell four times."""
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def moments(x):
    """Means of the channels of `[b, c, h, w]` and of their squares: `[2, c]`. What a normalisation has seen is told by these."""
    x = x.double().transpose(0, 1).flatten(1)
    return torch.stack([x.mean(1), x.square().mean(1)]).float()


def macs_of(net, size):
    """Multiply-accumulates of all convolutions for one picture of `size` pixels a side."""
    total, handles = [0], []
    count = lambda layer, _, result: total.__setitem__(0, total[0] + layer.weight.numel() * result.shape[2] * result.shape[3])
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            handles.append(layer.register_forward_hook(count))
    with torch.no_grad():
        net(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return total[0]
