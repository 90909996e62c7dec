"""Runs a tfjs graph-model with numpy, operation by operation: no converter, no runtime. For judging what an importer makes of the same files.

Only the operations of CenterNet (`centernet.json` of the npm package @vladmandic/human) are here. NHWC, float32.
"""
import base64
import json
import pathlib

import numpy as np


class TfjsModel:
    def __init__(self, model_json, output):
        path = pathlib.Path(model_json)
        model = json.loads(path.read_text())
        self.nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        self.weights = read_weights(model["weightsManifest"], path.parent)
        self.output = output
        self.input = next(node["name"] for node in self.nodes.values() if node["op"] == "Placeholder")

    def run(self, picture):
        values = {self.input: (picture,)}
        # Depth first, without recursion: a graph is deeper than Python's stack likes.
        pending = [self.output]
        while pending:
            name = pending[-1]
            node = self.nodes[name]
            inputs = [source.split(":") for source in node.get("input", []) if not source.startswith("^")]
            missing = [source[0] for source in inputs if source[0] not in values]
            if name in values:
                pending.pop()
            elif missing and node["op"] != "Const":
                pending += missing
            else:
                arguments = [values[source[0]][int(source[1]) if len(source) > 1 else 0] for source in inputs]
                result = self.weights[name] if node["op"] == "Const" else OPERATIONS[node["op"]](node.get("attr", {}), *arguments)
                values[name] = result if isinstance(result, tuple) else (result,)
        return values[self.output][0]


def read_weights(manifest, folder):
    weights = {}
    for group in manifest:
        data = b"".join((folder / shard).read_bytes() for shard in group["paths"])
        offset = 0
        for spec in group["weights"]:
            stored = np.dtype({"float16": "<f2", "float32": "<f4", "int32": "<i4"}[spec.get("quantization", {}).get("dtype", spec["dtype"])])
            count = int(np.prod(spec["shape"]))
            values = np.frombuffer(data, stored, count, offset).reshape(spec["shape"])
            weights[spec["name"]] = values.astype(spec["dtype"])
            offset += count * stored.itemsize
        assert offset == len(data), f"{len(data) - offset} bytes of weights left over"
    return weights


def ints(attributes, name):
    return [int(i) for i in attributes[name]["list"]["i"]]


def windows(x, height, width, attributes, fill):
    """What each place of a window sees: (height * width) arrays of the output's size, by TensorFlow's padding SAME or VALID."""
    _, stride_y, stride_x, _ = ints(attributes, "strides")
    cut = {b"SAME": 0, b"VALID": 1}[base64.b64decode(attributes["padding"]["s"])]
    rows, columns = (-(-(x.shape[axis] - cut * (size - 1)) // stride) for axis, size, stride in ((1, height, stride_y), (2, width, stride_x)))
    pad_y = max(0, (rows - 1) * stride_y + height - x.shape[1])
    pad_x = max(0, (columns - 1) * stride_x + width - x.shape[2])
    padded = np.pad(x, ((0, 0), (pad_y // 2, pad_y - pad_y // 2), (pad_x // 2, pad_x - pad_x // 2), (0, 0)), constant_values=fill)
    for y in range(height):
        for x_ in range(width):
            yield y, x_, padded[:, y:y + (rows - 1) * stride_y + 1:stride_y, x_:x_ + (columns - 1) * stride_x + 1:stride_x]


def convolve(attributes, x, kernel, *rest):
    return fused(attributes, sum(seen @ kernel[i, j] for i, j, seen in windows(x, *kernel.shape[:2], attributes, 0)), *rest)


def convolve_depthwise(attributes, x, kernel, *rest):
    assert kernel.shape[3] == 1
    return fused(attributes, sum(seen * kernel[i, j, :, 0] for i, j, seen in windows(x, *kernel.shape[:2], attributes, 0)), *rest)


def fused(attributes, x, *rest):
    for operation in attributes.get("fused_ops", {}).get("list", {}).get("s", []):
        name = base64.b64decode(operation).decode()
        x = x + rest[0] if name == "BiasAdd" else {"Relu": relu, "Relu6": relu6}[name]({}, x)
    return x


def relu(_, x):
    return np.maximum(x, 0)


def relu6(_, x):
    return np.clip(x, 0, 6)


def max_pool(attributes, x):
    _, height, width, _ = ints(attributes, "ksize")
    return np.max([seen for _, _, seen in windows(x, height, width, attributes, -np.inf)], axis=0)


def resize_bilinear(attributes, x, size):
    """Corners not aligned, no half pixels: place i of the output is place i * in / out of the input."""
    assert not attributes["align_corners"]["b"] and not attributes["half_pixel_centers"]["b"]
    for axis, length in ((1, int(size[0])), (2, int(size[1]))):
        place = np.arange(length, dtype=np.float32) * (x.shape[axis] / length)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        weight = (place - low).reshape([-1 if a == axis else 1 for a in range(4)]).astype(np.float32)
        x = np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight
    return x


def top_k(_, x, k):
    order = np.argsort(-x, axis=-1, kind="stable")[..., :int(k)]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def strided_slice(attributes, x, begin, end, strides):
    mask = {name: int(attributes[f"{name}_mask"]["i"]) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    assert mask["ellipsis"] == mask["new_axis"] == 0
    index = []
    for axis, (start, stop, step) in enumerate(zip(begin, end, strides)):
        bit = 1 << axis
        index.append(int(start) if mask["shrink_axis"] & bit else
                     slice(None if mask["begin"] & bit else int(start), None if mask["end"] & bit else int(stop), int(step)))
    return x[tuple(index)]


def cast(attributes, x):
    return x.astype({"DT_FLOAT": np.float32, "DT_INT32": np.int32}[attributes["DstT"]["type"]])


OPERATIONS = {
    "Identity": lambda _, x: x,
    "Add": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "FloorDiv": lambda _, a, b: a // b,
    "FloorMod": lambda _, a, b: a % b,
    "Equal": lambda _, a, b: a == b,
    "Relu": relu,
    "Relu6": relu6,
    "Sigmoid": lambda _, x: (1 / (1 + np.exp(-x))).astype(np.float32),
    "Cast": cast,
    "Mean": lambda attributes, x, axes: x.mean(tuple(np.atleast_1d(axes)), keepdims=attributes["keep_dims"]["b"], dtype=np.float32),
    "ConcatV2": lambda _, *arguments: np.concatenate(arguments[:-1], int(arguments[-1])),
    "Reshape": lambda _, x, shape: x.reshape([int(i) for i in shape]),
    "ExpandDims": lambda _, x, axis: np.expand_dims(x, int(axis)),
    "GatherV2": lambda _, x, index, axis: np.take(x, index, int(axis)),
    "StridedSlice": strided_slice,
    "TopKV2": top_k,
    "MaxPool": max_pool,
    "ResizeBilinear": resize_bilinear,
    "Conv2D": convolve,
    "_FusedConv2D": convolve,
    "DepthwiseConv2dNative": convolve_depthwise,
    "FusedDepthwiseConv2dNative": convolve_depthwise,
}
