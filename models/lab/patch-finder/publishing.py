"""The trained finder as ONNX: any size, normalisation folded into convolutions."""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

import learning

OPSET = 13
LICENCE = "MIT; trained on photographs under CC BY 4.0, see README.md"


class Graph(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels):
        return self.net(pixels.float())


def export(checkpoint, path):
    """@returns greatest difference between the graph and the network on noise"""
    net = learning.load_net(checkpoint)
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 3, 320, 320), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {"pixels": {2: "height", 3: "width"}, "centre": {2: "rows", 3: "columns"}, "sides": {2: "rows", 3: "columns"}}
    torch.onnx.export(Graph(net).eval(), pixels, str(path), input_names=["pixels"], output_names=["centre", "sides"], dynamic_axes=axes, opset_version=OPSET)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    other = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (1, 3, 416, 352), dtype=np.uint8))
    worst = 0.0
    for picture in (pixels, other):
        with torch.no_grad():
            wanted = net(picture.float())
        for own, each in zip(session.run(None, {"pixels": picture.numpy()}), wanted):
            worst = max(worst, float(np.abs(own - each.numpy()).max()))
    return worst


def main(arguments):
    parser = argparse.ArgumentParser(prog="export", description="Writes the trained finder as ONNX.")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")
    parser.add_argument("--command", action="append", default=[], metavar="COMMAND", help="one that led to the checkpoint, for finder.json; may be given again")
    options = parser.parse_args(arguments)
    try:
        worst = export(options.checkpoint, options.out)
    except (OSError, KeyError, RuntimeError) as error:
        print(f"export: {options.checkpoint}: {error}", file=sys.stderr)
        return 2
    about = {"file": options.out.name, "sha256": hashlib.sha256(options.out.read_bytes()).hexdigest(), "licence": LICENCE, "lineage": options.command}
    options.out.with_name("finder.json").write_text(json.dumps(about, indent=2) + "\n")
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KB; differs from the network by {worst:.1e} at most")
    return 0
