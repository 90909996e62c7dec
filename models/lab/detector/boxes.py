"""From raw maps to boxes and back: assignment of objects to cells and anchors, the loss, decoding and suppression.

Formulas are YOLOv5's: a box's centre is `(2 s(t) - 0.5 + cell) * stride`, its size `(2 s(t))^2 * anchor`, with s the logistic function.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

import labels
from net import BOX, STRIDES

BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 0.1, 1.0, 0.05
STRIDE_WEIGHTS = (4.0, 1.0, 0.4)
"""Of objectness by stride: fine maps have many more cells for as many objects."""
LARGEST_RATIO = 4.0
"""An anchor stands for objects up to so many times wider, narrower, higher or lower: what `(2 s(t))^2` can say."""
REFERENCE_SIDE = 640
IGNORED = -1


def complete_iou(found, wanted):
    """Complete IoU of boxes `[n, 4]` (centre, size) after Zheng et al. 2020, and plain IoU."""
    low, high = (torch.stack([box[:, :2] - sign * box[:, 2:] / 2 for box in (found, wanted)]) for sign in (1, -1))
    both = (high.amin(0) - low.amax(0)).clamp(min=0).prod(1)
    iou = both / (found[:, 2:].prod(1) + wanted[:, 2:].prod(1) - both + 1e-7)
    hull = ((high.amax(0) - low.amin(0)) ** 2).sum(1) + 1e-7
    apart = ((found[:, :2] - wanted[:, :2]) ** 2).sum(1) / hull
    shape = 4 / math.pi**2 * (torch.atan(wanted[:, 2] / wanted[:, 3]) - torch.atan(found[:, 2] / (found[:, 3] + 1e-7))) ** 2
    with torch.no_grad():
        share = shape / (shape - iou + 1 + 1e-7)
    return iou - apart - share * shape, iou.detach().clamp(min=0)


def assign(centres, sizes, anchors, rows, columns):
    """Which cells answer for which objects, all in cells: its own, and the nearer neighbour on either axis.

    @returns (object, anchor, row, column), each `[k]`
    """
    ratio = sizes[:, None] / anchors[None]
    objects, chosen = (torch.maximum(ratio, 1 / ratio).amax(2) < LARGEST_RATIO).nonzero(as_tuple=True)
    at = centres[objects]
    part = at % 1
    near = ((part < 0.5) & (at > 1)), ((part >= 0.5) & (at < torch.tensor([columns - 1.0, rows - 1.0])))
    answers = [torch.stack((objects, chosen, at[:, 1].long(), at[:, 0].long()))]
    for axis, (dx, dy) in ((0, (1, 0)), (1, (0, 1))):
        for sign, which in ((-1, near[0][:, axis]), (1, near[1][:, axis])):
            answers.append(torch.stack((objects, chosen, at[:, 1].long() + sign * dy, at[:, 0].long() + sign * dx))[:, which])
    objects, chosen, y, x = torch.cat(answers, 1)
    return objects, chosen, y.clamp(0, rows - 1), x.clamp(0, columns - 1)


def ignored_cells(regions, shape, stride):
    """Cells `[b, h, w]` whose centres lie in a region `[k, 5]` (picture, x1, y1, x2, y2; pixels)."""
    cells = torch.zeros(shape, dtype=torch.bool)
    for picture, *region in regions.tolist():
        x1, y1, x2, y2 = (max(0, math.ceil(edge / stride - 0.5)) for edge in region)
        cells[int(picture), y1:y2, x1:x2] = True
    return cells


def detection_loss(maps, targets, anchors, classes):
    """@param targets `[n, 7]`: picture, x1, y1, x2, y2 in pixels, class (`IGNORED` where nothing is taught), sureness from 0 to 1
    @returns (box, objectness, class), to be added up; their sum is of one picture"""
    known = targets[:, 5] != IGNORED
    regions, targets = targets[~known][:, :5], targets[known]
    picture, kind, sure = targets[:, 0].long(), targets[:, 5].long(), targets[:, 6]
    centre, size = (targets[:, 1:3] + targets[:, 3:5]) / 2, targets[:, 3:5] - targets[:, 1:3]
    box_loss = class_loss = object_loss = torch.zeros(())
    for raw, own, stride, weight in zip(maps, anchors, STRIDES, STRIDE_WEIGHTS):
        b, _, rows, columns = raw.shape
        raw = raw.view(b, len(own), BOX + classes, rows, columns)
        objectness = raw[:, :, 4].float()
        wanted = torch.zeros_like(objectness)
        counts = (~ignored_cells(regions, (b, rows, columns), stride))[:, None].expand_as(objectness).float().clone()
        own = torch.tensor(own, dtype=torch.float32)
        at, anchor, y, x = assign(centre / stride, size / stride, own / stride, rows, columns)
        if len(at):
            said = raw.permute(0, 1, 3, 4, 2)[picture[at], anchor, y, x].float()
            place = said[:, :2].sigmoid() * 2 - 0.5
            extent = (said[:, 2:4].sigmoid() * 2) ** 2 * own[anchor] / stride
            true = torch.cat((centre[at] / stride - torch.stack((x, y), 1), size[at] / stride), 1)
            overlap, iou = complete_iou(torch.cat((place, extent), 1), true)
            box_loss = box_loss + ((1 - overlap) * sure[at]).sum() / sure[at].sum()
            order = iou.argsort()  # where two objects want one cell, the one that fits better is written last
            wanted[picture[at][order], anchor[order], y[order], x[order]] = iou[order]
            counts[picture[at], anchor, y, x] = sure[at]
            one = F.one_hot(kind[at], classes).float()
            each = F.binary_cross_entropy_with_logits(said[:, BOX:], one, reduction="none").mean(1)
            class_loss = class_loss + (each * sure[at]).sum() / sure[at].sum()
        each = F.binary_cross_entropy_with_logits(objectness, wanted, reduction="none")
        object_loss = object_loss + weight * (each * counts).mean()
    side = math.sqrt(maps[0].shape[2] * maps[0].shape[3]) * STRIDES[0]
    return BOX_WEIGHT * box_loss, OBJECT_WEIGHT * (side / REFERENCE_SIDE) ** 2 * object_loss, CLASS_WEIGHT * class_loss


def decode(maps, anchors, least=0.01):
    """Boxes of one picture `[n, 6]`: x1, y1, x2, y2 in pixels of the input, class, score; those of at least this score."""
    found = []
    for raw, own, stride in zip(maps, anchors, STRIDES):
        count, (_, rows, columns) = len(own), raw.shape
        said = torch.sigmoid(raw.float()).view(count, -1, rows, columns)
        scores = said[:, 4:5] * said[:, BOX:]
        anchor, kind, y, x = (scores >= least).nonzero(as_tuple=True)
        cell = torch.stack((x, y), 1)
        place = (said[anchor, :2, y, x] * 2 - 0.5 + cell) * stride
        extent = (said[anchor, 2:4, y, x] * 2) ** 2 * torch.tensor(own, dtype=torch.float32)[anchor]
        found.append(torch.cat((place - extent / 2, place + extent / 2, kind[:, None], scores[anchor, kind, y, x][:, None]), 1))
    return torch.cat(found).numpy()


def suppress(found, most=0.6, count=300):
    """Greedy suppression within classes. @returns boxes by falling score"""
    found = found[np.argsort(-found[:, 5], kind="stable")][: 10 * count]
    apart = found[:, :4] + found[:, 4:5] * 10_000  # classes that far from each other never overlap
    same = labels.iou(apart, apart) > most
    alive = np.ones(len(found), bool)
    for index in range(len(found)):
        if alive[index]:
            alive[index + 1 :] &= ~same[index, index + 1 :]
    return found[alive][:count]
