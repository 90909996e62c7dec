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
from export import OnnxNet
from geometry import LEVELS

MODES = {"sgbm-3way": cv2.STEREO_SGBM_MODE_SGBM_3WAY, "sgbm-full": cv2.STEREO_SGBM_MODE_HH}
SETTINGS = [
    {"numDisparities": disparities, "blockSize": size, "pointsPerCell": points}
    for disparities, size, points in itertools.product((96, 160, 272), (3, 5, 7), (1, 4, 12))
]
"""What semi-global matching may choose from, on the tuning pairs. All else is fixed: P1 and P2 as OpenCV's own sample has them, uniqueness
10 %, left-right difference 1, speckles of 100 pixels."""
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""What the network may choose from, level by level, on the same pairs."""


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
        for sample, truth in samples:
            found, _ = matched(sample, mode, disparities, size)
            for index, setting in enumerate(SETTINGS):
                if (setting["numDisparities"], setting["blockSize"]) == (disparities, size):
                    scores.setdefault(index, []).append(mean_over_levels(cells_of(found, sample, setting["pointsPerCell"]), truth))
    best = max(scores, key=lambda index: np.mean(scores[index]))
    return SETTINGS[best]


def mean_over_levels(cells, truth):
    return np.mean([scoring.mean_iou([scoring.overlap(cells[side], truth[side])]) for side in LEVELS])


class Network:
    """The exported network at a size of its own."""

    def __init__(self, folder, size, planes, threads):
        self.net, self.size, self.planes = OnnxNet(folder, threads), size, planes
        self.thresholds = dict.fromkeys(LEVELS, 0.5)

    def probabilities(self, sample):
        """By level; and milliseconds, with scaling the pictures."""
        constants = geometry.constants_of(sample.rig.scaled(*data.halved(self.size)), sample.cube, self.planes)
        began = time.perf_counter()
        left, right = (cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA) for picture in (sample.left, sample.right))
        found = self.net(left, right, constants)
        return found, 1000 * (time.perf_counter() - began)

    def tune(self, samples):
        found = [(self.probabilities(sample)[0], truth) for sample, truth in samples]
        for side in LEVELS:
            scored = {cut: scoring.mean_iou([scoring.overlap(cells[side] > cut, truth[side]) for cells, truth in found]) for cut in THRESHOLDS}
            self.thresholds[side] = max(scored, key=scored.get)

    def __call__(self, sample):
        found, ms = self.probabilities(sample)
        return {side: found[side] > self.thresholds[side] for side in LEVELS}, ms


def matching(mode, setting):
    def answer(sample):
        found, ms = matched(sample, mode, setting["numDisparities"], setting["blockSize"])
        return cells_of(found, sample, setting["pointsPerCell"]), ms

    return answer


def read(pairs):
    for pair in pairs:
        sample = data.read_pair(pair)
        yield sample, data.truth_of(sample)


def score(method, pairs):
    """IoU and Chamfer distance by level and the median milliseconds of one method on one set."""
    overlaps, distances, times = {side: [] for side in LEVELS}, {side: [] for side in LEVELS}, []
    for sample, truth in read(pairs):
        cells, ms = method(sample)
        times.append(ms)
        for side in LEVELS:
            overlaps[side].append(scoring.overlap(cells[side], truth[side]))
            distances[side].append(scoring.chamfer_m(cells[side], truth[side], sample.cube.range_m))
    return {
        "n": len(times),
        "iou": {side: scoring.mean_iou(overlaps[side]) for side in LEVELS},
        "chamferM": {side: float(np.mean(distances[side])) for side in LEVELS},
        "ms": float(np.median(times)),
    }


def compare(options):
    sets = {folder: data.list_pairs(folder)[: options.limit] for folder in options.data}
    tuning = list(read(data.list_pairs(options.tune)[: options.tune_pairs]))
    settings = json.loads((options.onnx / "settings.json").read_text())
    network = Network(options.onnx, tuple(settings["size"]), settings["planes"], options.threads)
    network.tune(tuning)
    chosen = {name: tune_matching(tuning, mode) for name, mode in MODES.items()}
    methods = {"network": network, **{name: matching(MODES[name], setting) for name, setting in chosen.items()}}
    results = {Path(folder).name: {name: score(method, pairs) for name, method in methods.items()} for folder, pairs in sets.items()}
    return {"tunedOn": {"set": Path(options.tune).name, "n": len(tuning)}, "thresholds": network.thresholds, "settings": chosen, "sets": results}


def table_of(report):
    lines = ["| set | n | method | IoU 8 / 16 / 32 / 64 | Chamfer m 8 / 16 / 32 / 64 | ms |", "| --- | --- | --- | --- | --- | --- |"]
    for name, methods in report["sets"].items():
        for method, found in methods.items():
            iou = " / ".join(f"{found['iou'][side]:.3f}" for side in LEVELS)
            chamfer = " / ".join(f"{found['chamferM'][side]:.2f}" for side in LEVELS)
            lines.append(f"| {name} | {found['n']} | {method} | {iou} | {chamfer} | {found['ms']:.0f} |")
    told = ", ".join(f"{name} {setting}" for name, setting in report["settings"].items())
    tuned = report["tunedOn"]
    return "\n".join([*lines, "", f"Chosen on {tuned['n']} pairs of {tuned['set']}: {told}, network thresholds {report['thresholds']}"])


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare", description="Occupied cells of a network and of OpenCV's StereoSGBM against the same truth.")
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR", help="sets to compare on, one a recipe")
    parser.add_argument("--tune", required=True, metavar="DIR", help="a set like those trained on: settings and thresholds are chosen there")
    parser.add_argument("--onnx", type=Path, required=True, metavar="DIR", help="what export wrote")
    parser.add_argument("--limit", type=int, help="pairs of each set at most")
    parser.add_argument("--tune-pairs", type=int, default=12, help="(12)")
    parser.add_argument("--threads", type=int, default=2, help="(2)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not (options.onnx / "settings.json").is_file():
        parser.error(f"{options.onnx} has no settings.json: export writes it")
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
