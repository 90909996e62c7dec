"""Sets of stereo pairs in KITTI's layout, as `lynceus render-stereo` writes them.

`image_2/N_10.png` and `image_3/N_10.png` are the pictures, `disp_occ_0/N_10.png` the left one's disparity (16 bits, 256ths of a pixel, 0 unknown),
`calib/N.txt` (or one `calib.txt` for all) has P2 and P3, `set.json` the range `rangeM` and, where it isn't a thirty-second of it, `bottomM`. A set
of measured truth says `"zeros": "unknown"` there: what lies along those pixels is neither right nor wrong. In a rendered set a 0 is the sky.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

import geometry
from geometry import LEVELS, Cube, Rig

GBR = [1, 2, 0]
"""Planes of a picture as graphs take them, from RGB."""
HELD_OUT_RIGS = {"rover"}
"""Of `lynceus render-stereo`."""
CROPPED = 0.5
"""Share of the training pairs of which a part is seen, see `crop`."""


class SetError(Exception):
    """What is wrong with a set, in words for whoever gave it."""


@dataclass(frozen=True)
class Pair:
    name: str
    left: Path
    right: Path
    disparity: Path
    calibration: Path
    cube: Cube
    is_partly_unknown: bool


def list_pairs(folder):
    """Pairs of a set that have everything, by name. @raises SetError where there are none or the range isn't known."""
    folder = Path(folder)
    described = folder / "set.json"
    if not described.is_file():
        raise SetError(f"{folder} has no set.json, so that nobody knows how far the rig is to see")
    about = json.loads(described.read_text())
    if not about.get("rangeM", 0) > 0:
        raise SetError(f'{described} says no "rangeM" above 0')
    cube = Cube.of(float(about["rangeM"]), about.get("bottomM"))
    pairs = []
    for left in sorted((folder / "image_2").glob("*.png")):
        pair = Pair(left.stem, left, folder / "image_3" / left.name, folder / "disp_occ_0" / left.name, calibration_of(folder, left.stem), cube, about.get("zeros") == "unknown")
        if pair.right.is_file() and pair.disparity.is_file() and pair.calibration.is_file():
            pairs.append(pair)
    if not pairs:
        raise SetError(f"{folder} has no pair with image_2, image_3, disp_occ_0 and a calibration")
    return pairs


def refuse_held_out(folder):
    """@raises SetError where a set was made for tests: figures on it would be worth nothing after training on it."""
    described = Path(folder) / "set.json"
    about = json.loads(described.read_text()) if described.is_file() else {}
    if about.get("isHeldOut") or about.get("rig") in HELD_OUT_RIGS:
        raise SetError(f"{folder} is held out, for tests only: train on another")


def calibration_of(folder, stem):
    """KITTI names pictures by scene and frame (`000012_10`) and calibrations by scene."""
    own = [folder / "calib" / f"{name}.txt" for name in (stem, stem.split("_")[0])]
    return next((path for path in own if path.is_file()), folder / "calib.txt")


def read_rig(path, width, height):
    """Rig of a KITTI calibration: focal length, centre and baseline of P2 and P3."""
    rows = dict(line.split(":", 1) for line in Path(path).read_text().splitlines() if ":" in line)
    if "P2" not in rows or "P3" not in rows:
        raise SetError(f"{path} has no P2 and P3")
    left, right = (np.array(rows[key].split(), np.float64).reshape(3, 4) for key in ("P2", "P3"))
    focal_px = left[0, 0]
    baseline_m = (left[0, 3] - right[0, 3]) / focal_px
    if not (focal_px > 0 and baseline_m > 0):
        raise SetError(f"{path}: focal length {focal_px} px and baseline {baseline_m} m have to be above 0")
    return Rig(width, height, focal_px, left[1, 1], left[0, 2], left[1, 2], right[0, 2] - left[0, 2], baseline_m)


@dataclass(frozen=True)
class Sample:
    """One pair, read: pictures `[h, w, 3]` RGB, disparity `[h, w]` in pixels, 0 unknown."""

    left: np.ndarray
    right: np.ndarray
    disparity_px: np.ndarray
    rig: Rig
    cube: Cube
    is_partly_unknown: bool = False
    """Whether nothing is known where the disparity is 0."""


def read_pair(pair):
    left, right = (cv2.imread(str(path), cv2.IMREAD_COLOR) for path in (pair.left, pair.right))
    disparity = cv2.imread(str(pair.disparity), cv2.IMREAD_UNCHANGED)
    if left is None or right is None or disparity is None or left.shape != right.shape or disparity.shape != left.shape[:2] or disparity.dtype != np.uint16:
        raise SetError(f"pair {pair.name} beside {pair.left.parent}: pictures can't be read or differ in size")
    height, width = disparity.shape
    rig = read_rig(pair.calibration, width, height)
    return Sample(left[:, :, ::-1], right[:, :, ::-1], disparity.astype(np.float32) / 256, rig, pair.cube, pair.is_partly_unknown)


def crop(sample, random):
    """A part of a pair, of any shape from upright to a wide strip, so that pictures may be stretched to the size that the network sees."""
    height, width = sample.disparity_px.shape
    shape = np.exp(random.uniform(np.log(1.1), np.log(3.4)))
    w, h = min(width, round(height * shape)), min(height, round(width / shape))
    x, y = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
    part = lambda picture: picture[y : y + h, x : x + w]
    return replace(sample, left=part(sample.left), right=part(sample.right), disparity_px=part(sample.disparity_px), rig=sample.rig.cropped(x, y, w, h))


def truth_of(sample):
    """Occupied cells `[side, side, side]` by level."""
    finest = geometry.occupied(geometry.points_of(sample.disparity_px, sample.rig), sample.cube, LEVELS[-1])
    return {side: geometry.coarser(finest, side) for side in LEVELS}


def judged_of(sample):
    """Cells `[side, side, side]` by level that the truth says anything of: those on rays of pixels whose disparity is known, at any depth."""
    if not sample.is_partly_unknown:
        return {side: np.ones((side,) * 3, bool) for side in LEVELS}
    finest = geometry.along_rays(sample.disparity_px > 0, sample.rig, sample.cube, LEVELS[-1])
    return {side: geometry.coarser(finest, side) for side in LEVELS}


def depth_bins(sample, size, stride, count):
    """Share of each feature column's pixels by slab of depth, `[count + 1, h, w]`; the last is "beyond, or nothing".

    Features lie `stride` pixels apart in a picture of `size`, which the sample's are scaled to.
    """
    shape = (-(-size[1] // stride), -(-size[0] // stride))
    parallax = sample.disparity_px + sample.rig.shift_px
    with np.errstate(divide="ignore"):
        depth = np.where(sample.disparity_px > 0, sample.rig.focal_px * sample.rig.baseline_m / parallax, np.inf)
    bins = np.minimum(depth * (count / sample.cube.range_m), count).astype(np.int64)
    rows, columns = (np.arange(length) * whole // (length * stride) for length, whole in zip(bins.shape, size[::-1]))
    flat = (bins * shape[0] + rows[:, None]) * shape[1] + columns[None]
    shares = np.bincount(flat.ravel(), minlength=(count + 1) * shape[0] * shape[1]).reshape(count + 1, *shape)
    return (shares / shares.sum(axis=0, keepdims=True)).astype(np.float32)


def disturb(picture, random):
    """One camera's own colours and noise: exposure, contrast, tint, noise."""
    gain = np.exp(random.normal(0, 0.15)) * np.exp(random.normal(0, 0.04, 3))
    light, noise = np.float32(random.normal(0, 6)), np.float32(random.uniform(0, 5))
    noisy = picture * gain.astype(np.float32) + light + noise * random.standard_normal(picture.shape, np.float32)
    return np.clip(noisy, 0, 255, out=noisy)


@dataclass(frozen=True)
class Prepared:
    """What the network sees of a pair, before augmentation, and what it is to answer."""

    left: np.ndarray
    right: np.ndarray
    seen_by: tuple
    truth: dict
    bins: dict
    disparity_px: np.ndarray

    @property
    def constants(self):
        """Some megabytes: made when needed, and kept for the last rigs only."""
        return geometry.constants_of(*self.seen_by)


def prepare(pair, size, planes, random=None):
    """A pair stretched to the size `(width, height)` that the network sees; with `random` a part of it, as often as not."""
    sample = read_pair(pair)
    if random is not None and random.random() < CROPPED:
        sample = crop(sample, random)
    half = halved(size)
    see = lambda picture: cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    bins = {count: depth_bins(sample, half, stride, count) for count, stride in ((32, 8), (64, 4))}
    return Prepared(see(sample.left), see(sample.right), (sample.rig.scaled(*half), sample.cube, planes), truth_of(sample), bins, thinned(sample, half))


def thinned(sample, size):
    """Disparity of every second row and every column of a picture of that size, in its pixels; of single pixels, so that no edge is smeared."""
    height, width = sample.disparity_px.shape
    rows, columns = (((np.arange(count) + 0.5) * length / count).astype(int) for count, length in ((-(-size[1] // 2), height), (size[0], width)))
    return sample.disparity_px[rows[:, None], columns] * np.float32(size[0] / width)


def halved(size):
    """The size that strides are counted at: a picture of more than 600 columns is halved by the network itself."""
    return (size[0] // 2, size[1] // 2) if size[0] > 600 else size


def example_constants(size):
    """Of a rig, for tracing alone: no number of it is in a network."""
    half = halved(size)
    return geometry.constants_of(Rig(*half, half[0] * 1.15, half[0] * 1.15, half[0] / 2, half[1] / 2, 0.0, 0.5), Cube.of(32.0))


class PairSet(torch.utils.data.Dataset):
    """Pairs of several sets; augmented by `(seed, step)` alone, so that a run that goes on is the run that would have been.

    With `crop_seed` parts of pairs are seen, of each pair always the same.
    """

    def __init__(self, folders, size, planes="voxel", crop_seed=None):
        self.pairs = [pair for folder in folders for pair in list_pairs(folder)]
        self.size, self.planes, self.crop_seed = size, planes, crop_seed
        self.kept = {}

    def __len__(self):
        return len(self.pairs)

    def prepared(self, index):
        if index not in self.kept:
            random = None if self.crop_seed is None else np.random.default_rng([self.crop_seed, 3, index])
            self.kept[index] = pack(prepare(self.pairs[index], self.size, self.planes, random))
        return unpack(self.kept[index])

    def __getitem__(self, index):
        return tensors_of(self.prepared(index), None)

    def augmented(self, index, random):
        return tensors_of(self.prepared(index), random)


def pack(prepared):
    """Bits for cells and bytes for shares: thousands of pairs stay in memory."""
    truth = np.packbits(prepared.truth[LEVELS[-1]])
    bins = {name: np.round(shares * 255).astype(np.uint8) for name, shares in prepared.bins.items()}
    return prepared.left, prepared.right, prepared.seen_by, truth, bins, prepared.disparity_px.astype(np.float16)


def unpack(packed):
    left, right, seen_by, bits, bins, disparity = packed
    finest = np.unpackbits(bits).astype(bool).reshape((LEVELS[-1],) * 3)
    shares = {name: values.astype(np.float32) / 255 for name, values in bins.items()}
    return Prepared(left, right, seen_by, {side: geometry.coarser(finest, side) for side in LEVELS}, shares, disparity.astype(np.float32))


def tensors_of(prepared, random):
    """`random` undefined: as the cameras saw it."""
    pictures = [prepared.left, prepared.right]
    if random is not None:
        pictures = [disturb(picture, random) for picture in pictures]
    chw = [torch.from_numpy(np.ascontiguousarray(np.asarray(picture, np.float32).transpose(2, 0, 1))) for picture in pictures]
    return {
        "left": chw[0],
        "right": chw[1],
        "constants": {name: torch.from_numpy(value) for name, value in prepared.constants.items()},
        "truth": {side: torch.from_numpy(cells.astype(np.float32)) for side, cells in prepared.truth.items()},
        "bins": {count: torch.from_numpy(shares) for count, shares in prepared.bins.items()},
        "disparity": torch.from_numpy(prepared.disparity_px),
    }


def collate(samples):
    """One batch; the constants of each pair stay its own, so that rigs may be mixed."""
    return torch.utils.data.default_collate(samples)
