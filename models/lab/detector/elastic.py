"""Teaches a trained detector to run at several widths: `elastic --begin-with last.pt --data PACK... --out DIR`.

With `--anchors` only those of a manifest that `lynceus models prune-anchors` wrote are kept: their part of the heads, taught on.
Every step trains the dense network, the narrowest and one between (the sandwich rule, Yu & Huang 2019); the dense one is the teacher of the others.
For the first eighth of the run masks are learnt from the dense network's gradients, then they stay. Begun with a network of the same widths (a
checkpoint of `elastic`, or a model folder), it goes on with that one's masks.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from torch.nn import functional as F

import importing
import masks
import training
from masks import ElasticDetector
from net import BOX, CLASSES, STRIDES, Detector
from packs import PackError

MASKS_UNTIL = 0.12
CHOOSE_EVERY = 50
SEEN_BATCHES = 16
"""Of pictures, by which the narrow widths of a model folder find their statistics again."""
TAUGHT_SHARE = 0.5
"""Of what a narrow network learns, from boxes; the rest from the dense network."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="elastic", description="Teaches a trained detector to run at several widths with one set of weights.")
    training.add_options(parser, rate=1e-3, hours=1.0)
    parser.add_argument("--begin-with", type=Path, required=True, metavar="CHECKPOINT", help="of train; or of elastic or a model folder: its masks stay")
    parser.add_argument("--anchors", type=Path, metavar="MANIFEST", help="keep only the anchors of this manifest")
    parser.add_argument("--masks", type=Path, metavar="CHECKPOINT", help="of elastic, or a model folder: its masks, and what its narrow widths have learnt of normalisation, in place of masks that are learnt anew")
    parser.add_argument("--ratios", type=ratio_of, nargs="+", default=masks.RATIOS, help="of the multiply-accumulates, from 1 down (1 0.75 0.5 0.25)")
    options = training.checked(parser, arguments)
    if options.ratios[0] != 1 or len(options.ratios) < 2 or list(options.ratios) != sorted(set(options.ratios), reverse=True):
        parser.error("--ratios have to begin with 1 and fall")
    return options


def ratio_of(text):
    ratio = float(text)
    if not 0.05 <= ratio <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.05 and 1")
    return ratio


def anchors_of(manifest):
    """@raises PackError where the file is no manifest of such a detector"""
    try:
        scales = json.loads(manifest.read_text())["head"]["scales"]
        return tuple(tuple(tuple(anchor) for anchor in next(scale["anchors"] for scale in scales if scale["stride"] == stride)) for stride in STRIDES)
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise PackError(f"{manifest} is no manifest of a detector with anchors at {STRIDES}: {error}") from error


@torch.no_grad()
def with_anchors(net, chosen):
    """The network with those of its anchors alone. @raises PackError where one is none of its own"""
    parts = [kept_places(own, wanted) for own, wanted in zip(net.plan.anchors, chosen)]
    anchors = tuple(tuple(own[place] for place in places) for own, places in zip(net.plan.anchors, parts))
    pruned = Detector(dataclasses.replace(net.plan, anchors=anchors))
    known = net.state_dict()
    for level, (places, own) in enumerate(zip(parts, net.plan.anchors)):
        for key in (f"heads.{level}.weight", f"heads.{level}.bias"):
            known[key] = torch.cat([known[key].chunk(len(own))[place] for place in places])
    pruned.load_state_dict(known)
    return pruned.eval()


def kept_places(own, wanted):
    near = lambda one, other: all(abs(a - b) < 0.01 * b for a, b in zip(one, other))
    places = [next((place for place, anchor in enumerate(own) if near(anchor, each)), None) for each in wanted]
    if None in places or not places:
        raise PackError(f"the anchors {wanted} are not among the network's own: {own}")
    return places


def teaching_loss(maps, taught, classes=len(CLASSES)):
    """How far maps are from the teacher's, where the teacher is sure that something is: cross-entropies, and squares of boxes' numbers."""
    total = torch.zeros(())
    for own, teacher in zip(maps, taught):
        b, _, h, w = own.shape
        own, teacher = (each.float().view(b, -1, BOX + classes, h, w) for each in (own, teacher.detach()))
        sure = teacher[:, :, 4].sigmoid()
        weight = sure / sure.sum().clamp(min=1)
        objectness = F.binary_cross_entropy_with_logits(own[:, :, 4], sure, reduction="sum") / sure.sum().clamp(min=1)
        kinds = F.binary_cross_entropy_with_logits(own[:, :, BOX:], teacher[:, :, BOX:].sigmoid(), reduction="none").mean(2)
        boxes = (own[:, :, :4].sigmoid() - teacher[:, :, :4].sigmoid()).square().sum(2)
        total = total + (weight * (kinds + 2 * boxes)).sum() + 0.1 * objectness
    return total / len(maps)


class ElasticRun(training.Run):
    is_settled = False
    """Whether channels were chosen by the masks as they stay."""
    learnt_before = False
    """Whether it begins with a network of several widths, whose masks stay."""

    def make_net(self, packs):
        options = self.options
        if not options.anchors and not options.masks and has_ratios(options.begin_with, options.ratios):
            self.learnt_before = True
            return self.with_statistics(options.begin_with)
        dense = training.load_net(options.begin_with)
        if options.anchors:
            dense = with_anchors(dense, anchors_of(options.anchors))
        net = ElasticDetector(dense, options.ratios)
        if options.masks:
            self.learnt_before = True
            try:
                net.take_widths(self.with_statistics(options.masks))
            except (KeyError, ValueError) as error:
                raise PackError(f"{options.masks} has no masks for this network: {error}") from error
        return net

    def with_statistics(self, path):
        """A network of several widths, whose narrow ones have seen pictures."""
        net = load_net(path)
        if path.is_dir():
            importing.see_statistics(net, [self.batch_at(step)[0] for step in range(SEEN_BATCHES)])
        return net

    def backward(self, pictures, targets):
        learns = not self.learnt_before and self.progress() < MASKS_UNTIL
        if (learns and self.step % CHOOSE_EVERY == 1) or not (learns or self.is_settled):
            self.net.choose()
            self.is_settled = not learns
        self.net.at(0).probe(learns)
        features, maps = self.seen(pictures)
        losses = self.losses(features, maps, pictures, targets)
        sum(losses).backward()
        if learns:
            self.net.learn_masks(self.team.mean)
        self.net.probe(False)
        taught = [each.detach() for each in maps]
        for ratio in self.narrow():
            self.net.at(ratio)
            maps = self.maps(pictures)
            given = training.boxes.detection_loss(maps, targets, self.plan.anchors, len(CLASSES))
            (TAUGHT_SHARE * sum(given) + (1 - TAUGHT_SHARE) * teaching_loss(maps, taught)).backward()
        self.net.at(0)
        return torch.stack([loss.detach() for loss in losses])

    def narrow(self):
        """The ratios that learn beside the dense network: the narrowest, and one between by turns."""
        between = len(self.net.ratios) - 2
        return [len(self.net.ratios) - 1, *([1 + self.step % between] if between else [])]

    def scores(self, validation):
        """At each ratio."""
        found = {}
        for ratio, share in enumerate(self.net.ratios):
            self.average.net.at(ratio)
            found.update({f"{name} at {share:.0%}": each for name, each in super(ElasticRun, self).scores(validation).items()})
        self.average.net.at(0)
        return found

    def state(self):
        return {**super().state(), "ratios": list(self.net.ratios)}


def is_elastic(path):
    return "ratios" in importing.state_of(path)


def has_ratios(path, ratios):
    return importing.state_of(path).get("ratios") == list(ratios)


def load_net(path):
    """The averaged elastic network of a checkpoint or of a model folder. @raises KeyError where it is of another kind"""
    return masks.of_state(importing.state_of(path))


def main(arguments):
    return training.main(arguments, parse, ElasticRun)
