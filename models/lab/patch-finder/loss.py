"""What the finder is taught: how likely a patch's centre lies in a cell, and where the sides are from there."""

import torch
from torch.nn import functional as F

from finder import STRIDE

SPREAD = 0.12
"""Of a patch's sides: how far from its centre a cell may be and still be nearly right."""
INNER = 0.5
"""Cells in this part of a patch say where its sides are."""
SIDES_WEIGHT = 0.5


def targets(patches, shape):
    """@param patches `[n, 6]`: scene, x1, y1, x2, y2, whether it is taught (else nothing is said of its cells)
    @returns centres `[b, h, w]` from 0 to 1, which cells count, sides `[b, 4, h, w]`, and which cells say sides"""
    b, h, w = shape
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    x, y = STRIDE * x, STRIDE * y
    centres, counts = torch.zeros(shape), torch.ones(shape, dtype=torch.bool)
    sides, says = torch.ones(b, 4, h, w), torch.zeros(shape, dtype=torch.bool)
    for scene, x1, y1, x2, y2, is_taught in patches.tolist():
        row = int(scene)
        if not is_taught:
            counts[row] &= ~((x > x1 - STRIDE) & (x < x2 + STRIDE) & (y > y1 - STRIDE) & (y < y2 + STRIDE))
            continue
        dx, dy = (x - (x1 + x2) / 2) / (x2 - x1), (y - (y1 + y2) / 2) / (y2 - y1)
        bump = torch.exp(-(dx**2 + dy**2) / (2 * SPREAD**2))
        bump[int((y1 + y2) / 2 / STRIDE - 1e-6), int((x1 + x2) / 2 / STRIDE - 1e-6)] = 1
        centres[row] = torch.maximum(centres[row], bump)
        inner = (dx.abs() < INNER / 2) & (dy.abs() < INNER / 2) | (bump == 1)
        says[row] |= inner
        sides[row][:, inner] = torch.stack((x - x1, y - y1, x2 - x, y2 - y))[:, inner].clamp(min=0.5)
    return centres, counts, sides, says


def finder_loss(found, patches):
    """@returns (centre, sides): penalty-reduced focal loss (Law & Deng 2018) per patch, and the negative logarithm of the IoU (Yu et al. 2016)"""
    centre, sides = found[0][:, 0].float(), found[1].float()
    wanted, counts, true, says = targets(patches, centre.shape)
    is_centre = wanted == 1
    p, log_p, log_rest = centre.sigmoid(), F.logsigmoid(centre), F.logsigmoid(-centre)
    hit = (1 - p) ** 2 * log_p
    miss = (1 - wanted) ** 4 * p**2 * log_rest
    total = -torch.where(is_centre, hit, miss)[counts].sum() / is_centre.sum().clamp(min=1)
    if not says.any():
        return total, sides.sum() * 0
    own, given = sides.permute(0, 2, 3, 1)[says], true.permute(0, 2, 3, 1)[says]
    both = (torch.minimum(own[:, 0], given[:, 0]) + torch.minimum(own[:, 2], given[:, 2])) * (torch.minimum(own[:, 1], given[:, 1]) + torch.minimum(own[:, 3], given[:, 3]))
    area = lambda each: (each[:, 0] + each[:, 2]) * (each[:, 1] + each[:, 3])
    overlap = both / (area(own) + area(given) - both)
    return total, -SIDES_WEIGHT * overlap.clamp(min=1e-4).log().mean()


def decode(centre, sides, least=-4.0, count=12):
    """Local maxima of one scene `[n, 5]`: x1, y1, x2, y2, log odds; most certain first."""
    peak = (F.max_pool2d(centre[None], 3, 1, 1)[0] == centre) & (centre >= least)
    _, y, x = peak.nonzero(as_tuple=True)
    score = centre[0, y, x]
    order = score.argsort(descending=True)[:count]
    y, x = y[order], x[order]
    at = STRIDE * (torch.stack((x, y, x, y), 1) + 0.5)
    boxes = at + sides[:, y, x].T * torch.tensor((-1.0, -1.0, 1.0, 1.0))
    return torch.cat((boxes, score[order][:, None]), 1)
