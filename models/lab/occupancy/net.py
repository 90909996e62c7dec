"""Occupied cells straight from a stereo pair: StereoVoxelNet's idea with a decoder that stays in the camera's frustum.

Two parts, exported as two graphs. `Coarse` extracts features of both pictures, matches them at an eighth and a quarter of the resolution
and answers 8 and 16 cells a side. `Fine` goes on from its features: it matches at a half, looks closer at what it found, and answers 16, 32 and 64,
for the slabs, rows and columns of cells that it is asked for. Resolutions are those of a picture of about 440x200; strides below are counted there.

Nothing of a rig is in the weights: disparities of the planes and the way from rays to cells are inputs (`geometry.constants_of`).

What is seen along rays is a distribution over slabs of depth for each feature column (one surface, or nothing in range). A cell's rate is
the sum of these, weighted by how much of a column lies in the cell; that it is occupied has the probability 1 - exp(-rate), so rates of
finer cells add up to those of coarser ones exactly.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from layers import twice
from matching import REACH, around_guess, match

COARSE_PLANES, FINE_PLANES = 32, 64
MATCH_GAIN = 8.0
"""Of the skip from matching to depth, at the start: cosines are at most 1, and a softmax over tens of slabs needs more to be sure."""
NEAREST, WIDEST = -4.0, 3.0
"""Logarithms of the spreads of a surface, in steps, that a closer look may answer."""


def block(before, after, stride=1, size=3):
    return nn.Sequential(nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))


MEAN_LIGHT = -0.3
"""Of pictures as the extractor's first layer sees them; a guess is enough."""


class Extractor(nn.Module):
    """Of either camera. Dense 3x3 convolutions: quicker to train and to run on a CPU than separable ones of the same quality."""

    def __init__(self, is_full):
        super().__init__()
        self.halve = block(3, 12, 2) if is_full else nn.Identity()
        self.to_half = nn.Sequential(block(12 if is_full else 3, 16, 2), Residual(16))
        self.to_quarter = nn.Sequential(block(16, 32, 2), Residual(32), Residual(32))
        self.to_eighth = nn.Sequential(block(32, 48, 2), Residual(48))

    def forward(self, picture):
        """Features at strides 1 (of a full picture's half), 2, 4 and 8."""
        whole = self.halve(picture / 64 - 2)
        half = self.to_half(whole)
        quarter = self.to_quarter(half)
        return whole, half, quarter, self.to_eighth(quarter)


def shares_between(faces, places, spreads, weights):
    """A mixture of logistic distributions of disparity as shares of the slabs between `faces` `[b, slabs + 1]` (falling) and of what is beyond the last.

    `places`, `spreads` and `weights` are `[b, n, h, w]`; the result is `[b, slabs + 1, h, w]`. What is nearer than the first face belongs to the first slab.
    """
    beyond = 0
    for place, spread, weight in zip(places.unbind(1), spreads.unbind(1), weights.unbind(1)):
        beyond = beyond + weight[:, None] * torch.sigmoid((faces[:, 1:, None, None] - place[:, None]) / spread[:, None])
    return torch.cat([weights.sum(1, keepdim=True) - beyond[:, :1], beyond[:, :-1] - beyond[:, 1:], beyond[:, -1:]], 1)


class DepthHead(nn.Module):
    """Logits over slabs of depth and "nothing in range", with a skip from the matching planes that begins as interpolation."""

    def __init__(self, channels, planes_to_slabs):
        super().__init__()
        slabs, planes = planes_to_slabs.shape
        self.head = nn.Conv2d(channels, slabs + 1, 1)
        self.skip = nn.Conv2d(planes, slabs + 1, 1, bias=False)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.skip.weight.zero_()
            self.skip.weight[:slabs, :, 0, 0] = torch.from_numpy(planes_to_slabs) * MATCH_GAIN
            self.head.bias.zero_()
            self.head.bias[slabs] = MATCH_GAIN / 2

    def forward(self, features, matching):
        return (self.head(features) + self.skip(matching)).float()


def shares_of(logits, axis=1):
    """Softmax. In a graph in its parts: ONNX Runtime's own along an axis that isn't the last takes thrice the time."""
    if not torch.jit.is_tracing():
        return F.softmax(logits, dim=axis)
    powers = torch.exp(logits - logits.amax(axis, keepdim=True))
    return powers / powers.sum(axis, keepdim=True)


class Cells(nn.Module):
    """From a distribution over slabs along rays to the rates of cells.

    Rays that pass the same cell err together, so that many of them that are a little for it say less than their sum: it is divided by a power of
    their number.
    """

    def __init__(self, slabs):
        super().__init__()
        self.log_gain = nn.Parameter(torch.full((slabs,), 1.0))
        self.together = nn.Parameter(torch.zeros(()))

    def forward(self, shares, slabs, rows, columns):
        with torch.autocast("cpu", enabled=False):
            seen = shares[:, :-1] * torch.exp(self.log_gain)[None, :, None, None]
            if slabs is not None:
                seen = seen.index_select(1, slabs)
            return self.weighed(rows) @ seen @ self.weighed(columns).transpose(2, 3)

    def weighed(self, shares):
        return shares * shares.sum(3, keepdim=True).clamp(min=1).pow(-self.together)


class Level(nn.Module):
    """Logit of a cell's being occupied, from its rate; where it begins, that of 1 - exp(-rate)."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, rates):
        rates = rates.clamp(1e-4, 20.0)
        return torch.log(torch.exp(rates) - 1) * self.scale + self.offset


def add_up(rates, step):
    """Rates `[b, z, y, x]` of cells that are `step` times as long."""
    b, z, y, x = rates.shape
    return rates.reshape(b, z // step, step, y // step, step, x // step, step).sum(dim=(2, 4, 6))


class Coarse(nn.Module):
    def __init__(self, is_full, planes_to_slabs):
        super().__init__()
        self.extract = Extractor(is_full)
        self.narrow = block(COARSE_PLANES, 48, 2)
        self.join = nn.Sequential(block(48 + COARSE_PLANES + 48, 96), Residual(96))
        self.down = nn.Sequential(block(96, 128, 2), Residual(128), Residual(128))
        self.up = block(128, 96, size=1)
        self.out = Residual(96)
        self.depth = DepthHead(96, planes_to_slabs)
        self.cells = Cells(32)
        self.levels = nn.ModuleDict({"8": Level(), "16": Level()})

    def forward(self, left, right, near_planes, far_planes, rows, columns):
        pairs = left.shape[0]
        whole, half, quarter, eighth = self.extract(torch.cat([left, right]))
        near, near_steps = match(eighth[:pairs], eighth[pairs:], near_planes)
        far, far_steps = match(quarter[:pairs], quarter[pairs:], far_planes)
        joined = self.join(torch.cat([self.narrow(far), near, eighth[:pairs]], 1))
        context = F.interpolate(self.up(self.down(joined)), scale_factor=2.0, mode="nearest")
        seen = self.out(joined + context[:, :, : joined.shape[2], : joined.shape[3]])
        logits = self.depth(seen, F.max_pool2d(far, 2))
        rates = add_up_slabs(self.cells(shares_of(logits), None, rows, columns))
        answers = {16: self.levels["16"](rates), 8: self.levels["8"](add_up(rates, 2))}
        return answers, F.log_softmax(logits, 1), (half, quarter, seen, whole), {8: (near_steps, 0), 4: (far_steps, 0)}


def add_up_slabs(rates):
    """Slabs of half a cell's length to cells."""
    b, z, y, x = rates.shape
    return rates.reshape(b, z // 2, 2, y, x).sum(dim=2)


class CloserLook(nn.Module):
    """Where exactly the surface is that each ray meets, given a guess: up to two places and how sure each is, in steps of disparity.

    A slab is a fraction of a step thick at the far end and many steps at the near one, how thick depends on the rig, and so does all that is learnt of
    slabs. What lies a step or two beside a guess looks the same for all rigs and all depths.
    """

    PLACES = 2

    def __init__(self, channels):
        super().__init__()
        compared = 2 * REACH + 1
        self.features = nn.Sequential(block(12, 16, (2, 1)), nn.Conv2d(16, 16, 1))
        self.narrow = nn.Conv2d(8 * compared + 1, 48, 3, 1, 1, bias=False)
        self.context = nn.Conv2d(channels, 48, 1, bias=False)
        self.norm = nn.BatchNorm2d(48)
        self.out = nn.Sequential(Residual(48), Residual(48))
        self.head = nn.Conv2d(48, self.PLACES * (compared + 2) + 1, 1)
        self.gain = nn.Parameter(torch.full((self.PLACES,), 12.0))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
            self.head.bias[-2 * self.PLACES - 1 : -self.PLACES - 1] = torch.tensor([-1.5, 0.5])
            self.head.bias[-self.PLACES - 1] = 1.5

    def forward(self, whole, seen, shares, faces):
        """@returns better `shares` of slabs, and what was compared: cosines `[b, h, w, disparities]`, and the least disparity of each."""
        pairs = seen.shape[0]
        features = self.features(whole)
        with torch.autocast("cpu", enabled=False):
            guess = self.guess(shares, faces)
            steps = around_guess(features[:pairs], features[pairs:], guess)
        _, height, count, _, compared = (int(length) for length in steps.shape)
        costs = steps.reshape(pairs, height // 2, 2, count, 4, compared).permute(0, 5, 2, 4, 1, 3).flatten(2, 3)
        beside = (guess - F.avg_pool2d(guess[:, None], 5, 1, 2)[:, 0]).clamp(-REACH, REACH)[:, None] / REACH
        joined = F.relu(self.norm(self.narrow(torch.cat([costs.flatten(1, 2), beside], 1)) + self.context(seen)))
        said = self.head(self.out(joined)).float()
        with torch.autocast("cpu", enabled=False):
            shares = self.shares(said, costs.mean(2), guess, shares, faces)
        least = (guess - REACH)[:, :, None, :, None].expand(pairs, height // 2, 2, count, 4).reshape(pairs, height, 4 * count)
        return shares, (steps.reshape(pairs, height, 4 * count, compared), least)

    def guess(self, shares, faces):
        """The disparity of the most probable slab, in whole steps."""
        middles = (faces[:, :-1] + faces[:, 1:]) / 2
        slab = shares[:, :-1].argmax(1)
        return middles.gather(1, slab.flatten(1)).reshape(slab.shape).round().detach()

    def shares(self, said, cost, guess, shares, faces):
        compared = 2 * REACH + 1
        where, spread, weights = said.split([self.PLACES * compared, self.PLACES, self.PLACES + 1], 1)
        where = where.reshape(-1, self.PLACES, compared, *(int(length) for length in said.shape[2:])) + self.gain[:, None, None, None] * cost[:, None]
        offsets = torch.arange(REACH, -REACH - 1, -1.0)[:, None, None]
        places = guess[:, None] + (shares_of(where, 2) * offsets).sum(2)
        weights = shares_of(weights)
        return weights[:, :1] * shares + shares_between(faces, places, torch.exp(spread.clamp(NEAREST, WIDEST)), weights[:, 1:])


class Fine(nn.Module):
    """With full pictures, what it found is looked at closer: at the far end a cell's length is a fraction of a step."""

    def __init__(self, is_full, planes_to_slabs):
        super().__init__()
        self.closer = CloserLook(64) if is_full else None
        self.lower = nn.Conv2d(32, 16, 1, bias=False)
        self.match_features = nn.Sequential(block(16, 16), nn.Conv2d(16, 16, 1))
        self.narrow = nn.Conv2d(FINE_PLANES, 64, 3, 2, 1, bias=False)
        self.context = nn.Conv2d(96, 64, 1, bias=False)
        self.look = nn.Conv2d(32, 64, 1, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.out = nn.Sequential(Residual(64), Residual(64), Residual(64))
        self.depth = DepthHead(64, planes_to_slabs)
        self.cells = Cells(64)
        self.levels = nn.ModuleDict({"16": Level(), "32": Level(), "64": Level()})

    def forward(self, features, fine_planes, faces, slabs, rows, columns):
        half, quarter, seen, whole = features
        pairs = seen.shape[0]
        matched = self.match_features(half + twice(self.lower(quarter)))
        planes, steps = match(matched[:pairs], matched[pairs:], fine_planes)
        joined = F.relu(self.norm(self.narrow(planes) + twice(self.context(seen)) + self.look(quarter[:pairs])))
        out = self.out(joined)
        logits = self.depth(out, F.max_pool2d(planes, 2))
        shares, matching, depth = shares_of(logits), {2: (steps, 0)}, [F.log_softmax(logits, 1)]
        if self.closer is not None:
            shares, matching[1] = self.closer(whole, out, shares, faces)
            depth.append(torch.log(shares.clamp(min=1e-5)))
        rates = self.cells(shares, slabs, rows, columns)
        return {64: self.levels["64"](rates), 32: self.levels["32"](add_up(rates, 2)), 16: self.levels["16"](add_up(rates, 4))}, depth, matching


class FrustumNet(nn.Module):
    """`Coarse` and `Fine` in one, as they are trained.

    Answers are logits of cells, by "coarse" or "fine" and level; "depth" are logarithms of shares of slabs, each `[b, slabs + 1, h, w]`; "matching" are by
    stride cosines at whole steps of disparity `[b, h, w, disparities]`, widest first, and the least of these disparities.
    """

    def __init__(self, is_full=False, coarse_matrix=None, fine_matrix=None):
        super().__init__()
        self.coarse = Coarse(is_full, np.eye(COARSE_PLANES, dtype=np.float32) if coarse_matrix is None else coarse_matrix)
        self.fine = Fine(is_full, np.eye(FINE_PLANES, dtype=np.float32) if fine_matrix is None else fine_matrix)

    def forward(self, left, right, constants):
        c = constants
        coarse, coarse_depth, features, matching = self.coarse(left, right, c["near_planes"], c["far_planes"], c["coarse_rows"], c["coarse_columns"])
        fine, fine_depth, more = self.fine(features, c["fine_planes"], c["faces"], None, c["rows"], c["columns"])
        return {"coarse": coarse, "fine": fine, "depth": [coarse_depth, *fine_depth], "matching": {**matching, **more}}


class LatentNet(nn.Module):
    """The paper's decoder, to compare with: all that is seen through a vector of 128, and cells from that by 3-D deconvolutions."""

    def __init__(self, is_full=False, coarse_matrix=None, fine_matrix=None, size=(440, 200)):
        super().__init__()
        self.coarse = Coarse(is_full, np.eye(COARSE_PLANES, dtype=np.float32) if coarse_matrix is None else coarse_matrix)
        self.squeeze = nn.Sequential(block(96, 96, 2), block(96, 96, 2))
        inner = 96 * -(-size[0] // 32) * -(-size[1] // 32)
        self.latent = nn.Sequential(nn.Linear(inner, 128), nn.ReLU(), nn.Linear(128, 64 * 64), nn.ReLU())
        up = lambda before, after: nn.Sequential(nn.ConvTranspose3d(before, after, 4, 2, 1), nn.ReLU())
        self.grow = nn.ModuleList([up(64, 64), up(64, 32), up(32, 16), up(16, 8)])
        self.heads = nn.ModuleList([nn.Conv3d(channels, 1, 1) for channels in (64, 32, 16, 8)])

    def forward(self, left, right, constants):
        c = constants
        coarse, coarse_depth, (_, _, seen, _), matching = self.coarse(left, right, c["near_planes"], c["far_planes"], c["coarse_rows"], c["coarse_columns"])
        cells = self.latent(self.squeeze(seen).flatten(1)).view(-1, 64, 4, 4, 4)
        fine = {}
        for side, grow, head in zip((8, 16, 32, 64), self.grow, self.heads):
            cells = grow(cells)
            fine[side] = head(cells)[:, 0].float()
        return {"coarse": coarse, "fine": fine, "depth": [coarse_depth], "matching": matching}


def take_over(made, known):
    """Weights that both networks have, by name and shape; all others stay as they are."""
    own = made.state_dict()
    made.load_state_dict({name: value for name, value in known.items() if name in own and own[name].shape == value.shape}, strict=False)


@torch.no_grad()
def begin_full(full, half):
    """Lets a network of full pictures begin as one of half pictures that has learnt: its new first layer halves, at the start."""
    known = half.state_dict()
    first = "coarse.extract.to_half.0.0.weight"
    learnt = known.pop(first)
    full.load_state_dict(known, strict=False)
    weight = full.state_dict()[first]
    weight.mul_(0.1)
    weight[:, :3], weight[:, 3:6] = learnt, -learnt  # what is above zero and what is below it are channels of their own
    conv, norm, _ = full.coarse.extract.halve
    for colour in range(3):
        for channel, sign in ((colour, 1), (colour + 3, -1)):
            conv.weight[channel] = 0
            conv.weight[channel, colour, 1:, 1:] = sign / 4
            norm.weight[channel], norm.bias[channel] = 1.0, sign * MEAN_LIGHT


NETS = {"frustum": FrustumNet, "latent": LatentNet}
