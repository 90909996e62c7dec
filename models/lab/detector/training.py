"""Trains the detector: `train --data PACK... --out DIR`. See README.md beside it."""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import anchors
import augment
import boxes
import checkpoints
import distilling
import importing
import masks
import memory
import plots
import scoring
from cutouts import Cutouts
from layers import macs_of
from net import BLOCKS, CLASSES, Detector, Plan
from packs import PackError, read_pack
from team import run_together

SIDE = 320
SIDES = (256, 288, 320, 320, 320, 352, 384)
"""A step's pictures are of one of these sizes, so that objects of all sizes are learnt; at the end all are 320."""
CALM_FROM = 0.85
LAST_SIDES_FROM = 0.97
WARM_STEPS = 200
LARGEST_GRADIENT = 3.0
LIKENESS_WEIGHT = 1.0
"""Of a teacher's features beside boxes."""
MOST_LINES = 12
"""Of a plot: with more, classes are averaged."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="train", description="Trains the street detector on packs that `prepare` made.")
    add_options(parser, rate=2e-3, hours=2.0)
    parser.add_argument("--begin-with", type=Path, metavar="CHECKPOINT", help="begin with these weights, or with those of a model folder; heads of other anchors begin anew")
    parser.add_argument("--anchors", choices=("over", "tuned", "kept"), help="6 a stride of no set's shapes, to be pruned; 3 a stride by k-means; or those of --begin-with (kept, without it over)")
    parser.add_argument("--block", choices=sorted(BLOCKS), help="what the backbone is made of (that of --begin-with, or csp)")
    parser.add_argument("--widths", type=int, nargs=4, help="channels of the four stages (likewise)")
    parser.add_argument("--depths", type=int, nargs=4, help="blocks of the four stages (likewise)")
    options = checked(parser, arguments)
    before = options.begin_with or (options.out / "last.pt" if options.resume else None)
    options.anchors = options.anchors or ("kept" if before else "over")
    if options.anchors == "kept" and not before:
        parser.error("--anchors kept are those of --begin-with")
    options.before = before
    if options.begin_with and options.resume:
        parser.error("--begin-with is for the beginning, and --resume goes on")
    return options


def add_options(parser, rate, hours):
    """What all runs know."""
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK[:WEIGHT]", help="packs to train on; with a weight, their pictures come so many times as often")
    parser.add_argument("--validate", nargs="*", default=[], metavar="PACK", help="packs with human boxes to follow the training by; nothing is chosen by them")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the checkpoint, curves, log and table go")
    parser.add_argument("--hours", type=float, default=hours, help=f"how long to train, of a process' own time; the learning rate ends with it ({hours:g})")
    parser.add_argument("--steps", type=int, help="how many steps instead of how long: the same run each time")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32, help="pictures a step, at 320 (32)")
    parser.add_argument("--rate", type=float, default=rate, help=f"highest learning rate ({rate:g})")
    parser.add_argument("--workers", type=int, default=1, help="processes that share each step, one thread each (1)")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between checkpoints (5)")
    parser.add_argument("--paste", type=float, default=0.3, metavar="SHARE", help="of pictures into which objects are pasted that were cut out of others; 0: none (0.3)")
    parser.add_argument("--teacher", type=Path, metavar="ONNX", help="a YOLOX network, whose features are learnt beside the boxes; a step takes 1.7 times as long")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in convolutions")


def checked(parser, arguments):
    options = parser.parse_args(arguments)
    if options.hours <= 0 or (options.steps is not None and options.steps <= 0):
        parser.error("--hours and --steps have to be above 0")
    if not 0 <= options.paste <= 1:
        parser.error("--paste has to be from 0 to 1")
    if not 1 <= options.workers <= options.batch // 4:
        parser.error("--batch has to be at least four times --workers")
    return options


def weighed_packs(names):
    """@returns packs and their weights. @raises PackError"""
    packs, weights = [], []
    for name in names:
        path, _, weight = name.partition(":")
        packs.append(read_pack(path))
        try:
            weights.append(float(weight or 1))
        except ValueError:
            raise PackError(f"{name}: {weight} is no weight") from None
    return packs, weights


def plan_of(options, packs):
    """What is not asked for is as in the network to begin with, or of the usual shape."""
    known = load_net(options.before).plan if options.before else Plan(anchors=())
    kinds = {"kept": lambda: known.anchors, "over": anchors.over, "tuned": lambda: anchors.tuned(anchors.sizes_in(packs))}
    asked = {key: tuple(value) if isinstance(value, list) else value for key in ("block", "widths", "depths") if (value := getattr(options, key))}
    return dataclasses.replace(known, anchors=kinds[options.anchors](), classes=CLASSES, **asked)


def load_net(path):
    """The averaged network of a checkpoint or of a model folder, of several widths the dense one. @raises PackError of a folder"""
    state = importing.state_of(path)
    if "ratios" in state:
        return masks.of_state(state).dense()
    net = Detector(Plan.of_json(state["plan"]))
    net.load_state_dict(state["average"])
    return net.eval()


@torch.no_grad()
def begin_with(net, path):
    """Takes all weights that fit; heads of other anchors stay as they begin."""
    known = load_net(path).state_dict()
    own = net.state_dict()
    net.load_state_dict({key: known[key] if key in known and known[key].shape == value.shape else value for key, value in own.items()})


class Run:
    """One training run: all that has to be in a checkpoint to go on as if nothing had happened."""

    def __init__(self, options, team):
        self.options, self.team = options, team
        packs, weights = weighed_packs(options.data)
        self.mixture = augment.Mixture(packs, weights)
        self.cutouts = Cutouts(packs) if options.paste else None
        self.step, self.seconds, self.history = 0, 0.0, []
        torch.manual_seed(options.seed)
        self.net = self.make_net(packs).to(memory_format=torch.channels_last)
        self.plan = self.net.plan
        self.teacher = distilling.Teacher(options.teacher) if options.teacher else None
        self.likeness = distilling.Likeness(self.plan.widths[1:], self.teacher.channels if self.teacher else ())
        if self.teacher and options.begin_with:
            self.likeness.take(importing.state_of(options.begin_with).get("likeness", {}))
        self.average = checkpoints.Average(self.net, 0.9993, masks.is_choice)
        bent = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        flat = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        self.optimizer = torch.optim.AdamW([{"params": bent, "weight_decay": 0.03}, {"params": flat, "weight_decay": 0.0}], options.rate, betas=(0.9, 0.99))

    def parameters(self):
        return [*self.net.parameters(), *self.likeness.parameters()]

    def make_net(self, packs):
        net = Detector(plan_of(self.options, packs))
        if self.options.begin_with:
            begin_with(net, self.options.begin_with)
        return net

    def progress(self):
        """From 0 to 1."""
        done = self.step / self.options.steps if self.options.steps else self.seconds / (self.options.hours * 3600)
        return min(1.0, done)

    def rate(self):
        warm = min(1.0, (self.step + 1) / WARM_STEPS)
        return self.options.rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * self.progress())))

    def batch(self):
        return self.batch_at(self.step)

    def batch_at(self, step):
        """Pictures `[b, 3, side, side]` from 0 to 1, and what is on them."""
        side = SIDE if self.progress() >= LAST_SIDES_FROM else int(np.random.default_rng([self.options.seed, step]).choice(SIDES))
        count = max(self.options.workers, round(self.options.batch * (SIDE / side) ** 2))
        how = {"calm": self.progress() >= CALM_FROM, "cutouts": self.cutouts, "paste_share": self.options.paste}
        pictures, targets = augment.batch(self.mixture, side, count, self.options.seed, step, (self.team.rank, self.team.count), **how)
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(targets).float()

    def advance(self):
        """One step. @returns box, objectness and class loss, and how unlike the teacher's the features are"""
        began = time.thread_time()
        pictures, targets = self.batch()
        self.net.train()
        self.optimizer.zero_grad(set_to_none=False)
        losses = self.backward(pictures, targets)
        *losses, seconds = self.team.share(self.parameters(), torch.cat([losses, torch.tensor([time.thread_time() - began])])).tolist()
        self.seconds += seconds
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), LARGEST_GRADIENT)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.average.update(self.net)
        self.step += 1
        return losses

    def backward(self, pictures, targets):
        """Adds to the gradients. @returns box, objectness and class loss, and how unlike the teacher's the features are"""
        features, maps = self.seen(pictures)
        losses = self.losses(features, maps, pictures, targets)
        sum(losses).backward()
        return torch.stack([loss.detach() for loss in losses])

    def seen(self, pictures):
        """What the heads see, and the maps that they make of it."""
        with torch.autocast("cpu", torch.bfloat16, enabled=not self.options.float32):
            features = self.net.features(pictures)
            return features, self.net.said(features)

    def maps(self, pictures):
        return self.seen(pictures)[1]

    def losses(self, features, maps, pictures, targets):
        found = boxes.detection_loss(maps, targets, self.plan.anchors, len(CLASSES))
        return (*found, LIKENESS_WEIGHT * self.likeness(features, self.teacher.features(pictures))) if self.teacher else found

    def scores(self, validation):
        """AP50 of the averaged network, by what is scored and class."""
        return {pack.name: scoring.ap50_of(self.average.net, pack, SIDE) for pack in validation}

    def state(self):
        return {
            "plan": self.plan.as_json(),
            "net": self.net.state_dict(),
            "likeness": self.likeness.state_dict(),
            "average": self.average.net.state_dict(),
            "averaged": self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "data": [str(name) for name in self.options.data],
        }

    def restore(self, path):
        state = importing.state_of(path)
        if state["plan"] != self.plan.as_json():
            raise PackError(f"{path} is of another network: {json.dumps(state['plan'])}")
        self.net.load_state_dict(state["net"])
        self.likeness.load_state_dict(state.get("likeness", {}))
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["averaged"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]


def work(team, options, kind):
    """What each process does; the first also writes what is to be kept. @param kind of run"""
    memory.one_thread()
    run = kind(options, team)
    if options.resume:
        run.restore(options.out / "last.pt")
    validation = [read_pack(name) for name in options.validate] if team.rank == 0 else []
    if team.rank == 0:
        parameters = sum(parameter.numel() for parameter in run.net.parameters())
        print(f"{len(run.mixture)} pictures, {parameters} parameters, {macs_of(run.average.net, SIDE) / 1e6:.0f} million multiply-accumulates at {SIDE}", file=sys.stderr, flush=True)
    learn(run, validation)
    return run


def learn(run, validation):
    """Until the time or the steps are over. What counts is training's own time on the processor: a busy machine makes a run longer, not shorter."""
    saved, recent, saved_step = run.seconds, [], run.step
    while run.progress() < 1:
        recent.append(run.advance())
        due = run.seconds - saved >= run.options.save_minutes * 60
        if (due or run.progress() >= 1) and run.team.rank == 0:
            checkpoint(run, validation, recent, (run.step - saved_step, run.seconds - saved))
        if due:
            saved, recent, saved_step = run.seconds, [], run.step


def checkpoint(run, validation, recent, since):
    scores = run.scores(validation)
    losses = dict(zip(("box", "objectness", "class", "unlikeness"), np.mean(recent, 0).round(4).tolist()))
    run.history.append({"step": run.step, "seconds": round(run.seconds, 1), "losses": losses, "ap50": scores})
    checkpoints.save(run.options.out / "last.pt", run.state())
    write_reports(run)
    told = "  ".join(f"{name} {' '.join(f'{kind} {value:.3f}' for kind, value in each.items())}" for name, each in scores.items())
    speed = since[0] * run.options.batch / max(since[1], 1e-9)
    print(f"step {run.step}  {run.seconds / 60:.1f} min  {speed:.0f} pictures/s  {losses}  {told}", file=sys.stderr, flush=True)


def write_reports(run):
    out, history = run.options.out, run.history
    (out / "history.json").write_text(json.dumps({"plan": run.plan.as_json(), "history": history}, indent=1))
    minutes = [entry["seconds"] / 60 for entry in history]
    lines = {f"{pack} {kind}": [entry["ap50"][pack][kind] for entry in history] for pack, scores in history[-1]["ap50"].items() for kind in scores}
    if len(lines) > MOST_LINES:
        lines = {pack: [float(np.nanmean(list(entry["ap50"][pack].values()))) for entry in history] for pack in history[-1]["ap50"]}
    losses = {name: [entry["losses"][name] for entry in history] for name in history[-1]["losses"]}
    pictures = [plots.plot("loss", minutes, losses, max(max(values) for values in losses.values()) * 1.05)]
    if lines:
        pictures.insert(0, plots.plot("AP50", minutes, lines, 1.0))
    cv2.imwrite(str(out / "curves.png"), np.concatenate(pictures))
    (out / "table.md").write_text(table_of(history[-1]))


def table_of(entry):
    rows = [f"| {pack} | {kind} | {value:.3f} |" for pack, scores in entry["ap50"].items() for kind, value in scores.items()]
    return "\n".join([f"After {entry['step']} steps ({entry['seconds'] / 3600:.2f} h):", "", "| set | class | AP50 |", "| --- | --- | --- |", *rows, ""])


def train(options, kind=Run):
    """@raises PackError"""
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.resume and (options.out / "last.pt").exists():
        raise PackError(f"{options.out / 'last.pt'} exists: go on with --resume, or choose another --out")
    for pack in [*options.data, *options.validate]:
        read_pack(pack.partition(":")[0])
    return run_together(work, options.workers, options, kind)


def main(arguments, parse=parse, kind=Run):
    try:
        run = train(parse(arguments), kind)
    except PackError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    print((run.options.out / "table.md").read_text())
    return 0
