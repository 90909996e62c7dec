"""Writes coco-eval.json: random ground truth and detections, and what pycocotools makes of them.

    python3 -m venv venv && venv/bin/pip install pycocotools numpy
    venv/bin/python test/golden/make-coco-eval.py

The cases hold what scoring goes wrong on: crowds, equal confidences, areas at the borders of the ranges, classes without objects or without
detections, pictures with neither, more than 100 detections of a class in a picture.
"""
import contextlib
import importlib.metadata
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def random_box(rng):
    width, height = np.exp(rng.uniform(np.log(8), np.log(260), 2))
    return [round(float(v), 1) for v in (rng.uniform(0, 640 - width), rng.uniform(0, 480 - height), width, height)]


def shifted(rng, box, amount):
    x, y, w, h = box
    dx, dy = rng.normal(0, amount, 2) * [w, h]
    sw, sh = np.exp(rng.normal(0, amount, 2))
    return [round(float(v), 1) for v in (x + dx, y + dy, max(1, w * sw), max(1, h * sh))]


def make_dataset(rng, images, categories, crowd_share):
    annotations = []
    for image in images:
        for _ in range(rng.poisson(6)):
            box = random_box(rng)
            # Some areas are exactly on the border of a range: both ranges count them.
            area = rng.choice([round(box[2] * box[3] * rng.uniform(0.4, 1), 1), 1024.0, 9216.0], p=[0.9, 0.05, 0.05])
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": int(rng.choice(categories)),
                "bbox": box, "area": float(area), "iscrowd": int(rng.random() < crowd_share),
            })
    return annotations


def make_results(rng, images, annotations, categories, score_steps):
    results = []

    def add(image, category, box):
        score = int(rng.integers(1, score_steps + 1)) / score_steps
        results.append({"image_id": image, "category_id": category, "bbox": box, "score": round(score, 6)})

    for annotation in annotations:
        for _ in range(rng.integers(0, 4)):
            category = annotation["category_id"] if rng.random() < 0.85 else int(rng.choice(categories))
            add(annotation["image_id"], category, shifted(rng, annotation["bbox"], 0.08))
        if rng.random() < 0.2:
            add(annotation["image_id"], annotation["category_id"], list(annotation["bbox"]))
    for image in images:
        for _ in range(rng.poisson(3)):
            add(image, int(rng.choice(categories)), random_box(rng))
    order = rng.permutation(len(results))
    return [results[i] for i in order]


def crowded_picture(rng, image, category):
    """150 detections of one class in one picture around 30 objects: the last 50 by confidence don't count."""
    boxes = [random_box(rng) for _ in range(30)]
    annotations = [{"image_id": image, "category_id": category, "bbox": b, "area": round(b[2] * b[3], 1), "iscrowd": 0} for b in boxes]
    results = [{"image_id": image, "category_id": category, "bbox": shifted(rng, boxes[i % 30], 0.06),
                "score": round(float(rng.random()), 3)} for i in range(150)]
    return annotations, results


def score(dataset, results, image_ids=None):
    truth = COCO()
    truth.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        if image_ids is not None:
            evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"]  # threshold, recall point, class, area, maximum

    def mean(values):
        values = values[values > -1]
        return None if values.size == 0 else float(values.mean())

    per_class = [{"categoryId": int(category), "ap50": mean(precision[0, :, k, 0, 2]), "ap5095": mean(precision[:, :, k, 0, 2])}
                 for k, category in enumerate(evaluation.params.catIds)]
    stats = [None if value == -1 else float(value) for value in evaluation.stats]
    return {"stats": stats, "perClass": per_class}


def make_case(name, seed, images, categories, used, detected, crowd_share, score_steps, crowded=False, subset=None):
    rng = np.random.default_rng(seed)
    annotations = make_dataset(rng, images, used, crowd_share)
    results = make_results(rng, images, annotations, detected, score_steps)
    if crowded:
        more_annotations, more_results = crowded_picture(rng, images[0], used[0])
        annotations += [{**a, "id": len(annotations) + 1 + i} for i, a in enumerate(more_annotations)]
        results += more_results
    dataset = {
        "images": [{"id": image, "file_name": f"{image}.jpg", "width": 640, "height": 480} for image in images],
        "annotations": annotations,
        "categories": [{"id": category, "name": f"class {category}"} for category in categories],
    }
    return {"name": name, "dataset": dataset, "results": results, "imageIds": subset, "expected": score(dataset, results, subset)}


def main():
    # Pictures are given out of order: the reference sorts them by id, and equal confidences then keep that order.
    images = [42, 7, 19, 3, 88, 51, 64, 12, 30, 5]
    cases = [
        make_case("crowds and sizes", 1, images, [1, 3, 8, 17, 90], [1, 3, 8], [1, 3, 8], 0.15, 1000),
        make_case("many equal confidences", 2, images, [2, 4], [2, 4], [2, 4], 0.1, 5),
        make_case("classes without objects or detections", 3, images, [1, 2, 3, 4], [1, 2], [2, 3], 0.1, 100),
        make_case("more than 100 detections of a class in a picture", 4, images[:3], [1, 2], [1, 2], [1, 2], 0.05, 1000, crowded=True),
        make_case("crowds only", 5, images[:4], [1], [1], [1], 1.0, 100),
        make_case("part of the pictures", 6, images, [1, 3], [1, 3], [1, 3], 0.1, 50, subset=[88, 3, 7]),
    ]
    evaluation = COCOeval(iouType="bbox")
    golden = {
        "made": f"test/golden/make-coco-eval.py, pycocotools {importlib.metadata.version('pycocotools')}, numpy {np.__version__}",
        "iouThresholds": [float(v) for v in evaluation.params.iouThrs],
        "recallPoints": [float(v) for v in evaluation.params.recThrs],
        "cases": cases,
    }
    path = pathlib.Path(__file__).with_name("coco-eval.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
