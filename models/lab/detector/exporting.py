"""Writes a trained network as ONNX with its manifest: `export --checkpoint last.pt --out DIR`.

The graph is the network's layers as they are: normalisation is not folded into convolutions, so that networks of several widths can be cut out of it
(`<layer>.weight`, `.bias`, `.running_mean`, `.running_var` are what a BatchNormalization takes, `<layer>.conv.weight` its convolution's weights).
Weights of convolutions are stored in 16 bits; all is computed in 32. What makes narrower networks of it is in `elastic.safetensors`: of each layer
`mask/` `[channels]`, `threshold/` `[ratios]` (a channel works where its mask is at least the threshold), `scale/` and `shift/` `[ratios, channels]`, what
normalisation comes to at that ratio. What is off is left at the dense network's.
"""

import argparse
import hashlib
import io
import json
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy
import torch
from onnx import helper, numpy_helper

import elastic
import training
from net import STRIDES
from packs import PADDING, PackError

OPSET = 17
SIDE = training.SIDE
MASKS = "elastic.safetensors"
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
    fold_scales(model.graph)
    return model


def fold_scales(graph):
    """Scales of Resize nodes as one constant each: without folding the exporter joins them in the graph."""
    by_output = {node.output[0]: node for node in graph.node}
    folded = set()
    for node in graph.node:
        joined = by_output.get(node.input[2]) if node.op_type == "Resize" else None
        if joined is None or joined.op_type != "Concat":
            continue
        parts = [by_output[name] for name in joined.input]
        values = np.concatenate([numpy_helper.to_array(part.attribute[0].t) for part in parts])
        graph.initializer.append(numpy_helper.from_array(values, f"{node.name}.scales"))
        node.input[2] = f"{node.name}.scales"
        folded |= {joined.output[0], *joined.input}
    kept = [node for node in graph.node if node.output[0] not in folded]
    del graph.node[:]
    graph.node.extend(kept)


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


def folded(norm):
    """Normalisation as a factor and an offset."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


@torch.no_grad()
def masks_of(net, scores=None):
    """Bytes of `elastic.safetensors`. @param scores AP50 by ratio, where measured"""
    tensors = {}
    norms = net.norms()
    for group, names in enumerate(net.groups):
        for name in names:
            scale, shift = (torch.stack(each) for each in zip(*(folded(norm) for norm in norms[name].norms)))
            tensors.update({f"mask/{name}": net.mask(group).numpy(), f"threshold/{name}": net.thresholds(group).numpy()})  # compared: exact
            tensors.update({f"scale/{name}": scale.numpy().astype(np.float16), f"shift/{name}": shift.numpy().astype(np.float16)})
    ratios = [{"name": f"{share:.0%}".rstrip("%"), "macs": net.macs(ratio), **({"ap50": scores[ratio]} if scores else {})} for ratio, share in enumerate(net.ratios)]
    return safetensors.numpy.save(tensors, {"format": "lynceus-elastic/1", "ratios": json.dumps(ratios)})


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


def load(checkpoint):
    """@returns the dense network, and the elastic one where the checkpoint is of one. @raises PackError"""
    try:
        net = elastic.load_net(checkpoint) if elastic.is_elastic(checkpoint) else None
        return (net.dense() if net else training.load_net(checkpoint)), net
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise PackError(f"{checkpoint} is no checkpoint of train or elastic: {error}") from error


def export(options):
    """@returns the folder that was written. @raises PackError where there is no such checkpoint"""
    net, elastic_net = load(options.checkpoint)
    options.out.mkdir(parents=True, exist_ok=True)
    model = graph_of(net)
    if not options.float32:
        halve_weights(model)
    onnx.checker.check_model(model)
    bytes_ = model.SerializeToString()
    (options.out / "model.onnx").write_bytes(bytes_)
    manifest = manifest_of(net, options, hashlib.sha256(bytes_).hexdigest())
    if elastic_net:
        masks = masks_of(elastic_net)
        (options.out / MASKS).write_bytes(masks)
        manifest["elastic"] = {"file": MASKS, "sha256": hashlib.sha256(masks).hexdigest()}
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
