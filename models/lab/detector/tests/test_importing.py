"""A model folder is read back as the network that it was made of, and trained on."""

import dataclasses
import json
import sys
import unittest
from pathlib import Path

import safetensors
import torch

from test_detector import SMALL, Temporary, quiet, run, street

import anchors
import elastic
import exporting
import importing
import masks
import training
from net import BLOCKS, Detector, Plan
from packs import PackError

PICTURES = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(3))
LAB = Path(importing.__file__).parent


def worn(net, seed=1):
    """The network as if it had learnt: statistics and weights of normalisation that differ from channel to channel and width to width."""
    random = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "norm.bias")) or (".norms." in name and name.endswith("bias")):
            value.copy_(0.3 * torch.randn(value.shape, generator=random))
        elif name.endswith("running_var") or (".norm" in name and name.endswith("weight")):
            value.copy_(0.6 + torch.rand(value.shape, generator=random))
    return net.eval()


def several_widths():
    torch.manual_seed(1)
    net = masks.ElasticDetector(Detector(Plan(anchors.over(), widths=(16, 16, 32, 32), depths=(1, 1, 2, 1))), (1.0, 0.6, 0.3))
    for group in range(len(net.groups)):
        net.mask(group).copy_(torch.rand(net.mask(group).shape))
    net.choose()
    return worn(net)


class Folders(Temporary):
    def exported(self, net, ratios=None):
        state = {"plan": net.plan.as_json(), "average": net.state_dict(), **({"ratios": list(ratios)} if ratios else {})}
        torch.save(state, self.folder / "last.pt")
        quiet(exporting.main, ["--checkpoint", str(self.folder / "last.pt"), "--out", str(self.folder / "model")])
        return self.folder / "model"

    @torch.no_grad()
    def assert_same(self, one, other, tolerance=0.03):
        for own, others in zip(one(PICTURES), other(PICTURES)):
            self.assertLess(float((own - others).abs().max()), tolerance * float(own.abs().max()))

    def test_a_network_says_what_it_said(self):
        for block in BLOCKS:
            net = worn(Detector(Plan(anchors.over()[:2] + (((30.0, 60.0),),), block, stem=32, widths=(32, 48, 64, 80), depths=(2, 1, 3, 1))))
            back = training.load_net(self.exported(net))
            for name in ("stem", "widths", "depths", "block", "classes"):
                self.assertEqual(getattr(back.plan, name), getattr(net.plan, name), block)
            self.assert_same(net, back)

    def test_so_it_does_at_every_width(self):
        net = several_widths()
        back = elastic.load_net(self.exported(net, net.ratios))
        self.assertEqual(back.ratios, net.ratios)
        for ratio in range(3):
            self.assertEqual(back.macs(ratio), net.macs(ratio))
            self.assert_same(net.at(ratio), back.at(ratio))
        self.assert_same(net.at(0), training.load_net(self.folder / "model"))

    def test_statistics_are_found_again_and_change_nothing(self):
        net = elastic.load_net(self.exported(several_widths(), (1.0, 0.6, 0.3)))
        with torch.no_grad():
            before = [[each.clone() for each in net.at(ratio)(PICTURES)] for ratio in range(3)]
            importing.see_statistics(net, [PICTURES])
            for ratio in range(3):
                for own, others in zip(net.at(ratio)(PICTURES), before[ratio]):
                    torch.testing.assert_close(own, others, rtol=1e-3, atol=1e-3)
            # In training a batch's own statistics count: of the same pictures they are those that were found.
            for own, others in zip(net.at(2).train()(PICTURES), before[2]):
                self.assertLess(float((own - others).abs().max()), 0.05 * float(others.abs().max()))

    def test_training_goes_on_from_a_folder_with_its_anchors_and_is_resumed(self):
        pack = street(self.folder / "pack")
        small = Detector(Plan(tuple(own[:2] for own in anchors.over()), "plain", widths=(16, 16, 32, 32), depths=(1, 1, 1, 1)))
        folder = self.exported(worn(small))
        common = ["--data", pack, "--out", self.folder / "run", "--batch", 4, "--paste", 0, "--float32"]
        made = run(training.parse, training.Run, *common, "--begin-with", folder, "--steps", 1)
        self.assertEqual(dataclasses.replace(made.plan, anchors=()), dataclasses.replace(small.plan, anchors=()))
        self.assertEqual([len(own) for own in made.plan.anchors], [2, 2, 2])
        # One step at the beginning's low rate: near to what it began with, far from how networks begin.
        self.assertLess(float((made.net.state_dict()["stages.1.0.conv.weight"] - small.state_dict()["stages.1.0.conv.weight"]).abs().max()), 2e-3)
        self.assertEqual(run(training.parse, training.Run, *common, "--resume", "--steps", 2).step, 2)

    def test_widths_are_taught_on_with_the_masks_of_a_folder(self):
        pack, net = street(self.folder / "pack"), several_widths()
        folder = self.exported(net, net.ratios)
        made = run(elastic.parse, elastic.ElasticRun, "--data", pack, "--begin-with", folder, "--out", self.folder / "run", "--ratios", 1, 0.6, 0.3, "--steps", 2, "--batch", 4, "--paste", 0, "--float32")
        for name, norm in net.norms().items():
            torch.testing.assert_close(made.net.norms()[name].gates, norm.gates)

    def test_masks_of_a_folder_do_for_a_network_that_went_on_learning_alone(self):
        pack, net = street(self.folder / "pack"), several_widths()
        folder = self.exported(net, net.ratios)
        torch.save({"plan": net.plan.as_json(), "average": worn(net.dense(), seed=5).state_dict()}, self.folder / "dense.pt")
        common = ["--data", pack, "--masks", folder, "--ratios", 1, 0.6, 0.3, "--steps", 1, "--batch", 4, "--paste", 0, "--float32"]
        made = run(elastic.parse, elastic.ElasticRun, *common, "--begin-with", self.folder / "dense.pt", "--out", self.folder / "run")
        for name, norm in net.norms().items():
            torch.testing.assert_close(made.net.norms()[name].gates, norm.gates)
        torch.save({"plan": Plan(anchors.over(), widths=(16, 16, 32, 48)).as_json(), "average": Detector(Plan(anchors.over(), widths=(16, 16, 32, 48))).state_dict()}, self.folder / "other.pt")
        with self.assertRaisesRegex(PackError, "no masks for this network"):
            run(elastic.parse, elastic.ElasticRun, *common, "--begin-with", self.folder / "other.pt", "--out", self.folder / "refused")

    def test_what_is_no_such_network_is_refused(self):
        folder = self.exported(worn(Detector(Plan(anchors.over(), widths=(16, 16, 32, 32), depths=(1, 1, 1, 1)))))
        manifest = json.loads((folder / "manifest.json").read_text())
        for what, spoil in (
            ("another file", lambda: (folder / "model.onnx").write_bytes(b"no network")),
            ("another head", lambda: (folder / "manifest.json").write_text(json.dumps({**manifest, "head": {"kind": "yolox"}}))),
            ("no manifest", lambda: (folder / "manifest.json").unlink()),
        ):
            spoil()
            with self.subTest(what), self.assertRaisesRegex(PackError, "no network that export wrote"):
                importing.state_of(folder)
        (self.folder / "text.pt").write_text("no network")
        for file in ("text.pt", "gone.pt"):
            with self.subTest(file), self.assertRaisesRegex(PackError, "no checkpoint of train or elastic"):
                importing.state_of(self.folder / file)
        code, told = quiet(training.main, ["--data", str(street(self.folder / "pack")), "--begin-with", str(folder), "--out", str(self.folder / "run")])
        self.assertEqual(code, 2)
        self.assertIn("no network that export wrote", told)

    def test_what_is_shipped_can_be_taught_on(self):
        net = elastic.load_net(LAB.parent.parent / "street")
        self.assertEqual([net.macs(ratio) // 1_000_000 for ratio in range(4)], [round(each["macs"] / 1e6 - 0.5) for each in self.shipped_ratios()])

    def shipped_ratios(self):
        with safetensors.safe_open(str(LAB.parent.parent / "street" / "elastic.safetensors"), "pt") as opened:
            return json.loads(opened.metadata()["ratios"])


if __name__ == "__main__":
    sys.exit(unittest.main())
