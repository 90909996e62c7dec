"""Run by `python3 -m unittest discover -s models/lab/occupancy/tests`."""

import hashlib
import io
import json
import shutil
import sys
import tempfile
import unittest
import warnings
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parent.parent / "common")]

import numpy as np
import torch

import checkpoints
import comparing
import data
import export
import geometry
import importing
import net
import publishing
import scoring
import training
from geometry import Cube, Rig
from team import Team
from synthetic import BASELINE_M, FOCAL_PX, HEIGHT, RANGE_M, WIDTH, write_set

RIG = Rig(WIDTH, HEIGHT, FOCAL_PX, FOCAL_PX, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, 0.0, BASELINE_M)
CUBE = Cube.of(RANGE_M)
FULL = (608, 64)
"""Wide enough for a network of full pictures."""
ALONE = Team(0, 1, None)


def options_for(folder, out, *more):
    return training.parse(["--data", str(folder), "--out", str(out), "--size", f"{WIDTH}x{HEIGHT}", "--batch", "2", "--float32", "--save-minutes", "99", *more])


def run(options):
    with redirect_stderr(io.StringIO()):
        return training.train(options)


class WithSet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        cls.set = write_set(cls.root / "set", 8)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()


class Sets(WithSet):
    def test_a_set_is_read(self):
        sample = data.read_pair(data.list_pairs(self.set)[0])
        self.assertEqual((sample.rig, sample.cube), (RIG, CUBE))
        self.assertEqual(float(sample.disparity_px.min()), 4)

    def test_a_folder_without_range_is_refused(self):
        with self.assertRaisesRegex(data.SetError, "set.json"):
            data.list_pairs(self.root)

    def test_a_part_of_a_pair_lies_where_it_lay(self):
        whole = data.read_pair(data.list_pairs(self.set)[0])
        for seed in range(5):
            part = data.crop(whole, np.random.default_rng(seed))
            points = {tuple(point) for point in geometry.points_of(whole.disparity_px, whole.rig).round(4)}
            self.assertLess(part.disparity_px.size, whole.disparity_px.size)
            self.assertTrue({tuple(point) for point in geometry.points_of(part.disparity_px, part.rig).round(4)} <= points)

    def test_stretched_pictures_show_the_same_cells(self):
        rig = RIG.scaled(WIDTH, HEIGHT * 2)
        disparity = np.zeros((HEIGHT, WIDTH))
        disparity[20:40, 30:60] = 6
        stretched = geometry.occupied(geometry.points_of(np.repeat(disparity, 2, axis=0), rig), CUBE, 16)
        np.testing.assert_array_equal(stretched, geometry.occupied(geometry.points_of(disparity, RIG), CUBE, 16))

    def test_only_rays_with_truth_are_judged(self):
        sample = data.read_pair(data.list_pairs(self.set)[0])
        sample.disparity_px[:, : WIDTH // 2] = 0
        self.assertTrue(data.judged_of(sample)[64].all())
        judged = data.judged_of(replace(sample, is_partly_unknown=True))[64]
        self.assertFalse((data.truth_of(sample)[64] & ~judged).any())
        self.assertFalse(judged[:, :, :28].any())
        self.assertTrue(judged[40, :, 34:60].any())

    def test_sets_for_tests_are_refused(self):
        held_out = write_set(self.root / "held-out", 2)
        (held_out / "set.json").write_text(json.dumps({"rangeM": RANGE_M, "rig": "rover"}))
        with self.assertRaisesRegex(data.SetError, "held out"):
            training.Run(options_for_same(held_out, self.root / "refused"), ALONE)

    def test_shares_of_depth_are_whole(self):
        shares = data.depth_bins(data.read_pair(data.list_pairs(self.set)[0]), (WIDTH, HEIGHT), 4, 64)
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


class Training(WithSet):
    def test_the_loss_falls(self):
        trained = run(options_for(self.set, self.root / "falls", "--steps", "60"))
        first = training.Run(options_for_same(self.set, self.root / "fresh"), ALONE)
        before = np.mean([first.advance() for _ in range(4)])
        self.assertLess(np.mean([trained.advance() for _ in range(4)]), 0.75 * before)
        self.assertTrue((self.root / "falls" / "curves.png").stat().st_size > 1000)
        self.assertIn("| fine 64 |", (self.root / "falls" / "table.md").read_text())

    def test_a_run_that_goes_on_is_the_run_that_would_have_been(self):
        whole = run(options_for(self.set, self.root / "whole", "--steps", "4"))
        interrupted = training.Run(options_for_same(self.set, self.root / "parts", "--steps", "4"), ALONE)
        for _ in range(2):
            interrupted.advance()
        (self.root / "parts").mkdir()
        checkpoints.save(self.root / "parts" / "last.pt", interrupted.state())
        resumed = run(options_for(self.set, self.root / "parts", "--steps", "4", "--resume"))
        for name, value in whole.state()["net"].items():
            self.assertTrue(torch.equal(value, resumed.state()["net"][name]), name)
        for name, value in whole.state()["average"].items():
            self.assertTrue(torch.equal(value, resumed.state()["average"][name]), name)

    def test_processes_share_the_pairs_of_a_step(self):
        parts = [training.Run(options_for_same(self.set, self.root / "shared"), SimpleNamespace(rank=rank, count=count)) for rank, count in ((0, 1), (0, 2), (1, 2))]
        whole, *halves = (part.batch_at(3)["left"] for part in parts)
        self.assertTrue(torch.equal(whole, torch.cat(halves)))
        self.assertEqual(run(options_for(self.set, self.root / "two", "--steps", "3", "--workers", "2")).step, 3)

    def test_another_run_is_not_gone_on_with(self):
        run(options_for(self.set, self.root / "one", "--steps", "1"))
        with self.assertRaisesRegex(data.SetError, "other settings"):
            run(options_for(self.set, self.root / "one", "--steps", "1", "--resume", "--seed", "2"))
        with self.assertRaisesRegex(data.SetError, "--resume"):
            run(options_for(self.set, self.root / "one", "--steps", "1"))

    def test_graphs_answer_what_torch_answers(self):
        for decoder, size in (*((decoder, (WIDTH, HEIGHT)) for decoder in net.NETS), ("frustum", FULL)):
            with self.subTest(decoder, size=size):
                out = self.root / f"export-{decoder}-{size[0]}"
                run(options_for(self.set, out, "--steps", "2", "--decoder", decoder, "--size", "x".join(map(str, size))))
                trained, settings = training.load_net(out / "last.pt")
                self.assertEqual(settings["size"], list(size))
                self.agree(trained, settings, out)

    def agree(self, trained, settings, out):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export.write(trained, settings, out)
        prepared = data.prepare(data.list_pairs(self.set)[1], tuple(settings["size"]), "voxel")
        found = export.OnnxNet(out, 1)(prepared.left, prepared.right, prepared.constants)
        batch = data.collate([data.tensors_of(prepared, None)])
        with torch.no_grad():
            expected = trained(batch["left"], batch["right"], batch["constants"])["fine"]
        for side in (16, 32, 64):
            np.testing.assert_allclose(found[f"fine{side}"][side], torch.sigmoid(expected[side])[0], atol=2e-4)
        self.assertGreater(float(found["fine64"][64].std()), 0)

    def test_some_cells_alone_are_the_same_as_among_all(self):
        out = self.root / "strips"
        run(options_for(self.set, out, "--steps", "2"))
        trained, settings = training.load_net(out / "last.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export.write(trained, settings, out)
        prepared = data.prepare(data.list_pairs(self.set)[1], (WIDTH, HEIGHT), "voxel")
        graphs = export.OnnxNet(out, 1)
        features = graphs.coarse(prepared.left, prepared.right, prepared.constants)
        whole = graphs.fine(features, prepared.constants)
        part = dict(prepared.constants, slabs=np.r_[8:12, 40:44], rows=np.concatenate([prepared.constants["rows"][8:12, 60:64], prepared.constants["rows"][40:44, 52:56]]))
        part["columns"] = prepared.constants["columns"][part["slabs"]]
        some = graphs.fine(features, part)
        np.testing.assert_allclose(some["cells64"], np.concatenate([whole["cells64"][8:12, 60:64], whole["cells64"][40:44, 52:56]]), atol=1e-5)
        np.testing.assert_allclose(some["cells16"], np.stack([whole["cells16"][2, 15:16], whole["cells16"][10, 13:14]]), atol=1e-5)


class Importing(WithSet):
    """A model's folder is begun with as a checkpoint is."""

    def published(self, name, steps=20, size=(WIDTH, HEIGHT)):
        """A network that has learnt a little, and its folder: graphs and as much of a manifest as is read."""
        run(options_for(self.set, self.root / name, "--steps", str(steps), "--size", "x".join(map(str, size))))
        trained, settings = training.load_net(self.root / name / "last.pt")
        folder = self.root / f"{name}-model"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            paths = export.write(trained, settings, folder)
        manifest = {"files": {path.stem: {"file": path.name} for path in paths}, "input": dict(zip(("width", "height"), settings["size"])), "planes": settings["planes"]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return trained, folder

    def said(self, made, batch):
        with torch.no_grad():
            return made(batch["left"], batch["right"], batch["constants"])["fine"]

    def test_it_says_what_it_said(self):
        for size in ((WIDTH, HEIGHT), FULL):
            with self.subTest(size=size):
                trained, folder = self.published(f"said-{size[0]}", 8, size)
                read, settings = training.load_net(folder)
                self.assertEqual((settings["size"], settings["planes"]), (list(size), "voxel"))
                batch = data.collate([data.tensors_of(data.prepare(pair, size, "voxel"), None) for pair in data.list_pairs(self.set)[:4]])
                expected = self.said(trained, batch)
                for made in (read, seen(read, batch)):
                    for side, cells in self.said(made, batch).items():
                        torch.testing.assert_close(cells, expected[side], rtol=1e-3, atol=1e-3)

    def test_in_training_it_says_nearly_the_same_once_it_has_seen_pairs(self):
        _, folder = self.published("trains")
        batch = data.collate([data.tensors_of(data.prepare(pair, (WIDTH, HEIGHT), "voxel"), None) for pair in data.list_pairs(self.set)])
        apart = {}
        for name, made in (("blind", training.load_net(folder)[0]), ("seen", seen(training.load_net(folder)[0], batch))):
            expected = self.said(made, batch)[64].sigmoid()
            apart[name] = float((self.said(made.train(), batch)[64].sigmoid() - expected).abs().mean())
        self.assertLess(apart["seen"], 1e-4)
        self.assertGreater(apart["blind"], 10 * apart["seen"])

    def test_training_begins_with_a_folder(self):
        _, folder = self.published("before")
        made = training.Run(options_for_same(self.set, self.root / "after", "--begin-with", str(folder), "--steps", "2"), ALONE)
        self.assertTrue(np.isfinite(made.advance()))

    def test_what_holds_no_network_is_told(self):
        _, folder = self.published("whole")
        other = self.root / "other"
        for change, told in (
            (lambda: (other / "manifest.json").unlink(), "manifest.json"),
            (lambda: (other / "fine.onnx").write_bytes(b"nothing"), "holds no network"),
            (lambda: (other / "coarse.onnx").write_bytes((other / "fine.onnx").read_bytes()), "coarse has"),
        ):
            shutil.rmtree(other, ignore_errors=True)
            shutil.copytree(folder, other)
            change()
            with self.assertRaisesRegex(data.SetError, told):
                training.load_net(other)


def seen(made, batch):
    importing.see_statistics(made, [batch])
    return made


class Comparing(WithSet):
    def test_matching_is_judged_by_the_same_truth(self):
        samples = list(comparing.read(data.list_pairs(self.set)[:1]))
        exact = comparing.cells_of(samples[0][0].disparity_px, samples[0][0], 1)
        self.assertEqual(comparing.mean_over_levels(exact, *samples[0][1:]), 1)
        found, _ = comparing.matched(samples[0][0], comparing.MODES["sgbm-full"], 32, 5)
        self.assertGreater(comparing.mean_over_levels(comparing.cells_of(found, samples[0][0], 1), *samples[0][1:]), 0.3)


class Publishing(WithSet):
    def test_a_model_is_published_and_compared(self):
        run(options_for(self.set, self.root / "run", "--steps", "30"))
        trained, settings = training.load_net(self.root / "run" / "last.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export.write(trained, settings, self.root / "onnx")
        (self.root / "onnx" / "settings.json").write_text(json.dumps(settings))
        about = {"rangeM": RANGE_M, "size": {"width": WIDTH}, "pairs": [{"focalPx": FOCAL_PX, "baselineM": BASELINE_M}]}
        (self.set / "set.json").write_text(json.dumps(about))
        out = self.root / "published-net"
        sets = ["--tune", str(self.set), "--trained", str(self.set), "--tune-pairs", "3", "--threads", "1"]
        report = publishing.publish(publishing.parse(["--onnx", str(self.root / "onnx"), "--out", str(out), "--command", "train", *sets]))
        manifest = json.loads((out / "manifest.json").read_text())
        self.assertEqual(manifest["id"], "published-net")
        self.assertEqual(manifest["trained"]["focalLengthWidths"], [0.938, 0.938])
        self.assertEqual(manifest["files"]["fine"]["sha256"], hashlib.sha256((out / "fine.onnx").read_bytes()).hexdigest())
        self.assertIn(report["refine"]["threshold"], publishing.REFINE_THRESHOLDS)
        network = comparing.Network(out, 1)
        found = comparing.score(network, training.spread(data.list_pairs(self.set), 3))
        for side, rule in report["levels"].items():
            self.assertAlmostEqual(found["iou"][side], rule["iou"])

    def test_sets_for_tests_choose_nothing(self):
        held_out = write_set(self.root / "held-out", 1)
        (held_out / "set.json").write_text(json.dumps({"rangeM": RANGE_M, "isHeldOut": True}))
        (self.root / "settings.json").write_text("{}")
        with redirect_stderr(io.StringIO()) as told:
            code = publishing.main(["--onnx", str(self.root), "--tune", str(held_out), "--trained", str(held_out), "--out", str(self.root / "no")])
        self.assertEqual(code, 2)
        self.assertIn("held out", told.getvalue())


def options_for_same(folder, out, *more):
    options = options_for(folder, out, *more)
    options.size = (WIDTH, HEIGHT)
    return options


if __name__ == "__main__":
    unittest.main()
