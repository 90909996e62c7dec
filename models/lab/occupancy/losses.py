"""What the network is taught by: overlap of cells, each cell, depth along each ray, and what belongs together in the two pictures."""

import torch
from torch.nn import functional as F

LEVEL_WEIGHTS = {8: 0.30, 16: 0.27, 32: 0.23, 64: 0.20}
"""Of the IoU loss by level: StereoVoxelNet's."""
POSITIVE_WEIGHT = 1.5
CELL_WEIGHT, DEPTH_WEIGHT = 0.15, 0.45
MATCHING_WEIGHT, SURENESS = 0.2, 12.0
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


def depth_loss(logs, shares):
    return -(logs * shares).sum(dim=1).mean()


def matching_loss(steps, disparity_px, stride, least=0):
    """Cross-entropy of whole steps of disparity, where the true one (of a row's column, 0 unknown) is among them and in the right picture.

    Without it features for distant planes stay noise that the rest learns to do without.
    """
    count, width = steps.shape[3], steps.shape[2]
    true = disparity_px / stride
    place = true - least
    valid = (disparity_px > 0) & (place >= 0) & (place <= count - 1) & (true <= torch.arange(width))
    place = torch.where(valid, place, torch.zeros_like(place))
    below = place.floor().clamp(max=count - 2)
    share = place - below
    index = count - 1 - below.long()
    both = F.log_softmax(steps * SURENESS, dim=3).gather(3, torch.stack([index, index - 1], 3))
    each = (1 - share) * both[..., 0] + share * both[..., 1]
    return -(each * valid).sum() / valid.sum().clamp(min=1)


def total_matching_loss(matching, disparity_px):
    """@param disparity_px `[b, h / 2, w]` of a picture of the size that strides are counted at: as fine as the finest matching."""
    losses = []
    for stride, (steps, least) in matching.items():
        rows = max(1, stride // 2)
        losses.append(matching_loss(steps, disparity_px[:, rows // 2 :: rows, stride // 2 :: stride][:, : steps.shape[1], : steps.shape[2]], stride, least))
    return sum(losses) / len(losses)


def total_loss(answers, truth, bins, disparity_px):
    """Levels that both parts answer count half in each."""
    parts = [answers["coarse"], answers["fine"]]
    loss = 0
    for side, weight in LEVEL_WEIGHTS.items():
        answered = [part[side] for part in parts if side in part]
        loss = loss + sum(weight / len(answered) * level_loss(logits, truth[side]) for logits in answered)
    loss = loss + MATCHING_WEIGHT * total_matching_loss(answers["matching"], disparity_px)
    return loss + sum(DEPTH_WEIGHT / len(answers["depth"]) * depth_loss(logs, bins[logs.shape[1] - 1]) for logs in answers["depth"])
