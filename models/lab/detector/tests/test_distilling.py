"""Learning a teacher's features, with a drawn network whose features are known."""

import sys
import unittest
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(LAB), str(LAB.parent / "common"), str(Path(__file__).resolve().parent)]

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

import distilling
import training
from net import STRIDES
from packs import PackError
from team import Team
from test_detector import SMALL, Temporary, quiet, run, street

YOLOX = LAB.parents[3] / "shared" / "models" / "yolox-nano" / "yolox_nano.onnx"


def teacher_file(file, levels=len(STRIDES)):
    """A network with the names of YOLOX, made for one picture of 416: its features of classes are the first colour, those of boxes the second, averaged over cells."""
    nodes, weights = [], []
    for level, stride in list(enumerate(STRIDES))[:levels]:
        for channel, kind in enumerate(distilling.KINDS):
            name = f"{kind}.{level}"
            pick = np.zeros((1, 3, stride, stride), np.float32)
            pick[0, channel] = 1 / stride**2
            last = f"head.{kind}_preds.{level}.weight"
            weights += [numpy_helper.from_array(pick, f"{name}.pick"), numpy_helper.from_array(np.ones((2, 1, 1, 1), np.float32), last)]
            nodes += [helper.make_node("Conv", ["images", f"{name}.pick"], [f"{name}.seen"], strides=[stride, stride]), helper.make_node("Conv", [f"{name}.seen", last], [f"{name}.said"])]
    given = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 416, 416])
    outputs = [helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None) for node in nodes if node.output[0].endswith("said")]
    model = helper.make_model(helper.make_graph(nodes, "drawn", [given], outputs, weights), opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.save(model, str(file))
    return file


class Teachers(Temporary):
    def test_it_sees_the_views_that_the_student_sees_in_the_colours_that_it_knows(self):
        teacher = distilling.Teacher(teacher_file(self.folder / "teacher.onnx"))
        self.assertEqual(teacher.channels, [2, 2, 2])
        red, green, blue = 0.25, 0.5, 1.0
        pictures = torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(2, 3, 64, 96)
        for stride, features in zip(STRIDES, teacher.features(pictures)):
            self.assertEqual(tuple(features.shape), (2, 2, 64 // stride, 96 // stride))
            self.assertTrue(torch.allclose(features[:, 0], torch.tensor(255 * blue)) and torch.allclose(features[:, 1], torch.tensor(255 * green)), stride)

    def test_what_is_no_such_network_is_told(self):
        (self.folder / "text.onnx").write_text("nothing of the kind")
        spoilt = onnx.load(str(teacher_file(self.folder / "spoilt.onnx")))
        del spoilt.graph.initializer[0]
        onnx.save(spoilt, str(self.folder / "spoilt.onnx"))
        for file, told in ((self.folder / "spoilt.onnx", "spoilt.onnx is no YOLOX network"), (self.folder / "none.onnx", "none.onnx"), (self.folder / "text.onnx", "text.onnx"), (teacher_file(self.folder / "half.onnx", levels=1), "cls_preds.1")):
            with self.assertRaisesRegex(PackError, told):
                distilling.Teacher(file)

    @unittest.skipUnless(YOLOX.exists(), "needs ../shared")
    def test_a_real_one_is_read_at_any_size(self):
        features = distilling.Teacher(YOLOX).features(torch.zeros(2, 3, 64, 128))
        self.assertEqual([tuple(each.shape) for each in features], [(2, 128, 64 // stride, 128 // stride) for stride in STRIDES])


class Likeness(Temporary):
    def test_features_are_alike_that_rise_and_fall_together(self):
        one = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
        for other, expected in ((one, 1), (7 * one - 3, 1), (-one, -1), (torch.ones_like(one), 0)):
            self.assertTrue(torch.allclose(distilling.correlation(one, other), torch.tensor(float(expected)), atol=1e-3), expected)

    def options(self, name, *more):
        """Of a run of 60 steps with a teacher."""
        pack, teacher = street(self.folder / "pack"), teacher_file(self.folder / "teacher.onnx")
        common = ["--data", pack, "--paste", "0", "--batch", "4", "--teacher", teacher, "--rate", "0.01", "--steps", "60", "--float32", *SMALL]
        return [str(each) for each in (*common, "--out", self.folder / name, *more)]

    def test_features_come_nearer_and_what_only_training_needs_is_not_in_the_network(self):
        made = run(training.parse, training.Run, *self.options("run", "--save-minutes", "0.01"))
        unlike = [entry["losses"]["unlikeness"] for entry in made.history]
        self.assertLess(unlike[-1], 0.8 * unlike[0])
        self.assertNotIn("says", " ".join(made.average.net.state_dict()))

    def test_a_resumed_run_goes_on_with_what_the_teacher_taught(self):
        whole = run(training.parse, training.Run, *self.options("whole"))
        options = training.parse(self.options("parts"))
        options.out.mkdir()
        first = training.Run(options, Team(0, 1, None))
        for _ in range(30):
            first.advance()
        training.checkpoints.save(options.out / "last.pt", first.state())
        parts = run(training.parse, training.Run, *self.options("parts", "--resume"))
        for one, other in zip(parts.parameters(), whole.parameters()):
            torch.testing.assert_close(one, other, rtol=0, atol=0)

    def test_what_says_the_features_goes_on_from_a_run_with_the_same_teacher_and_begins_anew_otherwise(self):
        before = run(training.parse, training.Run, *self.options("before"))
        begun = lambda *more: training.Run(training.parse(self.options("after", "--begin-with", str(self.folder / "before" / "last.pt"), *more)), Team(0, 1, None)).likeness.state_dict()
        for key, value in begun().items():
            torch.testing.assert_close(value, before.likeness.state_dict()[key], rtol=0, atol=0)
        wider = begun("--widths", "16", "16", "32", "48")
        self.assertEqual(wider["says.2.weight"].shape[1], 48)
        self.assertFalse(torch.equal(wider["says.0.weight"], before.likeness.state_dict()["says.0.weight"]))

    def test_a_wrong_teacher_ends_the_command_with_a_line(self):
        pack = street(self.folder / "pack")
        code, told = quiet(training.main, ["--data", str(pack), "--out", str(self.folder / "run"), "--teacher", str(self.folder / "none.onnx")])
        self.assertEqual(code, 2)
        self.assertIn("none.onnx is no YOLOX network", told)
