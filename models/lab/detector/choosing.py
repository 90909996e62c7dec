"""Pictures to choose anchors by: `choose-on --data PACK... --out DIR` writes some of the packs' in COCO's format, as they are and four in one.

Anchors are chosen by what is lost without them, so all sizes of objects have to be there: packs alone have few small ones.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from packs import PADDING, PackError, boxes_in_pack, read_pack, write_coco_pictures


def chosen(packs, every, offset):
    """Pictures `(name, pixels, boxes, regions to ignore)`: each so many-th, then the same in fours."""
    singles = []
    for pack in packs:
        for index in range(offset, len(pack.pictures), every):
            entry = pack.pictures[index]
            singles.append((f"{pack.name}-{index}", pack.images[index][: entry["height"], : entry["width"]], entry["boxes"], entry["ignore"]))
    fours = [singles[start::len(singles) // 4][:4] for start in range(len(singles) // 4)]
    return singles + [in_one(four) for four in fours]


def in_one(four):
    """Four pictures at half their size, from four corners of the list: neighbours are alike."""
    side = max(max(pixels.shape[:2]) for _, pixels, _, _ in four) // 2
    canvas = np.full((2 * side, 2 * side, 3), PADDING, np.uint8)
    boxes, ignore = [], []
    for place, (_, pixels, own, regions) in enumerate(four):
        left, top = side * (place % 2), side * (place // 2)
        small = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)[:side, :side]
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        for kept, found in ((boxes, own), (ignore, regions)):
            kept += [[x1 + left, y1 + top, x2 + left, y2 + top, *rest] for x1, y1, x2, y2, *rest in boxes_in_pack(found, 0.5, small.shape[1::-1])]
    return "+".join(name for name, *_ in four), canvas, boxes, ignore


def main(arguments):
    parser = argparse.ArgumentParser(prog="choose-on", description="Writes pictures of packs in COCO's format, as they are and four in one: to choose anchors by.")
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK[:WEIGHT]", help="weights, which training takes, count for nothing here")
    parser.add_argument("--every", type=int, default=16, metavar="N", help="each so many-th picture (16)")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="from this one on: others for --verify (0)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.every < 1 or options.offset < 0:
        parser.error("--every has to be above 0 and --offset not below")
    try:
        pictures = chosen([read_pack(name.partition(":")[0]) for name in options.data], options.every, options.offset)
        write_coco_pictures(pictures, options.out)
    except (PackError, OSError) as error:
        print(f"choose-on: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(pictures)} pictures, {sum(len(boxes) for _, _, boxes, _ in pictures)} objects")
    return 0
