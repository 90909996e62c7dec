"""Sets, teachers, labels and packs. Run by `python3 -m unittest discover -s models/lab/detector/tests`."""

import io
import json
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "common")]

import cv2
import numpy as np

import calibration
import camera
import datalist
import labels
import packs
import preparing
import sets
import teacherboxes
import teaching
from labels import BICYCLE, BUS, CAR, MOTORCYCLE, PERSON, TRUCK, Rules, combined


def box(x, y, w, h, kind, score=1.0):
    return [x, y, x + w, y + h, kind, score]


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)


def write_pictures(folder, sizes):
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for i, (width, height) in enumerate(sizes):
        cv2.imwrite(str(folder / f"{i:02d}.png"), random.integers(0, 255, (height, width, 3), np.uint8))


def write_coco_set(folder, sizes, annotations, categories):
    write_pictures(folder / "images", sizes)
    images = [{"id": 7 + i, "file_name": f"images/{i:02d}.png", "width": w, "height": h} for i, (w, h) in enumerate(sizes)]
    rows = [{"id": i, "image_id": 7 + image, "category_id": kind, "bbox": bbox, **more} for i, (image, kind, bbox, more) in enumerate(annotations)]
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": [{"id": i, "name": name} for i, name in categories.items()]}))
    return folder


def write_boxes(path, lines, model=None):
    """@param lines file, size, detections as label, score, bbox"""
    head = [{"type": "teacher", "model": model}] if model else [{"type": "event", "message": "running"}]
    frames = [{"type": "frame", "image": {"file": file, "width": w, "height": h}, "detections": [{"label": l, "score": s, "bbox": b} for l, s, b in found]} for file, (w, h), found in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*head, *frames]))
    return path


def run(command, *arguments):
    """Exit status and what was printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = command([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


class Combining(unittest.TestCase):
    def labels(self, given, ignore=(), exhaustive=(), **teachers):
        return combined(given, list(ignore), teachers, Rules(), frozenset(exhaustive))

    def test_each_rule(self):
        car, person = box(10, 10, 100, 50, CAR), box(200, 10, 30, 80, PERSON)
        at = lambda score, kind=CAR, dx=0: [box(10 + dx, 10, 100, 50, kind, score)]
        far = lambda score, kind=CAR: [box(300, 10, 60, 50, kind, score)]
        cases = [
            ("nothing at all", [], {}, [], 0),
            ("given boxes alone", [car, person], {}, [(CAR, "given"), (PERSON, "given")], 0),
            ("a teacher's box of a given object is dropped", [car], {"a": at(0.9, dx=5)}, [(CAR, "given")], 0),
            ("so is a part of a given object", [car], {"a": [box(20, 20, 30, 30, CAR, 0.9)]}, [(CAR, "given")], 0),
            ("and a given object seen as another class", [car], {"a": at(0.9, TRUCK)}, [(CAR, "given")], 0),
            ("a rider has the box of what is ridden", [box(0, 0, 50, 90, MOTORCYCLE)], {"a": [box(0, 0, 50, 90, PERSON, 0.8)]}, [(MOTORCYCLE, "given"), (PERSON, "a")], 0),
            ("a sure box elsewhere is a label", [car], {"a": far(0.5)}, [(CAR, "given"), (CAR, "a")], 0),
            ("an unsure one is a region to ignore", [car], {"a": far(0.34)}, [(CAR, "given")], 1),
            ("a very unsure one is nothing", [car], {"a": far(0.11)}, [(CAR, "given")], 0),
            ("teachers that agree raise each other", [], {"a": far(0.3), "b": far(0.3)}, [(CAR, "both")], 0),
            ("one teacher doesn't raise itself", [], {"a": far(0.3) + far(0.3)}, [], 2),
            ("what one says against another is less sure", [], {"a": far(0.45), "b": []}, [], 1),
            ("and is a label where it is sure enough", [], {"a": far(0.6), "b": []}, [(CAR, "a")], 0),
            ("of two classes the surer wins", [], {"a": far(0.9, BUS) + far(0.5, TRUCK)}, [(BUS, "a")], 0),
            ("near each other, neither", [], {"a": far(0.6, BUS) + far(0.55, TRUCK)}, [], 1),
            ("an unsure second class is no disagreement", [], {"a": far(0.42, BUS) + far(0.34, TRUCK)}, [(BUS, "a")], 0),
            ("teachers that agree outvote one that doesn't", [], {"a": far(0.6, BUS), "b": far(0.5, BUS) + far(0.7, TRUCK)}, [(BUS, "both")], 0),
        ]
        for name, given, teachers, expected, ignored in cases:
            with self.subTest(name):
                found = self.labels(given, **teachers)
                self.assertEqual([(each[4], origin) for each, origin in zip(found.boxes, found.origins)], expected)
                self.assertEqual(len(found.ignore), ignored)

    def test_a_set_that_claims_to_have_all_is_believed_up_to_a_score(self):
        unsure, sure, other = box(300, 0, 50, 50, CAR, 0.65), box(500, 0, 50, 50, CAR, 0.75), box(700, 0, 50, 50, BICYCLE, 0.55)
        found = self.labels([], exhaustive=[CAR], a=[unsure, sure, other])
        self.assertEqual(found.boxes, [sure, other])
        self.assertEqual(found.ignore, [unsure[:4]])

    def test_what_two_teachers_agree_on_lies_between_their_boxes(self):
        found = self.labels([], a=[box(0, 0, 100, 100, CAR, 0.6)], b=[box(10, 0, 100, 100, CAR, 0.3)])
        self.assertAlmostEqual(found.boxes[0][0], 10 / 3)
        self.assertAlmostEqual(found.boxes[0][5], 1 - 0.4 * 0.7)

    def test_crowds_of_the_set_stay_regions_to_ignore(self):
        self.assertEqual(self.labels([], ignore=[[1, 2, 3, 4]]).ignore, [[1, 2, 3, 4]])

    def test_any_boxes_give_labels_of_which_none_repeats_another(self):
        random = np.random.default_rng(3)
        for _ in range(150):
            many = lambda n: [box(*random.uniform(0, 200, 2), *random.uniform(1, 120, 2), int(random.integers(6)), float(random.uniform(0.05, 1))) for _ in range(n)]
            given = [[*each[:5], 1.0] for each in many(random.integers(4))]
            found = self.labels(given, a=many(random.integers(8)), b=many(random.integers(8)))
            self.assertEqual(found.boxes[: len(given)], given)
            for i in range(len(given), len(found.boxes)):
                alike = [other for other in found.boxes[:i] if other[4] == found.boxes[i][4]]
                self.assertTrue(all(labels.iou([found.boxes[i]], [other])[0, 0] < 0.45 for other in alike))
                self.assertGreaterEqual(found.boxes[i][5], Rules.label_score)


class Calibration(unittest.TestCase):
    def test_the_share_that_is_right_rises_with_the_score(self):
        cases = [
            ("no boxes", [0, 0, 0], [0, 0, 0], [0, 0, 0]),
            ("rising already", [1, 5, 9], [10, 10, 10], [0.1, 0.5, 0.9]),
            ("a violator is pooled by count", [4, 0, 9], [10, 30, 10], [0.1, 0.1, 0.9]),
            ("an empty bin lies between its neighbours", [1, 0, 9], [10, 0, 10], [0.1, 0.5, 0.9]),
        ]
        for name, right, all_, expected in cases:
            with self.subTest(name):
                np.testing.assert_allclose(calibration.rising(np.array(right), np.array(all_)), expected)

    def test_a_given_object_confirms_one_box_and_classes_that_are_not_all_given_none(self):
        tally = calibration.Tally()
        tally.add([box(0, 0, 10, 10, CAR, 0.9), box(0, 0, 10, 9, CAR, 0.8), box(0, 0, 10, 10, BUS, 0.9), box(0, 0, 10, 10, PERSON, 0.9)], [[0, 0, 10, 10, CAR]], {CAR, BUS})
        self.assertEqual((tally.all.sum(axis=1).tolist(), tally.right.sum(axis=1).tolist()), ([0, 0, 2, 0, 1, 0], [0, 0, 1, 0, 0, 0]))
        self.assertEqual(tally.right[CAR, calibration.bin_of(0.9)], 1)

    def test_scores_become_shares_and_come_back_from_the_file(self):
        curves = {"m": {"all": [i / 40 / 2 for i in range(40)], "car": [0.25] * 40}}
        with tempfile.TemporaryDirectory() as folder:
            calibration.write(Path(folder) / "c.json", curves)
            self.assertEqual(calibration.read(Path(folder) / "c.json"), curves)
        self.assertEqual(calibration.calibrated(box(0, 0, 1, 1, CAR, 0.9), curves["m"])[5], 0.25)
        self.assertAlmostEqual(calibration.calibrated(box(0, 0, 1, 1, BUS, 0.5), curves["m"])[5], 19.5 / 80)
        self.assertEqual(calibration.calibrated(box(0, 0, 1, 1, BUS, 0.5), None)[5], 0.5)


class Sets(InFolder):
    def test_coco_with_other_names_crowds_and_classes_that_are_none_of_ours(self):
        annotations = [(0, 1, [1, 2, 3, 4], {}), (0, 2, [5, 5, 5, 5], {}), (0, 3, [9, 9, 9, 9], {}), (1, 1, [0, 0, 8, 8], {"iscrowd": 1}), (1, 4, [1, 1, 1, 1], {})]
        folder = write_coco_set(self.root / "s", [(40, 30), (20, 20)], annotations, {1: "Motorbike", 2: "ambulance", 3: "dog", 4: "rider"})
        found = sets.read_set(folder, {"rider": "ignore"})
        self.assertEqual([picture.boxes for picture in found.pictures], [[[1, 2, 4, 6, MOTORCYCLE], [5, 5, 10, 10, TRUCK]], []])
        self.assertEqual(found.pictures[1].ignore, [[0, 0, 8, 8], [1, 1, 2, 2]])
        self.assertEqual((found.unknown, found.classes), ({"dog": 1}, frozenset({MOTORCYCLE, TRUCK})))

    def test_plain_pictures_in_the_order_of_their_names_and_parts_of_them(self):
        write_pictures(self.root / "s" / "images", [(8, 8)] * 10)
        files = lambda **more: [int(Path(picture.file).stem) for picture in sets.read_set(self.root / "s", **more).pictures]
        self.assertEqual(files(), list(range(10)))
        self.assertEqual((files(part=(0.0, 0.7)), files(part=(0.7, 1.0)), files(every=4)), (list(range(7)), [7, 8, 9], [0, 4, 8]))

    def test_what_is_wrong_is_told(self):
        write_pictures(self.root / "small", [(8, 8)])
        (self.root / "empty").mkdir()
        (self.root / "broken").mkdir()
        (self.root / "broken" / "annotations.json").write_text('{"images": 3}')
        lying = write_coco_set(self.root / "lying", [(8, 8)], [], {1: "car"})
        (lying / "annotations.json").write_text((lying / "annotations.json").read_text().replace('"width": 8', '"width": 9'))
        cases = [("empty", "no pictures"), ("broken", "COCO"), ("lying", "the annotations say 9 x 8")]
        for name, expected in cases:
            with self.subTest(name), self.assertRaisesRegex(sets.SetError, expected):
                [sets.load(picture) for picture in sets.read_set(self.root / name).pictures]

    def test_a_video_with_its_truth(self):
        folder = self.root / "v"
        folder.mkdir()
        writer = cv2.VideoWriter(str(folder / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
        for level in range(0, 120, 10):
            writer.write(np.full((32, 32, 3), level, np.uint8))
        writer.release()
        (folder / "gt.txt").write_text("1,1,3,4,10,10,1,-1\n7,1,5,6,10,10,1,-1\n7,2,5,6,10,10,0,-1\n9,1,1,1,2,2,1,-1\n")
        pictures = sets.read_set(folder, every=3).pictures
        self.assertEqual([picture.frame for picture in pictures], [0, 3, 6])
        self.assertEqual([picture.boxes for picture in pictures], [[[2, 3, 12, 13, 0]], [], [[4, 5, 14, 15, 0]]])
        for picture in pictures:
            self.assertAlmostEqual(sets.load(picture).mean(), picture.frame * 10, delta=3)


class Packs(InFolder):
    def write(self, count=2, add=2):
        with packs.PackWriter(self.root / "p", count, name="n", licence="l", attribution="a") as pack:
            for i in range(add):
                pack.add(f"{i}.png", np.full((100, 832, 3), (10, 20, 30 + i), np.uint8), [box(0, 0, 832, 100, CAR), box(10, 10, 1, 90, BUS)], [[-5, 50, 400, 120]])

    def test_pictures_are_scaled_into_the_corner_with_their_boxes(self):
        self.write()
        pack = packs.read_pack(self.root / "p")
        self.assertEqual((pack.images.shape, pack.name, pack.licence), ((2, 416, 416, 3), "n", "l"))
        self.assertEqual(pack.images[1, 49, 415].tolist(), [10, 20, 31])
        self.assertEqual(pack.images[1, 50, 0].tolist(), [114] * 3)
        entry = pack.pictures[0]
        self.assertEqual((entry["width"], entry["height"]), (416, 50))
        self.assertEqual(entry["boxes"], [[0, 0, 416, 50, CAR, 1.0]], "a box of half a pixel is left out")
        self.assertEqual(entry["ignore"], [[0, 25, 200, 50]])

    def test_small_pictures_keep_their_size(self):
        placed, scale, size = packs.placed(np.zeros((30, 40, 3), np.uint8))
        self.assertEqual((scale, size, int((placed != 114).any(axis=2).sum())), (1.0, (40, 30), 1200))

    def test_a_pack_is_whole_or_not_there(self):
        with self.assertRaisesRegex(packs.PackError, "1 pictures were added of 2"):
            self.write(2, 1)
        self.assertEqual(list(self.root.iterdir()), [])
        self.write()
        with self.assertRaises(KeyboardInterrupt), packs.PackWriter(self.root / "p", 1, name="other", licence="", attribution=""):
            raise KeyboardInterrupt
        self.assertEqual(packs.read_pack(self.root / "p").name, "n")

    def test_a_folder_of_something_else_is_not_replaced(self):
        (self.root / "p").mkdir()
        (self.root / "p" / "thesis.txt").write_text("years")
        with self.assertRaisesRegex(packs.PackError, "something else"):
            self.write()
        self.assertTrue((self.root / "p" / "thesis.txt").is_file())

    def test_broken_packs_are_refused(self):
        self.write()
        path = self.root / "p" / "labels.json"
        whole = path.read_text()
        for change, expected in [(("lynceus-pack/1", "x"), "format"), (('"bus"', '"tram"'), "classes"), (("416.0, 50.0, 2", "417.0, 50.0, 2"), "outside"), (("2, 1.0]", "2, 0]"), "score"), (("]}\n]}", "]}"), "no pack")]:
            with self.subTest(expected):
                self.assertIn(change[0], whole)
                path.write_text(whole.replace(*change))
                with self.assertRaisesRegex(packs.PackError, expected):
                    packs.read_pack(self.root / "p")

    def test_as_a_dataset_it_comes_back_the_same(self):
        self.write()
        pack = packs.read_pack(self.root / "p")
        packs.write_coco(pack, self.root / "coco")
        found = sets.read_set(self.root / "coco").pictures
        self.assertEqual([[[*each[:4], each[4]] for each in picture.boxes] for picture in found], [[each[:5] for each in entry["boxes"]] for entry in pack.pictures])
        self.assertEqual(found[0].ignore, [entry for entry in pack.pictures[0]["ignore"] for _ in packs.CLASSES])
        np.testing.assert_array_equal(sets.load(found[1]), pack.images[1, :50])


class Preparing(InFolder):
    def setUp(self):
        super().setUp()
        self.set = write_coco_set(self.root / "street", [(60, 40), (40, 40)], [(0, 3, [0, 0, 20, 20], {})], {3: "car"})
        plain = write_boxes(self.root / "run.ndjson", [("images/00.png", (60, 40), [("car", 0.9, [1, 1, 19, 19]), ("person", 0.5, [30, 0, 10, 30]), ("cat", 0.9, [0, 0, 9, 9])])])
        other = write_boxes(self.root / "o.ndjson", [("images/01.png", (40, 40), [("motorbike", 0.3, [5, 5, 30, 30])])], model="other")
        self.teachers = ["--teacher", plain, "--teacher", other]

    def test_a_pack_and_where_its_labels_came_from(self):
        status, out, err = run(preparing.main, "--set", self.set, *self.teachers, "--out", self.root / "pack", "--licence", "CC0")
        self.assertEqual(status, 0, err)
        pack = packs.read_pack(self.root / "pack")
        self.assertEqual([entry["boxes"] for entry in pack.pictures], [[[0, 0, 20, 20, CAR, 1.0], [30, 0, 40, 30, PERSON, 0.5]], []])
        self.assertEqual(pack.pictures[1]["ignore"], [[5, 5, 35, 35]])
        self.assertRegex(out, r"given \| 0 \| 0 \| 1 ")
        self.assertRegex(out, r"labels from run \| 1 \| 0 \| 0 ")
        self.assertRegex(out, r"given boxes that run finds \| - \| - \| 100 % ")
        self.assertTrue((self.root / "pack.sheet.jpg").is_file())

    def test_a_teacher_that_did_not_look_at_a_picture_says_nothing_against_another(self):
        looked = write_boxes(self.root / "l.ndjson", [("images/00.png", (60, 40), [])], model="looked")
        pack = self.root / "pack"
        self.assertEqual(run(preparing.main, "--set", self.set, *self.teachers, "--teacher", looked, "--label-score", "0.4", "--out", pack)[0], 0)
        self.assertEqual([len(entry["boxes"]) for entry in packs.read_pack(pack).pictures], [1, 0])

    def test_the_same_again_is_the_same(self):
        for name in ("a", "b"):
            self.assertEqual(run(preparing.main, "--set", self.set, *self.teachers, "--out", self.root / name)[0], 0)
        for file in ("a/images.npy", "a/labels.json", "a.sheet.jpg"):
            self.assertEqual((self.root / file).read_bytes(), (self.root / file.replace("a", "b", 1)).read_bytes(), file)

    def test_a_teacher_that_saw_another_picture_is_refused(self):
        wrong = write_boxes(self.root / "w.ndjson", [("images/00.png", (640, 480), [])])
        status, _, err = run(preparing.main, "--set", self.set, "--teacher", wrong, "--out", self.root / "pack")
        self.assertEqual((status, (self.root / "pack").exists()), (2, False))
        self.assertIn("saw images/00.png as 640 x 480, it is 60 x 40", err)

    def test_lines_that_are_no_frames_of_a_dataset_are_refused(self):
        path = self.root / "live.ndjson"
        path.write_text('{"type":"frame","image":{"width":60,"height":40},"detections":[]}\n')
        with self.assertRaisesRegex(sets.SetError, "line 1: expected a frame's message with image.file"):
            teacherboxes.read_file(path)

    def test_a_list_makes_a_pack_of_each_set(self):
        about = {"teachers": ["m"], "sets": [{"name": "street", "licence": "CC0", "weight": 2}], "validation": [{"name": "judged", "folder": "street", "licence": "CC0"}]}
        (self.root / "list.json").write_text(json.dumps(about))
        arguments = ["--list", self.root / "list.json", "--root", self.root, "--boxes", self.root / "boxes", "--out", self.root / "packs"]
        status, _, err = run(preparing.main, *arguments)
        self.assertEqual(status, 2)
        self.assertIn("run teach --list", err)
        (self.root / "boxes" / "m").mkdir(parents=True)
        write_boxes(self.root / "boxes" / "m" / "street.ndjson", [("images/01.png", (40, 40), [("bus", 0.7, [5, 5, 30, 30])])])
        status, out, err = run(preparing.main, *arguments)
        self.assertEqual(status, 0, err)
        boxes = [[each[4] for entry in packs.read_pack(self.root / "packs" / name).pictures for each in entry["boxes"]] for name in ("street", "judged")]
        self.assertEqual(boxes, [[CAR, BUS], [CAR]], "validation has given boxes alone")
        self.assertIn(f"train --data {self.root}/packs/street:2 --validate {self.root}/packs/judged", out)

    def test_the_lists_of_the_recipe(self):
        shippable, everything = (datalist.read_list(HERE.parent / "data-lists" / f"{name}.json", "sets") for name in ("shippable", "all"))
        self.assertTrue(all("CC BY" in entry.licence and entry.attribution for entry in shippable if not entry.is_validation))
        self.assertEqual(set(calibration.read(camera.CALIBRATION)), set(shippable[0].teachers))
        self.assertEqual([entry for entry in everything if entry.name in {each.name for each in shippable}], shippable)


class Teaching(InFolder):
    def test_a_box_comes_back_from_each_view_to_where_it_was(self):
        size = (100, 80)
        views = teaching.views_of(*size, teaching.VIEWS)
        self.assertEqual([view.name for view in views], ["plain", "flip"] + ["tiles"] * 4)
        picture = np.zeros((80, 100), np.uint8)
        picture[34:44, 44:56] = 1
        for view in views:
            with self.subTest(view):
                ys, xs = np.nonzero(teaching.seen_through(view, picture))
                self.assertEqual(teaching.to_picture(view, size, (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)), [44, 34, 56, 44])

    def test_parts_say_nothing_of_what_they_cut_or_what_fills_them(self):
        view = teaching.View("tiles", 0, 0, 60, 48)
        cases = [("whole", (10, 10, 30, 30), True), ("at the picture's edge", (0, 0, 20, 20), True), ("at an inner edge", (40, 10, 59, 30), False), ("as wide as the part", (2, 10, 50, 20), False)]
        for name, found, is_kept in cases:
            with self.subTest(name):
                self.assertEqual(teaching.to_picture(view, (100, 80), found) is not None, is_kept)

    def test_views_of_one_object_become_one_box_that_keeps_what_each_said(self):
        found = [([0, 0, 10, 10], "car", 0.6, "plain"), ([0, 0, 12, 10], "car", 0.3, "flip"), ([0, 0, 10, 10], "bus", 0.2, "flip"), ([50, 0, 60, 10], "car", 0.4, "tiles")]
        merged = teaching.merged(found)
        self.assertEqual([(each["label"], each["score"], each["seen"]) for each in merged], [("car", 0.6, {"plain": 0.6, "flip": 0.3}), ("car", 0.4, {"tiles": 0.4}), ("bus", 0.2, {"flip": 0.2})])
        self.assertEqual(merged[0]["bbox"], [0, 0, 10.67, 10])

    def stand_in(self, found):
        """A program that says the same of each picture, in place of lynceus: what is tested is what comes before and after it."""
        path = self.root / "lynceus.py"
        path.write_text(
            "import json, pathlib, sys\n"
            "source = json.loads(pathlib.Path(sys.argv[2]).read_text())['source']['path']\n"
            "count = len(list(pathlib.Path(source).iterdir()))\n"
            "frames = [{'type': 'frame', 'seq': i, 'detections': %r} for i in range(count) if i != 1]\n"
            "pathlib.Path(sys.argv[sys.argv.index('--out') + 1]).write_text(''.join(json.dumps(frame) + '\\n' for frame in frames))\n" % (found,)
        )
        return f"{sys.executable} {path}"

    def test_an_interrupted_run_goes_on_and_gives_the_same(self):
        write_pictures(self.root / "s", [(40, 40)] * 5)
        command = self.stand_in([{"label": "car", "score": 0.5, "bbox": [4, 5, 6, 7]}, {"label": "dog", "score": 0.9, "bbox": [1, 1, 5, 5]}])
        arguments = ["--set", self.root / "s", "--model", "m", "--views", "plain", "--lynceus", command, "--out"]
        status, out, err = run(teaching.main, *arguments, self.root / "whole.ndjson")
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"plain \| 0 \| 0 \| 4 ")
        lines = (self.root / "whole.ndjson").read_text().splitlines(keepends=True)
        self.assertEqual(len(lines), 6, "a head and a line a picture, also of the one that could not be decoded")
        (self.root / "cut.ndjson.part").write_text("".join(lines[:3]) + lines[3][:20])
        (self.root / "s" / "00.png").unlink()
        write_pictures(self.root / "again", [(40, 40)])
        (self.root / "again" / "00.png").rename(self.root / "s" / "00.png")
        self.assertEqual(run(teaching.main, *arguments, self.root / "cut.ndjson")[0], 0)
        files = [json.loads(line)["image"]["file"] for line in (self.root / "cut.ndjson").read_text().splitlines()[1:]]
        self.assertEqual(files, [f"{i:02d}.png" for i in range(5)])
        self.assertFalse((self.root / "cut.ndjson.part").exists())

    def test_a_lynceus_that_fails_says_why(self):
        write_pictures(self.root / "s", [(8, 8)])
        broken = self.root / "broken.py"
        broken.write_text("import sys; sys.exit('error ERR_MODEL_NOT_FOUND')")
        status, _, err = run(teaching.main, "--set", self.root / "s", "--model", "m", "--lynceus", f"{sys.executable} {broken}", "--out", self.root / "o")
        self.assertEqual((status, "ERR_MODEL_NOT_FOUND" in err, (self.root / "o").exists()), (2, True, False))


class TeachersBoxes(InFolder):
    def file(self, name, *lines):
        path = self.root / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def frame(self, file, x, **more):
        return {"type": "frame", "image": {"width": 20, "height": 20, "file": file}, "detections": [{"label": "car", "score": 0.5, "bbox": [x, 0, 5, 5]}], **more}

    def test_a_model_is_one_teacher_in_however_many_files(self):
        recording = self.file("boxes-1.ndjson", self.frame("a", 1, model="big"), self.frame("b", 2, model="small"), self.frame("c", 3, model="big"))
        taught = self.file("big.ndjson", {"type": "teacher", "model": "big"}, self.frame("a", 4))
        unknown = self.file("out.ndjson", self.frame("a", 5))
        found = teacherboxes.read_teachers([recording, taught, unknown])
        left = {name: {file: seen[1][0][0] for file, seen in teacher.seen.items()} for name, teacher in found.items()}
        self.assertEqual(left, {"big": {"a": 4, "c": 3}, "small": {"b": 2}, "out": {"a": 5}})


if __name__ == "__main__":
    unittest.main()
