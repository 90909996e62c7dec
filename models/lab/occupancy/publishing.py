"""Makes a model of exported graphs: chooses on pairs how probabilities become cells, and writes the manifest that the runtime reads. See README.md beside it."""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np

import comparing
import data
import scoring
import training
from export import OnnxNet
from geometry import LEVELS

THRESHOLDS = tuple(np.arange(0.1, 0.91, 0.05).round(2).tolist())
ALL = {8: ("coarse8", "coarse16", "fine16"), 16: ("coarse16", "fine16"), 32: ("fine32",), 64: ("fine64",)}
"""Which answers may tell a level where both parts have run."""
COARSE = {8: ("coarse8", "coarse16"), 16: ("coarse16",)}
"""The same where the coarse part has run alone."""
REFINE_THRESHOLDS = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003)
REFINE_SHARE = 0.08
"""Of the cells that may be looked at closer. Less would do for pairs like those of training; what is unlike them wants room."""


def choose_rule(found, truths, side, answers):
    """Answer and threshold with the best mean IoU. @returns the rule, and that IoU."""
    choices = [(answer, above) for answer in answers for above in THRESHOLDS]
    iou = lambda answer, above: scoring.mean_iou([scoring.overlap(cells[answer][side] > above, truth[side]) for cells, truth in zip(found, truths)])
    scores = {choice: iou(*choice) for choice in choices}
    best = max(choices, key=scores.get)
    return {"source": best[0], "above": best[1]}, scores[best]


def choose_refinement(found, truths, rules):
    """The lowest threshold that asks for no more cells than may be. @returns the rule, the mean IoU of 32 and 64 that it loses, and the share of cells"""
    rate = lambda threshold: np.mean([scoring.mean_iou([scoring.overlap(refined(cells, rules, side, threshold), truth[side]) for cells, truth in zip(found, truths)]) for side in (32, 64)])
    share = lambda threshold: float(np.mean([(cells["coarse16"][16] >= threshold).mean() for cells in found]))
    chosen = min((threshold for threshold in REFINE_THRESHOLDS if share(threshold) <= REFINE_SHARE), default=REFINE_THRESHOLDS[0])
    return {"threshold": chosen, "margin": 0}, float(rate(0) - rate(chosen)), share(chosen)


def refined(cells, rules, side, threshold):
    step = side // 16
    asked = (cells["coarse16"][16] >= threshold).repeat(step, 0).repeat(step, 1).repeat(step, 2)
    return (cells[f"fine{side}"][side] > rules[side]["above"]) & asked


def spans_of(folders):
    """Least and most focal length in picture widths, baseline and range of sets that `lynceus render-stereo` wrote."""
    described = [json.loads((Path(folder) / "set.json").read_text()) for folder in folders]
    pairs = [(pair["focalPx"] / about["size"]["width"], pair["baselineM"], about["rangeM"]) for about in described for pair in about["pairs"]]
    return {name: [round(min(values), 3), round(max(values), 3)] for name, values in zip(("focalLengthWidths", "baselineM", "rangeM"), zip(*pairs))}


def publish(options):
    settings = json.loads((options.onnx / "settings.json").read_text())
    graphs = OnnxNet(options.onnx, options.threads)
    samples = [pair for folder in options.tune for pair in training.spread(data.list_pairs(folder), options.tune_pairs)]
    read = [(sample, truth) for sample, truth, _ in comparing.read(samples)]
    found = [comparing.probabilities_of(graphs, sample, tuple(settings["size"]), settings["planes"])[0] for sample, _ in read]
    truths = [truth for _, truth in read]
    chosen = {side: choose_rule(found, truths, side, ALL[side]) for side in LEVELS}
    rules = {side: rule for side, (rule, _) in chosen.items()}
    refine, lost, share = choose_refinement(found, truths, rules)
    options.out.mkdir(parents=True, exist_ok=True)
    files = {part: copied(options.onnx / f"{part}.onnx", options.out) for part in ("coarse", "fine")}
    manifest = {
        "$schema": "../occupancy-manifest.schema.json",
        "id": options.out.name,
        "task": "stereo-occupancy",
        "title": options.title,
        "licence": "MIT (trained on rendered scenes of this project alone)",
        "files": files,
        "input": dict(zip(("width", "height"), settings["size"])),
        "planes": settings["planes"],
        "levels": {"all": {str(side): rule for side, rule in rules.items()}, "coarse": {str(side): choose_rule(found, truths, side, COARSE[side])[0] for side in COARSE}},
        "refine": refine,
        "trained": spans_of(options.trained),
        "lineage": {"parent": None, "origin": "trained from scratch by models/lab/occupancy", "operations": [{"kind": "command", "command": command} for command in options.command]},
        "baseline": {"dataset": "pairs that the rules were chosen on", "pairs": len(read), "iou": {str(side): round(iou, 4) for side, (_, iou) in chosen.items()}},
    }
    (options.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return {"pairs": len(read), "levels": {side: {**rule, "iou": iou} for side, (rule, iou) in chosen.items()}, "refine": {**refine, "lostIou": lost, "share": share}}


def copied(path, folder):
    shutil.copyfile(path, folder / path.name)
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def table_of(report):
    lines = ["| level | answer | above | IoU |", "| --- | --- | --- | --- |"]
    lines += [f"| {side} | {rule['source']} | {rule['above']} | {rule['iou']:.3f} |" for side, rule in report["levels"].items()]
    refine = report["refine"]
    told = f"Looked at closer from {refine['threshold']} on: {100 * refine['share']:.0f} % of the cells, IoU of 32 and 64 lower by {refine['lostIou']:.4f}."
    return "\n".join([*lines, "", f"{report['pairs']} pairs. {told}"])


def parse(arguments):
    parser = argparse.ArgumentParser(prog="publish", description="Chooses on pairs how a network's probabilities become cells; writes graphs and manifest as a model.")
    parser.add_argument("--onnx", type=Path, required=True, metavar="DIR", help="what export wrote")
    parser.add_argument("--tune", nargs="+", required=True, metavar="DIR", help="sets like those trained on, never held-out ones")
    parser.add_argument("--trained", nargs="+", required=True, metavar="DIR", help="sets that were trained on: their rigs go into the manifest")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the model; its name is the id")
    parser.add_argument("--title", default="Stereo occupancy, four levels of an octree")
    parser.add_argument("--command", action="append", default=[], metavar="TEXT", help="that the weights came from, in order; for the lineage")
    parser.add_argument("--tune-pairs", type=int, default=30, help="of each set (30)")
    parser.add_argument("--threads", type=int, default=2, help="(2)")
    options = parser.parse_args(arguments)
    if not (options.onnx / "settings.json").is_file():
        parser.error(f"{options.onnx} has no settings.json: export writes it")
    return options


def main(arguments):
    options = parse(arguments)
    try:
        for folder in options.tune:
            data.refuse_held_out(folder)
        report = publish(options)
    except data.SetError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 2
    print(table_of(report))
    return 0
