"""Compares building blocks: random networks that differ in the backbone's block alone, all learnt by one short recipe, and timed by our own runtime.

`compare-blocks --data PACK... --validate PACK... --out DIR` learns them, `--latency-only` times what is there in fp32 and INT8, `--report` writes the
table and the picture. One design space for all (after Bonnaerens et al. 2022, arXiv 2208.12694), one order of pictures, one seed.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

import anchors
import augment
import blockreport
import exporting
import memory
import scoring
import training
from net import BLOCKS, BOX, CLASSES, STRIDES, Detector, Plan
from packs import PackError, read_pack
from team import Team

ROOT = Path(__file__).resolve().parents[3]
LATENCY_SCRIPT = ROOT / "scripts" / "bench-networks.mjs"

STEMS = (16, 32)
WIDTH_STEP = 16
WIDTHS = ((1, 4), (1, 8), (2, 12), (3, 20))
"""Least and most of a stage's width, in steps of 16 channels."""
DEPTHS = (1, 3)
BAND = (120e6, 450e6)
"""Multiply-accumulates at 320."""
SLACK = 1.04
"""How near a network comes to the multiply-accumulates that it is to have."""
GOLDEN = (5**0.5 - 1) / 2
TRIES = 200_000

WARM_SHARE = 0.1
LEAST_BOXES = 40
"""A class of a pack with fewer given boxes says more about luck, or about teachers, than about a network."""
CALIBRATION_FRAMES = 8
ABOUT = "blocks.json"


class Mismatch(PackError):
    """What is in the folder was made otherwise."""


@lru_cache(maxsize=None)
def weights_of(block, width, depth):
    """Of all convolutions of a stage's blocks: as many multiply-accumulates are done at each place."""
    return sum(layer.weight.numel() for layer in BLOCKS[block](width, width, depth).modules() if isinstance(layer, nn.Conv2d))


def csp_weights(channels_in, channels_out):
    """Of one `Csp` of one bottleneck: the neck is made of these, whatever the backbone is of."""
    inner = channels_out // 2
    return 2 * channels_in * inner + 10 * inner**2 + 2 * inner * channels_out


def macs_at_320(plan):
    """What `macs_of` counts, without making the network: many are drawn until one costs what it is to cost."""
    places = {stride: (training.SIDE // stride) ** 2 for stride in (2, 4, 8, 16, 32)}
    total = 27 * plan.stem * places[2]
    for stride, before, width, depth in zip((4, 8, 16, 32), (plan.stem, *plan.widths), plan.widths, plan.depths):
        total += (9 * before * width + weights_of(plan.block, width, depth)) * places[stride]
    fine, middle, coarse = plan.widths[1:]
    total += places[8] * csp_weights(2 * fine, fine)
    total += places[16] * (middle * fine + csp_weights(2 * middle, middle) + 9 * fine**2 + csp_weights(2 * fine, middle))
    total += places[32] * (5 * coarse**2 // 2 + coarse * middle + 9 * middle**2 + csp_weights(2 * middle, coarse))
    return total + sum(width * len(own) * (BOX + len(plan.classes)) * places[stride] for width, own, stride in zip(plan.widths[1:], plan.anchors, STRIDES))


def wanted_macs(sample):
    """Of the network of this number: any first few of them lie spread over the band."""
    low, high = BAND
    return low * (high / low) ** ((0.5 + sample * GOLDEN) % 1)


def drawn_shape(random):
    """Stem, widths and depths, of any cost; None where a stage is narrower than the one before it."""
    stem = int(random.choice(STEMS))
    widths = tuple(int(WIDTH_STEP * random.integers(low, high + 1)) for low, high in WIDTHS)
    depths = tuple(int(each) for each in random.integers(DEPTHS[0], DEPTHS[1] + 1, len(WIDTHS)))
    rising = all(before <= after for before, after in zip((stem, *widths), widths))
    return {"stem": stem, "widths": widths, "depths": depths} if rising else None


def sampled(block, sample, seed, own_anchors):
    """Network number `sample` of a block: drawn until its cost is what this number wants, so that a number costs the same whatever the block.

    @returns its plan and its multiply-accumulates at 320
    """
    random = np.random.default_rng([seed, sample])
    wanted = wanted_macs(sample)
    for _ in range(TRIES):
        shape = drawn_shape(random)
        if shape is None:
            continue
        plan = Plan(own_anchors, block, **shape)
        macs = macs_at_320(plan)
        if wanted / SLACK <= macs <= wanted * SLACK:
            return plan, macs
    raise RuntimeError(f"no network of {block} with {wanted / 1e6:.0f} million multiply-accumulates in {TRIES} tries")


class ShortRun(training.Run):
    """The recipe: pictures of one small size, near to what cameras see from the first step on, a fixed count of steps."""

    def __init__(self, options, plan):
        self.given_plan = plan
        super().__init__(options, Team(0, 1, None))

    def make_net(self, _packs):
        return Detector(self.given_plan)

    def rate(self):
        warm = min(1.0, (self.step + 1) / (WARM_SHARE * self.options.steps))
        return self.options.rate * warm * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * self.progress())))

    def batch(self):
        pictures, targets = augment.batch(self.mixture, self.options.side, self.options.batch, self.options.seed, self.step, calm=True)
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(targets).float()


def learn(plan, options):
    """@returns the averaged network after the recipe"""
    run = ShortRun(options, plan)
    while run.step < options.steps:
        run.advance()
    return run.average.net


def scored_classes(pack):
    """Classes with given boxes enough to tell networks apart."""
    counts = np.bincount([box[4] for entry in pack.pictures for box in entry["boxes"] if box[5] == 1], minlength=len(CLASSES))
    return [name for name, count in zip(CLASSES, counts) if count >= LEAST_BOXES]


def ap50_by_class(net, packs, side):
    """`ap50 <pack> <class>` of each class with boxes enough, and `ap50`, their mean."""
    scores = {}
    for pack in packs:
        found = scoring.ap50_of(net, pack, side)
        scores.update({f"ap50 {pack.name} {name}": found[name] for name in scored_classes(pack)})
    return {"ap50": float(np.mean(list(scores.values()))), **scores}


def write_rows(path, rows):
    """All of them, whole or not at all; columns in the order in which rows first have them."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    part = path.with_name(f"{path.name}.part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows([{key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows])
    os.replace(part, path)


def read_rows(path):
    """Numbers as numbers. An empty list where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: value if key in ("network", "block") else float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]


def row_of(plan, sample, macs, net):
    shape = {"stem": plan.stem, **{f"width {i}": width for i, width in enumerate(plan.widths, 1)}, **{f"depth {i}": depth for i, depth in enumerate(plan.depths, 1)}}
    return {
        "network": f"{plan.block}-{sample:02d}", "block": plan.block, "sample": sample, **shape,
        "macs_million": round(macs / 1e6, 2), "parameters_thousand": round(sum(each.numel() for each in net.parameters()) / 1e3, 1),
    }


def save_network(net, name, folder):
    """As `export` writes a model, in float; what INT8 does to it is measured on these weights."""
    part = folder / f"{name}.part"
    part.mkdir(parents=True, exist_ok=True)
    bytes_ = exporting.graph_of(net).SerializeToString()
    (part / "model.onnx").write_bytes(bytes_)
    about = Namespace(id=name, title=f"Random network {name}", licence="unknown", origin="compare-blocks", command=[])
    (part / "manifest.json").write_text(json.dumps(exporting.manifest_of(net, about, sha256(bytes_).hexdigest())))
    shutil.rmtree(folder / name, ignore_errors=True)  # of a run that ended before its row was written
    os.replace(part, folder / name)


def write_calibration(packs, side, seed, path):
    """Frames uint8 `[n, 3, 320, 320]` as the networks take them, of pictures to learn; each of several pictures of the size that was learnt."""
    random, tiles = np.random.default_rng(seed), training.SIDE // side
    frames = np.full((CALIBRATION_FRAMES, 3, training.SIDE, training.SIDE), 114, np.uint8)
    for frame in frames:
        for place in range(tiles * tiles):
            pack = packs[place % len(packs)]
            index = int(random.integers(len(pack.pictures)))
            entry = pack.pictures[index]
            square = scoring.letterboxed(pack.images[index][: entry["height"], : entry["width"]], side)[0]
            y, x = (side * each for each in divmod(place, tiles))
            frame[:, y : y + side, x : x + side] = square.transpose(2, 0, 1)
    path.write_bytes(frames.tobytes())


def recipe_of(options):
    """What makes two networks comparable."""
    kept = ("data", "validate", "steps", "side", "batch", "rate", "seed", "float32")
    return {"band": list(BAND), **{key: getattr(options, key) for key in kept}}


def write_about(out, recipe, latency):
    """What the report says beside the rows: nothing of where things lie."""
    kept = {**recipe, **{key: [Path(name).name for name in recipe[key]] for key in ("data", "validate")}}
    about = {"recipe": kept, **{key: latency[key] for key in ("machine", "runs", "repeats") if key in latency}}
    (out / ABOUT).write_text(json.dumps(about, indent=1) + "\n")


def begin(options):
    """@returns rows that are there. @raises Mismatch, where they were made by another recipe or are not to be gone on with"""
    options.out.mkdir(parents=True, exist_ok=True)
    file, recipe = options.out / "recipe.json", recipe_of(options)
    if file.exists() and not options.resume:
        raise Mismatch(f"{file} exists: go on with --resume, or choose another --out")
    if file.exists() and json.loads(file.read_text()) != recipe:
        raise Mismatch(f"{options.out} was begun by another recipe; see {file}")
    file.write_text(json.dumps(recipe, indent=1))
    write_about(options.out, recipe, {})
    return read_rows(options.out / "trained.csv")


class TimeToGo:
    """Tells on stderr what is done, and how long the rest takes at the pace of this run."""

    def __init__(self, total):
        self.total, self.done, self.began = total, 0, time.monotonic()

    def add(self, told):
        self.done += 1
        seconds = time.monotonic() - self.began
        left = seconds / self.done * (self.total - self.done)
        print(f"{told}  {self.done} of {self.total}, {seconds / 60:.0f} min, {left / 60:.0f} min to go", file=sys.stderr, flush=True)


def compare(options):
    """Learns all networks that are not there yet, the first of every block first: whenever it ends, blocks have been treated alike. @raises PackError"""
    packs, validation = training.weighed_packs(options.data)[0], [read_pack(name) for name in options.validate]
    if not any(scored_classes(pack) for pack in validation):
        raise PackError(f"no pack to validate has {LEAST_BOXES} given boxes of a class")
    rows = begin(options)
    own_anchors = tuple(tuple((w * options.side / anchors.SIDE, h * options.side / anchors.SIDE) for w, h in own) for own in anchors.tuned(anchors.sizes_in(packs)))
    write_calibration(packs, options.side, options.seed, options.out / "calibration.bin")
    known = {row["network"] for row in rows}
    todo = [(block, sample) for sample in range(options.samples) for block in options.blocks if f"{block}-{sample:02d}" not in known]
    clock = TimeToGo(len(todo))
    for block, sample in todo:
        plan, macs = sampled(block, sample, options.seed, own_anchors)
        began = time.process_time()
        net = learn(plan, options)
        row = {**row_of(plan, sample, macs, net), "train_seconds": round(time.process_time() - began, 1), **ap50_by_class(net, validation, options.side)}
        save_network(net, row["network"], options.out / "networks")
        rows.append(row)
        write_rows(options.out / "trained.csv", rows)
        clock.add(f"{row['network']}  {macs / 1e6:.0f} million  AP50 {row['ap50']:.3f}")
    return rows


class OnnxNet:
    """A network that takes a frame's bytes, as scoring runs one."""

    def __init__(self, path, plan):
        model = onnx.load(path)
        for value in (*model.graph.input, *model.graph.output):
            for axis in (2, 3):  # any size: the layers know of none
                value.type.tensor_type.shape.dim[axis].Clear()
        del model.graph.value_info[:]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.name, self.plan = self.session.get_inputs()[0].name, plan

    def __call__(self, x):
        return [torch.from_numpy(each) for each in self.session.run(exporting.OUTPUTS, {self.name: (x * 255).round().byte().contiguous().numpy()})]


def plan_from_manifest(folder):
    scales = json.loads((folder / "manifest.json").read_text())["head"]["scales"]
    return Plan(tuple(tuple(tuple(anchor) for anchor in scale["anchors"]) for scale in scales))


def run_latency(options, names):
    """What `bench-networks.mjs` measures. @raises PackError where it fails; it says itself why"""
    command = ["node", str(LATENCY_SCRIPT), "--networks", str(options.out / "networks"), "--calibration", str(options.out / "calibration.bin"), "--runs", str(options.runs), "--repeats", str(options.repeats), *names]
    try:
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackError(f"{LATENCY_SCRIPT.name} failed, which needs node and npm run build: {error}") from error
    return json.loads(told)


def time_networks(options):
    """Latency of what is there, and what INT8 costs of AP50: `blocks.csv`, one row a network. @raises PackError"""
    rows, file = read_rows(options.out / "trained.csv"), options.out / "recipe.json"
    if not rows or not file.exists():
        raise PackError(f"{options.out} has no networks: learn them first")
    recipe, folder = json.loads(file.read_text()), options.out / "networks"
    latency = run_latency(options, [row["network"] for row in rows])
    (options.out / "latency.json").write_text(json.dumps(latency, indent=1))
    write_about(options.out, recipe, latency)
    validation = [read_pack(name) for name in recipe["validate"]]
    clock = TimeToGo(len(rows))
    for row in rows:
        row.update(latency_columns(latency["networks"][row["network"]]))
        own = folder / row["network"]
        row["int8 ap50"] = ap50_by_class(OnnxNet(own / "model-int8.onnx", plan_from_manifest(own)), validation, recipe["side"])["ap50"]
        clock.add(f"{row['network']}  INT8: AP50 {row['int8 ap50']:.3f}")
    write_rows(options.out / "blocks.csv", rows)
    return rows


def latency_columns(times):
    """Of each kind (`fp32 1`: precision and threads) the mean of the repeats' quiet times in ms, and their spread. @param times by kind, of each repeat"""
    columns = {}
    for kind, repeats in times.items():
        quiet = [repeat["quietMs"] for repeat in repeats]
        columns[f"{kind} ms"] = float(np.mean(quiet))
        columns[f"{kind} median ms"] = float(np.median([repeat["medianMs"] for repeat in repeats]))
        if len(quiet) > 1:
            columns[f"{kind} cv"] = float(np.std(quiet, ddof=1) / np.mean(quiet))
    return columns


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare-blocks", description="Compares building blocks of the detector's backbone by random networks of each.")
    parser.add_argument("--data", nargs="+", metavar="PACK", help="packs to train on")
    parser.add_argument("--validate", nargs="+", metavar="PACK", help=f"packs with human boxes to score by, those of their classes with {LEAST_BOXES} given boxes or more")
    parser.add_argument("--out", type=Path, metavar="DIR", help="networks, trained.csv, latency.json, blocks.csv, blocks.json")
    parser.add_argument("--samples", type=int, default=8, help="networks of each block (8); more may be asked for later, with --resume")
    parser.add_argument("--steps", type=int, default=700, help="of training, for each (700)")
    parser.add_argument("--side", type=int, default=160, choices=(96, 128, 160, 192, 224, 256, 320), help="of pictures (160)")
    parser.add_argument("--batch", type=int, default=8, help="pictures a step (8)")
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate (0.004)")
    parser.add_argument("--seed", type=int, default=1, help="of networks, weights and pictures (1)")
    parser.add_argument("--blocks", nargs="+", choices=sorted(BLOCKS), default=list(BLOCKS), help="(all)")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in convolutions")
    parser.add_argument("--resume", action="store_true", help="go on with what is in --out")
    parser.add_argument("--latency-only", action="store_true", help="time the networks of --out, on a machine with nothing else to do, and score them in INT8")
    parser.add_argument("--runs", type=int, default=30, help="timed runs of each network, of each repeat (30)")
    parser.add_argument("--repeats", type=int, default=3, help="of the whole timing, to tell how far it can be trusted (3)")
    parser.add_argument("--report", action="store_true", help="write tables and picture anew from blocks.csv of --out")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="with --report: these rows, blocks.json beside them, in place of those in --out")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="with --report: the page whose figures are written anew; its picture lies beside it (report.md beside the rows)")
    options = parser.parse_args(arguments)
    options.hours, options.workers, options.paste, options.teacher = None, 1, 0.0, None
    if options.out is None and not (options.report and options.csv and not options.latency_only):
        parser.error("--out is needed; --report goes without it where --csv says what to read")
    if options.latency_only or options.report:
        return options
    if not options.data or not options.validate:
        parser.error("--data and --validate are needed to learn networks")
    if min(options.samples, options.steps, options.batch) < 1:
        parser.error("--samples, --steps and --batch have to be above 0")
    return options


def report(options):
    """@returns the figures. @raises PackError where nothing has been measured"""
    file = options.csv or next((path for name in ("blocks.csv", "trained.csv") if (path := options.out / name).exists()), options.out / "trained.csv")
    rows, about = read_rows(file), file.with_name(ABOUT)
    if not rows:
        raise PackError(f"{file} has no networks")
    return blockreport.report(rows, json.loads(about.read_text()) if about.exists() else {}, options.page or file.with_name("report.md"))


def main(arguments):
    options = parse(arguments)
    memory.one_thread()
    try:
        if options.latency_only:
            time_networks(options)
        if options.report:
            print(report(options))
        if not options.latency_only and not options.report:
            compare(options)
    except PackError as error:
        print(f"compare-blocks: {error}", file=sys.stderr)
        return 2
    return 0
