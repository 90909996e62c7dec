"""What could be on a patch: textures that were optimised against a detector, pieces of other pictures, coloured noise, blots and stripes.

A texture is uint8 `[h, w, 3]` RGB of any size.
"""

import math
from pathlib import Path

import cv2
import numpy as np

SIDE = 96
GREY_SHARE = 0.35
FAINT = (0.35, 1.25)
"""Contrast that a texture keeps: what is printed is duller than what was computed."""


def read(folder):
    """Textures that `make-patches` wrote. @raises ValueError where there is none"""
    found = [cv2.imread(str(path))[:, :, ::-1] for path in sorted(Path(folder).glob("*.png"))]
    if not found:
        raise ValueError(f"there are no patches in {folder}")
    return found


def drawn(random, picture, optimised):
    """One of all kinds. @param picture another one, to cut pieces from @param optimised textures; may be empty"""
    chance = random.random()
    if optimised and chance < 0.35:
        texture = turned(optimised[random.integers(len(optimised))], random)
    elif optimised and chance < 0.45:
        other = cv2.resize(piece(picture, random), (SIDE, SIDE))
        share = random.uniform(0.3, 0.7)
        texture = cv2.addWeighted(cv2.resize(optimised[random.integers(len(optimised))], (SIDE, SIDE)), share, other, 1 - share, 0)
    elif chance < 0.7:
        texture = piece(picture, random)
    elif chance < 0.9:
        texture = clouds(random)
    else:
        texture = blots(random) if random.random() < 0.6 else stripes(random)
    return dulled(texture, random)


def turned(texture, random):
    """Turned by quarters, mirrored, or a part of it: a few textures become many."""
    texture = np.rot90(texture, random.integers(4))
    if random.random() < 0.5:
        texture = texture[:, ::-1]
    if random.random() < 0.4:
        texture = piece(texture, random, least=0.4)
    if random.random() < 0.4:
        texture = texture[:, :, random.permutation(3)]
    return np.ascontiguousarray(texture)


def piece(picture, random, least=0.1):
    """A rectangle cut from a picture."""
    side = int(max(8, min(picture.shape[:2]) * random.uniform(least, 0.8)))
    top, left = (int(random.integers(length - side + 1)) for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def clouds(random):
    """Noise with power falling as a power of frequency, from fine grain to soft clouds, its colours more or less alike."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    frequency[0, 0] = 1
    fall = random.uniform(0.0, 2.2)
    white = np.fft.rfft2(random.standard_normal((3, SIDE, SIDE))) / frequency**fall
    white[:, 0, 0] = 0
    noise = np.fft.irfft2(white, (SIDE, SIDE))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    alike = random.uniform(0, 1)
    noise = alike * noise[:1] + (1 - alike) * noise
    mean = random.uniform(50, 205, 3)
    return (mean + random.uniform(15, 80) * noise.transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)


def blots(random):
    """Random colours on a coarse grid, joined smoothly or not at all."""
    grid = int(random.integers(2, 14))
    how = cv2.INTER_CUBIC if random.random() < 0.7 else cv2.INTER_NEAREST
    return cv2.resize(random.integers(0, 256, (grid, grid, 3), dtype=np.uint8), (SIDE, SIDE), interpolation=how)


def stripes(random):
    angle, period = random.uniform(0, math.pi), random.uniform(4, 30)
    y, x = np.mgrid[:SIDE, :SIDE]
    is_first = ((x * math.cos(angle) + y * math.sin(angle)) / period) % 1 < random.uniform(0.3, 0.7)
    colours = random.integers(0, 256, (2, 3), dtype=np.uint8)
    return np.where(is_first[..., None], colours[0], colours[1])


def dulled(texture, random):
    """Other contrast, brightness and tint; without colour now and then; blurred now and then."""
    texture = texture.astype(np.float32)
    if random.random() < GREY_SHARE:
        texture = np.repeat(texture.mean(2, keepdims=True), 3, 2)
    mean = texture.mean((0, 1), keepdims=True)
    texture = mean + random.uniform(*FAINT) * (texture - mean)
    texture *= random.uniform(0.5, 1.15) * random.uniform(0.93, 1.07, 3)
    texture = texture.clip(0, 255).astype(np.uint8)
    return cv2.GaussianBlur(texture, (0, 0), random.uniform(0.5, 2.5)) if random.random() < 0.2 else texture
