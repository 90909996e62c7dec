"""Writes a trained network as ONNX with its manifest: `export --checkpoint last.pt --out DIR`.

The graph is the network's layers as they are: normalisation is not folded into convolutions, so that networks of several widths can be cut out of it
(`<layer>.weight`, `.bias`, `.running_mean`, `.running_var` are what a BatchNormalization takes, `<layer>.conv.weight` its convolution's weights).
Weights of convolutions are stored in 16 bits; all is computed in 32.
"""

import argparse
import hashlib
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

import training
from net import STRIDES
from packs import PADDING, PackError

OPSET = 17
SIDE = training.SIDE
OUTPUTS = [f"stride_{stride}" for stride in STRIDES]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="export", description="Writes a trained network as ONNX with its manifest, and the masks of an elastic one.")
    parser.add_argument("--checkpoint", required=True, type=Path, metavar="CHECKPOINT", help="of train or elastic")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where model.onnx and manifest.json go")
    parser.add_argument("--id", default="street", help="of the model (street)")
    parser.add_argument("--title", help="what the manifest calls it")
    parser.add_argument("--licence", default="unknown", help="of the weights, for the manifest (unknown)")
    parser.add_argument("--origin", default="models/lab/detector", help="where the weights come from, for the manifest")
    parser.add_argument("--command", action="append", default=[], help="a command that made them, for the manifest's lineage; may be repeated")
    parser.add_argument("--float32", action="store_true", help="weights in 32 bits")
    return parser.parse_args(arguments)


def graph_of(net):
    """ONNX bytes' model of a network in evaluation."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # PRESERVE: with EVAL the exporter would fold normalisation into convolutions
        torch.onnx.export(
            net.eval(), torch.zeros(1, 3, SIDE, SIDE), file, input_names=["images"], output_names=OUTPUTS, opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )
    model = onnx.load_from_string(file.getvalue())
    named_by_layer(model.graph)
    return model


def named_by_layer(graph):
    """`stages.0.norm.weight` becomes `stages.0.weight`: a unit has one normalisation."""
    renamed = {tensor.name: tensor.name.replace(".norm.", ".") for tensor in graph.initializer if ".norm." in tensor.name}
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]


def halve_weights(model):
    """Stores convolutions' weights in 16 bits, with a Cast behind each."""
    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    casts = []
    for tensor in graph.initializer:
        if tensor.name in weights:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            stored = f"{tensor.name}.half"
            casts.append(helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(values, stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def manifest_of(net, options, sha256):
    return {
        "$schema": "../manifest.schema.json",
        "id": options.id,
        "task": "detection",
        "title": options.title or f"Street detector of six classes, {SIDE}x{SIDE}",
        "file": "model.onnx",
        "sha256": sha256,
        "licence": options.licence,
        "input": {
            "name": "images", "layout": "nchw", "dtype": "float32", "width": SIDE, "height": SIDE, "color": "rgb",
            "scale": 1 / 255, "mean": [0, 0, 0], "fit": "letterbox", "padValue": PADDING,
        },
        "head": {
            "kind": "yolov5-raw",
            "scales": [{"output": name, "stride": stride, "anchors": [[round(value, 3) for value in anchor] for anchor in own]} for name, stride, own in zip(OUTPUTS, STRIDES, net.plan.anchors)],
        },
        "labels": list(net.plan.classes),
        "defaults": {"confidenceThreshold": 0.3, "iouThreshold": 0.6},
        "lineage": {"parent": None, "origin": options.origin, "operations": [{"kind": "train", "commands": options.command}]},
        "baseline": None,
    }


def export(options):
    """@returns the folder that was written. @raises PackError where there is no such checkpoint"""
    try:
        net = training.load_net(options.checkpoint)
    except (OSError, KeyError, RuntimeError) as error:
        raise PackError(f"{options.checkpoint} is no checkpoint of train: {error}") from error
    options.out.mkdir(parents=True, exist_ok=True)
    model = graph_of(net)
    if not options.float32:
        halve_weights(model)
    onnx.checker.check_model(model)
    bytes_ = model.SerializeToString()
    (options.out / "model.onnx").write_bytes(bytes_)
    manifest = manifest_of(net, options, hashlib.sha256(bytes_).hexdigest())
    (options.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return options.out


def main(arguments):
    try:
        out = export(parse(arguments))
    except PackError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    for file in sorted(out.iterdir()):
        print(f"{file}  {file.stat().st_size / 1e6:.2f} MB")
    return 0
