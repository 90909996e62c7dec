"""One set of weights at several widths: a soft mask says how much each channel matters, a threshold a ratio which of them work at that ratio.

Units that are added to each other share a mask. Each ratio has normalisation statistics of its own. A channel that is off is exactly 0
behind its ReLU, so that it can be cut out. After All-in-One (Gong et al., ICCAD 2022).
"""

import copy

import numpy as np
import torch
from torch import nn

from net import Csp, Detector, Unit

RATIOS = (1.0, 0.75, 0.5, 0.25)
"""Of the dense network's multiply-accumulates, by falling width."""
STEP = 8
"""Channels are kept by eights: what processors compute at once."""
LEAST_SHARE = 0.125


class SwitchNorm(nn.Module):
    """Normalisation with statistics for each ratio, and channels that are off."""

    def __init__(self, norm, ratios):
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(ratios))
        self.register_buffer("gates", torch.ones(ratios, norm.num_features))
        self.ratio = 0
        self.probe = None

    def forward(self, x):
        x = self.norms[self.ratio](x)
        if self.ratio > 0:
            return x * self.gates[self.ratio].to(x.dtype)[:, None, None]
        return x if self.probe is None else x * self.probe.to(x.dtype)[:, None, None]


class ElasticDetector(nn.Module):
    """A detector that runs at the ratio that was set last; ratio 0 is dense."""

    def __init__(self, dense, ratios=RATIOS):
        super().__init__()
        self.ratios, self.plan = tuple(ratios), dense.plan
        self.net = copy.deepcopy(dense)
        for unit in units_of(self.net).values():
            unit.norm = SwitchNorm(unit.norm, len(ratios))
        self.groups = groups_of(self.net)
        for index, names in enumerate(self.groups):
            channels = units_of(self.net)[names[0]].norm.gates.shape[1]
            self.register_buffer(f"mask_{index}", torch.zeros(channels))

    def norms(self):
        return {name: unit.norm for name, unit in units_of(self.net).items()}

    def mask(self, group):
        return getattr(self, f"mask_{group}")

    def at(self, ratio):
        for norm in self.norms().values():
            norm.ratio = ratio
        return self

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

    def thresholds(self, group):
        """By ratio: the least mask among the channels that work, the least of all where all do."""
        gates = self.norms()[self.groups[group][0]].gates
        return torch.stack([self.mask(group)[row > 0].min() for row in gates])

    @torch.no_grad()
    def macs(self, ratio, side=320):
        """Multiply-accumulates of the network that is cut out for a ratio."""
        total, handles = [0], []
        norms = self.norms()

        def pass_gates(unit, inputs, _, norm):
            x = inputs[0]
            into, out = int((x[0, :, 0, 0] > 0).sum()), int(norm.gates[ratio].sum())
            high, wide = (-(-length // unit.conv.stride[0]) for length in x.shape[2:])
            total[0] += into * out * unit.conv.weight[0, 0].numel() * high * wide
            return norm.gates[ratio][None, :, None, None].expand(1, -1, high, wide).clone()

        def count_head(head, inputs, _):
            x = inputs[0]
            total[0] += int((x[0, :, 0, 0] > 0).sum()) * head.weight.shape[0] * x.shape[2] * x.shape[3]

        for name, unit in units_of(self.net).items():
            handles.append(unit.register_forward_hook(lambda layer, inputs, result, norm=norms[name]: pass_gates(layer, inputs, result, norm)))
        handles += [head.register_forward_hook(count_head) for head in self.net.heads]
        was_training = self.training
        self.eval()(torch.ones(1, 3, side, side))
        self.train(was_training)
        for handle in handles:
            handle.remove()
        return total[0]

    def dense(self):
        """The widest network alone, as `train` makes one."""
        made = Detector(self.plan)
        known = {key.replace(".norm.norms.0.", ".norm."): value for key, value in self.net.state_dict().items()}
        made.load_state_dict({key: known[key] for key in made.state_dict()})
        return made.eval()


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
