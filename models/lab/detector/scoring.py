"""AP50 by class on packs with human boxes. It guides training; published figures come from `lynceus eval`."""

import cv2
import numpy as np
import torch

import boxes
from labels import iou
from packs import CLASSES


def letterboxed(picture, side):
    """Picture `[h, w, 3]` in the middle of a square, the rest 114. @returns it, scale, left, top"""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.full((side, side, 3), 114, np.uint8)
    left, top = (side - wide) // 2, (side - high) // 2
    square[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return square, scale, left, top


@torch.no_grad()
def detect(net, picture, side):
    """Boxes `[n, 6]` in the picture's own pixels."""
    square, scale, left, top = letterboxed(picture, side)
    x = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
    maps = [each[0] for each in net(x.to(memory_format=torch.channels_last))]
    found = boxes.suppress(boxes.decode(maps, net.plan.anchors))
    found[:, [0, 2]] = (found[:, [0, 2]] - left) / scale
    found[:, [1, 3]] = (found[:, [1, 3]] - top) / scale
    return found


def is_hit(found, truth, ignored, least_iou=0.5):
    """For boxes by falling score: True, False, or None where a box may be either. Each true box is met once."""
    verdicts, met = [], np.zeros(len(truth), bool)
    overlaps = iou(found, truth)
    for index, box in enumerate(found):
        free = np.where(met, 0, overlaps[index])
        best = int(free.argmax()) if len(free) else -1
        if best >= 0 and free[best] >= least_iou:
            met[best] = True
            verdicts.append(True)
        else:
            verdicts.append(None if covered(box, ignored) else False)
    return verdicts


def covered(box, regions):
    """Half of the box lies in a region."""
    area = max(1e-9, (box[2] - box[0]) * (box[3] - box[1]))
    return any(max(0, min(box[2], x2) - max(box[0], x1)) * max(0, min(box[3], y2) - max(box[1], y1)) >= area / 2 for x1, y1, x2, y2 in regions)


def average_precision(verdicts, scores, count):
    """COCO's: precision at 101 recalls, never rising. NaN where nothing is to be found."""
    if count == 0:
        return float("nan")
    kept = [(score, verdict) for score, verdict in zip(scores, verdicts) if verdict is not None]
    hits = np.array([verdict for _, verdict in sorted(kept, key=lambda one: -one[0])], float)
    if not len(hits):
        return 0.0
    found = hits.cumsum()
    recall, precision = found / count, np.maximum.accumulate((found / np.arange(1, len(hits) + 1))[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.concatenate((precision, [0]))[np.minimum(places, len(precision))].mean())


def ap50_of(net, pack, side, indices=None):
    """By class, those alone that the pack has boxes of. @param indices which of its pictures, all if None"""
    entries = [pack.pictures[index] for index in (range(len(pack.pictures)) if indices is None else indices)]
    pictures = [pack.images[index] for index in (range(len(pack.pictures)) if indices is None else indices)]
    found = [detect(net, picture[: entry["height"], : entry["width"]], side) for picture, entry in zip(pictures, entries)]
    scores = {}
    for kind, name in enumerate(CLASSES):
        verdicts, sure, count = [], [], 0
        for entry, each in zip(entries, found):
            truth = np.array([box[:4] for box in entry["boxes"] if box[4] == kind]).reshape(-1, 4)
            own = each[each[:, 4] == kind]
            verdicts += is_hit(own, truth, entry["ignore"])
            sure += list(own[:, 5])
            count += len(truth)
        if count:
            scores[name] = average_precision(verdicts, sure, count)
    return scores
