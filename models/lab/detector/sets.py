"""Sets: folders of pictures, with boxes that people drew where they have any.

Known are COCO's format (`annotations.json` or `instances.json` beside `images/`), a folder of pictures (or its `images/`), and a video with
`gt.txt` of MOTChallenge beside it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from packs import CLASSES

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
VIDEOS = {".avi", ".mp4", ".mkv", ".mov"}
IGNORE = "ignore"
SYNONYMS = {"motorbike": "motorcycle", "pedestrian": "person", "people": "person", "bike": "bicycle", "ambulance": "truck", "van": "car"}
"""Names of classes in other sets. An ambulance is built on a lorry or a van; from outside it is told from a truck by its paint."""


class SetError(Exception):
    """What is wrong with a set, in words for whoever gave it."""


@dataclass(frozen=True)
class Picture:
    file: str
    """As the annotations name it, or the file's name: what teachers' boxes are found by."""
    path: Path
    boxes: list = field(default_factory=list)
    """Given: `[x1, y1, x2, y2, class]` in pixels."""
    ignore: list = field(default_factory=list)
    stated: tuple = None
    """Width and height as the annotations say them."""
    frame: int = None
    """Of a video: which, from 0."""


@dataclass(frozen=True)
class PictureSet:
    name: str
    pictures: list
    classes: frozenset
    """Classes that boxes were given of."""
    unknown: dict = field(default_factory=dict)
    """Categories that are none of ours and their boxes, by name."""


def read_set(folder, classes=None, every=1, part=(0.0, 1.0)):
    """@param classes names of the set's categories to ours, or to `ignore` @param every takes each so many-th picture @param part shares in their order @raises SetError"""
    folder = Path(folder)
    annotations = next((folder / name for name in ("annotations.json", "instances.json") if (folder / name).is_file()), None)
    if annotations:
        found = _read_coco(folder, annotations, classes or {})
    else:
        found = _read_video(folder, every) if _video_of(folder) else _read_folder(folder)
        every = 1 if _video_of(folder) else every
    begin, end = (round(share * len(found.pictures)) for share in part)
    pictures = found.pictures[begin:end:every]
    if not pictures:
        raise SetError(f"{folder} has no pictures" if not found.pictures else f"{folder} has {len(found.pictures)} pictures: none in this part of it")
    return PictureSet(found.name, pictures, found.classes, found.unknown)


def load(picture, videos={}):
    """Pixels `[h, w, 3]`, RGB. @raises SetError where they can't be read or have another size than the annotations say: boxes would lie elsewhere"""
    if picture.frame is not None:
        pixels = _frame_of(picture, videos)
    else:
        pixels = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if pixels is not None and picture.stated and pixels.shape[1::-1] != picture.stated:
            pixels = cv2.imread(str(picture.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise SetError(f"{picture.path} can't be read")
    if picture.stated and pixels.shape[1::-1] != picture.stated:
        raise SetError(f"{picture.path} is {pixels.shape[1]} x {pixels.shape[0]}, the annotations say {picture.stated[0]} x {picture.stated[1]}")
    return pixels[:, :, ::-1]


def _frame_of(picture, videos):
    """Frames are asked for in order: seeking in an AVI is not exact everywhere."""
    reader, at = videos.get(picture.path, (None, 0))
    if reader is None or at > picture.frame:
        reader, at = cv2.VideoCapture(str(picture.path)), 0
    while at < picture.frame and reader.grab():
        at += 1
    was_read, pixels = reader.read()
    videos[picture.path] = (reader, at + 1)
    return pixels if was_read else None


def _read_coco(folder, path, renamed):
    try:
        about = json.loads(path.read_text())
        names = {category["id"]: category["name"] for category in about["categories"]}
        known = {category: _class_of(name, renamed) for category, name in names.items()}
        boxes, ignored, unknown = {}, {}, {}
        for annotation in about["annotations"]:
            x, y, w, h = annotation["bbox"]
            kind, image = known[annotation["category_id"]], annotation["image_id"]
            if kind == IGNORE or (kind is not None and (annotation.get("iscrowd") or annotation.get("ignore"))):
                ignored.setdefault(image, []).append([x, y, x + w, y + h])
            elif kind is None:
                unknown[names[annotation["category_id"]]] = unknown.get(names[annotation["category_id"]], 0) + 1
            else:
                boxes.setdefault(image, []).append([x, y, x + w, y + h, CLASSES.index(kind)])
        pictures = [_coco_picture(folder, image, boxes, ignored) for image in about["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SetError(f"{path} is not in COCO's format: {type(error).__name__} {error}") from error
    return PictureSet(folder.name, pictures, frozenset(CLASSES.index(kind) for kind in known.values() if kind in CLASSES), unknown)


def _coco_picture(folder, image, boxes, ignored):
    name = image["file_name"]
    path = folder / name if (folder / name).is_file() else folder / "images" / name
    stated = (image["width"], image["height"]) if "width" in image else None
    return Picture(name, path, boxes.get(image["id"], []), ignored.get(image["id"], []), stated)


def _class_of(name, renamed):
    """One of ours, `ignore`, or None. Names are compared without case; what the user says comes first."""
    name = name.strip().lower().replace("_", " ")
    name = renamed.get(name, SYNONYMS.get(name, name))
    return name if name in CLASSES or name == IGNORE else None


def _read_folder(folder):
    for place in (folder, folder / "images"):
        paths = sorted(path for path in place.glob("*") if path.suffix.lower() in PICTURES) if place.is_dir() else []
        if paths:
            return PictureSet(folder.name, [Picture(path.name, path) for path in paths], frozenset())
    raise SetError(f"{folder} has no pictures")


def _video_of(folder):
    videos = sorted(path for path in folder.glob("*") if path.suffix.lower() in VIDEOS) if (folder / "gt.txt").is_file() else []
    return videos[0] if videos else None


def _read_video(folder, every):
    """Those frames that the truth speaks of; it counts frames and pixels from 1."""
    path = _video_of(folder)
    rows = [line.split(",") for line in (folder / "gt.txt").read_text().splitlines() if line.strip()]
    boxes = {}
    for row in rows:
        frame, (x, y, w, h) = int(row[0]) - 1, (float(value) for value in row[2:6])
        if float(row[6]) != 0:
            boxes.setdefault(frame, []).append([x - 1, y - 1, x - 1 + w, y - 1 + h, 0])
    last = max(boxes)
    return PictureSet(folder.name, [Picture(f"{path.name}#{frame}", path, boxes.get(frame, []), frame=frame) for frame in range(0, last + 1, every)], frozenset({0}))
