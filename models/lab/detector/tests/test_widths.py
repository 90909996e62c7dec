"""What sharing costs is told for every width, from runs of as many steps."""

import json
import sys
import unittest

import torch

from test_detector import Temporary, quiet, street
from test_importing import several_widths

import widths


class Widths(Temporary):
    def test_a_width_learns_alone_as_long_as_it_does_among_the_others(self):
        ratios = (1.0, 0.75, 0.5, 0.25)
        self.assertEqual([widths.steps_of(ratio, ratios, 600) for ratio in range(4)], [600, 300, 300, 600])

    def test_every_width_is_told_shared_alone_and_with_the_dense_ones_statistics(self):
        net, pack, out = several_widths(), street(self.folder / "pack", 24), self.folder / "out"
        torch.save({"plan": net.plan.as_json(), "average": net.state_dict(), "ratios": list(net.ratios)}, self.folder / "last.pt")
        command = ["--begin-with", str(self.folder / "last.pt"), "--data", str(pack), "--validate", str(pack), "--out", str(out), "--steps", "2", "--batch", "4"]
        widths.LEAST_BOXES, kept = 20, widths.LEAST_BOXES
        self.addCleanup(setattr, widths, "LEAST_BOXES", kept)
        code, told = quiet(widths.main, command)
        self.assertEqual(code, 0)
        results = json.loads((out / "results.json").read_text())
        self.assertEqual(len(results["scores"]), 3 + 2 + 3 + 3)
        self.assertEqual(set(results["scores"]["alone, 30%"]), {"pack person", "pack car"})
        self.assertIn("| 60% | dense statistics |", told)
        results["scores"]["alone, 60%"]["pack car"] = 0.875  # what is there isn't made again
        (out / "results.json").write_text(json.dumps(results))
        self.assertIn("0.875", quiet(widths.main, command)[1])

    def test_a_width_alone_changes_no_channel_that_it_has_not(self):
        net, pack = several_widths(), street(self.folder / "pack")
        torch.save({"plan": net.plan.as_json(), "average": net.state_dict(), "ratios": list(net.ratios)}, self.folder / "last.pt")
        options = widths.parse(["--begin-with", str(self.folder / "last.pt"), "--data", str(pack), "--validate", str(pack), "--out", str(self.folder), "--batch", "4"])
        before = net.state_dict()
        after = quiet(widths.learnt, widths.AloneRun, options, net.ratios, 1, 2)[0].state_dict()
        gates = net.norms()["stem"].gates[2] > 0
        moved = (after["net.stem.conv.weight"] - before["net.stem.conv.weight"]).abs().amax((1, 2, 3))
        # Weight decay moves what nothing is learnt for by far less than a step of learning.
        self.assertGreater(float(moved[gates].min()), 10 * float(moved[~gates].max()))

    def test_from_nothing_all_begin_alike_and_with_the_masks_alone(self):
        net, pack, out = several_widths(), street(self.folder / "pack", 24), self.folder / "out"
        torch.save({"plan": net.plan.as_json(), "average": net.state_dict(), "ratios": list(net.ratios)}, self.folder / "last.pt")
        command = ["--begin-with", str(self.folder / "last.pt"), "--data", str(pack), "--validate", str(pack), "--out", str(out), "--steps", "2", "--batch", "4", "--from-nothing"]
        options = widths.parse(command)
        begun = [quiet(widths.learnt, kind, options, net.ratios, 0, alone)[0].state_dict() for kind, alone in ((widths.elastic.ElasticRun, None), (widths.AloneRun, 2))]
        for key, value in begun[0].items():
            self.assertTrue(torch.equal(begun[1][key], value), key)
            if ".gates" in key or key.startswith("mask_"):
                self.assertTrue(torch.equal(net.state_dict()[key], value), key)
        self.assertFalse(torch.equal(begun[0]["net.stem.conv.weight"], net.state_dict()["net.stem.conv.weight"]))
        self.assertEqual(quiet(widths.main, [*command, "--jobs", "2"])[0], 0)
        self.assertEqual(len(json.loads((out / "results.json").read_text())["scores"]), 3 + 3)
        code, told = quiet(widths.main, command[:-1])
        self.assertEqual((code, "another recipe" in told), (2, True))

    def test_a_network_of_one_width_is_refused(self):
        torch.save({"plan": several_widths().plan.as_json(), "average": several_widths().dense().state_dict()}, self.folder / "last.pt")
        code, told = quiet(widths.main, ["--begin-with", str(self.folder / "last.pt"), "--data", "x", "--validate", "x", "--out", str(self.folder / "out")])
        self.assertEqual((code, "one width alone" in told), (2, True))


if __name__ == "__main__":
    sys.exit(unittest.main())
