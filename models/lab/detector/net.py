"""The detector: a backbone of one kind of block, a neck that carries coarse knowledge to fine maps and back, heads with anchors.

Every convolution but the heads' is convolution, batch normalisation and ReLU: ReLU costs nothing in 8 bits, and a channel that is off is exactly 0.
"""

import math
from dataclasses import asdict, dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from layers import twice
from packs import CLASSES

STRIDES = (8, 16, 32)
BOX = 5
"""Numbers a cell and anchor says before its classes: centre, size, objectness."""


class Unit(nn.Module):
    """Convolution, normalisation, ReLU. `[b, in, h, w]` to `[b, out, h / stride, w / stride]`."""

    def __init__(self, channels_in, channels_out, size=1, stride=1, groups=1, is_bent=True):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride, size // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.03)
        self.is_bent = is_bent

    def forward(self, x):
        x = self.norm(self.conv(x))
        return F.relu(x, inplace=True) if self.is_bent else x


class Bottleneck(nn.Module):
    def __init__(self, channels, adds):
        super().__init__()
        self.narrow, self.wide, self.adds = Unit(channels, channels), Unit(channels, channels, 3), adds

    def forward(self, x):
        return x + self.wide(self.narrow(x)) if self.adds else self.wide(self.narrow(x))


class Csp(nn.Module):
    """Half of the channels go through bottlenecks, half past them."""

    def __init__(self, channels_in, channels_out, depth=1, adds=True):
        super().__init__()
        inner = channels_out // 2
        self.enter, self.past = Unit(channels_in, inner), Unit(channels_in, inner)
        self.inner = nn.Sequential(*[Bottleneck(inner, adds) for _ in range(depth)])
        self.join = Unit(2 * inner, channels_out)

    def forward(self, x):
        return self.join(torch.cat((self.inner(self.enter(x)), self.past(x)), 1))


class Pyramid(nn.Module):
    """Maxima of three growing neighbourhoods beside the features themselves."""

    def __init__(self, channels):
        super().__init__()
        self.enter, self.join = Unit(channels, channels // 2), Unit(2 * channels, channels)

    def forward(self, x):
        seen = [self.enter(x)]
        for _ in range(3):
            seen.append(F.max_pool2d(seen[-1], 5, 1, 2))
        return self.join(torch.cat(seen, 1))


class Plain(nn.Module):
    def __init__(self, channels_in, channels_out, depth):
        super().__init__()
        self.units = nn.Sequential(*[Unit(channels_in if step == 0 else channels_out, channels_out, 3) for step in range(depth)])

    def forward(self, x):
        return self.units(x)


class Residual(nn.Module):
    """Two 3x3 convolutions and what went in."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = Unit(channels, channels, 3), Unit(channels, channels, 3)

    def forward(self, x):
        return x + self.second(self.first(x))


class Inverted(nn.Module):
    """Wider inside than outside, each inner channel filtered alone; its result is not bent."""

    def __init__(self, channels_in, channels_out, expansion=4):
        super().__init__()
        inner = expansion * channels_in
        self.widen, self.filter = Unit(channels_in, inner), Unit(inner, inner, 3, groups=inner)
        self.narrow = Unit(inner, channels_out, is_bent=False)
        self.adds = channels_in == channels_out

    def forward(self, x):
        seen = self.narrow(self.filter(self.widen(x)))
        return x + seen if self.adds else seen


class FusedInverted(nn.Module):
    """`Inverted` with one dense 3x3 convolution in place of the widening and the filter."""

    def __init__(self, channels_in, channels_out, expansion=2):
        super().__init__()
        self.widen = Unit(channels_in, expansion * channels_in, 3)
        self.narrow = Unit(expansion * channels_in, channels_out, is_bent=False)
        self.adds = channels_in == channels_out

    def forward(self, x):
        seen = self.narrow(self.widen(x))
        return x + seen if self.adds else seen


def chain(make_first, make_next, depth):
    return nn.Sequential(make_first(), *[make_next() for _ in range(depth - 1)])


BLOCKS = {
    "csp": lambda before, after, depth: Csp(before, after, depth),
    "plain": Plain,
    "residual": lambda before, after, depth: nn.Sequential(*([Unit(before, after)] if before != after else []), *[Residual(after) for _ in range(depth)]),
    "inverted": lambda before, after, depth: chain(lambda: Inverted(before, after), lambda: Inverted(after, after), depth),
    "fused": lambda before, after, depth: chain(lambda: FusedInverted(before, after), lambda: FusedInverted(after, after), depth),
}
"""What a stage can be made of, by name: `(channels in, channels out, depth)`, at one size."""


@dataclass(frozen=True)
class Plan:
    """All that says what a network looks like. Anchors are `[[[w, h]...]...]` by stride, pixels."""

    anchors: tuple
    block: str = "csp"
    stem: int = 16
    widths: tuple = (16, 64, 96, 192)
    depths: tuple = (1, 2, 3, 2)
    classes: tuple = field(default=CLASSES)

    def as_json(self):
        return asdict(self)

    @staticmethod
    def of_json(value):
        deep = lambda part: tuple(deep(one) for one in part) if isinstance(part, (list, tuple)) else part
        return Plan(**{key: deep(part) for key, part in value.items()})


class Detector(nn.Module):
    """Pictures `[b, 3, h, w]` from 0 to 1, sides multiples of 32, to raw maps `[b, anchors * (5 + classes), h / stride, w / stride]`."""

    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        make = BLOCKS[plan.block]
        before, stages = plan.stem, []
        for width, depth in zip(plan.widths, plan.depths):
            stages.append(nn.Sequential(Unit(before, width, 3, 2), make(width, width, depth)))
            before = width
        fine, middle, coarse = plan.widths[1:]
        self.stem = Unit(3, plan.stem, 3, 2)
        self.stages = nn.ModuleList(stages)
        self.pyramid = Pyramid(coarse)
        self.coarse_in, self.middle_in = Unit(coarse, middle), Unit(middle, fine)
        self.middle_down, self.fine_down = Csp(2 * middle, middle, adds=False), Csp(2 * fine, fine, adds=False)
        self.fine_up, self.middle_up = Unit(fine, fine, 3, 2), Unit(middle, middle, 3, 2)
        self.middle_out, self.coarse_out = Csp(2 * fine, middle, adds=False), Csp(2 * middle, coarse, adds=False)
        self.heads = nn.ModuleList(nn.Conv2d(width, len(anchors) * (BOX + len(plan.classes)), 1) for width, anchors in zip(plan.widths[1:], plan.anchors))
        self.begin_heads()

    @torch.no_grad()
    def begin_heads(self):
        """As if eight objects were in a picture of 640 px, each class as likely as the other: or the first steps unlearn false alarms."""
        for head, anchors, stride in zip(self.heads, self.plan.anchors, STRIDES):
            bias = head.bias.view(len(anchors), -1)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, BOX:] += math.log(0.6 / (len(self.plan.classes) - 0.99))

    def features(self, x):
        """What each head sees, fine to coarse: `[b, widths[1:], h / stride, w / stride]`."""
        x = self.stages[0](self.stem(x))
        fine = self.stages[1](x)
        middle = self.stages[2](fine)
        coarse = self.coarse_in(self.pyramid(self.stages[3](middle)))
        joined = self.middle_in(self.middle_down(torch.cat((twice(coarse), middle), 1)))
        fine = self.fine_down(torch.cat((twice(joined), fine), 1))
        middle = self.middle_out(torch.cat((self.fine_up(fine), joined), 1))
        coarse = self.coarse_out(torch.cat((self.middle_up(middle), coarse), 1))
        return [fine, middle, coarse]

    def said(self, features):
        return [head(seen) for head, seen in zip(self.heads, features)]

    def forward(self, x):
        return self.said(self.features(x))
