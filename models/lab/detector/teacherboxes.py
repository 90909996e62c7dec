"""What models see in pictures, as lines of NDJSON: those that `lynceus run FOLDER --out FILE` writes, which `teach` writes too.

Of each line with `"type": "frame"` are read: `image` (`width`, `height`, `file`), `detections` (`label`, `score`, `bbox` `[x, y, width, height]` in pixels of
the picture) and, where it is there, `model`: whose they are. The head that `teach` writes says it for all lines.
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
    """Teachers by name, a model each. @raises SetError

    What a model said in several files is one teacher's, or it would agree with itself: of a picture that is in more than one of them, the last counts.
    A file that doesn't say whose its boxes are is a teacher of its own.
    """
    teachers = {}
    for path in paths:
        known, unknown = read_file(path)
        for model, seen in known.items():
            seen = {**(teachers[model].seen if model in teachers else {}), **seen}
            teachers[model] = Teacher(model, seen)
        if unknown:
            stem = Path(path).stem
            name = stem if stem not in teachers else f"{stem} ({len(teachers) + 1})"
            teachers[name] = Teacher(name, unknown)
    return teachers


def read_file(path):
    """What each model saw, by its name, and what nobody signed. @raises SetError"""
    known, unknown, model = {}, {}, None
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        try:
            frame = json.loads(line)
            model = frame["model"] if frame.get("type") == "teacher" else model
            if frame.get("type") != "frame":
                continue
            image, own = frame["image"], frame.get("model", model)
            seen = unknown if own is None else known.setdefault(own, {})
            seen[image["file"]] = ((image["width"], image["height"]), [box for box in map(_box_of, frame["detections"]) if box])
        except (KeyError, TypeError, ValueError) as error:
            raise SetError(f"{path}, line {number}: expected a frame's message with image.file but found {type(error).__name__} {error}") from error
    if not known and not unknown:
        raise SetError(f"{path} has no frame")
    return known, unknown


def _box_of(detection):
    label = SYNONYMS.get(detection["label"], detection["label"])
    if label not in CLASSES:
        return None
    x, y, w, h = detection["bbox"]
    return [x, y, x + w, y + h, CLASSES.index(label), min(1.0, detection["score"])]
