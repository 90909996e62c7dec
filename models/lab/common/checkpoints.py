"""What a run leaves: checkpoints that survive a crash at any moment, and the weights' running average."""

import copy
import os

import torch


def save(path, state):
    """Written beside and renamed: there is always a whole one."""
    temporary = f"{path}.part"
    torch.save(state, temporary)
    os.replace(temporary, path)


class Average:
    """Exponential running average of weights and of what normalisation has seen; the validation curve of single steps dips."""

    def __init__(self, net, decay, is_copied=lambda name: False):
        """@param is_copied whether a buffer of this name is taken as it is, as those that aren't floats are"""
        self.net = copy.deepcopy(net).eval()
        self.decay, self.is_copied = decay, is_copied
        self.steps = 0

    @torch.no_grad()
    def update(self, net):
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for (name, mean), now in zip(self.net.state_dict().items(), net.state_dict().values()):
            if mean.dtype.is_floating_point and not self.is_copied(name):
                mean.mul_(keep).add_(now, alpha=1 - keep)
            else:
                mean.copy_(now)
