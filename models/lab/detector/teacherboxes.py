"""What models see in pictures, as lines of NDJSON: those that `lynceus run FOLDER --out FILE` writes, which `teach` writes too.

Of each line with `"type": "frame"` are read: `image` (`width`, `height`, `file`) and `detections` (`label`, `score`, `bbox` `[x, y, width, height]` in pixels of
the picture).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from packs import CLASSES
from sets import SYNONYMS, SetError


@dataclass(frozen=True)
class Teacher:
    name: str
    """The model, or the file's name where it doesn't tell."""
    seen: dict
    """By the picture's file: its size, and boxes `[x1, y1, x2, y2, class, score]` of our classes."""


def read_teachers(paths):
    """Teachers, each by a name of its own. @raises SetError"""
    teachers = {}
    for path in paths:
        teacher = read_teacher(path)
        name = teacher.name if teacher.name not in teachers else f"{teacher.name} ({len(teachers) + 1})"
        teachers[name] = teacher
    return teachers


def read_teacher(path):
    """@raises SetError"""
    found, name = {}, Path(path).stem
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        try:
            frame = json.loads(line)
            name = frame["model"] if frame.get("type") == "teacher" else name
            if frame.get("type") != "frame":
                continue
            image = frame["image"]
            found[image["file"]] = ((image["width"], image["height"]), [box for box in map(_box_of, frame["detections"]) if box])
        except (KeyError, TypeError, ValueError) as error:
            raise SetError(f"{path}, line {number}: expected a frame's message with image.file but found {type(error).__name__} {error}") from error
    if not found:
        raise SetError(f"{path} has no frame")
    return Teacher(name, found)


def _box_of(detection):
    label = SYNONYMS.get(detection["label"], detection["label"])
    if label not in CLASSES:
        return None
    x, y, w, h = detection["bbox"]
    return [x, y, x + w, y + h, CLASSES.index(label), min(1.0, detection["score"])]
