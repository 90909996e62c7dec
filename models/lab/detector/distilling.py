"""What a larger network knows of a picture beside its boxes: features of a teacher, in the very view that the student sees.

Boxes tell about six classes in some thousands of pictures. What a network that knows eighty classes computes just before it speaks is told by any
picture, enlarged, mixed and in other light as it is (Beyer et al. 2022: a teacher is to see what the student sees). The two agree on a feature as far as
they rise and fall together over a batch, after the correlation of Pearson (Cao et al. 2022, PKD): a factor and an offset mean nothing.
"""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import nn

from net import STRIDES
from packs import PackError

KINDS = ("cls", "reg")


class Teacher:
    """A YOLOX network (Ge et al. 2021): what its two branches, of classes and of boxes, compute at strides 8, 16 and 32 before the last convolution."""

    def __init__(self, file):
        """@raises PackError where the file is no such network"""
        try:
            model = onnx.load(str(file))
            cut = cut_at(model, [inputs_of(model.graph, f"head.{kind}_preds.{level}.weight") for level in range(len(STRIDES)) for kind in KINDS])
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self.session = onnxruntime.InferenceSession(cut.SerializeToString(), options, providers=["CPUExecutionProvider"])
            self.input = self.session.get_inputs()[0].name
            self.channels = [each.shape[1] for each in self.features(torch.zeros(1, 3, 64, 64))]
        except Exception as error:  # those of ONNX Runtime have no other base
            raise PackError(f"{file} is no YOLOX network: {error}") from error

    def features(self, pictures):
        """@param pictures `[b, 3, h, w]`, RGB from 0 to 1, sides multiples of 32
        @returns by stride `[b, channels, h / stride, w / stride]`"""
        given = np.ascontiguousarray(255 * pictures.numpy()[:, ::-1])  # YOLOX wants BGR from 0 to 255
        found = [torch.from_numpy(each) for each in self.session.run(None, {self.input: given})]
        return [torch.cat(found[place : place + len(KINDS)], 1) for place in range(0, len(found), len(KINDS))]


def inputs_of(graph, weight):
    """The tensor that a convolution with this weight takes. @raises ValueError"""
    try:
        return next(node.input[0] for node in graph.node if node.op_type == "Conv" and node.input[1] == weight)
    except StopIteration:
        raise ValueError(f"no convolution takes {weight}") from None


def cut_at(model, names):
    """The graph as far as these tensors, for batches and sizes of any kind."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    wanted, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in made_by and name not in wanted:
            wanted |= set(made_by[name].output)
            waiting.extend(made_by[name].input)
    nodes = [node for node in model.graph.node if node.output[0] in wanted]
    given = model.graph.input[0]
    pictures = helper.make_tensor_value_info(given.name, onnx.TensorProto.FLOAT, ["b", 3, "h", "w"])
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
    needed = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    graph = helper.make_graph(nodes, "teacher", [pictures], outputs, weights)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


class Likeness(nn.Module):
    """One convolution a stride that says the teacher's features from the student's; it is thrown away after training."""

    def __init__(self, widths, channels):
        super().__init__()
        self.says = nn.ModuleList(nn.Conv2d(width, count, 1, bias=False) for width, count in zip(widths, channels))

    def take(self, known):
        """Goes on with what a run before has learnt to say, where it had the same teacher and network; begins anew otherwise."""
        own = self.state_dict()
        if {key: value.shape for key, value in own.items()} == {key: value.shape for key, value in known.items()}:
            self.load_state_dict(known)

    def forward(self, own, wanted):
        """@returns 1 - the mean correlation of channels: 0 where all agree, 1 where nothing does"""
        apart = [1 - correlation(says(each.float()), teacher).mean() for says, each, teacher in zip(self.says, own, wanted)]
        return sum(apart) / len(apart)


def correlation(one, other, least=1e-6):
    """Of each channel of `[b, c, h, w]`, over pictures and cells."""
    one, other = (each.transpose(0, 1).flatten(1) for each in (one, other))
    one, other = (each - each.mean(1, keepdim=True) for each in (one, other))
    return (one * other).mean(1) / (one.square().mean(1) * other.square().mean(1) + least).sqrt()
