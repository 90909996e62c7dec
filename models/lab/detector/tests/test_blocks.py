"""The comparison of blocks: its design space, its statistics, its resumption and its report. `compare-blocks` runs whole here, on drawn pictures."""

import contextlib
import csv
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(LAB), str(LAB.parent / "common")]

import cv2
import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

import blockreport
import blocks
import fronts
import layers
import net
from packs import CLASSES, PackWriter, read_pack

OWN = tuple(tuple((4.0 * stride, 6.0 * stride) for _ in range(3)) for stride in net.STRIDES)


def people(folder, count, seed=1):
    """A pack of pictures with two people (green, high) each on grey noise."""
    random = np.random.default_rng(seed)
    with PackWriter(folder, count, name=Path(folder).name, licence="none", attribution="drawn") as pack:
        for index in range(count):
            picture = random.integers(90, 130, (200, 300, 3), dtype=np.uint8)
            labels = []
            for left in (0, 150):
                x, y = left + int(random.integers(0, 90)), int(random.integers(0, 90))
                cv2.rectangle(picture, (x, y), (x + 39, y + 99), (20, 200, 20), -1)
                labels.append([x, y, x + 40, y + 100, 0, 1.0])
            pack.add(f"{index}.png", picture, labels, [])
    return str(folder)


def quiet(work, *arguments):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        return work(*arguments), told.getvalue()


class Temporary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class DesignSpace(unittest.TestCase):
    def test_a_number_is_the_same_network_each_time_and_another_seed_another(self):
        first, again, other = (blocks.sampled("csp", 2, seed, OWN)[0] for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_every_block_has_networks_of_the_same_cost_within_the_band_and_the_space(self):
        for sample in range(3):
            for block in net.BLOCKS:
                plan, macs = blocks.sampled(block, sample, 1, OWN)
                with self.subTest(block=block, sample=sample, plan=plan):
                    self.assertEqual(plan.block, block)
                    self.assertEqual((plan.anchors, plan.classes), (OWN, CLASSES))
                    self.assertAlmostEqual(macs / blocks.wanted_macs(sample), 1, delta=0.045)
                    self.assertTrue(blocks.BAND[0] / blocks.SLACK <= macs <= blocks.BAND[1] * blocks.SLACK)
                    self.assertEqual(sorted((plan.stem, *plan.widths)), [plan.stem, *plan.widths])
                    self.assertTrue(all(width % 16 == 0 for width in (plan.stem, *plan.widths)))
                    self.assertTrue(all(1 <= depth <= 3 for depth in plan.depths))

    def test_costs_are_what_the_network_really_does(self):
        for block in net.BLOCKS:
            for shape in ({"stem": 16, "widths": (16, 32, 48, 80), "depths": (1, 2, 3, 1)}, {"stem": 32, "widths": (32, 32, 96, 112), "depths": (2, 1, 1, 3)}):
                plan = net.Plan(OWN, block, **shape)
                self.assertEqual(blocks.macs_at_320(plan), layers.macs_of(net.Detector(plan).eval(), 320), plan)

    def test_networks_of_one_shape_differ_in_the_backbones_blocks_alone(self):
        shape = {"stem": 16, "widths": (16, 32, 48, 64), "depths": (1, 2, 1, 1)}
        shapes = {block: {key: tuple(value.shape) for key, value in net.Detector(net.Plan(OWN, block, **shape)).state_dict().items()} for block in net.BLOCKS}
        outside = [{key: value for key, value in each.items() if not (key.startswith("stages.") and key.split(".")[2] == "1")} for each in shapes.values()]
        self.assertTrue(all(each == outside[0] for each in outside))
        self.assertEqual(len({str(each) for each in shapes.values()}), len(net.BLOCKS))

    def test_any_first_few_numbers_lie_spread_over_the_band(self):
        low, high = np.log(blocks.BAND)
        for count in (4, 8, 12):
            shares = np.sort([(np.log(blocks.wanted_macs(sample)) - low) / (high - low) for sample in range(count)])
            gaps = np.diff([0, *shares, 1])
            self.assertLess(gaps.max(), 2.7 / count, f"{count}: {shares}")


class Fronts(unittest.TestCase):
    POINTS = np.array([[1, 0.2], [2, 0.5], [2, 0.4], [3, 0.5], [4, 0.9], [5, 0.1]])

    def test_the_front_holds_what_nothing_beats(self):
        np.testing.assert_array_equal(fronts.front(self.POINTS), [[1, 0.2], [2, 0.5], [4, 0.9]])
        np.testing.assert_array_equal(fronts.front(self.POINTS[::-1]), fronts.front(self.POINTS))
        self.assertEqual(fronts.front(np.zeros((0, 2))).shape, (0, 2))

    def test_the_best_within_a_cost(self):
        np.testing.assert_allclose(fronts.best_within(self.POINTS, np.array([0.5, 1, 1.9, 2, 3.9, 4, 9])), [0, 0.2, 0.2, 0.5, 0.5, 0.9, 0.9])

    def test_hypervolumes_by_hand(self):
        e = np.e
        for points, low, high, expected in (
            ([[1, 0.5]], 1, e, 0.5),
            ([[e, 0.5]], 1, e**2, 0.25),
            ([[1, 0.2], [e, 0.6]], 1, e**2, 0.4),
            ([[1, 0.2], [e, 0.6], [e, 0.1]], 1, e**2, 0.4),
            ([[e**3, 0.9]], 1, e**2, 0),
            ([[0.5, 0.3]], 1, e, 0.3),
        ):
            self.assertAlmostEqual(fronts.hypervolume(np.array(points), low, high), expected, places=9)

    def test_a_network_more_never_takes_from_a_front(self):
        random = np.random.default_rng()
        points = np.column_stack((random.uniform(1, 10, 12), random.uniform(0, 1, 12)))
        volumes = [fronts.hypervolume(points[:count], 1, 10) for count in range(1, 13)]
        self.assertTrue(all(after >= before - 1e-12 for before, after in zip(volumes, volumes[1:])))
        self.assertLessEqual(volumes[-1], points[:, 1].max())

    def test_speed_at_equal_accuracy(self):
        slow, fast = np.array([[2, 0.2], [4, 0.4], [8, 0.6]]), np.array([[1, 0.2], [2, 0.4], [4, 0.6]])
        accuracies, ratios, ends = fronts.speed_ratios({"slow": slow, "fast": fast})
        self.assertEqual((accuracies[0], accuracies[-1]), (0.2, 0.6))
        np.testing.assert_allclose(ratios, 2)
        self.assertEqual(set(ends), {("fast", "slow")})
        self.assertEqual(fronts.cheapest(slow, 0.7), float("inf"))

    def test_pairs_that_two_costs_order_differently(self):
        self.assertEqual(fronts.inverted_share([1, 2, 3], [1, 2, 3]), 0)
        self.assertEqual(fronts.inverted_share([1, 2, 3], [3, 2, 1]), 1)
        self.assertAlmostEqual(fronts.inverted_share([1, 2, 3], [1, 3, 2]), 1 / 3)
        self.assertEqual(fronts.inverted_share([1, 1], [1, 2]), 0)
        self.assertEqual(fronts.worst_inversion([1, 2, 3], [1, 4, 2]), (2, 1))
        self.assertIsNone(fronts.worst_inversion([1, 2, 3], [1, 2, 3]))

    def test_advantages_are_at_equal_cost(self):
        costs = np.array([1.0, 2, 4, 2, 4, 8])
        accuracies = 0.3 + 0.1 * np.log(costs) + np.array([0.02] * 3 + [-0.02] * 3)
        found, slope = fronts.advantages(["a"] * 3 + ["b"] * 3, costs, accuracies)
        self.assertAlmostEqual(slope, 0.1)
        self.assertAlmostEqual(found["a"], 0.02)
        self.assertAlmostEqual(found["b"], -0.02)

    def test_draws_follow_from_their_seed_and_intervals_hold_their_share(self):
        np.testing.assert_array_equal(fronts.resamples(5, 9, 1), fronts.resamples(5, 9, 1))
        self.assertEqual(fronts.resamples(5, 9, 1).shape, (9, 5))
        np.testing.assert_allclose(fronts.interval(np.arange(101), 0.9), (5, 95))
        for half in fronts.halves(7, 20, 1):
            self.assertEqual(len(set(half)), 3)

    def test_an_interval_of_draws_covers_what_networks_vary_by(self):
        random = np.random.default_rng(7)
        covered = 0
        for trial in range(60):
            values = random.normal(1, 0.2, 40)
            low, high = fronts.interval(values[fronts.resamples(40, 400, trial)].mean(1))
            covered += low <= 1 <= high
        self.assertGreater(covered, 48)


def rows_of(lead=0.05, factor=2.0, count=6):
    """As a comparison of two blocks writes them: at equal MACs `csp` is better, and takes `factor` times as long."""
    rows = []
    for block in ("csp", "plain"):
        for sample in range(count):
            macs = 120 * 1.2**sample
            accuracy = 0.1 + 0.05 * sample + (lead if block == "csp" else 0)
            ms = macs / 50 * (factor if block == "csp" else 1)
            row = {"network": f"{block}-{sample:02d}", "block": block, "sample": float(sample), "macs_million": macs, "ap50": accuracy, "int8 ap50": accuracy - 0.01}
            for threads in (1, 2):
                row.update({f"fp32 {threads} ms": ms / threads, f"int8 {threads} ms": ms / threads / 2, f"fp32 {threads} cv": 0.01, f"int8 {threads} cv": 0.02})
            rows.append(row)
    return rows


class Report(Temporary):
    def text(self, rows, about=None):
        return quiet(blockreport.report, rows, about or {}, self.folder / "page.md")[0]

    def test_speed_decides_not_multiply_accumulates(self):
        self.assertIn("**The measurement does not speak against csp", self.text(rows_of(lead=0.05, factor=1.0)))
        self.assertIn("**The measurement speaks against csp", self.text(rows_of(lead=0.01, factor=2.0)))

    def test_figures_are_those_of_the_rows(self):
        text = self.text(rows_of(lead=0.0, factor=2.0), {"recipe": {"steps": 7, "batch": 4, "side": 96, "seed": 1, "data": ["street"], "validate": ["photos"]}, "machine": {"cpu": "a CPU"}, "runs": 30, "repeats": 3})
        self.assertIn("6 networks of each of 2 blocks (csp, plain); 7 steps of 4 pictures of 96 px", text)
        self.assertIn("timed on a CPU, 3 times 30 runs", text)
        self.assertIn("fp32, 1 thread, ms: 2.00 times in the median", text)
        self.assertIn("| csp | 2.00 (2.00 to 2.00) | 2.00 (2.00 to 2.00) | 1.0 (1.0 at most) |", text)
        self.assertIn("varies by 1.0 % (CV, median", text)

    def test_without_times_it_says_that_none_were_taken(self):
        rows = [{key: value for key, value in row.items() if " ms" not in key and "int8" not in key} for row in rows_of()]
        text = self.text(rows)
        self.assertIn("Nothing has been timed yet", text)
        self.assertNotIn("INT8", text)
        self.assertIsNotNone(cv2.imread(str(self.folder / "page.png")))

    def test_blocks_are_compared_by_the_numbers_that_all_have(self):
        rows = rows_of()
        self.assertIn("5 networks of each of 2 blocks", self.text([row for row in rows if row["network"] != "plain-03"]))
        self.assertIn("Too few networks", self.text(rows[:1]))

    def test_a_page_keeps_its_words_and_is_the_same_when_written_twice(self):
        page = self.folder / "page.md"
        page.write_text(f"# Blocks\n\nBefore.\n\n{blockreport.BEGIN}\nold\n{blockreport.END}\n\nAfter.\n")
        self.text(rows_of())
        first = page.read_text()
        self.assertTrue(first.startswith("# Blocks\n\nBefore.\n") and first.endswith("\n\nAfter.\n") and "old" not in first)
        self.text(rows_of())
        self.assertEqual(page.read_text(), first)

    def test_the_picture_shows_every_cost(self):
        self.assertIn("](page.png)", self.text(rows_of()))
        drawn = cv2.imread(str(self.folder / "page.png"))
        self.assertEqual(drawn.shape[:2], (3 * blockreport.PANEL_HEIGHT, 2 * blockreport.PANEL_WIDTH))
        for colour in blockreport.COLOURS[:2]:
            self.assertGreater((drawn == colour).all(2).sum(), 500)

    def test_the_command_writes_the_page_from_rows_alone(self):
        rows = rows_of()
        blocks.write_rows(self.folder / "blocks.csv", rows)
        status, told = quiet(blocks.main, ["--report", "--csv", str(self.folder / "blocks.csv"), "--page", str(self.folder / "page.md")])
        self.assertEqual(status, 0)
        self.assertIn("Mean AP50 along the front", told)
        self.assertEqual(quiet(blocks.main, ["--report", "--csv", str(self.folder / "none.csv")])[0], 2)


class Rows(Temporary):
    def test_what_is_written_is_read_back_and_later_columns_come_last(self):
        rows = [{"network": "csp-00", "block": "csp", "ap50": 0.25}, {"network": "csp-01", "block": "csp", "ap50": 0.5, "fp32 1 ms": 3.0}]
        blocks.write_rows(self.folder / "rows.csv", rows)
        back = blocks.read_rows(self.folder / "rows.csv")
        self.assertEqual(back[1], rows[1])
        self.assertTrue(np.isnan(back[0]["fp32 1 ms"]))
        self.assertEqual(list(back[0]), ["network", "block", "ap50", "fp32 1 ms"])
        self.assertEqual([file.name for file in self.folder.iterdir()], ["rows.csv"])
        self.assertEqual(blocks.read_rows(self.folder / "none.csv"), [])

    def test_times_of_repeats_become_a_mean_and_a_spread(self):
        columns = blocks.latency_columns({"fp32 1": [{"quietMs": 1.0, "medianMs": 2.0}, {"quietMs": 3.0, "medianMs": 4.0}]})
        self.assertEqual((columns["fp32 1 ms"], columns["fp32 1 median ms"]), (2, 3))
        self.assertAlmostEqual(columns["fp32 1 cv"], 2**0.5 / 2)


class Comparison(Temporary):
    def setUp(self):
        super().setUp()
        self.data, self.validation = people(self.folder / "street", 6), people(self.folder / "photos", 20, seed=2)

    def compare(self, *more, out="out", steps=3):
        arguments = ["--data", self.data, "--validate", self.validation, "--out", self.folder / out, "--steps", steps, "--side", 96, "--batch", 4, "--blocks", "csp", "plain", *more]
        return quiet(blocks.main, [str(each) for each in arguments])

    def trained(self, out="out"):
        return (self.folder / out / "trained.csv").read_text()

    def without_time(self, text):
        return [[value for key, value in row.items() if key != "train_seconds"] for row in csv_of(text)]

    def test_interrupted_and_gone_on_with_it_is_the_comparison_that_was_never_interrupted(self):
        torch.set_num_threads(1)
        self.assertEqual(self.compare("--samples", 2, out="whole")[0], 0)
        self.assertEqual(self.compare("--samples", 1)[0], 0)
        before = self.trained()
        status, told = self.compare("--samples", 2, "--resume")
        self.assertEqual(status, 0)
        self.assertIn("2 of 2", told)
        self.assertTrue(self.trained().startswith(before), "rows that were there are kept as they are")
        self.assertEqual(self.without_time(self.trained()), self.without_time(self.trained("whole")))
        self.assertEqual([row["network"] for row in csv_of(self.trained())], ["csp-00", "plain-00", "csp-01", "plain-01"])
        for name in ("csp-00", "plain-01"):
            self.assertEqual(sorted(file.name for file in (self.folder / "out" / "networks" / name).iterdir()), ["manifest.json", "model.onnx"])

    def test_networks_of_another_recipe_are_not_mixed(self):
        self.assertEqual(self.compare("--samples", 1)[0], 0)
        for more, steps, words in (((), 3, "go on with --resume"), (("--resume",), 4, "another recipe"), (("--resume", "--seed", 2), 3, "another recipe")):
            before = self.trained()
            status, told = self.compare("--samples", 1, *more, steps=steps)
            self.assertEqual(status, 2)
            self.assertIn(words, told)
            self.assertEqual(self.trained(), before)

    def test_nothing_says_where_things_lay(self):
        self.data += ":2"
        self.compare("--samples", 1)
        self.assertEqual(json.loads((self.folder / "out" / "blocks.json").read_text())["recipe"]["data"], ["street:2"])

    def test_calibration_frames_are_as_networks_take_them(self):
        blocks.write_calibration([read_pack(self.data)], 160, 1, self.folder / "frames.bin")
        frames = np.fromfile(self.folder / "frames.bin", np.uint8).reshape(-1, 3, 320, 320)
        self.assertEqual(len(frames), blocks.CALIBRATION_FRAMES)
        people_seen = (frames[:, 1].astype(int) - frames[:, 0] > 100).mean()
        self.assertTrue(0.05 < people_seen < 0.3, people_seen)

    def test_a_network_reads_bytes_of_any_size_as_it_reads_pictures(self):
        torch.manual_seed(1)
        plan = net.Plan(OWN, "residual", 16, (16, 16, 16, 32), (1, 1, 1, 1))
        own = net.Detector(plan).eval()
        blocks.save_network(own, "one", self.folder)
        self.assertEqual(blocks.plan_from_manifest(self.folder / "one").anchors, OWN)
        pixels = torch.randint(0, 256, (1, 3, 96, 128)).float() / 255
        bytes_in(self.folder / "one" / "model.onnx")
        for found, expected in zip(blocks.OnnxNet(self.folder / "one" / "model.onnx", plan)(pixels), own(pixels)):
            np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), atol=1e-3)

    def test_packs_with_too_few_boxes_are_refused_before_anything_is_learnt(self):
        self.validation = people(self.folder / "few", 3)
        status, told = self.compare("--samples", 1)
        self.assertEqual(status, 2)
        self.assertIn("40 given boxes", told)
        self.assertFalse((self.folder / "out").exists())

    @unittest.skipUnless((blocks.ROOT / "dist" / "compression").is_dir(), "npm run build comes first")
    def test_networks_are_timed_by_our_runtime_and_computed_in_integers(self):
        out = self.folder / "out"
        self.compare("--samples", 1)
        status, told = quiet(blocks.main, ["--latency-only", "--out", str(out), "--runs", "2", "--repeats", "2"])
        self.assertEqual(status, 0, told)
        for row in blocks.read_rows(out / "blocks.csv"):
            for kind in ("fp32 1", "fp32 2", "int8 1", "int8 2"):
                self.assertGreater(row[f"{kind} ms"], 0)
                self.assertGreaterEqual(row[f"{kind} cv"], 0)
            self.assertTrue(0 <= row["int8 ap50"] <= 1)
            self.integers_follow_floats(out / "networks" / row["network"])
        self.assertIn("cpu", json.loads((out / "blocks.json").read_text())["machine"])

    def integers_follow_floats(self, folder):
        plan, frame = blocks.plan_from_manifest(folder), torch.from_numpy(read_pack(self.validation).images[0].transpose(2, 0, 1).copy())[None, :, :192, :288] / 255
        integers = blocks.OnnxNet(folder / "model-int8.onnx", plan)(frame)
        bytes_in(folder / "model.onnx")
        for found, expected in zip(integers, blocks.OnnxNet(folder / "model.onnx", plan)(frame)):
            self.assertGreater(np.corrcoef(found.numpy().ravel(), expected.numpy().ravel())[0, 1], 0.9)
        kinds = {node.op_type for node in onnx.load(folder / "model-int8.onnx").graph.node}
        self.assertIn("DequantizeLinear", kinds)

    def test_times_want_networks(self):
        self.assertEqual(quiet(blocks.main, ["--latency-only", "--out", str(self.folder / "nothing")])[0], 2)


def csv_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def bytes_in(path):
    """As our runtime prepares a network: a frame's bytes go in, divided by 255 in the graph."""
    model = onnx.load(path)
    graph = model.graph
    name = graph.input[0].name
    graph.input[0].name, graph.input[0].type.tensor_type.elem_type = "frame", onnx.TensorProto.UINT8
    graph.initializer.append(numpy_helper.from_array(np.float32(1 / 255), "unit"))
    nodes = [helper.make_node("Cast", ["frame"], ["numbers"], to=onnx.TensorProto.FLOAT), helper.make_node("Mul", ["numbers", "unit"], [name]), *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


if __name__ == "__main__":
    unittest.main()
