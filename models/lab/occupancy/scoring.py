"""How good occupied cells are: overlap and distance."""

import numpy as np


def overlap(cells, truth):
    """Intersection and union, in cells; an IoU of a set is the quotient of their sums by pair, see `mean_iou`."""
    return int((cells & truth).sum()), int((cells | truth).sum())


def mean_iou(overlaps):
    """Mean of the pairs' IoU; a pair with neither cells nor truth counts 1."""
    return float(np.mean([1.0 if union == 0 else both / union for both, union in overlaps]))


def chamfer_m(cells, truth, range_m):
    """Mean distance from centres of cells to the nearest of the other set, both ways, their mean, metres. The range where one set is empty."""
    if not cells.any() or not truth.any():
        return 0.0 if cells.any() == truth.any() else float(range_m)
    length = range_m / cells.shape[0]
    return 0.5 * length * (nearest(cells, truth) + nearest(truth, cells))


def nearest(cells, others):
    """Mean distance in cells of `cells` to the nearest of `others`, exact."""
    here, there = (np.argwhere(each).astype(np.float32) for each in (cells, others))
    total = 0.0
    for start in range(0, len(here), 2048):
        part = here[start : start + 2048]
        squares = (part**2).sum(1)[:, None] + (there**2).sum(1)[None] - 2 * part @ there.T
        total += np.sqrt(np.maximum(squares.min(axis=1), 0)).sum()
    return float(total / len(here))
