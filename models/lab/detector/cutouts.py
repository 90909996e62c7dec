"""Objects cut out of their pictures, to be pasted into others: a person where none was drawn before, at a size that no picture had.

Background is told from object by GrabCut (Rother et al. 2004) within the given box; cut-outs that fill too little or too much of it are none.
"""

import math

import cv2
import numpy as np

import labels
from packs import CLASSES

SHARES = {"person": 0.7, "bicycle": 0.12, "car": 0.1, "motorcycle": 0.08}
"""Of pasted objects: mostly people. Buses and trucks are whole pictures already."""
LEAST_SURE = 0.85
LEAST_PX = (20, 40)
"""Short and long side in the pack's pixels: less can't be told from its background."""
LONGEST_PX = 112
"""Cut-outs are kept no larger."""
MOST_COVERED = 0.2
"""Of an object by others' boxes: whatever stands before it would be cut out, too."""
FILL = (0.25, 0.9)
LEAST_REACH = 0.75
"""Of the box' width and height that its cut-out reaches over."""
MOST_ENLARGED = 1.4
SIZES = (0.045, 0.6)
"""Long sides of pasted objects, as shares of the picture's side."""
HIDDEN = 0.6
"""An object that is covered so far by a pasted one is no label any more."""


class Cutouts:
    """All that could be cut out of some packs, by class."""

    def __init__(self, packs):
        self.by_class = [[] for _ in CLASSES]
        for pack in packs:
            for image, entry in zip(pack.images, pack.pictures):
                self._take(image[: entry["height"], : entry["width"]], entry["boxes"])
        there = np.array([SHARES.get(name, 0.0) if found else 0.0 for name, found in zip(CLASSES, self.by_class)])
        self.upto = (there / max(there.sum(), 1e-9)).cumsum()

    def __len__(self):
        return sum(map(len, self.by_class))

    def _take(self, picture, boxes):
        for place, box in enumerate(boxes):
            if CLASSES[int(box[4])] not in SHARES:
                continue
            others = [other for index, other in enumerate(boxes) if index != place]
            if is_whole(box, others, picture.shape):
                cut = cut_out(picture, box)
                if cut is not None:
                    self.by_class[int(box[4])].append(cut)

    def draw(self, random):
        """@returns colours `[h, w, 3]`, opacity `[h, w]` uint8, class"""
        kind = min(int(np.searchsorted(self.upto, random.random())), len(CLASSES) - 1)
        picture, opacity = self.by_class[kind][random.integers(len(self.by_class[kind]))]
        return picture, opacity, kind

    def paste(self, canvas, targets, random):
        """Draws one to three objects into the canvas, in place. @returns targets `[n, 6]` with them, without those they hide"""
        for _ in range(1 + random.integers(3)):
            picture, opacity, kind = self.draw(random)
            box = pasted(canvas, picture, opacity, random)
            if len(targets):
                targets = targets[(labels.inside(targets, [box])[:, 0] <= HIDDEN) | (targets[:, 4] < 0)]
            targets = np.concatenate((targets, np.array([[*box, kind, 1.0]], np.float32)))
        return targets


def is_whole(box, others, shape):
    x1, y1, x2, y2, _, sure = box
    sides = sorted((x2 - x1, y2 - y1))
    if sure < LEAST_SURE or sides[0] < LEAST_PX[0] or sides[1] < LEAST_PX[1]:
        return False
    if x1 < 2 or y1 < 2 or x2 > shape[1] - 2 or y2 > shape[0] - 2:
        return False
    return not others or bool((labels.inside([box], others)[0] <= MOST_COVERED).all())


def cut_out(picture, box):
    """@returns colours `[h, w, 3]` and opacity `[h, w]` uint8 of the object alone, or None where it can't be told from its background"""
    x1, y1, x2, y2 = box[:4]
    margin = 0.2 * max(x2 - x1, y2 - y1)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    part = picture[top : int(y2 + margin) + 1, left : int(x2 + margin) + 1]
    scale = min(1.0, LONGEST_PX / max(x2 - x1, y2 - y1))
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y, width, height = (round(value * scale) for value in (x1 - left, y1 - top, x2 - x1, y2 - y1))
    kinds = np.zeros(part.shape[:2], np.uint8)
    cv2.setRNGSeed(1)  # GrabCut clusters colours from random beginnings
    cv2.grabCut(np.ascontiguousarray(part), kinds, (x, y, width, height), np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_RECT)
    solid = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    wide, high, area = stats[largest, cv2.CC_STAT_WIDTH], stats[largest, cv2.CC_STAT_HEIGHT], stats[largest, cv2.CC_STAT_AREA]
    if not FILL[0] <= area / (width * height) <= FILL[1] or wide < LEAST_REACH * width or high < LEAST_REACH * height:
        return None
    left, top = stats[largest, cv2.CC_STAT_LEFT], stats[largest, cv2.CC_STAT_TOP]
    here = slice(top, top + high), slice(left, left + wide)
    return part[here].copy(), ((parts[here] == largest) * 255).astype(np.uint8)


def pasted(canvas, picture, opacity, random):
    """Draws the object somewhere. @returns its box (x1, y1, x2, y2)"""
    side = canvas.shape[0]
    height, width = opacity.shape
    wanted = side * math.exp(random.uniform(*map(math.log, SIZES)))
    scale = min(wanted / max(width, height), MOST_ENLARGED)
    size = max(3, round(width * scale)), max(3, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture, opacity = cv2.resize(picture, size, interpolation=how), cv2.resize(opacity, size, interpolation=how)
    if random.random() < 0.5:
        picture, opacity = picture[:, ::-1], opacity[:, ::-1]
    weight = cv2.GaussianBlur(opacity, (3, 3), 0)[..., None] / 255.0  # a sharp edge alone would tell what was pasted
    left, top = (int(random.integers(side - edge + 1)) for edge in size)
    region = canvas[top : top + size[1], left : left + size[0]]
    region[:] = region * (1 - weight) + (picture * random.uniform(0.75, 1.2)).clip(0, 255) * weight
    return left, top, left + size[0], top + size[1]
