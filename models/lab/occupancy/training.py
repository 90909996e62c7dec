"""Trains the network: `train --data DIR... --out DIR`. See README.md beside it."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

import checkpoints
import curves
import data
import geometry
import importing
import losses
import memory
import net
import scoring
from team import run_together

SIZES = {"half": (440, 200), "full": (880, 400)}
SEEN_BATCHES = 16
"""Of pairs, by which the network of a model folder finds its statistics again."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="train", description="Trains the stereo occupancy network on sets of pairs in KITTI's layout.")
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR", help="sets to train on")
    parser.add_argument("--validate", nargs="+", metavar="DIR", help="sets to choose the best checkpoint by; the last tenth of --data if none")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where checkpoints, curves, log and tables go")
    parser.add_argument("--hours", type=float, default=2.0, help="how long to train; the learning rate ends with it (2)")
    parser.add_argument("--steps", type=int, help="how many steps instead of how long: the same run each time")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    parser.add_argument("--begin-with", type=Path, metavar="CHECKPOINT", help="begin as this network, or as that of a model folder: one of the same kind, or with --input full one of half pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4, help="pairs a step (4)")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (0.002)")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between checkpoints (5)")
    parser.add_argument("--validate-pairs", type=int, default=40, help="pairs looked at for each checkpoint (40)")
    parser.add_argument("--planes", choices=sorted(geometry.PLANES), default="voxel", help="depth planes of the cost volume (voxel)")
    parser.add_argument("--decoder", choices=sorted(net.NETS), default="frustum", help="(frustum)")
    parser.add_argument("--input", choices=sorted(SIZES), default="half", help="half: 440x200, full: 880x400 (half)")
    parser.add_argument("--size", type=size_of, help="of the pictures that the network sees, WxH, multiples of 8; instead of --input")
    parser.add_argument("--workers", type=int, default=1, help="processes that share each step, one thread each (1)")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in convolutions")
    options = parser.parse_args(arguments)
    if options.hours <= 0 or (options.steps is not None and options.steps <= 0) or options.batch < 1:
        parser.error("--hours, --steps and --batch have to be above 0")
    if not 1 <= options.workers <= options.batch:
        parser.error("--workers have to be at least 1 and at most --batch")
    if options.begin_with and options.resume:
        parser.error("--begin-with is for the beginning, and --resume goes on")
    return options


def size_of(text):
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} isn't WxH") from None
    if width <= 0 or height <= 0 or width % 8 or height % 8:
        raise argparse.ArgumentTypeError(f"{text}: both have to be multiples of 8")
    return width, height


def make_net(options, example):
    size = options.size
    half = data.halved(size)
    sample = data.read_pair(example)
    matrices = geometry.skips_of(sample.rig.scaled(*half), sample.cube, options.planes)
    if options.decoder == "latent":
        return net.LatentNet(half != size, *matrices, size=half)
    return net.FrustumNet(half != size, *matrices)


def begin_with(made, options):
    """Parts that the other network lacks begin as they would alone. @raises SetError where it is of another kind."""
    state = state_of(options.begin_with)
    settings = state["settings"]
    size = tuple(settings["size"])
    if settings["decoder"] != options.decoder or settings["planes"] != options.planes or size not in (options.size, data.halved(options.size)):
        raise data.SetError(f"{options.begin_with} is another kind of network: {json.dumps(settings)}")
    if size == options.size:
        net.take_over(made, state["average"])
    else:
        net.begin_full(made, load_net(options.begin_with)[0])


def settings_of(options):
    """What a checkpoint says of how its network is built, for whoever loads it."""
    return {"planes": options.planes, "decoder": options.decoder, "size": list(options.size), "seed": options.seed, "batch": options.batch, "rate": options.rate}


def state_of(path):
    return importing.state_of(path) if path.is_dir() else torch.load(path, map_location="cpu")


def load_net(path):
    """Averaged network of a checkpoint (`best.pt` or `last.pt`) or of a model folder, and its settings. @raises SetError of a folder"""
    state = state_of(path)
    settings = state["settings"]
    size = tuple(settings["size"])
    half = data.halved(size)
    made = net.LatentNet(half != size, size=half) if settings["decoder"] == "latent" else net.FrustumNet(half != size)
    made.load_state_dict(state["average"])
    return made.eval(), settings


class Run:
    """One training run: all that has to be in a checkpoint to go on as if nothing had happened."""

    def __init__(self, options, team):
        self.options, self.team = options, team
        for folder in options.data:
            data.refuse_held_out(folder)
        self.train = data.PairSet(options.data, options.size, options.planes, options.seed)
        self.validation = data.PairSet(options.validate or options.data, options.size, options.planes)
        if not options.validate:
            count = max(1, len(self.train) // 10)
            self.validation.pairs = self.train.pairs[-count:]
            self.train.pairs = self.train.pairs[:-count] or self.train.pairs
        self.validation.pairs = spread(self.validation.pairs, options.validate_pairs)
        if len(self.train) < team.count:
            raise data.SetError(f"{len(self.train)} pairs to train on are too few for {team.count} workers")
        torch.manual_seed(options.seed)
        self.net = make_net(options, self.train.pairs[0])
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        if options.begin_with:
            begin_with(self.net, options)
            if options.begin_with.is_dir():
                importing.see_statistics(self.net, [self.batch_at(step) for step in range(SEEN_BATCHES)])
        if options.decoder == "frustum":  # 3-D layers know no such order
            self.net.to(memory_format=torch.channels_last)
        self.average = checkpoints.Average(self.net, 0.998)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), options.rate, weight_decay=1e-4)
        self.history = []

    def progress(self):
        """From 0 to 1."""
        done = self.step / self.options.steps if self.options.steps else self.seconds / (self.options.hours * 3600)
        return min(1.0, done)

    def rate(self):
        """Rises for 100 steps, falls by a cosine to a hundredth."""
        warm = min(1.0, (self.step + 1) / 100)
        return self.options.rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * self.progress())))

    def batch_at(self, step):
        """Pairs without repeats within a pass, from the seed and the number of the step alone; of these the part of this process."""
        count, batch = len(self.train), min(self.options.batch, len(self.train))
        passes, place = divmod(step, max(1, count // batch))
        order = np.random.default_rng([self.options.seed, 1, passes]).permutation(count)
        random = np.random.default_rng([self.options.seed, 2, step])
        drawn = [(int(index), random.integers(2**63)) for index in order[place * batch : (place + 1) * batch]]
        return data.collate([self.train.augmented(index, np.random.default_rng(seed)) for index, seed in drawn[self.team.rank :: self.team.count]])

    def advance(self):
        """One step. @returns the loss."""
        began = time.monotonic()
        batch = self.batch_at(self.step)
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cpu", torch.bfloat16, enabled=not self.options.float32):
            answers = self.net(batch["left"], batch["right"], batch["constants"])
        loss = losses.total_loss(answers, batch["truth"], batch["bins"], batch["disparity"])
        if not torch.isfinite(loss):
            raise RuntimeError(f"step {self.step}: the loss is {float(loss)}")
        self.optimizer.zero_grad()
        loss.backward()
        loss, seconds = self.team.share(list(self.net.parameters()), torch.stack([loss.detach(), torch.tensor(time.monotonic() - began)])).tolist()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.average.update(self.net)
        self.step += 1
        self.seconds += seconds
        return loss

    def state(self):
        return {
            "settings": settings_of(self.options),
            "net": self.net.state_dict(),
            "average": self.average.net.state_dict(),
            "averaged": self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "history": self.history,
        }

    def restore(self, path):
        state = torch.load(path, map_location="cpu")
        if state["settings"] != settings_of(self.options):
            raise data.SetError(f"{path} is of a run with other settings: {json.dumps(state['settings'])}")
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.steps = state["averaged"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best, self.history = state["step"], state["seconds"], state["best"], state["history"]


def spread(pairs, count):
    """So many of them, from all over."""
    chosen = np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int)
    return [pairs[index] for index in chosen]


@torch.no_grad()
def validate(trained, pairs):
    """IoU at a probability of one half, by "coarse 8" and so on; and Chamfer distance, as a share of the range. "fine 8" is what 16 cells say together."""
    found, distances = {}, {}
    for index in range(len(pairs)):
        batch = data.collate([pairs[index]])
        answers = trained(batch["left"], batch["right"], batch["constants"])
        if 8 not in answers["fine"]:
            answers["fine"][8] = torch.nn.functional.max_pool3d(answers["fine"][16], 2)
        for part in ("coarse", "fine"):
            for side in sorted(answers[part]):
                cells, truth = (value[0].numpy() > cut for value, cut in ((answers[part][side], 0.0), (batch["truth"][side], 0.5)))
                found.setdefault(f"{part} {side}", []).append(scoring.overlap(cells, truth))
                distances.setdefault(f"{part} {side}", []).append(scoring.chamfer_m(cells, truth, 1.0))
    return {name: scoring.mean_iou(overlaps) for name, overlaps in found.items()}, {name: float(np.mean(each)) for name, each in distances.items()}


def mark_of(scores):
    """One number to choose a checkpoint by: mean of the levels that are delivered."""
    return float(np.mean([scores[f"fine {side}"] for side in geometry.LEVELS]))


def train(options):
    """@raises SetError"""
    options.size = options.size or SIZES[options.input]
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.resume and (options.out / "last.pt").exists():
        raise data.SetError(f"{options.out / 'last.pt'} exists: go on with --resume, or choose another --out")
    for folder in [*options.data, *(options.validate or [])]:
        data.list_pairs(folder)
    return run_together(work, options.workers, options)


def work(team, options):
    """What each process does; the first also writes what is to be kept."""
    memory.one_thread()
    run = Run(options, team)
    if options.resume:
        run.restore(options.out / "last.pt")
    if team.rank == 0:
        parameters = sum(parameter.numel() for parameter in run.net.parameters())
        print(f"{len(run.train)} pairs, {len(run.validation)} to validate, {parameters} parameters, {options.size[0]}x{options.size[1]}", file=sys.stderr)
    learn(run)
    return run


def learn(run):
    """Until the time or the steps are over. Time without training doesn't count."""
    saved, recent = run.seconds, []
    if run.history and run.progress() >= 1:
        checkpoint(run, [run.history[-1]["loss"]])
    while run.progress() < 1:
        recent.append(run.advance())
        if run.seconds - saved >= run.options.save_minutes * 60:
            saved = run.seconds
            checkpoint(run, recent)
            recent = []
    if recent or not run.history:
        checkpoint(run, recent)


def checkpoint(run, recent):
    if run.team.rank > 0:
        return
    scores, distances = validate(run.average.net, run.validation)
    run.history.append({"step": run.step, "seconds": round(run.seconds, 1), "loss": float(np.mean(recent)), "iou": scores, "chamfer": distances})
    if mark_of(scores) > run.best:
        run.best = mark_of(scores)
        checkpoints.save(run.options.out / "best.pt", run.state())
    checkpoints.save(run.options.out / "last.pt", run.state())
    write_reports(run)
    shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
    speed = run.step * run.options.batch / max(run.seconds, 1e-9)
    print(f"step {run.step}  {run.seconds / 60:.1f} min  {speed:.1f} pairs/s  loss {np.mean(recent):.3f}  {shown}", file=sys.stderr, flush=True)


def write_reports(run):
    (run.options.out / "history.json").write_text(json.dumps({"settings": settings_of(run.options), "history": run.history}, indent=1))
    best = max(reversed(run.history), key=lambda entry: mark_of(entry["iou"]))
    (run.options.out / "table.md").write_text(table_of(best, len(run.validation)))
    curves.draw(run.history, run.options.out / "curves.png")


def table_of(entry, count):
    distances = entry.get("chamfer", {})
    rows = [f"| {name} | {value:.3f} | {100 * distances.get(name, float('nan')):.2f} |" for name, value in entry["iou"].items()]
    told = f"{count} validation pairs after {entry['step']} steps ({entry['seconds'] / 3600:.2f} h)"
    return "\n".join([told, "", "| level | IoU | Chamfer, % of the range |", "| --- | --- | --- |", *rows, ""])


def main(arguments):
    try:
        run = train(parse(arguments))
    except data.SetError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    print((run.options.out / "table.md").read_text())
    return 0
