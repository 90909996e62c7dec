"""What the lab is made of, without a set: geometry, layers, losses and scores."""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parent.parent / "common")]

import numpy as np
import torch

import costs
import geometry
import losses
import matching
import net
import scoring
from geometry import Cube, Rig
from synthetic import BASELINE_M, FOCAL_PX, HEIGHT, RANGE_M, WIDTH

RIG = Rig(WIDTH, HEIGHT, FOCAL_PX, FOCAL_PX, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, 0.0, BASELINE_M)
CUBE = Cube.of(RANGE_M)


class Geometry(unittest.TestCase):
    def test_a_point_lies_in_its_cell(self):
        cells = geometry.occupied(np.array([[0.1, 0.2, 3.0], [0.1, 0.2, -1.0], [99.0, 0.0, 1.0]]), CUBE, 8)
        self.assertEqual(np.argwhere(cells).tolist(), [[1, 7, 4]])

    def test_a_disparity_is_a_depth(self):
        disparity = np.zeros((HEIGHT, WIDTH), np.float32)
        disparity[10, 20] = 6
        np.testing.assert_allclose(geometry.points_of(disparity, RIG), [[(20 - 63.5) * 8 / 120, (10 - 31.5) * 8 / 120, 8]])

    def test_coarser_cells_hold_the_finer_ones(self):
        points = np.random.default_rng(3).uniform(-1, 16, (400, 3))
        for side in (8, 16, 32):
            np.testing.assert_array_equal(geometry.coarser(geometry.occupied(points, CUBE, 64), side), geometry.occupied(points, CUBE, side))

    def test_all_of_a_ray_in_the_cube_comes_to_cells(self):
        rows, columns = geometry.frustum_to_cells(RIG, Cube(RANGE_M, 8.0), 64, 64, 4)
        self.assertEqual(columns.shape, (64, 64, 32))
        np.testing.assert_allclose(columns[:50].sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)

    def test_a_mixture_is_one_step_where_a_plane_is_one(self):
        matrix = geometry.mixture(np.full((1, 8), 6.0), 2)
        self.assertEqual(np.argwhere(matrix).tolist(), [[3, 0]])
        np.testing.assert_allclose(geometry.mixture(np.full((1, 8), 7.0), 2)[3:5, 0], 0.5)

    def test_skips_begin_as_interpolation(self):
        for planes in geometry.PLANES:
            for matrix in geometry.skips_of(RIG, CUBE, planes):
                np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)


class Net(unittest.TestCase):
    def test_matching_finds_the_shift(self):
        right = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 16, 4, 40)).astype(np.float32))
        left = torch.roll(right, 5, dims=3)
        planes = torch.eye(12)[None]
        found, _ = matching.match(left, right, planes)
        self.assertTrue((found[0, :, :, 12:].argmax(dim=0) == 5).all())
        np.testing.assert_allclose(found[0, 5, :, 5:], 1, atol=1e-5)
        self.assertEqual(float(found[0, 5, :, :5].abs().max()), 0)

    def test_comparisons_are_those_of_single_columns(self):
        random = torch.Generator().manual_seed(1)
        for width, disparities in ((20, 7), (5, 9), (50, 16), (110, 48)):
            left, right = (torch.randn((2, 4, 3, width), generator=random, requires_grad=True) for _ in range(2))
            slope = torch.randn((2, 3, width, disparities), generator=random)
            l, r = (torch.nn.functional.normalize(side, dim=1) for side in (left, right))
            one = lambda d: torch.cat([torch.zeros(2, 3, min(d, width)), (l[..., d:] * r[..., : max(0, width - d)]).sum(1)], 2)
            singly = torch.stack([one(d) for d in range(disparities - 1, -1, -1)], 3)
            for learns in (True, False):
                with torch.set_grad_enabled(learns):
                    torch.testing.assert_close(matching.at_disparities(left, right, disparities), singly)
            found = torch.autograd.grad(matching.at_disparities(left, right, disparities), (left, right), slope)
            torch.testing.assert_close(found, torch.autograd.grad(singly, (left, right), slope))

    def test_a_closer_look_compares_around_each_guess(self):
        left, right = torch.randn((2, 2, 16, 4, 40), generator=torch.Generator().manual_seed(1))
        every = matching.at_disparities(left, right, 32).flip(3)
        guess = torch.randint(matching.REACH, 20, (2, 2, 10), generator=torch.Generator().manual_seed(2)).float()
        found = matching.around_guess(left, right, guess)
        self.assertEqual(found.shape, (2, 4, 10, 4, 2 * matching.REACH + 1))
        for pair, row, block, column in ((0, 0, 9, 3), (1, 3, 4, 0), (1, 2, 2, 1)):
            at = int(guess[pair, row // 2, block])
            torch.testing.assert_close(found[pair, row, block, column], every[pair, row, 4 * block + column, at - matching.REACH : at + matching.REACH + 1].flip(0))

    def test_beside_the_right_picture_nothing_compares(self):
        left = torch.randn((1, 16, 2, 40), generator=torch.Generator().manual_seed(1))
        for guess in (-60.0, 900.0):
            self.assertEqual(float(matching.around_guess(left, left, torch.full((1, 1, 10), guess)).abs().max()), 0)

    def test_a_place_is_shared_among_slabs(self):
        faces = torch.tensor([[50.0, 20.0, 10.0, 5.0, 2.0]])
        one = lambda value: torch.full((1, 1, 1, 1), value)
        shares = lambda place, spread: net.shares_between(faces, one(place), one(spread), one(1.0))[0, :, 0, 0]
        for place, slab in ((80.0, 0), (30.0, 0), (12.0, 1), (7.0, 2), (3.5, 3), (1.0, 4)):
            self.assertGreater(float(shares(place, 0.05)[slab]), 0.999)
        np.testing.assert_allclose(shares(10.0, 0.5), [0, 0.5, 0.5, 0, 0], atol=1e-4)
        self.assertAlmostEqual(float(shares(7.0, 3.0).sum()), 1, places=5)
        both = lambda *values: torch.tensor(values)[None, :, None, None]
        mixed = net.shares_between(faces, both(12.0, 3.5), both(0.05, 0.05), both(0.6, 0.3))[0, :, 0, 0]
        np.testing.assert_allclose(mixed, [0, 0.6, 0, 0.3, 0], atol=1e-4)

    def test_what_both_networks_have_is_taken_over(self):
        half, full = net.FrustumNet(), net.FrustumNet(is_full=True)
        own = full.fine.closer.head.weight.clone()
        net.take_over(full, half.state_dict())
        self.assertTrue(torch.equal(full.fine.look.weight, half.fine.look.weight))
        self.assertTrue(torch.equal(full.fine.closer.head.weight, own))

    def test_rates_add_up(self):
        rates = torch.rand(1, 8, 8, 8)
        np.testing.assert_allclose(net.add_up(rates, 4)[0, 1, 0, 1], rates[0, 4:, :4, 4:].sum(), rtol=1e-5)


class Costs(unittest.TestCase):
    def test_psmnet_costs_what_is_published(self):
        """256.7 GMACs at 512x256 with transposed convolutions counted at their outputs, eight times as many as are done in three dimensions."""
        transposed = 3 * (costs.conv3d(64, 64, 12 * 16 * 32) + costs.conv3d(64, 32, 24 * 32 * 64))
        self.assertAlmostEqual((costs.psmnet(512, 256) + 7 * transposed) / 1e9, 256.7, delta=1)

    def test_twice_the_columns_cost_twice(self):
        for count in costs.NETWORKS.values():
            self.assertAlmostEqual(count(1024, 512) / count(512, 512), 2, delta=0.1)


class Losses(unittest.TestCase):
    def test_matching_is_best_at_the_true_disparity(self):
        true_px = torch.full((1, 3, 40), 7.0)
        true_px[:, :, :20] = 0
        def loss_at(found):
            steps = torch.zeros(1, 3, 40, 12)
            steps[..., 11 - found] = 1
            return float(losses.matching_loss(steps, true_px, 2))
        told = [loss_at(found) for found in range(12)]
        self.assertAlmostEqual(told[3], told[4], places=5)
        self.assertTrue(all(other > told[3] + 1 for at, other in enumerate(told) if at not in (3, 4)))

    def test_around_a_guess_only_what_is_near_it_teaches(self):
        steps = torch.zeros(1, 1, 40, 9)
        steps[..., 2] = 1  # 6 above the least
        true_px = lambda disparity: torch.full((1, 1, 40), disparity)
        near, off, beyond = (float(losses.matching_loss(steps, true_px(disparity), 1, least=torch.full((1, 1, 40), 10.0))) for disparity in (16.0, 14.0, 30.0))
        self.assertLess(near, 0.01)
        self.assertGreater(off, 5)
        self.assertEqual(beyond, 0)

    def test_what_is_unknown_or_beyond_the_picture_teaches_nothing(self):
        steps = torch.randn(1, 2, 5, 8)
        self.assertEqual(float(losses.matching_loss(steps, torch.zeros(1, 2, 5), 1)), 0)
        self.assertEqual(float(losses.matching_loss(steps, torch.full((1, 2, 5), 6.0), 1)), 0)


class Scores(unittest.TestCase):
    def test_chamfer_is_a_distance(self):
        here, there = np.zeros((2, 8, 8, 8), bool)
        here[0, 0, 0] = there[0, 3, 4] = True
        self.assertEqual(scoring.chamfer_m(here, here, 16), 0)
        self.assertAlmostEqual(scoring.chamfer_m(here, there, 16), 10, places=4)
        self.assertEqual(scoring.chamfer_m(here, np.zeros_like(here), 16), 16)

    def test_nothing_seen_where_nothing_is(self):
        self.assertEqual(scoring.mean_iou([scoring.overlap(np.zeros(4, bool), np.zeros(4, bool)), (1, 2)]), 0.75)


if __name__ == "__main__":
    unittest.main()
