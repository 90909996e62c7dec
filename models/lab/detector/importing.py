"""Reads back what `export` wrote, so that a training can begin with a model folder such as `models/street` as it does with a checkpoint.

Weights of convolutions come back as they were stored, in 16 bits. Of narrower widths a folder knows what normalisation comes to (a factor and an offset a
channel), not what it has seen; `see_statistics` finds that again on pictures, without changing what the network says.
"""

import json
import pickle
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import safetensors
import safetensors.torch
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper

import masks
from layers import moments
from net import STRIDES, Detector, Plan
from packs import PackError

LAYER = re.compile(r"(.+)\.(weight|bias|running_mean|running_var)$")
PARTS = {"csp": r"inner\.(\d+)", "plain": r"units\.(\d+)", "residual": r"(\d+)\.first", "inverted": r"(\d+)\.filter", "fused": r"(\d+)\.widen"}
"""What the layers of a stage's blocks are called, by kind; the first that is there. `inverted` widens as well as `fused`."""


def state_of(path):
    """Of a checkpoint, or of a folder that `export` wrote: at least its `plan` and its `average`d weights; of several widths their `ratios`, too.

    @raises PackError where there is no such thing
    """
    path = Path(path)
    if path.is_dir():
        return of_folder(path)
    try:
        return torch.load(path, map_location="cpu")
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise PackError(f"{path} is no checkpoint of train or elastic, nor a folder of a model: {error}") from error


def of_folder(folder):
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        tensors = tensors_of(onnx.load(str(folder / manifest["file"])).graph)
        plan = plan_of(manifest, tensors)
        net = Detector(plan)
        counts = {name: torch.zeros((), dtype=torch.long) for name in net.state_dict() if name.endswith(".num_batches_tracked")}
        net.load_state_dict({**tensors, **counts})
        if "elastic" not in manifest:
            return {"plan": plan.as_json(), "average": net.state_dict()}
        widths = elastic_of(net, folder / manifest["elastic"]["file"])
        return {"plan": plan.as_json(), "average": widths.state_dict(), "ratios": list(widths.ratios)}
    except (OSError, ValueError, KeyError, StopIteration, RuntimeError, DecodeError, safetensors.SafetensorError) as error:
        raise PackError(f"{folder} holds no network that export wrote: {error}") from error


def tensors_of(graph):
    """By the names that they have in a network: what `named_by_layer` and `halve_weights` of `export` did, undone."""
    norms = {name.removesuffix(".running_mean") for name in (tensor.name for tensor in graph.initializer) if name.endswith(".running_mean")}
    found = {}
    for tensor in graph.initializer:
        match = LAYER.match(tensor.name.removesuffix(".half"))
        if match:
            layer, kind = match.groups()
            found[f"{layer}.norm.{kind}" if layer in norms else f"{layer}.{kind}"] = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
    return found


def plan_of(manifest, tensors):
    """@raises KeyError, StopIteration where layers or scales are missing"""
    scales = manifest["head"]["scales"]
    anchors = tuple(tuple(tuple(anchor) for anchor in next(scale["anchors"] for scale in scales if scale["stride"] == stride)) for stride in STRIDES)
    stages = range(1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("stages.")))
    block, depths = blocks_of(tensors, stages)
    widths = tuple(len(tensors[f"stages.{stage}.0.norm.weight"]) for stage in stages)
    return Plan(anchors, block, len(tensors["stem.norm.weight"]), widths, depths, tuple(manifest["labels"]))


def blocks_of(tensors, stages):
    """Of what kind a network's blocks are, and how many each stage has. @raises ValueError"""
    for block, part in PARTS.items():
        depths = tuple(len({match[1] for name in tensors if (match := re.match(rf"stages\.{stage}\.1\.{part}\.", name))}) for stage in stages)
        if all(depths):
            return block, depths
    raise ValueError(f"its blocks are none of {', '.join(PARTS)}")


@torch.no_grad()
def elastic_of(dense, file):
    """The network at all widths that the file has; its narrow normalisations as if they had seen what the dense one has."""
    with safetensors.safe_open(str(file), "pt") as opened:
        ratios = json.loads(opened.metadata()["ratios"])
    tensors = safetensors.torch.load_file(str(file))
    net = masks.ElasticDetector(dense, tuple(int(ratio["name"]) / 100 for ratio in ratios))
    norms = net.norms()
    for group, names in enumerate(net.groups):
        mask = tensors[f"mask/{names[0]}"]
        net.mask(group).copy_(mask)
        for name in names:
            norms[name].gates.copy_((mask >= tensors[f"threshold/{name}"][:, None]).float())
            for norm, scale, shift in list(zip(norms[name].norms, tensors[f"scale/{name}"].float(), tensors[f"shift/{name}"].float()))[1:]:
                unfold(norm, scale, shift)
    return net.eval()


def unfold(norm, scale, shift):
    """Sets weight and bias so that a normalisation with its statistics comes to this factor and offset."""
    norm.weight.copy_(scale * torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(shift + norm.running_mean * scale)


@torch.no_grad()
def see_statistics(net, batches):
    """Gives the narrow widths' normalisations the means and variances that they meet on pictures `[b, 3, h, w]`, and changes their weights so that the
    network says what it said: in training, where a batch's own statistics count, it would say something else otherwise."""
    net.eval()
    for ratio in range(1, len(net.ratios)):
        net.at(ratio)
        seen = defaultdict(list)
        handles = [norm.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(moments(inputs[0]))) for name, norm in net.norms().items()]
        for pictures in batches:
            net(pictures)
        for handle in handles:
            handle.remove()
        for name, switch in net.norms().items():
            norm, kept = switch.norms[ratio], switch.kept
            mean, square = torch.stack(seen[name]).mean(0)
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            shift = norm.bias - norm.running_mean * scale
            norm.running_mean[kept], norm.running_var[kept] = mean, square - mean**2
            unfold(norm, scale, shift)
    net.at(0)
