"""The network, its loss, training and masks. Data has tests of its own beside these."""

import contextlib
import copy
import io
import json
import math
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

LAB = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(LAB), str(LAB.parent / "common")]

import cv2
import numpy as np
import onnxruntime
import safetensors.numpy
import torch

import anchors
import augment
import bits
import boxes
import choosing
import cutouts
import elastic
import exporting
import labels
import masks
import scoring
import training
from layers import macs_of
from net import BLOCKS, BOX, CLASSES, STRIDES, Detector, Plan
from packs import PackError, PackWriter, read_pack
from team import Team

SMALL = ["--widths", "16", "16", "32", "32", "--depths", "1", "1", "1", "1"]


def street(folder, count=8, seed=1):
    """A pack of pictures with cars (red, wide) and people (green, high) on grey noise."""
    random = np.random.default_rng(seed)
    with PackWriter(folder, count, name=Path(folder).name, licence="none", attribution="drawn") as pack:
        for index in range(count):
            picture = random.integers(90, 130, (300, 400, 3), dtype=np.uint8)
            labels = []
            for kind, (wide, high), colour in ((0, (40, 100), (20, 200, 20)), (2, (120, 60), (200, 20, 20))):
                x, y = int(random.integers(0, 400 - wide)), int(random.integers(0, 300 - high))
                cv2.rectangle(picture, (x, y), (x + wide - 1, y + high - 1), colour, -1)
                labels.append([x, y, x + wide, y + high, kind, 1.0])
            pack.add(f"{index}.png", picture, labels, [])
    return folder


def quiet(work, *arguments):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        return work(*arguments), told.getvalue()


def run(parse, kind, *arguments):
    return quiet(lambda: training.train(parse([str(each) for each in arguments]), kind))[0]


class Temporary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Assignment(unittest.TestCase):
    ANCHORS = torch.tensor([[2.0, 2.0], [20.0, 20.0]])

    def test_an_object_is_told_by_its_own_cell_and_the_nearer_neighbours(self):
        for (x, y), cells in {(5.3, 5.2): {(5, 5), (4, 5), (5, 4)}, (5.7, 5.8): {(5, 5), (6, 5), (5, 6)}, (0.3, 0.2): {(0, 0)}, (9.7, 9.9): {(9, 9)}}.items():
            _, anchor, row, column = boxes.assign(torch.tensor([[x, y]]), torch.tensor([[2.0, 3.0]]), self.ANCHORS, 10, 10)
            self.assertEqual(set(zip(column.tolist(), row.tolist())), cells)
            self.assertEqual(set(anchor.tolist()), {0})

    def test_anchors_of_other_shapes_are_left_alone(self):
        objects, *_ = boxes.assign(torch.tensor([[5.5, 5.5]]), torch.tensor([[100.0, 1.0]]), self.ANCHORS, 10, 10)
        self.assertEqual(len(objects), 0)


class Loss(unittest.TestCase):
    PLAN = Plan(anchors.over())
    TARGET = torch.tensor([[0, 60.0, 40.0, 100.0, 140.0, 2, 1.0]])

    def maps(self, level=-2.0):
        return [torch.full((1, len(own) * (BOX + len(CLASSES)), 320 // stride, 320 // stride), level) for own, stride in zip(self.PLAN.anchors, STRIDES)]

    def loss(self, maps, targets):
        return [float(each) for each in boxes.detection_loss(maps, targets, self.PLAN.anchors, len(CLASSES))]

    def test_descending_it_gives_back_the_box(self):
        maps = [each.requires_grad_() for each in self.maps()]
        optimizer = torch.optim.Adam(maps, 0.1)
        for _ in range(150):
            optimizer.zero_grad()
            sum(boxes.detection_loss(maps, self.TARGET, self.PLAN.anchors, len(CLASSES))).backward()
            optimizer.step()
        found = boxes.suppress(boxes.decode([each[0].detach() for each in maps], self.PLAN.anchors, 0.3))
        self.assertEqual(found[0, 4], 2)
        np.testing.assert_allclose(found[0, :4], [60, 40, 100, 140], atol=1.5)
        self.assertEqual(len(found), 1)

    def test_nothing_is_taught_in_ignored_regions(self):
        maps = self.maps(3.0)  # sure of something everywhere
        everywhere = torch.tensor([[0, 0.0, 0.0, 320.0, 320.0, boxes.IGNORED, 1.0]])
        self.assertGreater(self.loss(maps, torch.zeros(0, 7))[1], 0.1)
        self.assertEqual(self.loss(maps, everywhere)[1], 0)

    def test_complete_iou_of_the_same_box_is_one_and_falls_with_distance(self):
        box = torch.tensor([[10.0, 10.0, 4.0, 8.0]])
        near, far = (boxes.complete_iou(box + torch.tensor([[shift, 0, 0, 0]]), box)[0].item() for shift in (1.0, 30.0))
        self.assertAlmostEqual(boxes.complete_iou(box, box)[0].item(), 1, places=4)
        self.assertGreater(near, far)
        self.assertLess(far, 0)


class Scoring(unittest.TestCase):
    def test_average_precision_by_hand(self):
        for verdicts, count, expected in (([True, True], 2, 1.0), ([False, False], 2, 0.0), ([True], 2, 51 / 101), ([False, True], 1, 0.5), ([None, True], 1, 1.0), ([], 3, 0.0)):
            self.assertAlmostEqual(scoring.average_precision(verdicts, np.linspace(1, 0.5, len(verdicts)), count), expected, places=6)

    def test_a_true_box_is_met_once_and_crowds_hold_any(self):
        found = np.array([[0, 0, 10, 10, 0, 0.9], [0, 0, 10, 9, 0, 0.8], [50, 50, 60, 60, 0, 0.7]])
        self.assertEqual(scoring.is_hit(found, np.array([[0, 0, 10, 10]]), [[45, 45, 70, 70]]), [True, False, None])


class CutOuts(Temporary):
    """A red person before green, and what becomes of it elsewhere."""

    def scene(self, box=(60, 40, 100, 140)):
        picture = np.full((200, 200, 3), (30, 160, 40), np.uint8) + np.random.default_rng(1).integers(0, 20, (200, 200, 3), np.uint8)
        x1, y1, x2, y2 = box
        cv2.ellipse(picture, ((x1 + x2) // 2, (y1 + y2) // 2), ((x2 - x1) // 2, (y2 - y1) // 2), 0, 0, 360, (220, 30, 30), -1)
        return picture, [*box, 0, 1.0]

    def cutouts(self):
        return cutouts.Cutouts([SimpleNamespace(images=[self.scene()[0]], pictures=[{"width": 200, "height": 200, "boxes": [self.scene()[1]]}])])

    def test_an_object_is_told_from_its_background(self):
        colours, opacity = cutouts.cut_out(*self.scene())
        self.assertAlmostEqual(opacity.mean() / 255, math.pi / 4, delta=0.06)
        self.assertGreater(colours[opacity > 0][:, 0].mean(), 200)

    def test_what_has_no_shape_of_its_own_is_none(self):
        self.assertIsNone(cutouts.cut_out(self.scene()[0], [5, 5, 50, 150, 0, 1.0]))

    def test_which_objects_are_tried(self):
        whole = [60, 40, 100, 140, 0, 1.0]
        for name, box, others, expected in (
            ("whole", whole, [], True),
            ("unsure", [*whole[:5], 0.6], [], False),
            ("small", [60, 40, 75, 80, 0, 1.0], [], False),
            ("cut by the edge", [0, 40, 100, 140, 0, 1.0], [], False),
            ("behind another", whole, [[80, 40, 140, 140, 2, 1.0]], False),
            ("beside another", whole, [[101, 40, 140, 140, 2, 1.0]], True),
        ):
            self.assertEqual(cutouts.is_whole(box, others, (200, 200)), expected, name)

    def test_a_pasted_object_lies_in_its_box_and_hides_what_is_under_it(self):
        bank, random = self.cutouts(), np.random.default_rng(4)
        for _ in range(10):
            canvas = np.full((320, 320, 3), 114, np.uint8)
            under = np.array([[x, y, x + 4, y + 4, 2, 1.0] for x in range(0, 316, 8) for y in range(0, 316, 8)] + [[0, 0, 320, 320, -1, 1.0]], np.float32)
            targets = bank.paste(canvas, under.copy(), random)
            new = targets[targets[:, 4] == 0]
            self.assertTrue(1 <= len(new) <= 3)
            self.assertTrue((labels.inside(targets[targets[:, 4] == 2], new) <= cutouts.HIDDEN).all())
            self.assertEqual((targets[:, 4] == -1).sum(), 1, "regions to ignore stay")
            changed = (canvas != 114).any(2)
            for x1, y1, x2, y2, _, _ in new.astype(int):
                self.assertTrue(changed[y1:y2, x1:x2].any())
                changed[y1:y2, x1:x2] = False
            self.assertFalse(changed.any())

    def test_nothing_to_paste_is_no_error(self):
        mixture = augment.Mixture([read_pack(street(self.folder / "street"))])
        nothing = cutouts.Cutouts([])
        picture, _ = augment.made(mixture, 96, np.random.default_rng(1), cutouts=nothing, paste_share=1.0)
        self.assertEqual(picture.shape, (96, 96, 3))


class Choosing(Temporary):
    def test_each_so_many_th_picture_and_the_same_in_fours(self):
        packs = [read_pack(street(self.folder / "street", count=16))]
        chosen = choosing.chosen(packs, every=2, offset=1)
        self.assertEqual([name for name, *_ in chosen[:3]], ["street-1", "street-3", "street-5"])
        self.assertEqual(len(chosen), 8 + 2)
        self.assertEqual(chosen[8][0], "street-1+street-5+street-9+street-13")
        self.assertEqual(len(chosen[8][2]), sum(len(boxes) for name, _, boxes, _ in chosen[:8] if name in chosen[8][0].split("+")))

    def test_in_one_picture_objects_are_half_as_large_and_where_they_were(self):
        chosen = choosing.chosen([read_pack(street(self.folder / "street"))], every=1, offset=0)
        for name, canvas, boxes, _ in chosen[8:]:
            for x1, y1, x2, y2, kind, _ in boxes:
                inner = canvas[int((y1 + y2) / 2), int((x1 + x2) / 2)].astype(int)
                if np.ptp(inner) > 60:  # no other lies upon it
                    self.assertEqual(int(inner.argmax()), 1 if kind == 0 else 0, name)

    def test_it_is_a_dataset(self):
        folder = street(self.folder / "street")
        with contextlib.redirect_stdout(io.StringIO()) as told:
            self.assertEqual(choosing.main(["--data", str(folder), "--every", "2", "--out", str(self.folder / "choose")]), 0)
        self.assertRegex(told.getvalue(), r"5 pictures, \d+ objects")
        about = json.loads((self.folder / "choose" / "annotations.json").read_text())
        self.assertTrue(all((self.folder / "choose" / "images" / image["file_name"]).is_file() for image in about["images"]))


class Pictures(Temporary):
    def test_boxes_stay_on_what_they_are_of(self):
        mixture = augment.Mixture([read_pack(street(self.folder / "street"))])
        for seed in range(12):
            picture, targets = augment.made(mixture, 320, np.random.default_rng(seed), calm=True)
            for x1, y1, x2, y2, kind, _ in targets:
                inner = picture[int(y1 * 0.6 + y2 * 0.4) : int(y1 * 0.4 + y2 * 0.6) + 1, int(x1 * 0.6 + x2 * 0.4) : int(x1 * 0.4 + x2 * 0.6) + 1].reshape(-1, 3).astype(int)
                if np.ptp(inner.mean(0)) > 40:  # not one that was made grey, or that another lies upon
                    self.assertEqual(int(inner.mean(0).argmax()), 1 if kind == 0 else 0, f"seed {seed}")

    def test_a_batch_follows_from_seed_and_step_however_it_is_shared(self):
        mixture = augment.Mixture([read_pack(street(self.folder / "street"))])
        whole, _ = augment.batch(mixture, 96, 6, 3, 7)
        parts = [augment.batch(mixture, 96, 6, 3, 7, (rank, 2))[0] for rank in range(2)]
        np.testing.assert_array_equal(whole[0::2], parts[0])
        np.testing.assert_array_equal(whole[1::2], parts[1])
        self.assertFalse(np.array_equal(whole, augment.batch(mixture, 96, 6, 3, 8)[0]))

    def test_weights_say_how_often_a_pack_comes(self):
        packs = [read_pack(street(self.folder / name, seed=seed)) for seed, name in enumerate("ab")]
        mixture = augment.Mixture(packs, [3.0, 1.0])
        self.assertAlmostEqual(mixture.upto[7], 0.75)


class Training(Temporary):
    def setUp(self):
        super().setUp()
        self.pack = street(self.folder / "street")

    def train(self, *arguments):
        return run(training.parse, training.Run, "--data", self.pack, "--batch", 4, *SMALL, *arguments)

    def test_it_learns_what_it_is_shown(self):
        made = self.train("--out", self.folder / "run", "--steps", 12, "--validate", self.pack)
        losses = made.history[-1]["losses"]
        self.assertEqual(set(losses), {"box", "objectness", "class"})
        self.assertIn("person", made.history[-1]["ap50"]["street"])
        for file in ("last.pt", "curves.png", "history.json", "table.md"):
            self.assertTrue((self.folder / "run" / file).is_file(), file)

    def test_a_resumed_run_equals_an_unbroken_one(self):
        whole = self.train("--out", self.folder / "whole", "--steps", 6, "--float32")
        options = training.parse([str(each) for each in ("--data", self.pack, "--batch", 4, *SMALL, "--out", self.folder / "parts", "--steps", 6, "--float32")])
        options.out.mkdir()
        first = training.Run(options, Team(0, 1, None))
        for _ in range(3):
            first.advance()
        training.checkpoints.save(options.out / "last.pt", first.state())
        parts = self.train("--out", self.folder / "parts", "--steps", 6, "--float32", "--resume")
        for key, value in whole.net.state_dict().items():
            torch.testing.assert_close(parts.net.state_dict()[key], value, rtol=0, atol=0, msg=key)

    def test_two_processes_make_one_run(self):
        made = self.train("--out", self.folder / "two", "--steps", 3, "--batch", 8, "--workers", 2)
        self.assertEqual(made.step, 3)

    def test_what_cannot_be_is_said(self):
        self.train("--out", self.folder / "run", "--steps", 1)
        for arguments, words in (
            (["--data", str(self.folder), "--out", str(self.folder / "x")], "is no pack"),
            (["--data", f"{self.pack}:much", "--out", str(self.folder / "y")], "is no weight"),
            (["--data", str(self.pack), "--out", str(self.folder / "run")], "go on with --resume"),
        ):
            status, told = quiet(training.main, arguments)
            self.assertEqual(status, 2)
            self.assertIn(words, told)


class Blocks(unittest.TestCase):
    def test_all_make_the_same_maps(self):
        for block in BLOCKS:
            maps = Detector(Plan(anchors.tuned(np.random.default_rng(1).uniform(8, 200, (50, 2))), block, 16, (16, 32, 32, 64), (1, 1, 2, 1)))(torch.zeros(1, 3, 64, 96))
            self.assertEqual([tuple(each.shape) for each in maps], [(1, 33, 64 // stride, 96 // stride) for stride in STRIDES], block)


class Masks(Temporary):
    def elastic(self):
        torch.manual_seed(3)
        net = masks.ElasticDetector(Detector(Plan(anchors.over(), widths=(16, 32, 64, 64))))
        for group in range(len(net.groups)):
            net.mask(group).uniform_()
        net.choose()
        return net.eval()

    def test_ratios_cost_what_they_say(self):
        net = self.elastic()
        dense = net.macs(0)
        self.assertEqual(dense, macs_of(net.dense(), 320))
        for ratio, share in enumerate(net.ratios):
            self.assertLessEqual(net.macs(ratio) / dense, share + 1e-6)
            self.assertGreater(net.macs(ratio) / dense, share - 0.12)

    def test_channels_that_work_at_a_ratio_work_at_all_wider_ones(self):
        for norm in self.elastic().norms().values():
            self.assertTrue((norm.gates[1:] <= norm.gates[:-1]).all())

    def test_thresholds_say_the_same_as_gates(self):
        net = self.elastic()
        for group, names in enumerate(net.groups):
            for ratio, threshold in enumerate(net.thresholds(group)):
                torch.testing.assert_close((net.mask(group) >= threshold).float(), net.norms()[names[0]].gates[ratio])

    def test_channels_that_are_off_say_nothing_and_dense_is_the_network_it_was(self):
        dense = Detector(Plan(anchors.over(), widths=(16, 32, 64, 64))).eval()
        net = masks.ElasticDetector(dense).eval()
        picture = torch.rand(1, 3, 64, 64)
        for own, given in zip(net(picture), dense(picture)):
            torch.testing.assert_close(own, given)
        torch.testing.assert_close(net.dense()(picture)[0], dense(picture)[0])

    def test_what_a_ratio_computes_is_the_dense_network_with_channels_at_zero(self):
        net = self.elastic()
        picture = torch.rand(2, 3, 64, 64)
        for training in (False, True):
            for ratio in (1, 2, 3):
                own, other = copy.deepcopy(net).train(training).at(ratio), copy.deepcopy(net).train(training)
                for norm in other.norms().values():
                    norm.ratio = ratio
                    norm.register_forward_hook(lambda norm, _, result: result * norm.gates[norm.ratio][:, None, None])
                for cut, gated in zip(own(picture), other(picture)):
                    torch.testing.assert_close(cut, gated, atol=1e-3, rtol=1e-3)
                for name, norm in own.norms().items():
                    works, known = norm.gates[ratio] > 0, other.norms()[name].norms[ratio]
                    torch.testing.assert_close(norm.norms[ratio].running_mean[works], known.running_mean[works], atol=1e-4, rtol=1e-3)

    def test_convolutions_in_groups_are_refused(self):
        with self.assertRaisesRegex(ValueError, "groups"):
            masks.ElasticDetector(Detector(Plan(anchors.over(), block="inverted", widths=(16, 16, 32, 32), depths=(1, 1, 1, 1))))

    def test_sandwich_training_moves_all_ratios(self):
        pack = street(self.folder / "street")
        run(training.parse, training.Run, "--data", pack, "--batch", 4, *SMALL, "--out", self.folder / "dense", "--steps", 2)
        made = run(elastic.parse, elastic.ElasticRun, "--begin-with", self.folder / "dense" / "last.pt", "--data", pack, "--batch", 4, "--out", self.folder / "elastic", "--steps", 8, "--validate", pack)
        self.assertEqual(set(made.history[-1]["ap50"]), {f"street at {share}%" for share in (100, 75, 50, 25)})
        means = [norm.norms[3].running_mean for norm in made.net.norms().values()]
        self.assertTrue(all((mean != 0).any() for mean in means))
        for name, norm in made.average.net.norms().items():
            self.assertTrue(torch.equal(norm.gates, made.net.norms()[name].gates), name)
        loaded = elastic.load_net(self.folder / "elastic" / "last.pt")
        self.assertEqual(loaded.macs(3), made.average.net.macs(3))
        for group, names in enumerate(loaded.groups):
            self.assertTrue(torch.equal(loaded.mask(group) >= loaded.thresholds(group)[2], loaded.norms()[names[0]].gates[2] > 0), names)


class Bits(Temporary):
    def test_rounded_weights_lie_on_as_many_levels_as_their_bits_say(self):
        weight = torch.randn(500)
        for count in (2, 4, 8):
            rounded = bits.Rounded(count)(weight)
            self.assertLessEqual(len((rounded * 1e4).round().unique()), 2**count)
            self.assertLessEqual(float((rounded - weight).abs().max()), float(bits.step_of(weight, count)) / 2 * 1.001)
            self.assertAlmostEqual(float(rounded.abs().max()), float(weight.abs().max()), places=5)

    def test_noise_has_the_variance_of_rounding_and_none_in_evaluation(self):
        torch.manual_seed(1)
        weight = torch.rand(200_000) * 2 - 1  # evenly spread, as the formula takes it
        noisy, rounded = bits.Noisy(4), bits.Rounded(4)
        variance = bits.step_of(weight, 4).item() ** 2 / 12
        for made in (noisy, rounded):
            self.assertAlmostEqual(float((made(weight) - weight).var()) / variance, 1, delta=0.05)
        torch.testing.assert_close(noisy.eval()(weight), weight)

    def test_it_goes_on_where_it_was_interrupted_and_says_how_much_was_overfit(self):
        pack, out = street(self.folder / "street"), self.folder / "bits"
        arguments = ["--data", str(pack), "--validate", str(pack), "--out", str(out), "--pictures", "4", "--steps", "2", "--batch", "2", "--side", "64", "--seeds", "1"]
        status, _ = quiet(bits.main, arguments)
        self.assertEqual(status, 0)
        results = json.loads((out / "results.json").read_text())
        self.assertEqual(len(results["curves"]), len(bits.CONDITIONS))
        del results["curves"]["2 bits, seed 1"]
        results["curves"]["32 bits, seed 1"]["validation"] = [2.0, 1.0, 1.5]
        for curve in results["curves"].values():
            curve["step"] = [1, 2, 3]
            curve["validation"] = (curve["validation"] + [1.0, 1.0])[:3]
        (out / "results.json").write_text(json.dumps(results))
        with self.subTest("only what is missing"):
            told = quiet(bits.main, [*arguments, "--steps", "3"])[1]
            self.assertIn("2 bits, seed 1", told)
            self.assertNotIn("4 bits, seed 1", told)
        self.assertIn("50%", (out / "table.md").read_text())


class Export(Temporary):
    def test_the_graph_says_what_the_network_says(self):
        torch.manual_seed(1)
        net = Detector(Plan(anchors.over(), widths=(16, 32, 32, 64))).eval()
        for unit in masks.units_of(net).values():  # the exporter writes equal values once
            unit.norm.running_mean.normal_(0, 0.1)
            unit.norm.running_var.uniform_(0.5, 1.5)
            unit.norm.weight.data.uniform_(0.5, 1.5)
            unit.norm.bias.data.normal_(0, 0.1)
        model = exporting.graph_of(net)
        picture = torch.rand(1, 3, 320, 320)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for own, given in zip(session.run(None, {"images": picture.numpy()}), net(picture)):
            np.testing.assert_allclose(own, given.detach().numpy(), rtol=1e-3, atol=1e-4)
        self.assertNotIn("Constant", {node.op_type for node in model.graph.node})
        layers = {name for tensor in model.graph.initializer for name in [tensor.name] if name.endswith(".running_mean")}
        self.assertEqual(layers, {f"{name}.running_mean" for name in masks.units_of(net)})

    def test_masks_tell_the_widths_apart(self):
        net = masks.ElasticDetector(Detector(Plan(anchors.over(), widths=(16, 32, 32, 64)))).eval()
        for group in range(len(net.groups)):
            net.mask(group).uniform_()[:5] = 0
        net.choose()
        tensors = safetensors.numpy.load(exporting.masks_of(net))
        for name, norm in net.norms().items():
            for ratio in range(len(net.ratios)):
                np.testing.assert_array_equal(tensors[f"mask/{name}"] >= tensors[f"threshold/{name}"][ratio], norm.gates[ratio].numpy() > 0)
            x = torch.randn(1, len(tensors[f"mask/{name}"]), 4, 4)
            own = x * torch.from_numpy(tensors[f"scale/{name}"][2])[:, None, None] + torch.from_numpy(tensors[f"shift/{name}"][2])[:, None, None]
            torch.testing.assert_close(own, norm.norms[2](x), rtol=2e-3, atol=2e-3)

    def test_the_command_writes_a_model_folder(self):
        pack = street(self.folder / "street")
        run(training.parse, training.Run, "--data", pack, "--batch", 4, *SMALL, "--out", self.folder / "dense", "--steps", 2)
        run(elastic.parse, elastic.ElasticRun, "--begin-with", self.folder / "dense" / "last.pt", "--data", pack, "--batch", 4, "--out", self.folder / "elastic", "--steps", 2)
        for kind, files in (("dense", {"model.onnx", "manifest.json"}), ("elastic", {"model.onnx", "manifest.json", "elastic.safetensors"})):
            out = self.folder / f"{kind}-model"
            status, _ = quiet(exporting.main, ["--checkpoint", str(self.folder / kind / "last.pt"), "--out", str(out), "--command", "train"])
            self.assertEqual(status, 0)
            self.assertEqual({file.name for file in out.iterdir()}, files)
        status, told = quiet(exporting.main, ["--checkpoint", str(pack / "labels.json"), "--out", str(self.folder / "none")])
        self.assertEqual(status, 2)
        self.assertIn("is no checkpoint", told)

    def test_pruned_anchors_keep_their_part_of_the_heads(self):
        net = Detector(Plan(anchors.over(), widths=(16, 32, 32, 64))).eval()
        chosen = tuple(tuple(own[place] for place in places) for own, places in zip(net.plan.anchors, ((5, 0), (1, 2, 3), (4,))))
        manifest = self.folder / "manifest.json"
        manifest.write_text(json.dumps({"head": {"scales": [{"stride": stride, "anchors": own} for stride, own in zip(STRIDES, chosen)]}}))
        pruned = elastic.with_anchors(net, elastic.anchors_of(manifest))
        picture = torch.rand(1, 3, 64, 64)
        whole, part = net(picture)[0].view(1, 6, -1, 8, 8), pruned(picture)[0].view(1, 2, -1, 8, 8)
        torch.testing.assert_close(part, whole[:, [5, 0]])
        with self.assertRaises(PackError):
            elastic.with_anchors(net, (((3.0, 3.0),), (), ()))


if __name__ == "__main__":
    unittest.main()
