"""The finder: a picture to where a rectangle was pasted into it. Small enough to run beside a detector on every frame.

Planes come as the guard has them: uint8, in the order G, B, R.
"""

import torch
from torch import nn
from torch.nn import functional as F

from layers import twice

STRIDE = 4
RARE = 0.01
"""Of cells, those that a patch's centre lies in: where training begins."""


class Unit(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, channels_in, channels_out, size=3, stride=1, dilation=1):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride, dilation * (size // 2), dilation, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)), inplace=True)


class Finder(nn.Module):
    """Planes `[b, 3, h, w]` from 0 to 255, sides multiples of 16, to the centre's log odds `[b, 1, h / 4, w / 4]` and the distances in
    pixels from a cell's middle to the left, top, right and bottom side `[b, 4, h / 4, w / 4]`."""

    def __init__(self, widths=(16, 32, 32, 64)):
        super().__init__()
        stem, fine, middle, coarse = widths
        self.fine = nn.Sequential(Unit(3, stem, stride=2), Unit(stem, fine, stride=2))
        self.middle = nn.Sequential(Unit(fine, middle, stride=2), Unit(middle, middle))
        self.coarse = nn.Sequential(Unit(middle, coarse, stride=2), Unit(coarse, coarse), Unit(coarse, coarse, dilation=2))
        self.to_middle, self.to_fine = Unit(coarse, middle, 1), Unit(middle, fine, 1)
        self.joined, self.last = Unit(middle, middle), Unit(fine, fine, 1)
        self.centre, self.sides = nn.Conv2d(fine, 1, 1), nn.Conv2d(fine, 4, 1)
        nn.init.constant_(self.centre.bias, torch.logit(torch.tensor(RARE)).item())

    def forward(self, planes):
        fine = self.fine((planes - 114) / 64)
        middle = self.middle(fine)
        middle = self.joined(middle + twice(self.to_middle(self.coarse(middle))))
        fine = self.last(fine + twice(self.to_fine(middle)))
        return self.centre(fine), STRIDE * self.sides(fine).clamp(-6, 4.5).exp()
