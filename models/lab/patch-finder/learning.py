"""Trains the finder: `train --data PACK... --patches DIR --out DIR`. See README.md beside it."""

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import checkpoints
import loss
import memory
import plots
import scenes
import textures
from finder import Finder
from layers import macs_of
from packs import PackError, read_pack

SIDES = (256, 320, 320, 320, 416, 512)
"""Of scenes, by turns: what detectors take in."""
REFERENCE_SIDE = 320
WARM_STEPS = 100
HELD_OUT = 120
"""Scenes of the validation packs, always the same."""
FOUND_IOU = 0.3


def parse(arguments):
    parser = argparse.ArgumentParser(prog="train", description="Trains the finder of pasted patches on packs of the detector lab.")
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK", help="pictures to paste into")
    parser.add_argument("--patches", type=Path, metavar="DIR", help="what make-patches wrote; without, no texture was optimised against a detector")
    parser.add_argument("--validate", nargs="*", default=[], metavar="PACK", help="packs to follow the training by; nothing is chosen by them")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--steps", type=int, default=10000, help="(10000)")
    parser.add_argument("--batch", type=int, default=32, help="scenes a step, at 320 (32)")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate (3e-3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-steps", type=int, default=400, help="between checkpoints (400)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    options = parser.parse_args(arguments)
    if options.steps < 1 or options.batch < 1 or options.save_steps < 1:
        parser.error("--steps, --batch and --save-steps have to be above 0")
    return options


class Run:
    """All that has to be in a checkpoint to go on as if nothing had happened."""

    def __init__(self, options):
        self.options = options
        self.source = scenes.Source([read_pack(name) for name in options.data])
        self.optimised = textures.read(options.patches) if options.patches else []
        torch.manual_seed(options.seed)
        self.net = Finder().to(memory_format=torch.channels_last)
        self.average = checkpoints.Average(self.net, 0.999)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), options.rate, weight_decay=0.02)
        self.step, self.seconds, self.history = 0, 0.0, []

    def advance(self):
        """@returns losses of centres and sides"""
        began = time.thread_time()
        side = int(np.random.default_rng([self.options.seed, self.step]).choice(SIDES))
        count = max(1, round(self.options.batch * (REFERENCE_SIDE / side) ** 2))
        pictures, patches = scenes.batch(self.source, self.optimised, side, count, self.options.seed, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.net.train()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found = self.net(planes_of(pictures))
        losses = loss.finder_loss(found, torch.from_numpy(patches))
        sum(losses).backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)):
            self.optimizer.step()
            self.average.update(self.net)
        self.step += 1
        self.seconds += time.thread_time() - began
        return [float(each.detach()) for each in losses]

    def rate(self):
        warm = min(1.0, (self.step + 1) / WARM_STEPS)
        return self.options.rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * self.step / self.options.steps)))

    def state(self):
        return {"net": self.net.state_dict(), "average": self.average.net.state_dict(), "averaged": self.average.steps, "optimizer": self.optimizer.state_dict(), "step": self.step, "seconds": self.seconds, "history": self.history}

    def restore(self, path):
        state = torch.load(path, map_location="cpu")
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["averaged"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]


def planes_of(pictures):
    """RGB pictures `[b, h, w, 3]` as planes G, B, R."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)[:, [1, 2, 0]].float()


def load_net(path):
    """The averaged network of a checkpoint."""
    net = Finder()
    net.load_state_dict(torch.load(path, map_location="cpu")["average"])
    return net.eval()


@torch.no_grad()
def score(net, source, optimised, seed=7):
    """On scenes of the source: share of patches that the first so many regions hold, `n` patches a scene plus one; and at which log odds a clean
    scene's strongest region lies, nine times of ten below."""
    hits = patches_in_all = 0
    clean = []
    for index in range(HELD_OUT if source else 0):
        scene, patches = scenes.made(source, optimised, REFERENCE_SIDE, np.random.default_rng([seed, 1, index]))
        centre, sides = net(planes_of(scene[None]))
        found = loss.decode(centre[0], sides[0])
        taught = patches[patches[:, 4] == 1]
        if len(patches) == 0:
            clean.append(float(found[0, 4]) if len(found) else -10.0)
        first = found[: len(taught) + 1, :4].numpy()
        hits += sum(overlap(patch[:4], first) >= FOUND_IOU for patch in taught)
        patches_in_all += len(taught)
    return {"recall": hits / max(1, patches_in_all), "clean 90 %": float(np.quantile(clean, 0.9)) if clean else 0.0}


def overlap(patch, found):
    """Greatest intersection over union."""
    low, high = np.maximum(found[:, :2], patch[:2]), np.minimum(found[:, 2:], patch[2:])
    both = np.prod((high - low).clip(0), 1)
    area = lambda each: np.prod(each[..., 2:4] - each[..., :2], -1)
    return float((both / (area(found) + area(patch) - both)).max(initial=0))


def learn(run, validation):
    recent = []
    while run.step < run.options.steps:
        recent.append(run.advance())
        if run.step % run.options.save_steps == 0 or run.step == run.options.steps:
            checkpoint(run, validation, np.mean(recent, 0))
            recent = []


def checkpoint(run, validation, losses):
    scores = score(run.average.net, validation, run.optimised)
    run.history.append({"step": run.step, "seconds": round(run.seconds, 1), "centre": round(float(losses[0]), 4), "sides": round(float(losses[1]), 4), **{name: round(value, 4) for name, value in scores.items()}})
    checkpoints.save(run.options.out / "last.pt", run.state())
    history = run.history
    (run.options.out / "history.json").write_text(json.dumps(history, indent=1))
    minutes = [entry["seconds"] / 60 for entry in history]
    lines = {name: [entry[name] for entry in history] for name in ("centre", "sides")}
    pictures = [plots.plot("loss", minutes, lines, max(map(max, lines.values())) * 1.05)]
    if validation:
        pictures.insert(0, plots.plot("share of patches found", minutes, {"recall": [entry["recall"] for entry in history]}, 1.0))
    cv2.imwrite(str(run.options.out / "curves.png"), np.concatenate(pictures))
    print(history[-1], file=sys.stderr, flush=True)


def main(arguments):
    options = parse(arguments)
    memory.one_thread()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if not options.resume and (options.out / "last.pt").exists():
            raise PackError(f"{options.out / 'last.pt'} exists: go on with --resume, or choose another --out")
        run = Run(options)
        validation = scenes.Source([read_pack(name) for name in options.validate])
        if options.resume:
            run.restore(options.out / "last.pt")
    except (PackError, ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    parameters = sum(parameter.numel() for parameter in run.net.parameters())
    print(f"{len(run.source)} pictures, {len(run.optimised)} optimised textures, {parameters} parameters, {macs_of(run.average.net, REFERENCE_SIDE) / 1e6:.0f} million multiply-accumulates at {REFERENCE_SIDE}", file=sys.stderr, flush=True)
    learn(run, validation)
    print(json.dumps(run.history[-1]))
    return 0
