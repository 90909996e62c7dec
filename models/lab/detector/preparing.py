"""From a set and what teachers saw in it to a pack, and where its labels came from."""

import argparse
import sys
from pathlib import Path

import calibration
from datalist import read_list
from labels import Rules, combined, iou
from packs import CLASSES, PackError, PackWriter
from progress import Progress
from sets import SetError, load, read_set
from sheet import Sheet
from teacherboxes import read_teachers


def prepare(options):
    """Writes the pack. @returns what the table says @raises SetError, PackError"""
    pictures = read_set(options.set, options.classes, options.every, options.part)
    teachers = read_teachers(options.teacher)
    exhaustive = pictures.classes if options.exhaustive else frozenset()
    report = Report(list(teachers))
    sheet = Sheet(len(pictures.pictures), options.seed)
    progress = Progress(f"prepare {pictures.name}", len(pictures.pictures))
    about = {"name": options.name or pictures.name, "licence": options.licence, "attribution": options.attribution}
    with PackWriter(options.out, len(pictures.pictures), **about) as pack:
        for picture in pictures.pictures:
            pixels = load(picture)
            seen = {name: [calibration.calibrated(box, options.curves.get(name)) for box in boxes_of(teacher, picture, pixels)] for name, teacher in teachers.items() if picture.file in teacher.seen}
            labels = combined(picture.boxes, picture.ignore, seen, options.rules, exhaustive, frozenset(map(CLASSES.index, options.doubt)))
            pack.add(picture.file, pixels, labels.boxes, labels.ignore)
            report.add(picture, seen, labels, options.rules)
            sheet.add(picture.file, pixels, labels)
            progress.add()
    progress.end()
    sheet.save(options.out.with_name(f"{options.out.name}.sheet.jpg"))
    report.unknown = pictures.unknown
    return report


def boxes_of(teacher, picture, pixels):
    """A teacher's boxes of a picture that it looked at. @raises SetError where it saw another one under that name"""
    size, found = teacher.seen[picture.file]
    if size != pixels.shape[1::-1]:
        raise SetError(f"{teacher.name} saw {picture.file} as {size[0]} x {size[1]}, it is {pixels.shape[1]} x {pixels.shape[0]}")
    return found


class Report:
    """Labels by class and origin, and how many of the given boxes each teacher finds."""

    def __init__(self, teachers):
        self.teachers = teachers
        self.origins = {}
        self.found = {name: [0] * len(CLASSES) for name in teachers}
        self.pictures = self.ignored = self.with_labels = 0
        self.unknown = {}

    def add(self, picture, seen, labels, rules):
        self.pictures += 1
        self.ignored += len(labels.ignore)
        self.with_labels += bool(labels.boxes)
        for box, origin in zip(labels.boxes, labels.origins):
            self.origins.setdefault(origin, [0] * len(CLASSES))[box[4]] += 1
        for name, boxes in seen.items():
            sure = [box for box in boxes if box[5] >= rules.label_score]
            for given in picture.boxes:
                alike = [box for box in sure if box[4] == given[4]]
                self.found[name][given[4]] += bool(alike) and bool((iou([given], alike) >= 0.5).any())

    def rows(self):
        order = ["given", "both", *self.teachers]
        return {f"labels from {name}" if name in self.teachers else {"given": "given", "both": "labels that teachers agree on"}[name]: self.origins[name] for name in order if name in self.origins}

    def table(self):
        lines = ["| | " + " | ".join(CLASSES) + " |", "| --- |" + " ---: |" * len(CLASSES)]
        lines += [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in self.rows().items()]
        given = self.origins.get("given", [0] * len(CLASSES))
        for name in self.teachers:
            if any(given):
                lines.append(f"| given boxes that {name} finds | " + " | ".join(f"{100 * found / all:.0f} %" if all else "-" for found, all in zip(self.found[name], given)) + " |")
        lines += ["", f"{self.pictures} pictures, {self.with_labels} with labels; {self.ignored} regions are ignored."]
        if self.unknown:
            lines.append("Background: " + ", ".join(f"{name} ({count})" for name, count in sorted(self.unknown.items(), key=lambda entry: -entry[1])[:12]))
        return "\n".join(lines)


def prepare_list(options):
    """A pack for each set of a data list. @returns the options of `train` that it comes to"""
    entries = read_list(options.list, options.root)
    for entry in entries:
        absent = [path for path in boxes_beside(options, entry) if not path.is_file()]
        if absent:
            raise SetError(f"there is no {absent[0]}: run teach --list {options.list} --root {options.root} --out {options.boxes} first")
    options.curves = options.curves or curves_of(entries, options)
    for entry in entries:
        one = argparse.Namespace(**{**vars(options), **vars(entry), "set": entry.folder, "teacher": boxes_beside(options, entry), "exhaustive": entry.is_exhaustive})
        one.out = options.out / entry.name
        print(f"{one.out}\n\n{prepare(one).table()}\n", flush=True)
    trained = " ".join(f"{options.out / entry.name}:{entry.weight:g}" for entry in entries if not entry.is_validation)
    return f"train --data {trained} --validate {' '.join(str(options.out / entry.name) for entry in entries if entry.is_validation)}"


def curves_of(entries, options):
    """How often the teachers are right, from those sets of the list that have all boxes; written beside the packs."""
    whole = [entry for entry in entries if entry.is_exhaustive and entry.teachers]
    curves = calibration.measured((read_set(entry.folder, entry.classes, entry.every), read_teachers(boxes_beside(options, entry))) for entry in whole)
    calibration.write(options.out / "calibration.json", curves)
    return curves


def boxes_beside(options, entry):
    return [options.boxes / teacher / f"{entry.name}.ndjson" for teacher in entry.teachers]


def class_map(text):
    renamed = dict(entry.split("=") for entry in text.lower().split(","))
    unknown = set(renamed.values()) - {*CLASSES, "ignore"}
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(CLASSES)}, ignore")
    return renamed


def share_of(text):
    begin, _, end = text.partition(":")
    try:
        part = float(begin), float(end)
    except ValueError:
        part = (1, 0)
    if not 0 <= part[0] < part[1] <= 1:
        raise argparse.ArgumentTypeError(f"expected shares such as 0:0.8 but found {text}")
    return part


def _read_curves(parser, path):
    try:
        return calibration.read(path)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        parser.error(f"{path}: {error}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="prepare", description="Makes a pack of a set: given boxes, completed by what teachers saw.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--list", type=Path, metavar="LIST.json", help="all sets of a data list: PACK is a folder of packs then")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="of a list: where its sets lie")
    parser.add_argument("--boxes", type=Path, metavar="FOLDER", help="of a list: what teach --list wrote")
    source.add_argument("--set", type=Path, metavar="FOLDER", help="COCO's format, plain pictures, or a video with gt.txt")
    parser.add_argument("--teacher", type=Path, action="append", default=[], metavar="BOXES.ndjson", help="what teach wrote, or lynceus run FOLDER --out; may be given again")
    parser.add_argument("--calibration", type=Path, metavar="FILE.json", help="how often teachers are right at their scores, as --list measures it on its exhaustive sets; scores are as they are without it")
    parser.add_argument("--exhaustive", action="store_true", help="the set claims to have all objects of its classes: what teachers add has to be surer")
    parser.add_argument("--classes", type=class_map, default={}, metavar="NAME=CLASS,...", help="what the set's categories are; ignore is one too")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each so many-th picture (1)")
    parser.add_argument("--part", type=share_of, default=(0.0, 1.0), metavar="FROM:TO", help="shares of the pictures in their order, such as 0:0.8; neighbours are alike, so parts are never drawn at random")
    parser.add_argument("--doubt", nargs="+", choices=CLASSES, default=[], metavar="CLASS", help="classes that teachers take other things for in this set, such as auto rickshaws: their boxes are ignored, never labels")
    parser.add_argument("--label-score", type=float, default=Rules.label_score, metavar="0..1", help="teachers' boxes are labels from here on (%(default)s)")
    parser.add_argument("--missed-score", type=float, default=Rules.missed_score, metavar="0..1", help="instead of it where --exhaustive; 1: never (%(default)s)")
    parser.add_argument("--ignore-score", type=float, default=Rules.ignore_score, metavar="0..1", help="and regions to ignore from here on (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the pictures that are drawn on the sheet (1)")
    parser.add_argument("--name", default="", help="of the set (its folder's)")
    parser.add_argument("--licence", default="not stated", help="of pictures and boxes")
    parser.add_argument("--attribution", default="")
    parser.add_argument("--out", type=Path, required=True, metavar="PACK", help="folder of the pack; PACK.sheet.jpg beside it shows some pictures with their labels")
    options = parser.parse_args(arguments)
    if options.list and (options.root is None or options.boxes is None):
        parser.error("--list needs --root and --boxes")
    options.curves = _read_curves(parser, options.calibration) if options.calibration else {}
    options.rules = Rules(label_score=options.label_score, missed_score=options.missed_score, ignore_score=options.ignore_score)
    return options


def main(arguments):
    options = parse(arguments)
    try:
        text = prepare_list(options) if options.list else f"{options.out}\n\n{prepare(options).table()}"
    except (SetError, PackError, OSError) as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0
