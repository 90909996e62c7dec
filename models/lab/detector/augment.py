"""Pictures of a batch: one or four of the packs' pictures, scaled, moved, mirrored, in other light.

What a picture of a batch looks like follows from the seed, the step and its place alone, whatever process makes it.
"""

import math

import cv2
import numpy as np

from packs import PADDING

MOSAIC_SHARE = 0.5
"""Of pictures that are made of four: small objects, in surroundings that they never had."""
MOSAIC_SCALES = (0.28, 1.2)
"""Of one of the four, its long side over the whole picture's: a camera over a street has people of twenty pixels."""
LEAST_SIDE_PX = 2.5
LEAST_SHARE = 0.12
"""An object of which less is left at an edge is none."""


class Mixture:
    """Pictures of several packs, each pack with its weight in the draw."""

    def __init__(self, packs, weights=None):
        self.packs = packs
        self.places = [(pack, index) for pack in packs for index in range(len(pack.pictures))]
        shares = np.concatenate([np.full(len(pack.pictures), weight) for pack, weight in zip(packs, weights or [1.0] * len(packs))])
        self.upto = (shares / shares.sum()).cumsum()

    def __len__(self):
        return len(self.places)

    def draw(self, random):
        """@returns a picture `[h, w, 3]`, and its targets `[n, 6]`: x1, y1, x2, y2, class (-1: ignore), score"""
        pack, index = self.places[min(int(np.searchsorted(self.upto, random.random())), len(self.places) - 1)]
        entry = pack.pictures[index]
        targets = [*entry["boxes"], *([*region, -1, 1.0] for region in entry["ignore"])]
        return pack.images[index][: entry["height"], : entry["width"]], np.array(targets, np.float32).reshape(-1, 6)


def paste(canvas, region, picture, targets, side, scale, random, calm=False):
    """Draws a picture into the region (x1, y1, x2, y2) of the canvas, its long side `scale * side`. @returns targets in the canvas' pixels"""
    x1, y1, x2, y2 = region
    height, width = picture.shape[:2]
    aspect = 1.0 if calm else math.exp(random.uniform(-0.15, 0.15) / 2)
    wide, high = (scale * side / max(width, height) * each for each in (aspect, 1 / aspect))
    room = (x2 - x1 - width * wide, y2 - y1 - height * high)
    left, top = (space * (0.5 if calm else random.random()) for space in room)
    mirrored = random.random() < 0.5
    boxes = targets.copy()
    boxes[:, [0, 2]] *= wide
    boxes[:, [1, 3]] = boxes[:, [1, 3]] * high + top + y1
    if mirrored:
        boxes[:, [0, 2]] = width * wide - boxes[:, [2, 0]]
    boxes[:, [0, 2]] += left + x1
    draw(canvas[y1:y2, x1:x2], picture, (wide, high), (left, top), mirrored)
    return visible(boxes, region)


def draw(canvas, picture, factors, offset, mirrored):
    height, width = picture.shape[:2]
    halved = max(factors) < 0.6  # bilinear sampling alone would skip pixels
    source = cv2.resize(picture[: height // 2 * 2, : width // 2 * 2], (width // 2, height // 2), interpolation=cv2.INTER_AREA) if halved else picture
    wide, high = (factor * (2 if halved else 1) for factor in factors)
    left, top = offset
    matrix = np.array([[-wide if mirrored else wide, 0, left + (width * factors[0] if mirrored else 0)], [0, high, top]])
    matrix[:, 2] += 0.5 * matrix[:, :2].sum(1) - 0.5  # pixels are sampled at their centres
    canvas[:] = cv2.warpAffine(source, matrix, canvas.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(PADDING,) * 3)


def visible(boxes, region):
    """Boxes cut at the region's edges; those of which little is left are out."""
    x1, y1, x2, y2 = region
    before = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(x1, x2)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(y1, y2)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return boxes[(wide > LEAST_SIDE_PX) & (high > LEAST_SIDE_PX) & (wide * high > LEAST_SHARE * before)]


def relit(picture, random):
    if random.random() < 0.8:
        gains = 1 + random.uniform(-1, 1, 3) * (0.015, 0.6, 0.4)
        levels = np.arange(256)
        tables = [(levels * gains[0] % 180).astype(np.uint8), *((levels * gain).clip(0, 255).astype(np.uint8) for gain in gains[1:])]
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        picture = cv2.cvtColor(cv2.merge([cv2.LUT(channel, table) for channel, table in zip(cv2.split(hsv), tables)]), cv2.COLOR_HSV2RGB)
    if random.random() < 0.05:
        picture = cv2.blur(picture, (3, 3))
    if random.random() < 0.05:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return picture


def made(mixture, side, random, calm=False, cutouts=None, paste_share=0.0):
    """A picture of a batch `[side, side, 3]` and its targets. @param calm late in training: near to what cameras see
    @param cutouts objects that are pasted into `paste_share` of the pictures"""
    canvas = np.full((side, side, 3), PADDING, np.uint8)
    chance = random.random()
    if chance < (0.06 if calm else MOSAIC_SHARE):
        across, down = (int(side * random.uniform(0.3, 0.7)) for _ in range(2))
        regions = ((0, 0, across, down), (across, 0, side, down), (0, down, across, side), (across, down, side, side))
        scales = [math.exp(random.uniform(*map(math.log, MOSAIC_SCALES))) for _ in regions]
        targets = np.concatenate([paste(canvas, region, *mixture.draw(random), side, scale, random) for region, scale in zip(regions, scales)])
    elif calm and chance < 0.55:
        targets = paste(canvas, (0, 0, side, side), *mixture.draw(random), side, 1.0, random, calm=True)
    else:
        low, high = (0.75, 1.35) if calm else (0.55, 1.6)
        scale = math.exp(random.uniform(math.log(low), math.log(high)))
        targets = paste(canvas, (0, 0, side, side), *mixture.draw(random), side, scale, random)
    if cutouts and random.random() < paste_share * (0.3 if calm else 1):
        targets = cutouts.paste(canvas, targets, random)
    return relit(canvas, random), targets


def batch(mixture, side, count, seed, step, part=(0, 1), **how):
    """Of this step, the part that process `part[0]` of `part[1]` makes; `how` is `made`'s.

    @returns uint8 `[b, side, side, 3]` and targets `[n, 7]`: picture, x1, y1, x2, y2, class, score
    """
    places = range(part[0], count, part[1])
    pictures, targets = np.empty((len(places), side, side, 3), np.uint8), []
    for row, place in enumerate(places):
        pictures[row], boxes = made(mixture, side, np.random.default_rng([seed, step, place]), **how)
        targets.append(np.concatenate((np.full((len(boxes), 1), row, np.float32), boxes), 1))
    return pictures, np.concatenate(targets)
