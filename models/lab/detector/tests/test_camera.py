"""The camera's steps and what it says at the end. Run with the other tests beside this."""

import io
import json
import sys
import unittest
from contextlib import redirect_stderr
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "common")]

import numpy as np

import camera
import packs
import preparing
import teaching
from labels import CAR
from test_data import InFolder, box, run, write_pictures


class Steps(InFolder):
    """The camera's steps as programs that write down their names."""

    def setUp(self):
        super().setUp()
        self.log = self.root / "log"
        self.options = type("Options", (), {"out": self.root / "out", "id": "cam", "lynceus": [sys.executable, "-c", ""]})
        self.said = ""

    def step(self, name, *, fails=False, extra="", then="", **more):
        program = f"import os, signal, sys; open({str(self.log)!r}, 'a').write({name + ' '!r} + ' '.join(sys.argv[1:]) + ';'); {then or f'sys.exit({int(fails)})'}"
        return camera.Step(name, [sys.executable, "-c", program, *extra.split()], **more)

    def has_models(self, *models):
        """From now on lynceus knows these, and takes none away."""
        self.options.lynceus = [sys.executable, "-c", f"import sys; sys.exit(sys.argv[-1] not in {models!r})"]

    def ran(self, *steps):
        self.log.write_text("")
        err = io.StringIO()
        try:
            with redirect_stderr(err):
                camera.Runner(self.options).run(steps)
        except camera.StepError as error:
            return self.log.read_text() + f"! {str(error).split(':')[0]}"
        finally:
            self.said = err.getvalue()
        return self.log.read_text()

    def test_what_is_done_is_not_done_again_until_something_before_it_changes(self):
        steps = lambda extra="": [self.step("a"), self.step("b", extra=extra), self.step("c")]
        self.assertEqual(self.ran(*steps()), "a ;b ;c ;")
        self.assertEqual(self.ran(*steps()), "")
        self.assertEqual(self.ran(*steps("--hours 2")), "b --hours 2;c ;")
        self.assertIn("[2/3] b: its command is another", self.said)

    def test_what_is_read_from_outside_counts_as_well(self):
        write_pictures(self.root / "frames" / "images", [(8, 8)] * 2)
        boxes = self.root / "boxes"
        boxes.write_text("{}")
        steps = lambda: [self.step("a"), self.step("b", reads=(camera.trace_of(self.root / "frames"), camera.trace_of(boxes))), self.step("c")]
        self.assertEqual([self.ran(*steps()), self.ran(*steps())], ["a ;b ;c ;", ""])
        (self.root / "frames" / "images" / "half.jpg.part").touch()
        self.assertEqual(self.ran(*steps()), "", "what a recording is writing is no picture yet")
        (self.root / "frames" / "images" / "more.png").touch()
        self.assertEqual(self.ran(*steps()), "b ;c ;")
        self.assertIn("what it reads has changed", self.said)
        boxes.write_text("{ }")
        self.assertEqual(self.ran(*steps()), "b ;c ;")

    def test_a_failure_ends_it_and_the_next_run_begins_there(self):
        self.assertEqual(self.ran(self.step("a"), self.step("b", fails=True), self.step("c")), "a ;b ;! b failed")
        self.assertEqual(self.ran(self.step("a"), self.step("b"), self.step("c")), "b ;c ;")

    def test_an_interrupted_training_goes_on_and_one_on_other_data_begins_anew(self):
        checkpoint = self.root / "run" / "last.pt"
        train = lambda fails: self.step("train", fails=fails, extra="--begin-with x --hours 1", continues=checkpoint)
        self.assertEqual(self.ran(self.step("a"), train(True)), "a ;train --begin-with x --hours 1;! train failed")
        checkpoint.parent.mkdir()
        checkpoint.touch()
        begun = self.root / "out" / "done" / "02-train.begun"
        begun.write_text(json.dumps({"command": train(False).command, "reads": []}))
        self.assertEqual(self.ran(self.step("a"), train(False)), "train --hours 1 --resume;")
        self.assertEqual(self.ran(self.step("a", extra="other"), train(False)), "a other;train --begin-with x --hours 1;")
        self.assertFalse(checkpoint.exists())

    def test_an_interrupted_step_is_let_end_and_done_again(self):
        # As `kill -INT` does it: only this process is told, which has to end the step that it waits for.
        steps = lambda then: [self.step("a"), self.step("b", then=then, is_optional=True, makes="cam-anchors"), self.step("c")]
        patience, camera.PATIENCE_S = camera.PATIENCE_S, 0.2
        try:
            with self.assertRaises(KeyboardInterrupt):
                self.ran(*steps("signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getppid(), signal.SIGINT); signal.pause()"))
        finally:
            camera.PATIENCE_S = patience
        self.assertEqual(self.log.read_text(), "a ;b ;")
        self.assertEqual(self.ran(*steps("")), "b ;c ;")

    def test_a_step_that_was_killed_is_no_model_that_could_not_be_made(self):
        steps = lambda then: [self.step("a"), self.step("b", then=then, is_optional=True, makes="cam-anchors"), self.step("c")]
        self.assertEqual(self.ran(*steps("os.kill(os.getpid(), signal.SIGKILL)")), "a ;b ;! b was ended by signal 9")
        self.assertEqual(self.ran(*steps("")), "b ;c ;")

    def test_models_that_could_not_be_made_are_left_out_of_what_follows(self):
        quantize = lambda: self.step("quantize", extra="cam-anchors --out-id cam-int8", is_optional=True, makes="cam-int8")
        report = self.step("report", extra="cam cam-anchors cam-int8")
        prune = lambda fails: self.step("prune anchors", fails=fails, is_optional=True, makes="cam-anchors")
        self.assertEqual(self.ran(prune(True), quantize(), report), "prune anchors ;quantize cam --out-id cam-int8;report cam cam-int8;")
        self.assertEqual(self.ran(prune(True), quantize(), report), "prune anchors ;quantize cam --out-id cam-int8;report cam cam-int8;", "what failed is tried again")
        self.has_models("cam-anchors")
        self.assertEqual(self.ran(prune(False), quantize(), report), "prune anchors ;quantize cam-anchors --out-id cam-int8;report cam cam-anchors;", "it ended well and made nothing: integers gain nothing")
        self.assertEqual(self.ran(prune(False), quantize(), report), "")
        self.has_models()
        self.assertEqual(self.ran(prune(False), quantize(), report), "prune anchors ;quantize cam --out-id cam-int8;report cam;", "somebody removed the model")

    def test_what_would_fail_after_hours_fails_at_once(self):
        write_pictures(self.root / "few", [(8, 8)] * 3)
        status, _, err = run(camera.main, "--frames", self.root / "few", "--out", self.root / "out", "--lynceus", sys.executable)
        self.assertEqual((status, (self.root / "out").exists()), (2, False))
        self.assertIn("has 3 pictures; expected at least 50", err)

    def test_all_steps_are_known_to_the_commands_that_they_call(self):
        boxes = [str(self.root / name) for name in ("a.ndjson", "b.ndjson")]
        for path in boxes:
            Path(path).touch()
        options = camera.parse(["--frames", str(self.root), "--out", str(self.root / "out"), "--lynceus", sys.executable, "--boxes", *boxes])
        steps = {step.name: step for step in camera.steps_of(options)}
        made = ["teach centernet-coco", "prepare train", "prepare held-out", "dataset train", "dataset held-out", "train", "export", "add"]
        self.assertEqual(list(steps), [*made, "prune anchors", "quantize", "report"])
        for name, parse in (("teach centernet-coco", teaching.parse), ("prepare train", preparing.parse)):
            parse(steps[name].command[2:])
        begun = camera.parse(["--frames", str(self.root), "--out", str(self.root / "out"), "--lynceus", sys.executable, "--begin-with", boxes[0]])
        steps = {step.name: step for step in camera.steps_of(begun)}
        self.assertEqual(list(steps)[8:10], ["export what it began with", "add what it began with"])
        self.assertIn("my-camera-before", steps["report"].command)


def bench(**models):
    """What `lynceus models bench --json` prints: by model mAP50, half of its interval, and milliseconds."""
    rows = []
    for model, (map50, half, ms) in models.items():
        accuracy = {"map50": map50, "map50Interval": {"low": map50 - half, "high": map50 + half}}
        rows += [{"model": model.replace("_", "-"), "threads": threads, "accuracy": accuracy, "latency": {"p50Ms": ms / threads}} for threads in (1, 2)]
    return {"candidates": rows}


class Summary(InFolder):
    def told(self, report, made, given=0):
        with packs.PackWriter(self.root / "p", 2, name="n", licence="l", attribution="a") as pack:
            for i, score in enumerate((0.5, 1.0)):
                pack.add(f"{i}.png", np.zeros((20, 20, 3), np.uint8), [box(0, 0, 9, 9, CAR, score)], [])
        options = type("Options", (), {"out": self.root, "id": "cam", "teach": ["big"]})
        return camera.summary(options, dict.fromkeys(made, True), report, packs.read_pack(self.root / "p"), given)

    def test_the_quickest_of_those_that_are_about_as_good_is_the_one_to_run(self):
        cases = [("int8 within two points", 0.585, "cam-int8"), ("int8 loses more", 0.57, "cam-anchors")]
        for name, map50, expected in cases:
            with self.subTest(name):
                told = self.told(bench(cam=(0.6, 0.02, 8), cam_anchors=(0.59, 0.02, 7), cam_int8=(map50, 0.02, 4)), ["cam", "cam-anchors", "cam-int8"])
                self.assertTrue(told.endswith(f"\nlynceus run YOUR-CAMERA --model {expected}"), told)

    def test_better_worse_and_as_good_are_told_by_the_intervals(self):
        report = bench(cam=(0.6, 0.02, 8), cam_before=(0.4, 0.05, 8), big=(0.61, 0.02, 40))
        told = self.told(report, ["cam"])
        self.assertIn("It is 20.0 points better than what it began with, and as fast.", told)
        self.assertIn("It is as good as its teacher big, as far as these pictures tell (-1.0 points, and the intervals overlap), and 5.0 times as fast.", told)
        self.assertIn("There is no cam-anchors: no anchor could be spared", told)
        self.assertIn("It is 30.0 points worse than its teacher big", self.told(bench(cam=(0.6, 0.02, 8), big=(0.9, 0.02, 40)), ["cam"]))

    def test_who_drew_the_boxes_is_told(self):
        report = bench(cam=(0.6, 0.02, 8))
        for given, expected in ((0, "Nobody drew the boxes"), (1, "People drew 50% of the boxes"), (2, "People drew all boxes")):
            with self.subTest(expected):
                self.assertIn(expected, self.told(report, ["cam"], given))


if __name__ == "__main__":
    unittest.main()
