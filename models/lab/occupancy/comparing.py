"""Compares a trained network with OpenCV's semi-global matching on the same pairs, rig and truth. See README.md beside it."""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

import data
import geometry
import scoring
import training
from export import OnnxNet
from geometry import LEVELS

MODES = {"sgbm-3way": cv2.STEREO_SGBM_MODE_SGBM_3WAY, "sgbm-full": cv2.STEREO_SGBM_MODE_HH}
SETTINGS = [
    {"numDisparities": disparities, "blockSize": size, "pointsPerCell": points}
    for disparities, size, points in itertools.product((96, 160, 272), (3, 5, 7), (1, 4, 12))
]
"""What semi-global matching may choose from, for each set on pairs of that very set: that is more than the network gets. All else is fixed: P1 and
P2 as OpenCV's own sample has them, uniqueness 10 %, left-right difference 1, speckles of 100 pixels."""


def matcher_of(mode, disparities, size):
    area = 3 * size * size
    return cv2.StereoSGBM_create(
        minDisparity=0, numDisparities=disparities, blockSize=size, P1=8 * area, P2=32 * area, disp12MaxDiff=1, uniquenessRatio=10,
        speckleWindowSize=100, speckleRange=2, preFilterCap=63, mode=mode,
    )


def matched(sample, mode, disparities, size):
    """Disparities of a pair `[h, w]`, 0 unknown; and milliseconds."""
    left, right = (np.ascontiguousarray(picture[:, :, ::-1]) for picture in (sample.left, sample.right))
    matcher = matcher_of(mode, disparities, size)
    began = time.perf_counter()
    found = matcher.compute(left, right)
    return np.maximum(found.astype(np.float32) / 16, 0), 1000 * (time.perf_counter() - began)


def cells_of(disparity_px, sample, points):
    finest = geometry.occupied(geometry.points_of(disparity_px, sample.rig), sample.cube, LEVELS[-1], points)
    return {side: geometry.coarser(finest, side) for side in LEVELS}


def tune_matching(samples, mode):
    """The setting with the best mean IoU over pairs and levels; and that."""
    scores = {}
    for disparities, size in sorted({(s["numDisparities"], s["blockSize"]) for s in SETTINGS}):
        for sample, truth, judged in samples:
            found, _ = matched(sample, mode, disparities, size)
            for index, setting in enumerate(SETTINGS):
                if (setting["numDisparities"], setting["blockSize"]) == (disparities, size):
                    scores.setdefault(index, []).append(mean_over_levels(cells_of(found, sample, setting["pointsPerCell"]), truth, judged))
    best = max(scores, key=lambda index: np.mean(scores[index]))
    return SETTINGS[best]


def mean_over_levels(cells, truth, judged):
    return np.mean([scoring.mean_iou([scoring.overlap(cells[side] & judged[side], truth[side])]) for side in LEVELS])


class Network:
    """A published network, see `publish`: its graphs, and the rules of its manifest."""

    def __init__(self, folder, threads):
        manifest = json.loads((folder / "manifest.json").read_text())
        self.net, self.planes = OnnxNet(folder, threads), manifest["planes"]
        self.size = (manifest["input"]["width"], manifest["input"]["height"])
        self.rules = {int(side): rule for side, rule in manifest["levels"]["all"].items()}

    def __call__(self, sample):
        """Cells by level; and milliseconds, with scaling the pictures."""
        found, ms = probabilities_of(self.net, sample, self.size, self.planes)
        return {side: found[rule["source"]][side] > rule["above"] for side, rule in self.rules.items()}, ms


def probabilities_of(graphs, sample, size, planes):
    """Of one pair by answer ("fine16" and so on; `OnnxNet` says which levels each tells); and milliseconds, with scaling the pictures."""
    constants = geometry.constants_of(sample.rig.scaled(*data.halved(size)), sample.cube, planes)
    began = time.perf_counter()
    left, right = (cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (sample.left, sample.right))
    found = graphs(left, right, constants)
    return found, 1000 * (time.perf_counter() - began)


def matching(mode, setting):
    def answer(sample):
        found, ms = matched(sample, mode, setting["numDisparities"], setting["blockSize"])
        return cells_of(found, sample, setting["pointsPerCell"]), ms

    return answer


def read(pairs):
    for pair in pairs:
        sample = data.read_pair(pair)
        yield sample, data.truth_of(sample), data.judged_of(sample)


def score(method, pairs):
    """IoU and Chamfer distance by level and the median milliseconds of one method on one set."""
    overlaps, distances, times = {side: [] for side in LEVELS}, {side: [] for side in LEVELS}, []
    for sample, truth, judged in read(pairs):
        cells, ms = method(sample)
        times.append(ms)
        for side in LEVELS:
            seen = cells[side] & judged[side]
            overlaps[side].append(scoring.overlap(seen, truth[side]))
            distances[side].append(scoring.chamfer_m(seen, truth[side], sample.cube.range_m))
    return {
        "n": len(times),
        "iou": {side: scoring.mean_iou(overlaps[side]) for side in LEVELS},
        "chamferM": {side: float(np.mean(distances[side])) for side in LEVELS},
        "ms": float(np.median(times)),
    }


def compare(options):
    sets = {folder: training.spread(data.list_pairs(folder), options.limit or 10**9) for folder in options.data}
    network = Network(options.model, options.threads)
    return {"rules": network.rules, "sets": {Path(folder).name: compare_on(pairs, network, options.tune_pairs) for folder, pairs in sets.items()}}


def compare_on(pairs, network, tune_pairs):
    own = list(read(training.spread(pairs, tune_pairs)))
    found = {"network": score(network, pairs)}
    for name, mode in MODES.items():
        setting = tune_matching(own, mode)
        found[name] = {**score(matching(mode, setting), pairs), "setting": setting}
    return found


def table_of(report):
    lines = ["| set | n | method | IoU 8 / 16 / 32 / 64 | network over it | Chamfer m 8 / 16 / 32 / 64 | ms |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, methods in report["sets"].items():
        ours = methods["network"]["iou"]
        for method, found in methods.items():
            iou = " / ".join(f"{found['iou'][side]:.3f}" for side in LEVELS)
            ratio = " / ".join(f"{ours[side] / max(found['iou'][side], 1e-9):.2f}" for side in LEVELS)
            chamfer = " / ".join(f"{found['chamferM'][side]:.2f}" for side in LEVELS)
            lines.append(f"| {name} | {found['n']} | {method} | {iou} | {'' if method == 'network' else ratio} | {chamfer} | {found['ms']:.0f} |")
    settings = [f"{name}: {method} {json.dumps(found['setting'])}" for name, methods in report["sets"].items() for method, found in methods.items() if "setting" in found]
    return "\n".join([*lines, "", "Matching, each at its best on the set itself:", *settings])


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare", description="Occupied cells of a network and of OpenCV's StereoSGBM against the same truth.")
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR", help="sets to compare on, one a recipe")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="what publish wrote")
    parser.add_argument("--limit", type=int, help="pairs of each set at most")
    parser.add_argument("--tune-pairs", type=int, default=16, help="pairs of each set that the matching's settings are chosen on (16)")
    parser.add_argument("--threads", type=int, default=2, help="(2)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not (options.model / "manifest.json").is_file():
        parser.error(f"{options.model} has no manifest.json: publish writes it")
    return options


def main(arguments):
    options = parse(arguments)
    cv2.setNumThreads(options.threads)
    try:
        report = compare(options)
    except data.SetError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=1) if options.json else table_of(report))
    return 0
