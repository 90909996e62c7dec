"""Writes occupancy-constants.json: what models/lab makes of some rigs, and how OpenCV scales a picture, for the port to agree with.

python3 test/golden/occupancy_constants.py, with the lab's libraries (models/lab/occupancy/README.md).
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "models" / "lab" / "occupancy"))

import geometry
from geometry import Cube, Rig

SIZE = (440, 200)
PORTED = {"near_planes": "nearPlanes", "far_planes": "farPlanes", "fine_planes": "finePlanes", "faces": "faces", "coarse_rows": "coarseRows", "coarse_columns": "coarseColumns", "rows": "rows", "columns": "columns"}
CASES = [
    ("square pixels", (880, 400, 1003.2, 1003.2, 439.5, 199.5, 0.0, 0.54), Cube.of(32.0), "voxel"),
    ("stretched pictures", (1242, 375, 721.5, 721.5, 609.6, 172.9, 0.0, 0.533), Cube.of(32.0), "voxel"),
    ("shifted axes and another cube", (450, 375, 935.0, 935.0, 224.5, 187.0, 12.5, 0.16), Cube.of(4.0, 1.5), "voxel"),
    ("uniform planes", (880, 400, 501.6, 501.6, 430.0, 190.0, 0.0, 0.12), Cube.of(6.4), "uniform"),
]
ENTRIES = 8
FROM, TO = (37, 23), (16, 10)


def facts_of(matrix):
    """Sums, and some entries that aren't 0 as index and value."""
    flat = matrix.ravel().astype(np.float64)
    places = np.nonzero(flat)[0]
    some = places[np.linspace(0, len(places) - 1, min(ENTRIES, len(places))).astype(int)]
    return {
        "dims": list(matrix.shape),
        "nonZero": len(places),
        "sum": float(flat.sum()),
        "weightedSum": float((flat * np.cos(np.arange(flat.size))).sum()),
        "entries": [[int(place), float(flat[place])] for place in some],
    }


def case_of(name, rig, cube, planes):
    width, height, focal, _, x, y, shift, baseline = rig
    constants = geometry.constants_of(Rig(*rig).scaled(*SIZE), cube, planes)
    return {
        "name": name,
        "rig": {"size": {"width": width, "height": height}, "focalPx": focal, "centre": {"x": x, "y": y}, "centreShiftPx": shift, "baselineM": baseline},
        "grid": {"rangeM": cube.range_m, "bottomM": cube.bottom_m},
        "planes": planes,
        "constants": {ported: facts_of(constants[name]) for name, ported in PORTED.items()},
    }


def scaled():
    """The test makes the same picture: (7 x x + 13 y + 31 x c + 5 c) mod 256 of column x, row y and channel c of R, G, B."""
    y, x, c = np.mgrid[: FROM[1], : FROM[0], :3]
    picture = ((7 * x * x + 13 * y + 31 * x * c + 5 * c) % 256).astype(np.uint8)
    found = cv2.resize(picture, TO, interpolation=cv2.INTER_AREA)
    return {"from": FROM, "to": TO, "rgb": found.transpose(2, 0, 1).ravel().tolist()}


cases = ",\n".join(json.dumps(case_of(*case)) for case in CASES)
(HERE / "occupancy-constants.json").write_text(f'{{\n"size": {json.dumps(SIZE)},\n"cases": [\n{cases}\n],\n"area": {json.dumps(scaled())}\n}}\n')
