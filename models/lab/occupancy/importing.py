"""Reads back what `publish` wrote, so that a training can begin with the folder of a model such as `models/stereo-occupancy` as it does with a checkpoint.

A graph has normalisation folded into the convolutions before it: what it comes to is known, not what it has seen. `see_statistics` finds that again on
pairs, without changing what the network says; in training, where a batch's own statistics count, it would say something else otherwise.
"""

import json
from collections import defaultdict

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn

import data
import net
from layers import moments

PARTS = ("coarse", "fine")


def state_of(folder):
    """As of a checkpoint: at least `settings` and the `average`d weights. @raises SetError where the folder holds no such model"""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        size = (manifest["input"]["width"], manifest["input"]["height"])
        graphs = {part: onnx.load(str(folder / manifest["files"][part]["file"])).graph for part in PARTS}
        settings = {"planes": manifest["planes"], "decoder": "frustum", "size": list(size)}
        return {"settings": settings, "average": read(net.FrustumNet(data.halved(size) != size), graphs, size).state_dict()}
    except (OSError, ValueError, KeyError, StopIteration, RuntimeError, DecodeError) as error:
        raise data.SetError(f"{folder} holds no network that publish wrote: {error}") from error


@torch.no_grad()
def read(made, graphs, size):
    """The network with the weights of its graphs. @raises ValueError where they are of another network"""
    tensors = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for part in PARTS for tensor in graphs[part].initializer if not tensor.name.startswith("onnx::")}
    parameters = made.state_dict()
    for name, value in tensors.items():
        if name not in parameters or parameters[name].shape != value.shape:
            raise ValueError(f"{name} is of another network")
        parameters[name].copy_(value)
    layers = in_order(made, size)
    for part in PARTS:
        read_folded(part, graphs[part], [layer for layer in layers if layer[0].startswith(f"{part}.")])
        getattr(made, part).cells.together.copy_(-exponent_of(graphs[part]))
    first = made.coarse.extract.halve[0] if isinstance(made.coarse.extract.halve, nn.Sequential) else made.coarse.extract.to_half[0][0]
    taken = first.weight.clone()
    first.weight[:, data.GBR] = taken
    return made.eval()


def in_order(made, size):
    """Convolutions as they are computed, `(name, convolution, the normalisation of what it says or none)`."""
    names = {module: name for name, module in made.named_modules()}
    seen, handles = [], []
    for module in names:
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d)):
            handles.append(module.register_forward_hook(lambda module, inputs, said: seen.append((module, inputs[0], said))))
    constants = {name: torch.from_numpy(value)[None] for name, value in data.example_constants(size).items()}
    black = torch.zeros(1, 3, size[1], size[0])
    made.eval()(black, black, constants)
    for handle in handles:
        handle.remove()
    norms = [(module, given) for module, given, _ in seen if isinstance(module, nn.BatchNorm2d)]
    return [(names[module], module, next((norm for norm, given in norms if given is said), None)) for module, _, said in seen if isinstance(module, nn.Conv2d)]


def read_folded(part, graph, layers):
    """Convolutions of a graph stand in the order in which the network computes them; those that kept their name have been read."""
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    weights = {tensor.name: tensor for tensor in graph.initializer}
    if len(nodes) != len(layers):
        raise ValueError(f"{part} has {len(nodes)} convolutions, not {len(layers)}")
    for node, (name, layer, norm) in zip(nodes, layers):
        if norm is None:
            continue
        weight, bias = (torch.from_numpy(numpy_helper.to_array(weights[each]).copy()) for each in node.input[1:3])
        if weight.shape != layer.weight.shape:
            raise ValueError(f"{name} is of another network")
        layer.weight.copy_(weight)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1.0)
        norm.bias.copy_(bias)


def exponent_of(graph):
    """Of the power that rays which err together are divided by."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    power = next(node.input[1] for node in graph.node if node.op_type == "Pow" and node.input[1] in weights)
    return torch.from_numpy(numpy_helper.to_array(weights[power]).copy())


@torch.no_grad()
def see_statistics(made, batches):
    """Gives normalisations the means and variances that they meet on batches of pairs, and changes their weights so that the network says what it said."""
    seen = defaultdict(list)
    norms = [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(lambda norm, inputs: seen[norm].append(moments(inputs[0]))) for norm in norms]
    made.eval()
    for batch in batches:
        made(batch["left"], batch["right"], batch["constants"])
    for handle in handles:
        handle.remove()
    for norm in norms:
        mean, square = torch.stack(seen[norm]).mean(0)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        norm.running_mean.copy_(mean)
        norm.running_var.copy_((square - mean**2).clamp(min=0))
        norm.weight.copy_(scale * torch.sqrt(norm.running_var + norm.eps))
        norm.bias.copy_(shift + norm.running_mean * scale)
