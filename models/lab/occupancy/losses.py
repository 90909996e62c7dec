"""What the network is taught by: overlap of cells, each cell, and depth along each ray."""

import torch
from torch.nn import functional as F

LEVEL_WEIGHTS = {8: 0.30, 16: 0.27, 32: 0.23, 64: 0.20}
"""Of the IoU loss by level: StereoVoxelNet's."""
POSITIVE_WEIGHT = 1.5
CELL_WEIGHT, DEPTH_WEIGHT = 0.15, 0.3
"""Beside the IoU loss, which alone has no slope where everything is empty: so nothing is learnt from a cold start."""


def iou_loss(probabilities, truth):
    """1 - (sum p g + 1) / (sum (p + g - p g) + 1), by pair, mean."""
    axes = (1, 2, 3)
    both = (probabilities * truth).sum(axes)
    either = (probabilities + truth - probabilities * truth).sum(axes)
    return (1 - (both + 1) / (either + 1)).mean()


def cell_loss(logits, truth):
    """Cross-entropy of cells by occupied cell, so that it weighs the same at all levels."""
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="sum", pos_weight=torch.tensor(POSITIVE_WEIGHT))
    return each / truth.sum().clamp(min=1)


def level_loss(logits, truth):
    return iou_loss(torch.sigmoid(logits), truth) + CELL_WEIGHT * cell_loss(logits, truth)


def depth_loss(logits, shares):
    return -(F.log_softmax(logits, dim=1) * shares).sum(dim=1).mean()


def total_loss(answers, truth, bins):
    """Levels that both parts answer count half in each."""
    parts = [answers["coarse"], answers["fine"]]
    loss = 0
    for side, weight in LEVEL_WEIGHTS.items():
        answered = [part[side] for part in parts if side in part]
        loss = loss + sum(weight / len(answered) * level_loss(logits, truth[side]) for logits in answered)
    return loss + sum(DEPTH_WEIGHT / len(answers["depth"]) * depth_loss(logits, bins[slabs]) for slabs, logits in answers["depth"].items())
