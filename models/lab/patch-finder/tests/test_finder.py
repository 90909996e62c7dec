"""Textures, scenes, the network, its loss, training and export of the finder."""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(LAB), str(LAB.parent / "common"), str(LAB.parent / "detector")]

import numpy as np
import onnxruntime
import torch

import anchors
import finder
import learning
import loss
import optimising
import publishing
import scenes
import textures
import training
from net import BOX, CLASSES, Plan
from packs import PackWriter, read_pack


def pack(folder, count=4, people=True):
    """Grey pictures with a green person each."""
    random = np.random.default_rng(2)
    with PackWriter(folder, count, name="drawn", licence="none", attribution="") as writer:
        for index in range(count):
            picture = random.integers(100, 120, (240, 320, 3), dtype=np.uint8)
            picture[60:200, 120:190] = (60, 150, 60)
            writer.add(f"{index}.png", picture, [[120, 60, 190, 200, 0, 1.0]] if people else [], [])
    return folder


class Temporary(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name)
        torch.set_num_threads(1)


class Textures(unittest.TestCase):
    def test_every_kind_is_a_picture_and_follows_from_the_seed(self):
        picture = np.random.default_rng(1).integers(0, 256, (120, 200, 3), dtype=np.uint8)
        own = [np.full((20, 30, 3), 200, np.uint8)]
        for seed in range(60):
            drawn = [textures.drawn(np.random.default_rng(seed), picture, own) for _ in range(2)]
            self.assertEqual((drawn[0].dtype, drawn[0].ndim, drawn[0].shape[2]), (np.uint8, 3, 3))
            np.testing.assert_array_equal(*drawn)

    def test_a_third_are_without_colour(self):
        picture = np.random.default_rng(1).integers(0, 256, (120, 200, 3), dtype=np.uint8)
        grey = [np.ptp(textures.dulled(picture, np.random.default_rng(seed)).astype(int), axis=2).mean() < 30 for seed in range(200)]
        self.assertAlmostEqual(np.mean(grey), textures.GREY_SHARE, delta=0.12)

    def test_a_folder_without_patches_is_told(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(ValueError, "no patches"):
            textures.read(folder)


class Scenes(Temporary):
    def setUp(self):
        super().setUp()
        self.source = scenes.Source([read_pack(pack(self.folder / "pack"))])

    def test_a_patch_lies_where_it_is_said_to_lie(self):
        for seed in range(12):
            random = np.random.default_rng(seed)
            canvas = np.full((240, 320, 3), 114, np.uint8)
            corners = scenes.place([[120, 60, 190, 200, 0, 1.0]], canvas.shape, random)
            if corners is None:
                continue
            scenes.paste(canvas, np.full((40, 40, 3), 250, np.uint8), corners, random)
            y, x = np.nonzero((canvas != 114).any(2))
            x1, y1, x2, y2 = scenes.bounds(corners)
            np.testing.assert_allclose((x.min(), y.min(), x.max() + 1, y.max() + 1), (x1, y1, x2, y2), atol=4)
            self.assertTrue(0 <= x1 and 0 <= y1 and x2 <= 320 and y2 <= 240)

    def test_scenes_follow_from_seed_and_step(self):
        one, again, other = (scenes.batch(self.source, [], 128, 3, 5, step) for step in (1, 1, 2))
        np.testing.assert_array_equal(one[0], again[0])
        np.testing.assert_array_equal(one[1], again[1])
        self.assertFalse(np.array_equal(one[0], other[0]))

    def test_patches_stay_in_the_scene_however_it_is_scaled_and_moved(self):
        _, patches = scenes.batch(self.source, [], 160, 40, 1, 1)
        self.assertGreater(len(patches), 10)
        self.assertTrue((patches[:, 1:5] >= 0).all() and (patches[:, 1:5] <= 160).all())
        taught = patches[patches[:, 5] == 1]
        self.assertTrue(((taught[:, 3:5] - taught[:, 1:3]).min(1) >= scenes.LEAST_PX).all())

    def test_mirroring_takes_boxes_along(self):
        corners = np.array([(10.0, 20.0), (60, 20), (60, 70), (10, 70)])
        for seed in range(20):
            picture = np.full((200, 200, 3), 114, np.uint8)
            picture[20:70, 10:60] = (250, 10, 10)
            scene, found = scenes.fitted(picture, [corners], 200, np.random.default_rng(seed))
            for x1, y1, x2, y2, is_whole in found:
                middle = scene[int(y1 + y2) // 2, int(x1 + x2) // 2].astype(int)
                if is_whole:
                    self.assertGreater(np.ptp(middle) if np.ptp(scene.reshape(-1, 3).astype(int), axis=1).max() > 30 else 99, 60, seed)

    def test_pictures_with_people_come_more_often(self):
        both = scenes.Source([read_pack(pack(self.folder / "with")), read_pack(pack(self.folder / "without", people=False, count=36))])
        random = np.random.default_rng(1)
        share = np.mean([bool(both.draw(random)[1]) for _ in range(400)])
        self.assertAlmostEqual(share, scenes.PEOPLE_SHARE + (1 - scenes.PEOPLE_SHARE) * 0.1, delta=0.08)


class Loss(unittest.TestCase):
    def test_what_is_right_costs_nearly_nothing(self):
        patches = torch.tensor([[0, 20.0, 24.0, 52.0, 60.0, 1]])
        centres, _, sides, _ = loss.targets(patches, (1, 32, 32))
        right = torch.where(centres == 1, 12.0, -12.0)[:, None], sides
        wrong = torch.full_like(right[0], -4.0), torch.full_like(sides, 3.0)
        self.assertLess(float(sum(loss.finder_loss(right, patches))), 0.01)
        self.assertGreater(float(sum(loss.finder_loss(wrong, patches))), 1)

    def test_a_patch_that_is_too_small_is_neither_taught_nor_wrong(self):
        small = torch.tensor([[0, 40.0, 40.0, 43.0, 43.0, 0]])
        centre = torch.full((1, 1, 32, 32), -12.0)
        centre[0, 0, 10, 10] = 12.0
        sides = torch.ones(1, 4, 32, 32)
        self.assertLess(float(loss.finder_loss((centre, sides), small)[0]), 1e-3)
        self.assertGreater(float(loss.finder_loss((centre, sides), small[:0])[0]), 1)

    def test_decoding_gives_back_what_was_wanted(self):
        patches = torch.tensor([[0, 20.0, 24.0, 52.0, 60.0, 1], [0, 80.0, 90.0, 100.0, 104.0, 1]])
        centres, _, sides, _ = loss.targets(patches, (1, 32, 32))
        found = loss.decode(torch.where(centres[0] == 1, 5.0, -5.0)[None], sides[0])
        np.testing.assert_allclose(sorted(found[:, :4].tolist()), patches[:, 1:5].tolist(), atol=1e-3)
        np.testing.assert_allclose(found[:, 4], 5)


class Network(Temporary):
    def test_it_learns_to_find_a_pasted_square(self):
        torch.manual_seed(1)
        net, source = finder.Finder(), scenes.Source([read_pack(pack(self.folder / "pack"))])
        pictures, patches = scenes.batch(source, [], 128, 8, 1, 1)
        optimizer, losses = torch.optim.Adam(net.parameters(), 5e-3), []
        for _ in range(40):
            loss_now = sum(loss.finder_loss(net(learning.planes_of(pictures)), torch.from_numpy(patches)))
            losses.append(float(loss_now.detach()))
            optimizer.zero_grad()
            loss_now.backward()
            optimizer.step()
        self.assertLess(losses[-1], 0.5 * losses[0])

    def test_a_run_leaves_its_curves_and_figures(self):
        folder = pack(self.folder / "pack")
        self.assertEqual(self.train("--data", folder, "--validate", folder, "--steps", 2, "--batch", 2, "--save-steps", 1)[0], 0)
        history = json.loads((self.folder / "run" / "history.json").read_text())
        self.assertEqual([entry["step"] for entry in history], [1, 2])
        self.assertTrue(0 <= history[1]["recall"] <= 1)
        self.assertTrue((self.folder / "run" / "curves.png").is_file())

    def train(self, *arguments, out="run"):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            status = learning.main([*map(str, arguments), "--out", str(self.folder / out)])
        return status, told.getvalue()

    def test_interrupted_and_gone_on_with_is_the_run_that_was_never_interrupted(self):
        folder = pack(self.folder / "pack")
        common = ("--data", folder, "--steps", 4, "--batch", 2, "--save-steps", 2)
        self.assertEqual(self.train(*common, out="whole")[0], 0)

        class Interrupted(Exception):
            pass

        real = learning.checkpoint

        def stop(*arguments):
            real(*arguments)
            raise Interrupted

        learning.checkpoint = stop
        try:
            with self.assertRaises(Interrupted):
                self.train(*common, out="part")
        finally:
            learning.checkpoint = real
        self.assertEqual(self.train(*common, "--resume", out="part")[0], 0)
        whole, part = (torch.load(self.folder / name / "last.pt")["net"] for name in ("whole", "part"))
        for name in whole:
            torch.testing.assert_close(whole[name], part[name])

    def test_a_run_is_never_written_over(self):
        folder = pack(self.folder / "pack")
        self.train("--data", folder, "--steps", 1, "--batch", 1)
        status, told = self.train("--data", folder, "--steps", 1, "--batch", 1)
        self.assertEqual(status, 2)
        self.assertIn("--resume", told)

    def test_the_graph_says_what_the_network_says_at_any_size(self):
        net = finder.Finder()
        torch.save({"average": net.state_dict()}, self.folder / "last.pt")
        self.assertLess(publishing.export(self.folder / "last.pt", self.folder / "finder.onnx"), 1e-3)
        session = onnxruntime.InferenceSession(str(self.folder / "finder.onnx"), providers=["CPUExecutionProvider"])
        centre, sides = session.run(None, {"pixels": np.zeros((1, 3, 64, 96), np.uint8)})
        self.assertEqual((centre.shape, sides.shape), ((1, 1, 16, 24), (1, 4, 16, 24)))
        self.assertTrue((sides > 0).all())

    def test_beside_the_graph_lies_what_it_is(self):
        torch.save({"average": finder.Finder().state_dict()}, self.folder / "last.pt")
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(publishing.main(["--checkpoint", str(self.folder / "last.pt"), "--out", str(self.folder / "out" / "finder.onnx"), "--command", "train"]), 0)
        about = json.loads((self.folder / "out" / "finder.json").read_text())
        self.assertEqual((about["file"], about["lineage"]), ("finder.onnx", ["train"]))
        self.assertEqual(about["sha256"], hashlib.sha256((self.folder / "out" / "finder.onnx").read_bytes()).hexdigest())


class Optimising(Temporary):
    def test_goals(self):
        """One object of class 0 at the middle, found by one cell: what each goal makes of the detector being surer of it."""
        plan = Plan(anchors.over())
        objects = [[[120.0, 120.0, 200.0, 200.0, 0]]]

        def loss_of(goal, objectness, person, kind=0):
            maps = [torch.full((1, len(own) * (BOX + len(CLASSES)), 320 // stride, 320 // stride), -4.0) for own, stride in zip(plan.anchors, (8, 16, 32))]
            said = maps[1].view(1, len(plan.anchors[1]), -1, 20, 20)
            said[0, 0, 4, 10, 10], said[0, 0, BOX, 10, 10] = objectness, person
            return float(optimising.goal_of(goal, maps, objects, kind, plan))

        for goal, sign in (("objectness", 1), ("class", 1), ("both", 1), ("appear", -1)):
            with self.subTest(goal):
                self.assertGreater(sign * loss_of(goal, 3.0, 3.0), sign * loss_of(goal, -3.0, -3.0))
        self.assertAlmostEqual(loss_of("objectness", 3.0, 3.0), loss_of("objectness", 3.0, -3.0), places=5)
        self.assertGreater(loss_of("appear", 3.0, 3.0, kind=5), loss_of("appear", 3.0, 3.0, kind=0))

    def test_textures_that_are_there_are_not_made_again(self):
        folder = pack(self.folder / "pack")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            training.main(["--data", str(folder), "--batch", "4", "--widths", "16", "16", "32", "32", "--depths", "1", "1", "1", "1", "--out", str(self.folder / "dense"), "--steps", "1", "--paste", "0"])
            arguments = ["--checkpoint", str(self.folder / "dense" / "last.pt"), "--data", str(folder), "--count", "1", "--steps", "2", "--batch", "1", "--out", str(self.folder / "patches")]
            made = []
            for _ in range(2):
                self.assertEqual(optimising.main(arguments), 0)
                made.append((self.folder / "patches" / "000-objectness.png").stat().st_mtime_ns)
        self.assertEqual(*made)
        self.assertEqual(len(textures.read(self.folder / "patches")), 1)

    def test_the_texture_lies_on_the_object_alone(self):
        pictures = torch.zeros(1, 3, 320, 320)
        seen, covered = optimising.pasted(pictures, [[[100, 100, 180, 260, 0]]], torch.ones(1, 3, 8, 8), np.random.default_rng(1))
        y, x = covered[0, 0].nonzero(as_tuple=True)
        self.assertTrue(90 < x.float().mean() < 190 and 130 < y.float().mean() < 220)
        self.assertEqual(float((seen * (1 - covered)).abs().max()), 0)
        self.assertGreater(float((seen * covered).max()), 0.6)


if __name__ == "__main__":
    unittest.main()
