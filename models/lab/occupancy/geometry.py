"""Where things lie: the rig, the cube of cells and what a network needs to know of both.

Conventions are those of `src/core/stereo-rig.ts` and `src/core/voxel-grid.ts`: x to the right, y down, z ahead, metres, from the left
camera's centre; pixel centres at whole numbers; cells counted `x + side * (y + side * z)`, so that an array of cells is `[z, y, x]`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

LEVELS = (8, 16, 32, 64)
FINEST = LEVELS[-1]
DISPARITIES = {8: 32, 4: 48, 2: 40}
"""Whole steps of disparity that are looked at, by stride: up to 256, 192 and 80 pixels. What is nearer is for the coarser ones."""
SAMPLES_PER_PLANE = 8
"""Disparities between the near and the far face of a slab: near slabs are many pixels thick."""


@dataclass(frozen=True)
class Rig:
    """Two equal, rectified cameras. `shift_px` is the column of the axis in the right picture less that in the left one.

    `focal_y_px` is the focal length along columns: it differs where a picture was stretched to the size that the network sees.
    """

    width: int
    height: int
    focal_px: float
    focal_y_px: float
    centre_x: float
    centre_y: float
    shift_px: float
    baseline_m: float

    def scaled(self, width, height):
        """The rig after its pictures were scaled to another size."""
        x, y = width / self.width, height / self.height
        return Rig(width, height, self.focal_px * x, self.focal_y_px * y, (self.centre_x + 0.5) * x - 0.5, (self.centre_y + 0.5) * y - 0.5, self.shift_px * x, self.baseline_m)

    def cropped(self, left, top, width, height):
        """The rig of pictures of which only a part is kept, the same of both."""
        return replace(self, width=width, height=height, centre_x=self.centre_x - left, centre_y=self.centre_y - top)

    def disparity_of(self, depth_m):
        """Disparity in pixels of a depth in metres (an array of them)."""
        return self.focal_px * self.baseline_m / depth_m - self.shift_px


@dataclass(frozen=True)
class Cube:
    """`range_m` is the edge; `bottom_m` the lower face, below the left camera."""

    range_m: float
    bottom_m: float

    @staticmethod
    def of(range_m, bottom_m=None):
        return Cube(range_m, range_m / 32 if bottom_m is None else bottom_m)


def points_of(disparity_px, rig):
    """Points `[n, 3]` of a disparity picture, metres. Where the disparity is 0 nothing is known."""
    rows, columns = np.nonzero(disparity_px > 0)
    parallax_px = disparity_px[rows, columns].astype(np.float64) + rig.shift_px
    ahead = parallax_px > 0
    z = rig.focal_px * rig.baseline_m / parallax_px[ahead]
    return np.stack([(columns[ahead] - rig.centre_x) * z / rig.focal_px, (rows[ahead] - rig.centre_y) * z / rig.focal_y_px, z], axis=1)


def occupied(points, cube, side, at_least=1):
    """Cells `[z, y, x]` that hold at least so many of the points."""
    origin = np.array([-cube.range_m / 2, cube.bottom_m - cube.range_m, 0.0])
    cells = np.floor((points - origin) * (side / cube.range_m)).astype(np.int64)
    cells = cells[((cells >= 0) & (cells < side)).all(axis=1)]
    counts = np.bincount(cells[:, 0] + side * (cells[:, 1] + side * cells[:, 2]), minlength=side**3)
    return (counts >= at_least).reshape(side, side, side)


def along_rays(pixels, rig, cube, side):
    """Cells `[z, y, x]` that rays through these pixels `[h, w]` pass, looked at twice a cell's length of depth."""
    rows, columns = np.nonzero(pixels)
    x, y = (columns - rig.centre_x) / rig.focal_px, (rows - rig.centre_y) / rig.focal_y_px
    passed = np.zeros((side,) * 3, bool)
    for step in range(2 * side):
        z = (step + 0.5) * cube.range_m / (2 * side)
        passed |= occupied(np.stack([x * z, y * z, np.full(len(x), z)], axis=1), cube, side)
    return passed


def coarser(cells, side):
    """The same cells at fewer a side: occupied where any of the finer ones is."""
    step = cells.shape[0] // side
    return cells.reshape(side, step, side, step, side, step).any(axis=(1, 3, 5))


def slabs(cube, count):
    """Near and far faces of `count` slabs of depth, metres."""
    faces = np.linspace(0, cube.range_m, count + 1)
    return faces[:-1], faces[1:]


def voxel_planes(rig, cube, count, _stride):
    """Disparities `[count, SAMPLES_PER_PLANE]` of the slabs of cells, pixels: the planes of StereoVoxelNet's voxel cost volume.

    A near slab spans many disparities, so each is looked at in several places. The nearest slab begins at a quarter of its depth.
    """
    near, far = slabs(cube, count)
    near = np.maximum(near, far / 4)
    return spread(rig.disparity_of(near), rig.disparity_of(far))


def uniform_planes(rig, cube, count, stride):
    """As many planes at equal steps of disparity, from the end of the range to the widest that is looked at: what is compared with."""
    faces = np.linspace((DISPARITIES[stride] - 1) * stride, rig.disparity_of(cube.range_m), count + 1)
    return spread(faces[:-1], faces[1:])


PLANES = {"voxel": voxel_planes, "uniform": uniform_planes}


def spread(from_px, to_px):
    at = (np.arange(SAMPLES_PER_PLANE) + 0.5) / SAMPLES_PER_PLANE
    return (from_px[:, None] + (to_px - from_px)[:, None] * at).astype(np.float32)


def mixture(planes, stride):
    """Matrix `[disparities, planes]` that mixes whole steps of disparity, of `stride` pixels, into planes; 0 for what is nearer than all steps."""
    steps = DISPARITIES[stride]
    away = np.abs(planes[None] / stride - np.arange(steps)[:, None, None])
    return np.maximum(1 - away, 0).mean(axis=2).astype(np.float32)


def faces_of(rig, cube, count):
    """Disparities `[count + 1]` of the faces between slabs of depth, pixels, nearest first. The first, which has none, is that of a quarter of a slab."""
    depths = np.linspace(0, cube.range_m, count + 1)
    depths[0] = depths[1] / 4
    return rig.disparity_of(depths).astype(np.float32)


def plane_depths(planes, rig):
    """Depth of the middle of each plane, metres."""
    return rig.focal_px * rig.baseline_m / np.maximum(planes.mean(axis=1) + rig.shift_px, 1e-3)


def plane_to_slab(planes, rig, cube, count):
    """Matrix `[count, planes]` that interpolates between planes, by depth, to the middles of `count` slabs."""
    depths = plane_depths(planes, rig)
    order = np.argsort(depths)
    middles = (np.arange(count) + 0.5) * cube.range_m / count
    upper = np.clip(np.searchsorted(depths[order], middles), 1, len(depths) - 1)
    low, high = depths[order][upper - 1], depths[order][upper]
    share = np.clip((middles - low) / (high - low), 0, 1)
    matrix = np.zeros((count, len(depths)), np.float32)
    matrix[np.arange(count), order[upper - 1]] = 1 - share
    matrix[np.arange(count), order[upper]] += share
    return matrix


def frustum_to_cells(rig, cube, slab_count, side, stride):
    """Matrices that carry what is seen along rays to cells: rows `[slabs, side, h]` and columns `[slabs, side, w]`.

    `w` is the number of feature columns at `stride` pixels. An entry is the share of a column's width that lies in a cell, at the middle
    of the slab: cells of a slab are `rows @ seen @ columns.T`.
    """
    middles = (np.arange(slab_count) + 0.5) * cube.range_m / slab_count
    rows = overlaps(rig.height, stride, rig.centre_y, rig.focal_y_px, middles, cube.bottom_m - cube.range_m, cube.range_m, side)
    columns = overlaps(rig.width, stride, rig.centre_x, rig.focal_px, middles, -cube.range_m / 2, cube.range_m, side)
    return rows, columns


def overlaps(length_px, stride, centre, focal_px, depths, from_m, range_m, side):
    count = -(-length_px // stride)
    edges = (np.arange(count + 1) * stride - 0.5 - centre)[None] * depths[:, None] / focal_px
    low, high = edges[:, None, :-1], edges[:, None, 1:]
    faces = from_m + np.arange(side + 1) * range_m / side
    inside = np.minimum(high, faces[None, 1:, None]) - np.maximum(low, faces[None, :-1, None])
    return (np.maximum(inside, 0) / (high - low)).astype(np.float32)


def skips_of(rig, cube, planes="voxel"):
    """Where the skips from matching planes to slabs of depth begin, coarse and fine: matrices `[slabs, planes]`."""
    coarse, fine = PLANES[planes](rig, cube, 32, 4), PLANES[planes](rig, cube, 64, 2)
    return plane_to_slab(coarse, rig, cube, 32), plane_to_slab(fine, rig, cube, 64)


@lru_cache(maxsize=64)
def constants_of(rig, cube, planes="voxel"):
    """All that the network is told of a rig (of the size that it sees) and its cube, by the name of the input."""
    make = PLANES[planes]
    rows16, columns16 = frustum_to_cells(rig, cube, 32, 16, 8)
    rows64, columns64 = frustum_to_cells(rig, cube, 64, 64, 4)
    return {
        "near_planes": mixture(make(rig, cube, 32, 8), 8),
        "far_planes": mixture(make(rig, cube, 32, 4), 4),
        "fine_planes": mixture(make(rig, cube, 64, 2), 2),
        "faces": faces_of(rig, cube, 64),
        "coarse_rows": rows16,
        "coarse_columns": columns16,
        "slabs": np.arange(64, dtype=np.int64),
        "rows": rows64,
        "columns": columns64,
    }
