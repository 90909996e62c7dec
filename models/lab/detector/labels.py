"""What counts as a label: given boxes, and what teachers say where nothing was given.

A box is `[x1, y1, x2, y2, class, score]` in pixels of the picture, class a number of `packs.CLASSES`.
"""

from dataclasses import dataclass, field

import numpy as np

from packs import CLASSES

PERSON, BICYCLE, CAR, MOTORCYCLE, BUS, TRUCK = range(len(CLASSES))
OVERLAP_PAIRS = {frozenset((PERSON, BICYCLE)), frozenset((PERSON, MOTORCYCLE))}
"""A rider and what is ridden have nearly the same box: two objects, no disagreement."""


@dataclass(frozen=True)
class Rules:
    label_score: float = 0.35
    """From here on what a teacher says is a label, which weighs as much as it is likely."""
    ignore_score: float = 0.12
    """From here on it is a region where nothing is learned."""
    same_iou: float = 0.45
    """Two boxes of a class that overlap so much are one object."""
    inside: float = 0.7
    """So is a box that lies with this share of its area in a given one of the class."""
    agree_iou: float = 0.5
    """Two teachers mean the same object."""
    alone: float = 0.7
    """Factor on the score of a box that the other teachers, who looked as well, don't see."""
    conflict_iou: float = 0.6
    """Two boxes of different classes can't both be right."""
    missed_score: float = 0.7
    """Of a class that a set claims to have all of, teachers' boxes are labels from here on only: nobody draws every box."""
    near: float = 0.8
    """Of two classes neither is believed where the lower score is at least this share of the higher."""


@dataclass
class Labels:
    """Of one picture: labels, regions to ignore, and where each label came from (`given`, `both`, or the teacher's name)."""

    boxes: list = field(default_factory=list)
    origins: list = field(default_factory=list)
    ignore: list = field(default_factory=list)


def iou(a, b):
    """Intersection over union `[n, m]` of boxes `[n, >=4]` and `[m, >=4]`."""
    shared, areas_a, areas_b = _shared(a, b)
    return shared / np.maximum(areas_a[:, None] + areas_b[None] - shared, 1e-9)


def inside(a, b):
    """Share `[n, m]` of each box of `a` that lies in each of `b`."""
    shared, areas_a, _ = _shared(a, b)
    return shared / np.maximum(areas_a[:, None], 1e-9)


def _shared(a, b):
    a, b = _corners(a), _corners(b)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (a, b)]
    return np.prod(np.maximum(high - low, 0), axis=2), *areas


def _corners(boxes):
    return np.array([box[:4] for box in boxes], np.float64).reshape(-1, 4)


def combined(given, given_ignore, teachers, rules=Rules(), exhaustive=frozenset(), doubted=frozenset()):
    """The labels of one picture.

    @param given boxes that a person drew; they win
    @param given_ignore regions `[x1, y1, x2, y2]` that the set says to ignore, such as crowds
    @param teachers boxes by the teacher's name
    @param exhaustive classes of which all objects are said to be given: what else teachers find of them has to be surer, see `Rules.missed_score`
    @param doubted classes that teachers take other things for here: their boxes are never labels
    """
    labels = Labels([[*box[:5], 1.0] for box in given], ["given"] * len(given), [list(region[:4]) for region in given_ignore])
    for box, origin in settled(agreed(teachers, rules), rules):
        if _is_known(box, labels.boxes[: len(given)], rules):
            continue
        if origin is None or box[4] in doubted or box[5] < (rules.missed_score if box[4] in exhaustive else rules.label_score):
            if box[5] >= rules.ignore_score and not _is_known(box, labels.boxes, rules):
                labels.ignore.append(list(box[:4]))
        elif not _same(box, labels.boxes, rules):
            labels.boxes.append(list(box))
            labels.origins.append(origin)
    return labels


def agreed(teachers, rules):
    """All teachers' boxes, most confident first, as `(box, origin)`.

    What two of them agree on is one box between theirs, and surer: `1 - (1 - a)(1 - b)`. What one says against others is less sure.
    """
    found = []
    for name, boxes in teachers.items():
        free = set(range(len(found)))
        for box in sorted(boxes, key=lambda box: -box[5]):
            partner = _partner(box, found, free, rules)
            if partner is None:
                found.append((list(box), name))
            else:
                free.remove(partner)
                found[partner] = (_between(found[partner][0], box), "both")
    if len(teachers) > 1:
        found = [([*box[:5], box[5] * (1 if origin == "both" else rules.alone)], origin) for box, origin in found]
    return sorted(found, key=lambda entry: -entry[0][5])


def _partner(box, found, free, rules):
    """Which box of the teachers before means the same; each is free once."""
    others = [i for i in sorted(free) if found[i][0][4] == box[4]]
    if not others:
        return None
    overlaps = iou([box], [found[i][0] for i in others])[0]
    best = int(overlaps.argmax())
    return others[best] if overlaps[best] > rules.agree_iou else None


def _between(a, b):
    weight = a[5] / (a[5] + b[5])
    corners = [weight * one + (1 - weight) * other for one, other in zip(a[:4], b[:4])]
    return [*corners, a[4], 1 - (1 - a[5]) * (1 - b[5])]


def settled(found, rules):
    """`found`, most confident first, without the losers of disagreements on a class; where both are near, the winner's origin is None."""
    kept = []
    for box, origin in found:
        rival = next((i for i, (other, _) in enumerate(kept) if _conflict(box, other, rules)), None)
        if rival is None:
            kept.append((box, origin))
        elif box[5] >= rules.label_score and box[5] >= rules.near * kept[rival][0][5]:
            kept[rival] = (kept[rival][0], None)
    return kept


def _conflict(a, b, rules):
    return a[4] != b[4] and frozenset((a[4], b[4])) not in OVERLAP_PAIRS and iou([a], [b])[0, 0] > rules.conflict_iou


def _same(box, others, rules):
    alike = [other for other in others if other[4] == box[4]]
    return bool(alike) and bool((iou([box], alike) >= rules.same_iou).any())


def _is_known(box, labels, rules):
    """Whether a label says already what is here: the same object, a part of it, or the same box of another class."""
    alike = [other for other in labels if other[4] == box[4]]
    if alike and ((iou([box], alike) >= rules.same_iou) | (inside([box], alike) >= rules.inside)).any():
        return True
    return any(_conflict(box, other, rules) for other in labels)
