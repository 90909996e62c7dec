"""What sharing one set of weights costs its widths: `compare-widths --begin-with DIR|CHECKPOINT --data PACK... --validate PACK... --out DIR`.

From one network of several widths as many steps are made in one run that teaches all widths together, as `elastic` does, and in one run for each narrower
width that teaches this width alone: the same weights, pictures, rate and number of steps that the width learns in, but nobody else uses the weights. What it
has more than the shared one is the price of sharing. Beside it: every width with the normalisation statistics of the dense one, in place of its own.
With `--from-nothing` all begin with the same random weights.
"""

import argparse
import json
import multiprocessing
import os
import sys
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import numpy as np
import torch

import elastic
import memory
import scoring
import training
from net import CLASSES
from packs import PackError, read_pack
from team import Team

LEAST_BOXES = 40
"""A class of a pack with fewer given boxes says more about luck than about a network."""


class AloneRun(elastic.ElasticRun):
    """One width learns, from boxes alone; the others stay as they are, but for the weights that are its own, too."""

    def backward(self, pictures, targets):
        if not self.is_settled:
            self.net.choose()
            self.is_settled = True
        self.net.at(self.options.alone)
        losses = training.boxes.detection_loss(self.maps(pictures), targets, self.plan.anchors, len(CLASSES))
        sum(losses).backward()
        self.net.at(0)
        return torch.stack([loss.detach() for loss in losses])


def steps_of(ratio, ratios, steps):
    """Of so many steps of the shared run, those that this width learns in: the dense and the narrowest in all, those between by turns."""
    between = len(ratios) - 2
    return steps if ratio in (0, len(ratios) - 1) else steps // between


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare-widths", description="Measures what several widths lose by sharing one set of weights.")
    parser.add_argument("--begin-with", type=Path, required=True, metavar="CHECKPOINT", help="of elastic, or a model folder of several widths")
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK[:WEIGHT]")
    parser.add_argument("--validate", nargs="+", required=True, metavar="PACK", help="packs with human boxes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results.json and table.md; what is there is not made again")
    parser.add_argument("--steps", type=int, default=600, help="of the run that shares (600)")
    parser.add_argument("--rate", type=float, default=5e-4, help="highest learning rate (0.0005)")
    parser.add_argument("--batch", type=int, default=32, help="pictures a step, at 320 (32)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from-nothing", action="store_true", help="all runs begin with random weights: of --begin-with only the masks are taken")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, one thread each (1)")
    options = parser.parse_args(arguments)
    if options.steps < 2 or options.jobs < 1:
        parser.error("--steps has to be above 1, and --jobs at least 1")
    return options


def learnt(kind, options, ratios, steps, alone=None):
    """@returns the averaged network"""
    own = Namespace(**{**vars(options), "ratios": ratios, "anchors": None, "masks": None, "paste": 0.0, "teacher": None, "workers": 1, "hours": None, "resume": False, "float32": False, "steps": steps, "alone": alone})
    run = (anew(kind) if options.from_nothing else kind)(own, Team(0, 1, None))
    while run.step < steps:
        run.advance()
        if run.step % 50 == 0:
            print(f"{'together' if alone is None else f'{ratios[alone]:.0%} alone'}: step {run.step} of {steps}", file=sys.stderr, flush=True)
    return run.average.net


def anew(kind):
    """A run that begins with nothing but the masks: the same random weights for all runs of a seed."""

    class Anew(kind):
        def make_net(self, packs):
            net = super().make_net(packs)
            torch.manual_seed(self.options.seed)
            for layer in net.modules():
                if isinstance(layer, (torch.nn.Conv2d, torch.nn.BatchNorm2d)):
                    layer.reset_parameters()
            net.net.begin_heads()
            return net

    return Anew


def with_dense_statistics(net, ratio):
    """At a ratio, normalised by what the dense network has seen: what one set of statistics for all widths would be."""
    for norm in net.norms().values():
        own, dense = norm.norms[ratio], norm.norms[0]
        own.load_state_dict(dense.state_dict())
    return net.at(ratio)


def score(net, packs):
    """AP50 of each class of a pack with boxes enough."""
    found = {}
    for pack in packs:
        counts = np.bincount([box[4] for entry in pack.pictures for box in entry["boxes"]], minlength=len(CLASSES))
        scores = scoring.ap50_of(net, pack, training.SIDE)
        found.update({f"{pack.name} {name}": round(float(scores[name]), 4) for name, count in zip(CLASSES, counts) if count >= LEAST_BOXES})
    return found


def jobs_of(options, ratios):
    """What is to be measured: how, and at which ratio. One run teaches all that learn together."""
    narrow = range(1, len(ratios))
    known = [] if options.from_nothing else [*(("before", ratio) for ratio in range(len(ratios))), *(("dense statistics", ratio) for ratio in narrow)]
    return [*known, ("together", None), *(("alone", ratio) for ratio in reversed(range(len(ratios))))]


def keys_of(job, ratios):
    how, ratio = job
    return [f"{how}, {ratios[each]:.0%}" for each in (range(len(ratios)) if ratio is None else [ratio])]


def measured(options, job):
    """@returns scores by what they are of"""
    memory.one_thread()
    how, ratio = job
    begun, packs = elastic.load_net(options.begin_with), [read_pack(name) for name in options.validate]
    ratios = begun.ratios
    if how == "together":
        shared = learnt(elastic.ElasticRun, options, ratios, options.steps)
        return {key: score(shared.at(each), packs) for each, key in enumerate(keys_of(job, ratios))}
    if how == "alone":
        net = learnt(AloneRun, options, ratios, steps_of(ratio, ratios, options.steps), ratio).at(ratio)
    else:
        net = begun.at(ratio) if how == "before" else with_dense_statistics(begun, ratio)
    [key] = keys_of(job, ratios)
    return {key: score(net, packs)}


def compare(options):
    """@returns what is in results.json. @raises PackError"""
    try:
        ratios = elastic.load_net(options.begin_with).ratios
    except KeyError as error:
        raise PackError(f"{options.begin_with} has one width alone") from error
    for name in (*(name.partition(":")[0] for name in options.data), *options.validate):
        read_pack(name)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "results.json"
    recipe = {"ratios": list(ratios), "steps": options.steps, "from nothing": options.from_nothing}
    results = json.loads(file.read_text()) if file.exists() else {**recipe, "scores": {}}
    if {key: results.get(key, False) for key in recipe} != recipe:
        raise PackError(f"{file} is of another recipe: choose another --out")
    todo = [job for job in jobs_of(options, ratios) if not set(keys_of(job, ratios)) <= set(results["scores"])]
    for scores in (map(partial(measured, options), todo) if options.jobs == 1 else side_by_side(options, todo)):
        results["scores"].update(scores)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(results, indent=1))
        os.replace(part, file)
    return results


def side_by_side(options, jobs):
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        yield from (done.result() for done in as_completed([pool.submit(measured, options, job) for job in jobs]))


def table(results):
    names = list(next(iter(results["scores"].values())))
    lines = ["| width | | " + " | ".join(names) + " |", "| --- | --- |" + " ---: |" * len(names)]
    for share in results["ratios"]:
        for how in ("before", "dense statistics", "together", "alone"):
            scores = results["scores"].get(f"{how}, {share:.0%}")
            if scores:
                lines.append(f"| {share:.0%} | {how} | " + " | ".join(f"{scores[name]:.3f}" for name in names) + " |")
    return "\n".join([f"AP50, {results['steps']} steps:", "", *lines, ""])


def main(arguments):
    options = parse(arguments)
    memory.one_thread()
    try:
        told = table(compare(options))
    except (PackError, OSError) as error:
        print(f"compare-widths: {error}", file=sys.stderr)
        return 2
    (options.out / "table.md").write_text(told)
    print(told)
    return 0
