"""Packs: a set of pictures as training reads it, all of one size, with labels beside them.

A pack is a folder. `images.npy` is uint8 `[N, 416, 416, 3]`, RGB: a picture lies in the top left corner, its long side at most 416 (never
enlarged), the rest is 114. `labels.json` says the set's name, licence and attribution, the classes, and of each picture its file, its width and height
in the pack, `boxes` `[x1, y1, x2, y2, class, score]` in pixels of the pack (score 1 for given boxes, else the teachers') and `ignore` regions
`[x1, y1, x2, y2]`, where nobody knows. A pack is whole or not there: it is written beside and renamed.
"""

import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

FORMAT = "lynceus-pack/1"
SIDE = 416
PADDING = 114
CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


class PackError(Exception):
    """What is wrong with a pack, in words for whoever gave it."""


@dataclass(frozen=True)
class Pack:
    name: str
    images: np.ndarray
    """uint8 `[N, 416, 416, 3]`, RGB, mapped from the disk."""
    pictures: list
    """The entries of `images` in labels.json, in the order of the pictures."""
    licence: str
    attribution: str


def read_pack(folder):
    """@raises PackError where the folder is no whole pack of this format"""
    folder = Path(folder)
    try:
        labels = json.loads((folder / "labels.json").read_text())
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PackError(f"{folder} is no pack: {error}") from error
    _check(folder, labels, images)
    return Pack(labels["name"], images, labels["images"], labels["licence"], labels["attribution"])


def _check(folder, labels, images):
    if not isinstance(labels, dict) or labels.get("format") != FORMAT:
        raise PackError(f"{folder}/labels.json is not in the format {FORMAT}")
    if labels.get("side") != SIDE or tuple(labels.get("classes", ())) != CLASSES:
        raise PackError(f"{folder} has pictures of {labels.get('side')} and classes {labels.get('classes')}; expected {SIDE} and {list(CLASSES)}")
    if images.dtype != np.uint8 or images.shape != (len(labels["images"]), SIDE, SIDE, 3):
        raise PackError(f"{folder}/images.npy is {images.dtype} {images.shape}; expected uint8 {(len(labels['images']), SIDE, SIDE, 3)}")
    for picture in labels["images"]:
        _check_picture(folder, picture)


def _check_picture(folder, picture):
    width, height = picture["width"], picture["height"]
    if not (0 < width <= SIDE and 0 < height <= SIDE):
        raise PackError(f"{folder}: {picture['file']} is {width} x {height}, outside the pack's {SIDE}")
    for box in [*picture["boxes"], *picture["ignore"]]:
        x1, y1, x2, y2 = box[:4]
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
            raise PackError(f"{folder}: {picture['file']} has a box {box[:4]} outside its {width} x {height} pixels")
    if any(box[4] not in range(len(CLASSES)) or not 0 < box[5] <= 1 for box in picture["boxes"]):
        raise PackError(f"{folder}: {picture['file']} has a box of an unknown class or a score outside 0..1")


def placed(picture):
    """A picture `[h, w, 3]` as a pack holds it, and the factor that takes its pixels there."""
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(width, height))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    out = np.full((SIDE, SIDE, 3), PADDING, np.uint8)
    out[: picture.shape[0], : picture.shape[1]] = picture
    return out, scale, (picture.shape[1], picture.shape[0])


def boxes_in_pack(boxes, scale, size, least_px=1.0):
    """Boxes `[x1, y1, x2, y2, ...]` of a picture in pixels of the pack, to a tenth, cut at its edges; those below `least_px` a side are left out."""
    width, height = size
    kept = []
    for x1, y1, x2, y2, *rest in boxes:
        cut = [min(max(value * scale, 0), edge) for value, edge in ((x1, width), (y1, height), (x2, width), (y2, height))]
        cut = [math.floor(value * 10 + 0.5) / 10 for value in cut]
        if cut[2] - cut[0] >= least_px and cut[3] - cut[1] >= least_px:
            kept.append([*cut, *rest])
    return kept


class PackWriter:
    """Writes a pack of `count` pictures: `add` each, and it is there when the `with` block ends without an error."""

    def __init__(self, folder, count, *, name, licence, attribution):
        self.folder = Path(folder)
        self.part = self.folder.with_name(f"{self.folder.name}.part")
        self.count = count
        self.about = {"format": FORMAT, "name": name, "licence": licence, "attribution": attribution, "side": SIDE, "classes": list(CLASSES)}
        self.entries = []

    def __enter__(self):
        if self.folder.exists() and not (self.folder / "labels.json").is_file() and any(self.folder.iterdir()):
            raise PackError(f"{self.folder} holds something else than a pack: name another folder")
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        self.images = np.lib.format.open_memmap(self.part / "images.npy", "w+", np.uint8, (self.count, SIDE, SIDE, 3))
        return self

    def add(self, file, picture, boxes, ignore):
        """@param picture uint8 `[h, w, 3]` RGB @param boxes in its pixels @param ignore regions in its pixels"""
        self.images[len(self.entries)], scale, (width, height) = placed(picture)
        entry = {"file": file, "width": width, "height": height}
        self.entries.append({**entry, "boxes": boxes_in_pack(boxes, scale, (width, height)), "ignore": boxes_in_pack(ignore, scale, (width, height))})

    def __exit__(self, kind, _error, _trace):
        if kind is None and len(self.entries) != self.count:
            kind = PackError
        self.images.flush()
        del self.images
        if kind is not None:
            shutil.rmtree(self.part, ignore_errors=True)
            if _error is None:
                raise PackError(f"{self.folder}: {len(self.entries)} pictures were added of {self.count}")
            return
        rows = ",\n".join(json.dumps(entry) for entry in self.entries)
        (self.part / "labels.json").write_text(json.dumps({**self.about, "images": []})[:-2] + "\n" + rows + "\n]}\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.replace(self.part, self.folder)


def write_coco(pack, folder):
    """The pack as a COCO dataset, for `lynceus eval` and the commands under `lynceus models`."""
    write_coco_pictures([(entry["file"], pixels[: entry["height"], : entry["width"]], entry["boxes"], entry["ignore"]) for pixels, entry in zip(pack.images, pack.pictures)], folder)


def write_coco_pictures(pictures, folder):
    """Pictures `(name, RGB pixels, boxes, regions to ignore)` as a COCO dataset, numbered. What is to be ignored is a crowd of each class."""
    part = Path(folder).with_name(f"{Path(folder).name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "images").mkdir(parents=True)
    images, annotations = [], []
    for number, (_, pixels, boxes, ignore) in enumerate(pictures, 1):
        name = f"{number:06d}.png"
        cv2.imwrite(str(part / "images" / name), pixels[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        images.append({"id": number, "file_name": name, "width": pixels.shape[1], "height": pixels.shape[0]})
        marked = [(box[:4], box[4], 0) for box in boxes] + [(region[:4], kind, 1) for region in ignore for kind in range(len(CLASSES))]
        for (x1, y1, x2, y2), kind, crowd in marked:
            w, h = x2 - x1, y2 - y1
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": kind + 1, "bbox": [x1, y1, w, h], "area": w * h, "iscrowd": crowd})
    categories = [{"id": kind + 1, "name": name} for kind, name in enumerate(CLASSES)]
    (part / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
