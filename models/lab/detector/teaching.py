"""Teacher boxes: a model of lynceus, run by lynceus, looks at each picture of a set as it is, mirrored, and at four overlapping parts of it.

Small objects are few pixels of a picture and more of a part; a mirrored picture is another sample of the same scene. What the views find
of one object becomes one box, which keeps what each view said (`seen`), so that it can be told what each added.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2

from datalist import read_list
from labels import iou
from packs import CLASSES
from progress import Progress
from sets import SYNONYMS, SetError, load, read_set

VIEWS = ("plain", "flip", "tiles")
TILE_SHARE = 0.6
"""Side of a part as a share of the picture's: two of them overlap by a fifth, so that what is small lies whole in one."""
TILE_LONGEST = 0.7
"""Of a part. Longer boxes are left to the whole picture: parts of large objects look like others."""
EDGE_PX = 2
"""A box that ends so near to an inner edge of a part is cut."""
MERGE_IOU = 0.55
CHUNK_VIEWS, MOST_VIEWS = 48, 720
"""At a time, at first and at most: what an interrupted run loses, and what a start of lynceus is spread over."""
CHUNK_S = 60
"""So long a chunk takes once it is known how quick the machine is."""
LOOK_S = 0.5
"""Between two looks at how far lynceus is."""


@dataclass(frozen=True)
class View:
    """One look at a picture: its part, and how to come back to the picture."""

    name: str
    x: int
    y: int
    width: int
    height: int
    is_flipped: bool = False


def views_of(width, height, names):
    found = [View(name, 0, 0, width, height, name == "flip") for name in names if name != "tiles"]
    if "tiles" in names:
        w, h = round(width * TILE_SHARE), round(height * TILE_SHARE)
        found += [View("tiles", x, y, w, h) for y in (0, height - h) for x in (0, width - w)]
    return found


def seen_through(view, picture):
    part = picture[view.y : view.y + view.height, view.x : view.x + view.width]
    return part[:, ::-1] if view.is_flipped else part


def to_picture(view, size, box):
    """A box `[x1, y1, x2, y2]` of a view in pixels of the picture, or None where the view sees only a part of the object."""
    x1, y1, x2, y2 = box
    if view.is_flipped:
        x1, x2 = view.width - x2, view.width - x1
    if view.name == "tiles" and _is_cut(view, size, (x1, y1, x2, y2)):
        return None
    return [x1 + view.x, y1 + view.y, x2 + view.x, y2 + view.y]


def _is_cut(view, size, box):
    x1, y1, x2, y2 = box
    if x2 - x1 > TILE_LONGEST * view.width or y2 - y1 > TILE_LONGEST * view.height:
        return True
    inner = [(view.x > 0, x1), (view.y > 0, y1), (view.x + view.width < size[0], view.width - x2), (view.y + view.height < size[1], view.height - y2)]
    return any(is_inner and distance < EDGE_PX for is_inner, distance in inner)


def merged(found):
    """One box an object from `[box, label, score, view]` of all views: the mean by score, the highest score, and what each view said.

    A box is joined to the surest one before it of the same label that it overlaps enough.
    """
    found = sorted(found, key=lambda entry: -entry[2])
    boxes = [box for box, _, _, _ in found]
    same = iou(boxes, boxes) >= MERGE_IOU
    groups = {}
    for place, entry in enumerate(found):
        first = next((other for other in groups if same[place, other] and found[other][1] == entry[1]), place)
        groups.setdefault(first, []).append(entry)
    return [_mean(group) for group in groups.values()]


def _mean(group):
    total = sum(score for _, _, score, _ in group)
    corners = [sum(box[i] * score for box, _, score, _ in group) / total for i in range(4)]
    seen = {}
    for _, _, score, view in group:
        seen[view] = max(seen.get(view, 0), score)
    x1, y1, x2, y2 = corners
    return {"label": group[0][1], "score": group[0][2], "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)], "seen": seen}


def teach(options):
    """Writes a line a picture; goes on where it was interrupted. @raises SetError"""
    pictures = read_set(options.set, every=options.every).pictures
    part = options.out.with_name(f"{options.out.name}.part")
    header = {"type": "teacher", "model": options.model, "views": list(options.views), "score": options.score}
    done = _begun(part, header)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if not done:
        part.write_text(json.dumps(header) + "\n")
    rest = [picture for picture in pictures if picture.file not in done]
    progress = Progress(f"teach {options.model}", len(pictures), len(pictures) - len(rest))
    views = len(views_of(1, 1, options.views))
    chunk = CHUNK_VIEWS // views
    while rest:
        began = time.monotonic()
        lines = look(rest[:chunk], options, progress)
        rest = rest[chunk:]
        chunk = max(CHUNK_VIEWS // views, min(MOST_VIEWS // views, round(len(lines) * CHUNK_S / (time.monotonic() - began))))
        with part.open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
    progress.end()
    os.replace(part, options.out)
    return summary(options.out, options.views)


def _begun(part, header):
    """Files that an interrupted run with the same options has done. Its last line may be cut."""
    if not part.is_file():
        return set()
    lines = part.read_text().splitlines(keepends=True)
    if not lines or lines[0] != json.dumps(header) + "\n":
        return set()
    whole = [line for line in lines if line.endswith("\n")]
    part.write_text("".join(whole))
    return {json.loads(line)["image"]["file"] for line in whole[1:]}


def look(pictures, options, progress=None):
    """Lets lynceus look at all views of some pictures; a line each. @param progress of pictures, where it is told"""
    with tempfile.TemporaryDirectory(prefix="lynceus-teach-") as folder:
        folder = Path(folder)
        (folder / "views").mkdir()
        views, sizes = [], []
        for index, picture in enumerate(pictures):
            pixels = load(picture)
            sizes.append(pixels.shape[1::-1])
            for view in views_of(*sizes[-1], options.views):
                cv2.imwrite(str(folder / "views" / f"{len(views):07d}.png"), seen_through(view, pixels)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
                views.append((index, view))
        found = [[] for _ in pictures]
        begun = progress.done if progress else 0
        tell = (lambda seen: progress.reach(begun + seen * len(pictures) // len(views))) if progress else None
        for number, detections in run_lynceus(folder, options, tell).items():
            index, view = views[number]
            found[index] += _usable(detections, view, sizes[index])
    if progress:
        progress.reach(begun + len(pictures))
    return [
        {"type": "frame", "image": {"width": width, "height": height, "file": picture.file}, "detections": merged(boxes)}
        for picture, (width, height), boxes in zip(pictures, sizes, found)
    ]


def _usable(detections, view, size):
    for detection in detections:
        label = SYNONYMS.get(detection["label"], detection["label"])
        x, y, w, h = detection["bbox"]
        box = to_picture(view, size, (x, y, x + w, y + h)) if label in CLASSES else None
        if box is not None:
            yield box, label, detection["score"], view.name


def run_lynceus(folder, options, tell=None):
    """Detections of the pictures in `folder/views`, by their place. @param tell how many it has seen so far"""
    stage = {"id": "detect", "kind": "detector.yolo", "options": {"model": options.model, "mode": "throughput", "confidenceThreshold": options.score, "maxDetections": 100}}
    # JSON is YAML.
    (folder / "teach.yaml").write_text(json.dumps({"name": "teach", "source": {"kind": "dataset", "path": str(folder / "views")}, "stages": [stage]}))
    out, said = folder / "out.ndjson", folder / "said.txt"
    command = [*options.lynceus, "run", str(folder / "teach.yaml"), "--once", "--no-server", "--out", str(out)]
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)
        try:
            status = _awaited(process, lambda: tell and out.is_file() and tell(out.read_bytes().count(b'{"type":"frame"')))
        finally:
            # Interrupted, it would write on into a folder that is being removed.
            process.kill()
            process.wait()
    if status != 0:
        raise SetError(f"{shlex.join(command)} ended with {status}:\n{said.read_text(errors='replace').strip()[-2000:]}")
    frames = [json.loads(line) for line in out.read_text().splitlines()]
    # A picture that can't be decoded leaves a gap in the sequence.
    return {frame["seq"]: frame["detections"] for frame in frames if frame["type"] == "frame"}


def _awaited(process, look):
    """Its status; looks again and again until then."""
    while True:
        try:
            return process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            look()


def summary(path, views, score=0.4):
    """Boxes of at least `score` by class after each view: what mirroring and parts add."""
    counts = {view: dict.fromkeys(CLASSES, 0) for view in views}
    for line in path.read_text().splitlines()[1:]:
        for detection in json.loads(line)["detections"]:
            best = 0
            for view in views:
                best = max(best, detection["seen"].get(view, 0))
                counts[view][detection["label"]] += best >= score
    return counts


def table_of(counts):
    lines = ["| views | " + " | ".join(CLASSES) + " |", "| --- |" + " ---: |" * len(CLASSES)]
    for i, (view, row) in enumerate(counts.items()):
        lines.append(f"| {'+ ' if i else ''}{view} | " + " | ".join(str(row[name]) for name in CLASSES) + " |")
    return "\n".join(lines)


def own_lynceus():
    """The command of the checkout that this recipe lies in, once it is built; else the installed one."""
    built = Path(__file__).resolve().parents[3] / "dist" / "cli" / "main.js"
    return f"node {shlex.quote(str(built))}" if built.is_file() else "lynceus"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="teach", description="Lets a model of lynceus say what it sees in a set: teacher boxes for prepare.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--set", type=Path, metavar="FOLDER", help="pictures, in COCO's format or plain")
    source.add_argument("--list", type=Path, metavar="LIST.json", help="all sets of a data list, by its teachers: BOXES is a folder then; what is there is not made again")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="of a list: where its sets lie")
    parser.add_argument("--model", metavar="ID", help="a model that lynceus has, such as centernet-coco")
    parser.add_argument("--out", type=Path, required=True, metavar="BOXES.ndjson")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), help="ways to look at each picture (all)")
    parser.add_argument("--score", type=float, default=0.05, help="least score of a box (0.05)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each so many-th picture (1)")
    parser.add_argument("--lynceus", type=shlex.split, default=own_lynceus(), metavar="COMMAND", help="how lynceus is called (%(default)s)")
    options = parser.parse_args(arguments)
    if (options.root if options.list else options.model) is None:
        parser.error("--list needs --root" if options.list else "--set needs --model")
    options.views = [view for view in VIEWS if view in options.views]
    if shutil.which(options.lynceus[0]) is None:
        parser.error(f"there is no {options.lynceus[0]}: build lynceus (npm run build) or say how it is called with --lynceus")
    return options


def jobs_of(options):
    """What there is to do: options of one set and one model each."""
    if not options.list:
        return [options]
    jobs = []
    for entry in read_list(options.list, options.root):
        for model in entry.teachers:
            jobs.append(argparse.Namespace(**{**vars(options), "set": entry.folder, "every": entry.every, "model": model, "out": options.out / model / f"{entry.name}.ndjson"}))
    return [job for job in jobs if not job.out.is_file()]


def main(arguments):
    options = parse(arguments)
    try:
        for job in jobs_of(options):
            began = time.monotonic()
            counts = teach(job)
            print(f"{job.model} on {job.set.name}: boxes of a score of 0.4 or more, {time.monotonic() - began:.0f} s\n\n{table_of(counts)}\n", flush=True)
    except SetError as error:
        print(f"teach: {error}", file=sys.stderr)
        return 2
    return 0
