"""How often a teacher is right at a score: measured on sets whose boxes are all given, since models' scores mean different things.

A teacher's scores are replaced by the share of its boxes of that score and class that a given box confirms, rising with the score (isotonic
regression by pooling adjacent violators). A class that was measured on too few boxes takes the curve of all classes.
"""

import json
from pathlib import Path

import numpy as np

from labels import iou
from packs import CLASSES

BINS = 40
LEAST_BOXES = 150
"""Of a class: below, its own curve would be noise."""
RIGHT_IOU = 0.5


class Tally:
    """Counts of one teacher's boxes, and of those that are right, by class and score."""

    def __init__(self):
        self.all = np.zeros((len(CLASSES), BINS))
        self.right = np.zeros((len(CLASSES), BINS))

    def add(self, found, given, classes):
        """@param classes those of which all objects are given. A given object confirms one box, the surest."""
        free = [box for box in given]
        for box in sorted(found, key=lambda box: -box[5]):
            if box[4] not in classes:
                continue
            place = (box[4], bin_of(box[5]))
            self.all[place] += 1
            alike = [i for i, other in enumerate(free) if other[4] == box[4]]
            overlaps = iou([box], [free[i] for i in alike])[0] if alike else np.zeros(1)
            if overlaps.max() >= RIGHT_IOU:
                self.right[place] += 1
                del free[alike[int(overlaps.argmax())]]

    def curves(self):
        """By class and for `all`: the share that is right in each of the bins."""
        curves = {"all": rising(self.right.sum(axis=0), self.all.sum(axis=0))}
        for kind, name in enumerate(CLASSES):
            if self.all[kind].sum() >= LEAST_BOXES:
                curves[name] = rising(self.right[kind], self.all[kind])
        return {name: [round(float(value), 4) for value in curve] for name, curve in curves.items()}


def bin_of(score):
    return min(BINS - 1, int(score * BINS))


def rising(right, all_):
    """The rising curve that is nearest to `right / all_`, each bin weighed by its count. Empty bins take their neighbours' values."""
    blocks = []
    for bin_, (hits, count) in enumerate(zip(right, all_)):
        if count == 0:
            continue
        blocks.append([hits, count, [bin_]])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            hits, count, bins = blocks.pop()
            blocks[-1] = [blocks[-1][0] + hits, blocks[-1][1] + count, blocks[-1][2] + bins]
    known = [(bin_, hits / count) for hits, count, bins in blocks for bin_ in bins]
    if not known:
        return np.zeros(len(all_))
    return np.interp(np.arange(len(all_)), *zip(*known))


def measured(sets_and_teachers):
    """Curves by teacher. @param sets_and_teachers pairs of a `PictureSet` with all boxes and its teachers by name"""
    tallies = {}
    for pictures, teachers in sets_and_teachers:
        for name, teacher in teachers.items():
            tally = tallies.setdefault(name, Tally())
            for picture in pictures.pictures:
                tally.add(teacher.seen.get(picture.file, (None, []))[1], picture.boxes, pictures.classes)
    return {name: tally.curves() for name, tally in tallies.items()}


def calibrated(box, curves):
    """The box with the share that is right at its score, between the bins' middles; as it is where the teacher was never measured."""
    if curves is None:
        return box
    curve = curves.get(CLASSES[box[4]], curves["all"])
    share = float(np.interp(box[5] * BINS - 0.5, np.arange(BINS), curve))
    return [*box[:5], min(1.0, share)]


def read(path):
    """@raises ValueError where the file holds no curves"""
    about = json.loads(Path(path).read_text())
    for name, curves in about.items():
        if "all" not in curves or any(len(curve) != BINS for curve in curves.values()):
            raise ValueError(f"{path}: {name} has no curves of {BINS} bins")
    return about


def write(path, curves):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps(name) + ": {\n" + ",\n".join(f"    {json.dumps(kind)}: {json.dumps(curve)}" for kind, curve in own.items()) + "\n  }" for name, own in curves.items()]
    path.write_text("{\n  " + ",\n  ".join(rows) + "\n}\n")
