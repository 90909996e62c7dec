"""Does training with weights of few bits overfit less? `compare-bits --data PACK... --validate PACK --out DIR`.

Lazarevich's and AskariHemmat's "On Regularization Effects of Quantization" (arXiv 2206.12372) says that it does, and that the noise of rounding is why. So the
same small set is learnt with weights of 32, 8, 4 and 2 bits, and, as a control, with noise of the same variance in place of each rounding:
uniform over a step, `step^2 / 12`, with the step `2 max|w| / (2^bits - 1)` of a layer. Loss of objectness on pictures that aren't learnt tells:
what it rises by after its least is overfitting.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

import anchors
import augment
import boxes
import memory
import plots
import scoring
from net import CLASSES, Detector, Plan
from packs import PackError, read_pack

CONDITIONS = {"32 bits": None, "8 bits": ("round", 8), "noise of 8": ("noise", 8), "4 bits": ("round", 4), "noise of 4": ("noise", 4), "2 bits": ("round", 2), "noise of 2": ("noise", 2)}
WIDTHS, DEPTHS = (16, 32, 64, 96), (1, 1, 1, 1)
EVALUATIONS = 20


def step_of(weight, bits):
    return 2 * weight.detach().abs().max() / (2**bits - 1)


class Rounded(nn.Module):
    """Weights on the grid of so many bits; gradients pass as if they weren't."""

    def __init__(self, bits):
        super().__init__()
        self.bits = bits

    def forward(self, weight):
        step = step_of(weight, self.bits)
        # The grid of 2^bits levels from -max to max has none at 0 with an even number of them: levels lie half a step off it.
        rounded = ((weight / step - 0.5).round() + 0.5) * step
        return weight + (rounded - weight).detach()


class Noisy(nn.Module):
    """Weights with noise of the variance of such a rounding, other noise at each step; none in evaluation."""

    def __init__(self, bits):
        super().__init__()
        self.bits = bits

    def forward(self, weight):
        if not self.training:
            return weight
        return weight + (torch.rand_like(weight) - 0.5) * step_of(weight, self.bits)


def disturb(net, condition):
    """Makes all convolutions but the first and the heads' learn under a condition."""
    if condition is None:
        return net
    kind, bits = condition
    first = net.stem.conv
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer is not first and layer not in list(net.heads):
            parametrize.register_parametrization(layer, "weight", (Rounded if kind == "round" else Noisy)(bits))
    return net


def output_noise(net, x):
    """Variance of what a convolution says when its weights are rounded, measured over predicted (`step^2 / 12` times what goes in squared), by bits."""
    layer = net.stages[1][1].inner[0].wide.conv
    seen = {}
    handle = layer.register_forward_hook(lambda _, inputs, result: seen.update(x=inputs[0], y=result))
    with torch.no_grad():
        net(x)
    handle.remove()
    ratios = {}
    for bits in (3, 4, 5, 6, 7, 8):
        with torch.no_grad():
            rounded = nn.functional.conv2d(seen["x"], Rounded(bits)(layer.weight), padding=layer.padding)
            energy = nn.functional.conv2d(seen["x"] ** 2, torch.ones_like(layer.weight[:1]), padding=layer.padding).mean()
        ratios[bits] = float((rounded - seen["y"]).square().mean() / (step_of(layer.weight, bits) ** 2 / 12 * energy))
    return ratios


def validation_batches(packs, side):
    """Pictures as they are, letterboxed, with their targets."""
    for pack in packs:
        for picture, entry in zip(pack.images, pack.pictures):
            square, scale, left, top = scoring.letterboxed(picture[: entry["height"], : entry["width"]], side)
            rows = [[0, *np.multiply(box[:4], scale) + [left, top, left, top], box[4], 1.0] for box in [*entry["boxes"], *([*region, boxes.IGNORED] for region in entry["ignore"])]]
            yield torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255, torch.tensor(np.array(rows, np.float32).reshape(-1, 7))


@torch.no_grad()
def validation_loss(net, batches):
    net.eval()
    return float(np.mean([float(boxes.detection_loss(net(x), targets, net.plan.anchors, len(CLASSES))[1]) for x, targets in batches]))


def learn(condition, mixture, batches, options, seed):
    """@returns steps, losses of objectness in training and on the others, and the network"""
    torch.manual_seed(seed)
    net = disturb(Detector(Plan(anchors.over(), widths=WIDTHS, depths=DEPTHS)), condition).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), options.rate, weight_decay=0)
    curve, recent = {"step": [], "train": [], "validation": []}, []
    every = max(1, options.steps // EVALUATIONS)
    for step in range(1, options.steps + 1):
        pictures, targets = augment.batch(mixture, options.side, options.batch, seed, step, calm=True)
        net.train()
        maps = net(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255)
        losses = boxes.detection_loss(maps, torch.from_numpy(targets).float(), net.plan.anchors, len(CLASSES))
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        recent.append(float(losses[1]))
        if step % every == 0:
            curve["step"].append(step)
            curve["train"].append(float(np.mean(recent)))
            curve["validation"].append(validation_loss(net, batches))
            recent = []
    return curve, net


def overfit(curve):
    """What the validation loss ends above its least, as a share of it."""
    return curve["validation"][-1] / min(curve["validation"]) - 1


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare-bits", description="Learns the same small set with weights of 32, 8, 4 and 2 bits and with noise in place of rounding.")
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK")
    parser.add_argument("--validate", nargs="+", required=True, metavar="PACK")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results.json, table.md and curves.png; goes on where it was interrupted")
    parser.add_argument("--pictures", type=int, default=400, help="to learn (400)")
    parser.add_argument("--steps", type=int, default=1500, help="(1500)")
    parser.add_argument("--side", type=int, default=160, help="of pictures (160)")
    parser.add_argument("--batch", type=int, default=16, help="(16)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate, without decay (0.001)")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each kind (2)")
    return parser.parse_args(arguments)


def compare(options):
    """@raises PackError"""
    memory.one_thread()
    packs = [read_pack(name) for name in options.data]
    batches = list(validation_batches([read_pack(name) for name in options.validate], options.side))
    mixture = augment.Mixture(packs)
    chosen = np.random.default_rng(1).permutation(len(mixture))[: options.pictures]
    mixture.places = [mixture.places[index] for index in chosen]
    mixture.upto = np.arange(1, len(chosen) + 1) / len(chosen)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {"curves": {}, "noise": None}
    for seed in range(1, options.seeds + 1):
        for name, condition in CONDITIONS.items():
            key = f"{name}, seed {seed}"
            if key in results["curves"]:
                continue
            results["curves"][key], net = learn(condition, mixture, batches, options, seed)
            if condition is None:
                results["noise"] = output_noise(net.eval(), batches[0][0])
            file.write_text(json.dumps(results))
            print(f"{key}: ends {overfit(results['curves'][key]):.1%} above its least", file=sys.stderr, flush=True)
    report(results, options)
    return results


def report(results, options):
    by_name = {name: [curve for key, curve in results["curves"].items() if key.startswith(f"{name},")] for name in CONDITIONS}
    rows = []
    for name, curves in by_name.items():
        least, last, over = ([function(curve) for curve in curves] for function in (lambda c: min(c["validation"]), lambda c: c["validation"][-1], overfit))
        rows.append(f"| {name} | {np.mean([c['train'][-1] for c in curves]):.4f} | {np.mean(least):.4f} | {np.mean(last):.4f} | {', '.join(f'{each:.0%}' for each in over)} |")
    noise = "  ".join(f"{bits} bits {ratio:.2f}" for bits, ratio in results["noise"].items())
    table = [f"{options.pictures} pictures, {options.steps} steps, {options.side} px, {options.seeds} seeds; loss of objectness", "", "| weights | training, at the end | others, least | others, at the end | over the least, by seed |", "| --- | --- | --- | --- | --- |", *rows]
    (options.out / "table.md").write_text("\n".join([*table, "", f"Noise behind one layer, measured over predicted: {noise}", ""]))
    lines = {name: np.mean([curve["validation"] for curve in curves], 0).tolist() for name, curves in by_name.items()}
    steps = next(iter(results["curves"].values()))["step"]
    top = max(max(line) for line in lines.values()) * 1.05
    cv2.imwrite(str(options.out / "curves.png"), plots.plot("loss of objectness on other pictures", steps, lines, top, "steps"))


def main(arguments):
    options = parse(arguments)
    try:
        compare(options)
    except PackError as error:
        print(f"compare-bits: {error}", file=sys.stderr)
        return 2
    print((options.out / "table.md").read_text())
    return 0
