"""One set of weights at several widths: a soft mask says how much each channel matters, a threshold a ratio which of them work at that ratio.

Units that are added to each other share a mask. Each ratio has normalisation statistics of its own. A channel that is off is exactly 0
behind its ReLU, so that it can be cut out. After All-in-One (Gong et al., ICCAD 2022).
"""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from net import Csp, Detector, Plan, Unit

RATIOS = (1.0, 0.75, 0.5, 0.25)
"""Of the dense network's multiply-accumulates, by falling width."""
STEP = 8
"""Channels are kept by eights: what processors compute at once."""
LEAST_SHARE = 0.125
LEAST_SIDE = 32
"""Of a picture: one cell at the coarsest stride."""


class SwitchConv(nn.Conv2d):
    """A convolution of which a ratio computes only the channels that work, from those that work before it."""

    kept = None
    """Places of the output's and the input's channels; None where all work."""

    def forward(self, x):
        if self.kept is None:
            return super().forward(x)
        out, into = self.kept
        weight = self.weight.index_select(0, out).index_select(1, into)
        bias = None if self.bias is None else self.bias.index_select(0, out)
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)


class SwitchNorm(nn.Module):
    """Normalisation with statistics for each ratio, of the channels that work at it."""

    def __init__(self, norm, ratios):
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(ratios))
        self.register_buffer("gates", torch.ones(ratios, norm.num_features))
        self.ratio = 0
        self.kept = None
        self.probe = None

    def forward(self, x):
        norm = self.norms[self.ratio]
        if self.kept is not None:
            mean, variance, weight, bias = (each.index_select(0, self.kept) for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
            x = F.batch_norm(x, mean, variance, weight, bias, self.training, norm.momentum, norm.eps)
            if self.training:
                norm.running_mean[self.kept], norm.running_var[self.kept] = mean, variance
            return x
        x = norm(x)
        return x if self.probe is None else x * self.probe.to(x.dtype)[:, None, None]


class ElasticDetector(nn.Module):
    """A detector that runs at the ratio that was set last; ratio 0 is dense."""

    def __init__(self, dense, ratios=RATIOS):
        super().__init__()
        self.ratios, self.plan = tuple(ratios), dense.plan
        self.net = copy.deepcopy(dense)
        for unit in units_of(self.net).values():
            if unit.conv.groups != 1:
                raise ValueError("channels of convolutions in groups can't be told apart")
            unit.norm = SwitchNorm(unit.norm, len(ratios))
            unit.conv.__class__ = SwitchConv
        for head in self.net.heads:
            head.__class__ = SwitchConv
        self.groups = groups_of(self.net)
        for index, names in enumerate(self.groups):
            channels = units_of(self.net)[names[0]].norm.gates.shape[1]
            self.register_buffer(f"mask_{index}", torch.zeros(channels))

    def norms(self):
        return {name: unit.norm for name, unit in units_of(self.net).items()}

    def mask(self, group):
        return getattr(self, f"mask_{group}")

    def at(self, ratio):
        units = units_of(self.net)
        for unit in units.values():
            unit.norm.ratio, unit.norm.kept, unit.conv.kept = ratio, None, None
        for head in self.net.heads:
            head.kept = None
        if ratio > 0:
            found = [(layer, into, out) for layer, into, out, _ in self.layers(ratio)]
            for layer, into, out in found:
                layer.kept = out.nonzero()[:, 0], into.nonzero()[:, 0]
            for unit in units.values():
                unit.norm.kept = unit.conv.kept[0]
        return self

    def features(self, x):
        return self.net.features(x)

    def said(self, features):
        return self.net.said(features)

    def forward(self, x):
        return self.net(x)

    def probe(self, on):
        """Whether a dense pass tells what each channel matters: by the gradient of a factor of 1 on it."""
        for norm in self.norms().values():
            norm.probe = torch.ones(norm.gates.shape[1], requires_grad=True) if on else None

    @torch.no_grad()
    def learn_masks(self, mean=lambda values: values, keep=0.98):
        """Masks follow the square of what the loss would change by, to first order, if a channel went (Molchanov et al. 2019); after a backward pass with `probe`.

        @param mean of a vector over all processes of a run
        """
        norms = self.norms()
        changes = [sum(norms[name].probe.grad for name in names) for names in self.groups]
        changes = mean(torch.cat(changes)).split([len(change) for change in changes])
        for group, change in enumerate(changes):
            self.mask(group).mul_(keep).add_(change**2, alpha=1 - keep)

    @torch.no_grad()
    def choose(self):
        """Which channels work at each ratio, from the masks: those that matter least go first, until the multiply-accumulates fit."""
        norms = self.norms()
        for group in range(len(self.groups)):
            untie(self.mask(group))
        scores = [score_of(self.mask(group)) for group in range(len(self.groups))]
        dense = self.macs(0)
        for ratio, share in list(enumerate(self.ratios))[1:]:
            low, high = min(float(score.min()) for score in scores), max(float(score.max()) for score in scores)
            for _ in range(20):
                middle = (low + high) / 2
                self.set_gates(norms, scores, ratio, middle)
                low, high = (middle, high) if self.macs(ratio) > share * dense else (low, middle)
            self.set_gates(norms, scores, ratio, high)

    def set_gates(self, norms, scores, ratio, cut):
        for names, score in zip(self.groups, scores):
            kept = kept_channels(score, cut)
            for name in names:
                norms[name].gates[ratio] = torch.minimum(kept, norms[name].gates[ratio - 1])

    @torch.no_grad()
    def take_widths(self, other):
        """Works with the masks, gates and narrow normalisations of another network of the same layers. @raises ValueError"""
        own, others = self.norms(), other.norms()
        shapes = lambda norms: {name: tuple(norm.gates.shape) for name, norm in norms.items()}
        if other.ratios != self.ratios or shapes(own) != shapes(others):
            raise ValueError("its widths or layers are others")
        for group in range(len(self.groups)):
            self.mask(group).copy_(other.mask(group))
        for name, norm in own.items():
            norm.gates.copy_(others[name].gates)
            for narrow, given in list(zip(norm.norms, others[name].norms))[1:]:
                narrow.load_state_dict(given.state_dict())

    def thresholds(self, group):
        """By ratio: the least mask among the channels that work, the least of all where all do."""
        gates = self.norms()[self.groups[group][0]].gates
        return torch.stack([self.mask(group)[row > 0].min() for row in gates])

    def macs(self, ratio, side=320):
        """Multiply-accumulates of the network that is cut out for a ratio."""
        # At a tenth of the side: what a layer computes grows with the area.
        return sum(int(into.sum()) * int(out.sum()) * layer.weight[0, 0].numel() * cells for layer, into, out, cells in self.layers(ratio)) * (side // LEAST_SIDE) ** 2

    @torch.no_grad()
    def layers(self, ratio):
        """All convolutions `(layer, input's gates, output's gates, cells of the output)` at the least side: gates go through the network instead of features."""
        found = []
        gates_of = lambda x: x[0, :, 0, 0] > 0

        def pass_gates(unit, inputs):
            x, gates = inputs[0], unit.norm.gates[ratio]
            high, wide = (-(-length // unit.conv.stride[0]) for length in x.shape[2:])
            found.append((unit.conv, gates_of(x), gates > 0, high * wide))
            return gates[None, :, None, None].expand(1, -1, high, wide).clone()

        def see_head(head, inputs):
            x = inputs[0]
            found.append((head, gates_of(x), torch.ones(head.weight.shape[0], dtype=torch.bool), x.shape[2] * x.shape[3]))
            return x

        units = units_of(self.net).values()
        own = [(unit, pass_gates) for unit in units] + [(head, see_head) for head in self.net.heads]
        try:
            for layer, instead in own:
                layer.forward = lambda *inputs, layer=layer, instead=instead: instead(layer, inputs)
            self.net(torch.ones(1, 3, LEAST_SIDE, LEAST_SIDE))
        finally:
            for layer, _ in own:
                vars(layer).pop("forward", None)
        return found

    def dense(self):
        """The widest network alone, as `train` makes one."""
        made = Detector(self.plan)
        known = {key.replace(".norm.norms.0.", ".norm."): value for key, value in self.net.state_dict().items()}
        made.load_state_dict({key: known[key] for key in made.state_dict()})
        return made.eval()


def of_state(state):
    """The averaged network of a checkpoint of several widths. @raises KeyError where it is of another kind"""
    net = ElasticDetector(Detector(Plan.of_json(state["plan"])), tuple(state["ratios"]))
    net.load_state_dict(state["average"])
    return net.eval()


def is_choice(name):
    """Whether a buffer says which channels work: an average of that means nothing."""
    return name.endswith(".gates") or name.startswith("mask_")


def units_of(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, Unit)}


def groups_of(net):
    """Names of units that share a mask: those that are added to each other; all others are alone."""
    names = {module: name for name, module in net.named_modules()}
    tied = [[names[each] for each in (block.enter, *(bottleneck.wide for bottleneck in block.inner))] for block in net.modules() if isinstance(block, Csp) and block.inner[0].adds]
    known = {name for group in tied for name in group}
    return tied + [[name] for name in units_of(net) if name not in known]


def untie(mask):
    """Makes channels differ that nothing depends on, in place: a threshold has to tell them apart."""
    mask.add_(torch.arange(len(mask)) * (1e-6 * mask.mean() / len(mask)).clamp(min=1e-12))


def score_of(mask):
    """Of channels of different layers: as a share of their own layer's, or thin layers would go as a whole."""
    return mask / mask.norm().clamp(min=1e-12)


def kept_channels(score, cut):
    """1 for the channels that stay, the best by eights: as many as have that score, rounded, but a share of them at least."""
    count = len(score)
    wanted = max(LEAST_SHARE * count, float((score >= cut).sum()))
    kept = min(count, max(min(STEP, count), int(np.ceil(wanted / STEP - 0.5)) * STEP))
    gates = torch.zeros(count)
    gates[score.argsort(descending=True, stable=True)[:kept]] = 1
    return gates
