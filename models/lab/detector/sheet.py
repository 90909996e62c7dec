"""A sheet of pictures with their labels, to look at: thick by class where given, thin where teachers said so, grey where nothing is learned."""

import cv2
import numpy as np

from packs import CLASSES, SIDE, placed

COLOURS = ((255, 70, 70), (255, 220, 40), (60, 160, 255), (255, 120, 255), (70, 230, 120), (255, 150, 50))
GREY = (150, 150, 150)
COLUMNS, ROWS = 6, 5
ZOOM = 1.5


class Sheet:
    """Keeps some of `count` pictures, drawn by chance from the seed, those with labels and without alike."""

    def __init__(self, count, seed):
        self.chosen = set(np.random.default_rng(seed).permutation(count)[: COLUMNS * ROWS].tolist())
        self.seen = 0
        self.tiles = []

    def add(self, file, pixels, labels):
        if self.seen in self.chosen:
            self.tiles.append(drawn(file, pixels, labels))
        self.seen += 1

    def save(self, path):
        side = self.tiles[0].shape[0]
        sheet = np.zeros((-(-len(self.tiles) // COLUMNS) * side, COLUMNS * side, 3), np.uint8)
        for i, tile in enumerate(self.tiles):
            y, x = divmod(i, COLUMNS)
            sheet[y * side : (y + 1) * side, x * side : (x + 1) * side] = tile
        cv2.imwrite(str(path), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def drawn(file, pixels, labels):
    small, scale, _ = placed(pixels)
    tile = cv2.resize(small, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_LINEAR)
    at = lambda box: tuple(tuple(round(value * scale * ZOOM) for value in corner) for corner in (box[:2], box[2:4]))
    for region in labels.ignore:
        cv2.rectangle(tile, *at(region), GREY, 1)
    for box, origin in zip(labels.boxes, labels.origins):
        low, high = at(box)
        cv2.rectangle(tile, low, high, COLOURS[box[4]], 4 if origin == "given" else 2)
        text = CLASSES[box[4]][:5] + ("" if origin == "given" else f" {100 * box[5]:.0f}{'*' if origin == 'both' else ''}")
        cv2.putText(tile, text, (low[0], max(10, low[1] - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.4, COLOURS[box[4]], 1, cv2.LINE_AA)
    cv2.putText(tile, str(file)[-34:], (4, round(SIDE * ZOOM) - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile
