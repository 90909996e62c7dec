"""Scores a detector on a COCO folder by a computation of its own: Python, numpy, pycocotools; nothing of the product's.

    python3 -m venv venv && venv/bin/pip install onnxruntime numpy opencv-python-headless pillow pycocotools
    venv/bin/python test/golden/independent_quality.py yolo-fastest ../shared/models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.onnx ../shared/data/coco128
    venv/bin/python test/golden/independent_quality.py centernet node_modules/@vladmandic/human/models/centernet.json ../shared/data/coco128

CenterNet is run by numpy from the files that its package ships (seconds a picture), so that the importer is judged too; an `.onnx` runs as such.
Prints a line a setting; `--json FILE` writes them all. Decoding is dense: every class of every cell, then the threshold, then
suppression class by class.
"""
import argparse
import contextlib
import io
import json
import pathlib

import cv2
import numpy as np
import onnxruntime
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tfjs_numpy import TfjsModel

CONFIDENCE = 0.001

RESIZERS = {
    # Of OpenCV, four neighbours whatever the scale: what Darknet-trained models are usually fed with.
    "opencv-linear": lambda image, size: cv2.resize(image, size, interpolation=cv2.INTER_LINEAR),
    "opencv-area": lambda image, size: cv2.resize(image, size, interpolation=cv2.INTER_AREA),
    # Of Pillow, the kernel widened when shrinking: as ffmpeg's scaler does.
    "pillow-bilinear": lambda image, size: np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)),
    "pillow-bicubic": lambda image, size: np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)),
    "pillow-lanczos": lambda image, size: np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)),
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def run_yolo_fastest(session, pixels):
    """Boxes (n, 4) relative to the picture, confidences (n, 80). Anchors and strides are those of yolo-fastest-1.1-xl.cfg."""
    anchors = np.array([[12, 18], [37, 49], [52, 132], [115, 73], [119, 199], [242, 238]], np.float64)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {session.get_inputs()[0].name: pixels.astype(np.float32).transpose(2, 0, 1)[None] / 255})))
    boxes, confidences = [], []
    for head in outputs.values():
        grid = head.shape[2]
        mask = [3, 4, 5] if grid == 10 else [0, 1, 2]
        raw = head.reshape(3, 85, grid, grid).transpose(0, 2, 3, 1)
        gy, gx = np.meshgrid(np.arange(grid), np.arange(grid), indexing="ij")
        centre = (sigmoid(raw[..., 0:2]) + np.stack([gx, gy], -1)) / grid
        size = np.exp(raw[..., 2:4].astype(np.float64)) * anchors[mask][:, None, None] / 320
        boxes.append(np.concatenate([centre - size / 2, centre + size / 2], -1).reshape(-1, 4))
        confidences.append((sigmoid(raw[..., 4:5]) * sigmoid(raw[..., 5:])).reshape(-1, 80))
    return np.concatenate(boxes), np.concatenate(confidences)


def run_centernet(model, pixels):
    picture = pixels.astype(np.float32)[None]
    if isinstance(model, TfjsModel):
        rows = model.run(picture)
    else:
        rows = model.run(None, {model.get_inputs()[0].name: picture.transpose(0, 3, 1, 2)})[0]
    rows = rows[0].astype(np.float64)
    confidences = np.zeros((len(rows), 80))
    confidences[np.arange(len(rows)), rows[:, 5].round().astype(int)] = rows[:, 4]
    return rows[:, :4] / 512, confidences


MODELS = {
    "yolo-fastest": {"size": (320, 320), "run": run_yolo_fastest, "suppress": True},
    "centernet": {"size": (512, 512), "run": run_centernet, "suppress": False},
}


def suppress(boxes, confidences, iou_threshold):
    """Indices that stay, of boxes of one class."""
    order = np.argsort(-confidences, kind="stable")
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        corner = np.minimum(boxes[best, 2:], boxes[order, 2:]) - np.maximum(boxes[best, :2], boxes[order, :2])
        common = np.prod(np.clip(corner, 0, None), axis=1)
        order = order[common / (areas[best] + areas[order] - common) <= iou_threshold]
    return kept


def detections_of(boxes, confidences, width, height, multi_label, iou_threshold, max_detections):
    if not multi_label:
        confidences = np.where(confidences == confidences.max(1, keepdims=True), confidences, 0)
    found = []
    for category in range(confidences.shape[1]):
        over = np.flatnonzero(confidences[:, category] > CONFIDENCE)
        of_class, scores = boxes[over], confidences[over, category]
        keep = range(len(over)) if iou_threshold is None else suppress(of_class, scores, iou_threshold)
        found += [(scores[i], category, of_class[i]) for i in keep]
    found.sort(key=lambda one: -one[0])
    scale = np.array([width, height, width, height])
    for score, category, box in found[:max_detections]:
        left, top, right, bottom = np.clip(box * scale, 0, scale)
        if right > left and bottom > top:
            yield float(score), category, [float(left), float(top), float(right - left), float(bottom - top)]


def score(truth, results):
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"map50": round(float(evaluation.stats[1]), 5), "map5095": round(float(evaluation.stats[0]), 5)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=MODELS)
    parser.add_argument("file", help=".onnx, or model.json of a tfjs graph-model")
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("--max-detections", type=int, nargs="*", default=[100])
    parser.add_argument("--resize", nargs="*", choices=RESIZERS, default=list(RESIZERS))
    parser.add_argument("--pixels", type=pathlib.Path, nargs="*", default=[],
                        help="folders of <file stem>.rgb, pictures that something else has resized: instead of --resize")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    model = MODELS[options.kind]
    session = TfjsModel(options.file, "tower_0/detections") if options.file.endswith(".json") else onnxruntime.InferenceSession(options.file)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(options.dataset / "instances.json")
    # COCO's category ids in rising order are the 80 classes in the order of coco.names.
    category_ids = sorted(truth.getCatIds())
    pictures = {i: np.asarray(Image.open(options.dataset / "images" / truth.imgs[i]["file_name"]).convert("RGB")) for i in truth.getImgIds()}
    lines = []
    width, height = model["size"]

    def resized(resize, image_id):
        if isinstance(resize, str):
            return RESIZERS[resize](pictures[image_id], (width, height))
        return np.fromfile((resize / truth.imgs[image_id]["file_name"]).with_suffix(".rgb"), np.uint8).reshape(height, width, 3)

    for resize in options.pixels or options.resize:
        raw = {i: model["run"](session, resized(resize, i)) for i in pictures}
        for multi_label in ([True, False] if model["suppress"] else [False]):
            for iou_threshold in ([0.45, 0.65] if model["suppress"] else [None]):
                for max_detections in options.max_detections:
                    results = [
                        {"image_id": i, "category_id": category_ids[category], "bbox": box, "score": confidence}
                        for i, (boxes, confidences) in raw.items()
                        for confidence, category, box in detections_of(
                            boxes, confidences, pictures[i].shape[1], pictures[i].shape[0], multi_label, iou_threshold, max_detections)
                    ]
                    line = {"resize": str(resize), "multiLabel": multi_label, "iouThreshold": iou_threshold, "maxDetections": max_detections,
                            "detections": len(results), **score(truth, results)}
                    print(json.dumps(line), flush=True)
                    lines.append(line)
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    main()
