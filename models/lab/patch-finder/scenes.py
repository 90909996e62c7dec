"""Pictures with patches in them: pasted onto objects and elsewhere, before the picture is scaled to what a detector sees of it.

What a scene looks like follows from the seed, the step and its place alone.
"""

import math

import cv2
import numpy as np

import textures

CLEAN_SHARE = 0.35
"""Of pictures without any patch: what is printed, framed or glazed in them is none."""
PEOPLE_SHARE = 0.6
"""Of pictures, those that are taken from the ones with people."""
ON_OBJECT_SHARE = 0.75
OF_DIAGONAL = (0.11, 0.4)
"""Side of a patch as a share of the diagonal of the box that it lies on."""
OF_PICTURE = (0.03, 0.3)
"""And of the picture's shorter side, where it lies anywhere."""
LEAST_PX = 5.0
"""Shorter side of a patch in the scaled picture: smaller ones are neither taught nor called wrong."""
MOST_TURNED_DEG = 25.0
PADDING = 114


class Source:
    """Pictures of packs, those with people more often: patches are worn by people first of all."""

    def __init__(self, packs):
        self.places = [(pack, index) for pack in packs for index in range(len(pack.pictures))]
        self.with_people = [place for place in self.places if any(box[4] == 0 for box in place[0].pictures[place[1]]["boxes"])]

    def __len__(self):
        return len(self.places)

    def draw(self, random):
        """@returns a picture, and its boxes"""
        among = self.with_people if self.with_people and random.random() < PEOPLE_SHARE else self.places
        pack, index = among[random.integers(len(among))]
        entry = pack.pictures[index]
        return pack.images[index][: entry["height"], : entry["width"]], entry["boxes"]


def made(source, optimised, side, random):
    """@returns a scene uint8 `[side, side, 3]` RGB, its patches `[n, 5]`: x1, y1, x2, y2, and 1 or (too small) 0"""
    picture, boxes = source.draw(random)
    picture = picture.copy()
    found = []
    if random.random() >= CLEAN_SHARE:
        wanted = 1 + random.integers(max(3, min(6, len(boxes))))
        for _ in range(wanted):
            other, _ = source.draw(random)
            corners = place(boxes, picture.shape, random)
            if corners is None or any(meet(bounds(corners), bounds(each)) for each in found):
                continue
            paste(picture, textures.drawn(random, other, optimised), corners, random)
            found.append(corners)
    return fitted(picture, found, side, random)


def place(boxes, shape, random):
    """Corners `[4, 2]` of a patch (x, y; clockwise from the top left one), or None where it would not lie in the picture."""
    height, width = shape[:2]
    people = [box for box in boxes if box[4] == 0]
    if boxes and random.random() < ON_OBJECT_SHARE:
        x1, y1, x2, y2 = pick(people, boxes, random)
        side = random.uniform(*OF_DIAGONAL) * math.hypot(x2 - x1, y2 - y1)
        centre = np.array([random.normal((x1 + x2) / 2, 0.12 * (x2 - x1)), random.normal(y1 + 0.45 * (y2 - y1), 0.15 * (y2 - y1))])
    else:
        side = random.uniform(*OF_PICTURE) * min(width, height)
        centre = random.uniform((0, 0), (width, height))
    stretch = math.exp(random.uniform(-0.35, 0.35)) if random.random() < 0.3 else 1.0
    half = np.array([side * stretch, side / stretch]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    if random.random() < 0.55:
        angle = math.radians(random.uniform(-MOST_TURNED_DEG, MOST_TURNED_DEG))
        corners = corners @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    if random.random() < 0.3:
        corners += random.uniform(-0.1, 0.1, (4, 2)) * side  # seen from aside
    corners += centre
    x1, y1, x2, y2 = bounds(corners)
    return corners if x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height else None


def pick(people, boxes, random):
    """An object, mostly a person."""
    among = people if people and random.random() < 0.8 else boxes
    return among[random.integers(len(among))][:4]


def bounds(corners):
    return (*corners.min(0), *corners.max(0))


def meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def paste(picture, texture, corners, random):
    """Draws the texture between the corners, in place."""
    height, width = picture.shape[:2]
    across = max(np.linalg.norm(corners[1] - corners[0]), 1)
    if texture.shape[1] > 1.5 * across:
        size = max(2, round(across * 1.2))
        texture = cv2.resize(texture, (size, size), interpolation=cv2.INTER_AREA)
    h, w = texture.shape[:2]
    x1, y1, x2, y2 = bounds(corners)
    left, top = max(0, int(x1) - 3), max(0, int(y1) - 3)
    here = picture[top : min(height, int(y2) + 4), left : min(width, int(x2) + 4)]
    matrix = cv2.getPerspectiveTransform(np.float32([(0, 0), (w, 0), (w, h), (0, h)]), np.float32(corners - (left, top)))
    drawn = cv2.warpPerspective(texture, matrix, here.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = cv2.warpPerspective(np.full((h, w), 255, np.uint8), matrix, here.shape[1::-1], flags=cv2.INTER_LINEAR)
    if random.random() < 0.3:
        opacity = cv2.GaussianBlur(opacity, (0, 0), random.uniform(0.4, 1.2))
    weight = opacity[..., None] / np.float32(255)
    here[:] = (here * (1 - weight) + drawn * weight).round()


def fitted(picture, found, side, random):
    """The picture as a detector gets it: scaled, somewhere on a square, mirrored, in other light, compressed."""
    height, width = picture.shape[:2]
    scale = side / max(width, height) * math.exp(random.uniform(math.log(0.6), math.log(1.3)))
    size = round(width * scale), round(height * scale)
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 0.75 else cv2.INTER_LINEAR)
    boxes = np.array([bounds(corners) for corners in found], np.float64).reshape(-1, 4) * np.tile((size[0] / width, size[1] / height), 2)
    if random.random() < 0.5:
        picture, boxes = picture[:, ::-1], boxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (size[0], 0, size[0], 0)
    left, top = (round(random.uniform(min(0, side - length), max(0, side - length))) for length in size)
    canvas = np.full((side, side, 3), PADDING, np.uint8)
    x, y = max(0, left), max(0, top)
    right, bottom = min(side, left + size[0]), min(side, top + size[1])
    canvas[y:bottom, x:right] = picture[y - top : bottom - top, x - left : right - left]
    boxes += (left, top, left, top)
    inside = boxes.clip(0, side)
    areas = lambda each: (each[:, 2] - each[:, 0]) * (each[:, 3] - each[:, 1])
    is_whole = (areas(inside) > 0.6 * areas(boxes)) & ((inside[:, 2:] - inside[:, :2]).min(1, initial=np.inf) >= LEAST_PX)
    kept = areas(inside) > 0
    return relit(canvas, random), np.concatenate((inside, is_whole[:, None]), 1)[kept].astype(np.float32)


def relit(picture, random):
    if random.random() < 0.6:
        levels = (255 * (np.arange(256) / 255) ** math.exp(random.uniform(-0.4, 0.4)) * random.uniform(0.7, 1.2)).clip(0, 255).astype(np.uint8)
        picture = cv2.LUT(picture, levels)
    if random.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 0.9))
    if random.random() < 0.3:
        _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(40, 95))])
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if random.random() < 0.08:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return picture


def batch(source, optimised, side, count, seed, step):
    """@returns uint8 `[count, side, side, 3]`, patches `[n, 6]`: scene, x1, y1, x2, y2, 1 or 0"""
    scenes, patches = np.empty((count, side, side, 3), np.uint8), []
    for row in range(count):
        scenes[row], boxes = made(source, optimised, side, np.random.default_rng([seed, step, row]))
        patches.append(np.concatenate((np.full((len(boxes), 1), row, np.float32), boxes), 1))
    return scenes, np.concatenate(patches)
