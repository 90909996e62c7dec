"""Sets of anchors `[[[w, h]...]...]` by stride, pixels of a picture of 320."""

import numpy as np

from net import STRIDES

SIDE = 320
SCALES, RATIOS = (1.6, 3.6), (0.5, 1.0, 2.0)


def over():
    """More than are needed, of no set's shapes: two scales by three ratios of height to width at each stride."""
    return tuple(tuple((stride * scale / ratio**0.5, stride * scale * ratio**0.5) for scale in SCALES for ratio in RATIOS) for stride in STRIDES)


def tuned(sizes, count=9, rounds=50, seed=1):
    """k-means by IoU of the sizes `[n, 2]` (pixels of a picture of 320) of a set's boxes: the usual way."""
    random = np.random.default_rng(seed)
    centres = sizes[random.choice(len(sizes), count, replace=False)]
    for _ in range(rounds):
        both = np.minimum(sizes[:, None], centres[None]).prod(2)
        nearest = (both / (sizes.prod(1)[:, None] + centres.prod(1)[None] - both)).argmax(1)
        centres = np.stack([np.median(sizes[nearest == each], 0) if (nearest == each).any() else centres[each] for each in range(count)])
    centres = centres[centres.prod(1).argsort()].round(1).tolist()
    share = count // len(STRIDES)
    return tuple(tuple(tuple(anchor) for anchor in centres[level * share : (level + 1) * share]) for level in range(len(STRIDES)))


def sizes_in(packs):
    """Widths and heights of all boxes of packs, as they are when a picture fills 320."""
    return np.array([np.subtract(box[2:4], box[:2]) * SIDE / max(entry["width"], entry["height"]) for pack in packs for entry in pack.pictures for box in entry["boxes"]])
