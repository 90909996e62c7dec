"""Textures optimised against a detector of the detector lab, with its gradients: `make-patches --checkpoint last.pt --data PACK... --out DIR`.

Each has a goal of its own (objects' objectness, their class, or both go; or an object appears), a resolution and a smoothness of its own, and is seen at
random sizes, turns and light while it is optimised (expectation over transformation, Athalye et al. 2018). They are what the finder learns from, never
what anything is judged by.
"""

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

import memory
import scenes
from net import BOX, CLASSES
from packs import PackError, read_pack
from training import load_net

SIDE = 320
GOALS = ("objectness", "class", "both", "appear")
SAVED_SIDE = 96
PASTED = 2
"""Objects a picture that carry the texture, at most."""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="make-patches", description="Optimises textures against a detector with its gradients.")
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="of the detector lab's train; textures take turns")
    parser.add_argument("--data", nargs="+", required=True, metavar="PACK")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=48, help="textures (48); those that are there aren't made again")
    parser.add_argument("--steps", type=int, default=120, help="of each (120)")
    parser.add_argument("--batch", type=int, default=6, help="pictures a step (6)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def optimised(net, source, options, index):
    """@returns uint8 `[SAVED_SIDE, SAVED_SIDE, 3]` RGB, and the loss before and after"""
    random = np.random.default_rng([options.seed, index])
    goal = GOALS[index % len(GOALS)]
    cells = int(random.choice((16, 24, 32, 48, 64)))
    smooth = float(np.exp(random.uniform(np.log(0.02), np.log(0.6))))
    texture = torch.from_numpy(random.uniform(0.3, 0.7, (1, 3, cells, cells)).astype(np.float32)).requires_grad_()
    optimizer = torch.optim.Adam([texture], 0.04)
    kind = int(random.integers(len(CLASSES)))
    told = []
    for step in range(options.steps):
        pictures, objects = drawn(source, options.batch, random)
        seen, _ = pasted(pictures, objects, texture, random)
        loss = goal_of(goal, net(seen), objects, kind, net.plan)
        told.append(float(loss.detach()))
        variation = (texture[..., 1:] - texture[..., :-1]).abs().mean() + (texture[..., 1:, :] - texture[..., :-1, :]).abs().mean()
        optimizer.zero_grad()
        (loss + smooth * variation).backward()
        optimizer.step()
        with torch.no_grad():
            texture.clamp_(0, 1)
    large = F.interpolate(texture.detach(), (SAVED_SIDE, SAVED_SIDE), mode="bilinear", align_corners=False)[0].clamp(0, 1)
    few = max(1, options.steps // 10)
    return (255 * large.permute(1, 2, 0)).round().byte().numpy(), float(np.mean(told[:few])), float(np.mean(told[-few:]))


def drawn(source, count, random):
    """Pictures `[b, 3, SIDE, SIDE]` from 0 to 1, and of each the boxes of up to `PASTED` objects, people first; pictures without any are passed over."""
    pictures, objects = [], []
    while len(pictures) < count:
        picture, boxes = source.draw(random)
        scale = SIDE / max(picture.shape[:2])
        large = [box for box in boxes if min(box[2] - box[0], box[3] - box[1]) * scale > 24]
        if not large:
            continue
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:SIDE, :SIDE]
        canvas = np.full((SIDE, SIDE, 3), scenes.PADDING, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        order = sorted(random.permutation(len(large)), key=lambda place: large[place][4] != 0)[:PASTED]
        pictures.append(canvas)
        objects.append([[*(np.array(large[place][:4]) * scale), large[place][4]] for place in order])
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255, objects


def pasted(pictures, objects, texture, random):
    """The texture on all objects, through one affine map each. @returns pictures, and where it lies `[b, 1, h, w]`"""
    seen = pictures.clone()
    covered = torch.zeros(len(pictures), 1, SIDE, SIDE)
    for row, boxes in enumerate(objects):
        for x1, y1, x2, y2, _ in boxes:
            half = random.uniform(0.1, 0.2) * np.hypot(x2 - x1, y2 - y1)
            angle = np.radians(random.uniform(-20, 20))
            x, y = (x1 + x2) / 2 + random.normal(0, 0.06) * (x2 - x1), y1 + random.uniform(0.35, 0.55) * (y2 - y1)
            # From the picture's coordinates (-1 to 1) to the texture's.
            cos, sin = np.cos(angle) * SIDE / 2 / half, np.sin(angle) * SIDE / 2 / half
            cx, cy = 2 * x / SIDE - 1, 2 * y / SIDE - 1
            theta = torch.tensor([[cos, sin, -cos * cx - sin * cy], [-sin, cos, sin * cx - cos * cy]], dtype=torch.float32)[None]
            grid = F.affine_grid(theta, (1, 3, SIDE, SIDE), align_corners=False)
            mask = (grid.abs().amax(3) <= 1)[:, None].float()
            drawn_texture = F.grid_sample(texture, grid, padding_mode="border", align_corners=False)
            light = random.uniform(0.65, 1.1)
            seen[row : row + 1] = seen[row : row + 1] * (1 - mask) + (light * drawn_texture).clamp(0, 1) * mask
            covered[row : row + 1] = torch.maximum(covered[row : row + 1], mask)
    return seen, covered


def goal_of(goal, maps, objects, kind, plan):
    """What is made small: the highest score at each object, or for `appear` its opposite for some class."""
    total, count = torch.zeros(()), 0
    scores = [said.view(len(objects), len(own), BOX + len(CLASSES), *said.shape[2:]).sigmoid() for said, own in zip(maps, plan.anchors)]
    for row, boxes in enumerate(objects):
        for x1, y1, x2, y2, own_kind in boxes:
            best = []
            for said in scores:
                stride = SIDE / said.shape[4]
                left, right = int(x1 / stride), int(np.ceil(x2 / stride))
                top, bottom = int(y1 / stride), int(np.ceil(y2 / stride))
                part = said[row, :, :, top:bottom, left:right].flatten(2)
                wanted = kind if goal == "appear" else int(own_kind)
                here = {"objectness": part[:, 4], "class": part[:, BOX + wanted], "both": part[:, 4] * part[:, BOX + wanted], "appear": part[:, 4] * part[:, BOX + wanted]}[goal]
                if goal == "class":
                    here = here * part[:, 4].detach()  # only where something is found at all
                best.append(here.flatten())
            highest = torch.cat(best).topk(3).values.mean()
            total = total + (-torch.log(highest.clamp(min=1e-4)) if goal == "appear" else -torch.log((1 - highest).clamp(min=1e-4)))
            count += 1
    return total / max(count, 1)


def main(arguments):
    options = parse(arguments)
    memory.one_thread()
    try:
        source = scenes.Source([read_pack(name) for name in options.data])
        nets = [load_net(path) for path in options.checkpoint]
    except (PackError, OSError, KeyError) as error:
        print(f"make-patches: {error}", file=sys.stderr)
        return 2
    for net in nets:
        net.requires_grad_(False)
    options.out.mkdir(parents=True, exist_ok=True)
    for index in range(options.count):
        path = options.out / f"{index:03d}-{GOALS[index % len(GOALS)]}.png"
        if path.exists():
            continue
        began = time.monotonic()
        texture, before, after = optimised(nets[index % len(nets)], source, options, index)
        cv2.imwrite(str(path), texture[:, :, ::-1])
        print(f"{path.name}  {index + 1} of {options.count}  loss {before:.2f} to {after:.2f}  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 0
