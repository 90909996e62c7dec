"""Writes a trained network as ONNX and says what it costs: `export --checkpoint best.pt --out DIR`.

`coarse.onnx` answers 8 and 16 cells a side and gives the features that `fine.onnx` goes on from. Pictures are `[1, 3, h, w]`, bytes, planes G, B, R;
all else is what `geometry.constants_of` makes of a rig. `fine.onnx` computes the slabs, rows and columns of cells that it is given: `slabs` `[k]` are
indices of 64ths of the range (four that follow each other, one block of a coarse cell after the other), `rows` `[k, y, h / 4]` and
`columns` `[k, x, w / 4]` the rows and columns of matrices of the cells wanted in each, y and x multiples of 4. With all 64 it is the whole cube.
The latent decoder is one graph, `latent.onnx`.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

import data
import geometry
import training

OPSET = 17
COARSE_INPUTS = ["left", "right", "near_planes", "far_planes", "coarse_rows", "coarse_columns"]
FEATURES = ["half", "quarter", "seen", "whole"]
FINE_INPUTS = [*FEATURES, "fine_planes", "faces", "slabs", "rows", "columns"]
FULL_ONLY = ("whole", "faces")
"""What a network of half pictures doesn't know."""


class CoarseGraph(nn.Module):
    """`Coarse` for one pair, without the batch in its constants; probabilities instead of logits."""

    def __init__(self, trained):
        super().__init__()
        self.coarse = trained.coarse

    def forward(self, left, right, near, far, rows, columns):
        answers, _, features, _ = self.coarse(left.float(), right.float(), near[None], far[None], rows[None], columns[None])
        return (torch.sigmoid(answers[8])[0], torch.sigmoid(answers[16])[0], *(features if is_full(self) else features[:3]))


def is_full(graph):
    return isinstance(graph.coarse.extract.halve, nn.Sequential)


def known(names, full):
    return [name for name in names if full or name not in FULL_ONLY]


class FineGraph(nn.Module):
    def __init__(self, trained):
        super().__init__()
        self.fine = trained.fine

    def forward(self, *inputs):
        given = dict(zip(known(FINE_INPUTS, self.fine.closer is not None), inputs))
        faces = given["faces"][None] if "faces" in given else None
        features = tuple(given.get(name) for name in FEATURES)
        answers, _, _ = self.fine(features, given["fine_planes"][None], faces, given["slabs"], given["rows"][None], given["columns"][None])
        return tuple(torch.sigmoid(answers[side])[0] for side in (16, 32, 64))


class LatentGraph(nn.Module):
    def __init__(self, trained):
        super().__init__()
        self.trained = trained

    def forward(self, left, right, near, far, rows, columns):
        constants = {"near_planes": near[None], "far_planes": far[None], "coarse_rows": rows[None], "coarse_columns": columns[None]}
        answers = self.trained(left.float(), right.float(), constants)["fine"]
        return tuple(torch.sigmoid(answers[side])[0] for side in geometry.LEVELS)


def write(trained, settings, out):
    """@returns paths of the graphs written."""
    size = tuple(settings["size"])
    trained = takes_gbr(trained)
    constants = {name: torch.from_numpy(value) for name, value in data.example_constants(size).items()}
    pictures = [torch.zeros(1, 3, size[1], size[0], dtype=torch.uint8) for _ in range(2)]
    inputs = [*pictures, *(constants[name] for name in COARSE_INPUTS[2:])]
    out.mkdir(parents=True, exist_ok=True)
    if settings["decoder"] == "latent":
        return [export(LatentGraph(trained), inputs, COARSE_INPUTS, [f"cells{side}" for side in geometry.LEVELS], {}, out / "latent.onnx")]
    coarse = CoarseGraph(trained)
    full = is_full(trained)
    outputs = ["cells8", "cells16", *known(FEATURES, full)]
    first = export(coarse, inputs, COARSE_INPUTS, outputs, {}, out / "coarse.onnx")
    with torch.no_grad():
        features = coarse(*inputs)[2:]
    rest = [*features, *(constants[name] for name in known(FINE_INPUTS, full)[len(features) :])]
    free = {"slabs": {0: "k"}, "rows": {0: "k", 1: "y"}, "columns": {0: "k", 1: "x"}}
    return [first, export(FineGraph(trained), rest, known(FINE_INPUTS, full), ["cells16", "cells32", "cells64"], free, out / "fine.onnx")]


def takes_gbr(trained):
    """The same network for planes in the order of ffmpeg's `gbrp`, so that nobody has to move them."""
    moved = copy.deepcopy(trained)
    extract = moved.coarse.extract
    first = extract.halve[0] if is_full(moved) else extract.to_half[0][0]
    with torch.no_grad():
        first.weight.copy_(first.weight[:, data.GBR])
    return moved


def export(module, inputs, input_names, output_names, free, path):
    module.eval()
    torch.onnx.export(module, tuple(inputs), str(path), input_names=input_names, output_names=output_names, dynamic_axes=free, opset_version=OPSET)
    onnx.checker.check_model(onnx.load(str(path)))
    return path


def macs_of(path):
    """Multiplications with addition in convolutions and matrix products, from the shapes that the graph declares for its inputs.

    Axes that are free count as the whole cube's.
    """
    model = onnx.load(str(path))
    free = {"k": geometry.FINEST, "y": geometry.FINEST, "x": geometry.FINEST}
    for value in model.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = free[axis.dim_param]
    del model.graph.output[:], model.graph.value_info[:]
    names = {name for node in model.graph.node for name in node.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in sorted(names) if name)
    session = session_of(model.SerializeToString(), 1)
    weights = {weight.name: list(weight.dims) for weight in model.graph.initializer}
    outputs = [value.name for value in session.get_outputs()]
    shapes = {name: value.shape for name, value in zip(outputs, session.run(outputs, zeros_for(session)))}
    shapes.update(weights, **{value.name: value.shape for value in session.get_inputs()})
    return sum(node_macs(node, shapes) for node in model.graph.node)


def node_macs(node, shapes):
    if node.op_type == "Conv":
        return int(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]][1:]))
    if node.op_type == "ConvTranspose":
        return int(np.prod(shapes[node.input[0]]) * np.prod(shapes[node.input[1]][1:]))
    if node.op_type in ("MatMul", "Gemm"):
        return int(np.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1])
    return 0


def session_of(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def zeros_for(session):
    of_type = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}
    return {value.name: np.zeros([axis if isinstance(axis, int) else geometry.FINEST for axis in value.shape], of_type[value.type]) for value in session.get_inputs()}


class OnnxNet:
    """The exported graphs as one: pictures `[h, w, 3]` RGB and a rig's constants to probabilities `[z, y, x]` by level."""

    def __init__(self, folder, threads=2):
        paths = [folder / name for name in ("latent.onnx", "coarse.onnx", "fine.onnx") if (folder / name).is_file()]
        self.sessions = {path.stem: session_of(str(path), threads) for path in paths}

    def coarse(self, left, right, constants):
        pictures = [np.ascontiguousarray(picture[:, :, data.GBR].transpose(2, 0, 1)[None], dtype=np.uint8) for picture in (left, right)]
        given = dict(zip(COARSE_INPUTS, [*pictures, *(constants[name] for name in COARSE_INPUTS[2:])]))
        name = "latent" if "latent" in self.sessions else "coarse"
        return self.answer(name, given)

    def fine(self, features, constants):
        return self.answer("fine", {name: features[name] if name in features else constants.get(name) for name in FINE_INPUTS})

    def answer(self, name, given):
        session = self.sessions[name]
        wanted = {value.name for value in session.get_inputs()}
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, {key: value for key, value in given.items() if key in wanted})))

    def __call__(self, left, right, constants):
        """By answer ("coarse8", "coarse16", "fine16", "fine32", "fine64") and the levels that it tells: 16 cells a side also tell 8, the most probable of each eight."""
        found = self.coarse(left, right, constants)
        if "fine" not in self.sessions:
            return {f"fine{side}": {side: found[f"cells{side}"]} for side in geometry.LEVELS}
        fine = self.fine(found, constants)
        answers = {"coarse8": {8: found["cells8"]}, **{f"fine{side}": {side: fine[f"cells{side}"]} for side in (32, 64)}}
        for name, cells in (("coarse16", found["cells16"]), ("fine16", fine["cells16"])):
            answers[name] = {16: cells, 8: cells.reshape(8, 2, 8, 2, 8, 2).max(axis=(1, 3, 5))}
        return answers


def measure(found, size, repeats):
    """Median milliseconds of the coarse graph alone and of all, with the pictures already in memory, and of CPU for all."""
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8) for _ in range(2)]
    constants = data.example_constants(size)
    times = {"coarse": [], "all": [], "cpu": []}
    for repeat in range(repeats + 3):
        began, used = time.perf_counter(), time.process_time()
        features = found.coarse(*pictures, constants)
        between = time.perf_counter()
        if "fine" in found.sessions:
            found.fine(features, constants)
        if repeat >= 3:
            times["coarse"].append(1000 * (between - began))
            times["all"].append(1000 * (time.perf_counter() - began))
            times["cpu"].append(1000 * (time.process_time() - used))
    return {name: float(np.median(values)) for name, values in times.items()}


def main(arguments):
    parser = argparse.ArgumentParser(prog="export", description="Writes a checkpoint as ONNX; prints multiplications and milliseconds.")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not options.checkpoint.is_file():
        parser.error(f"{options.checkpoint} isn't there")
    trained, settings = training.load_net(options.checkpoint)
    paths = write(trained, settings, options.out)
    (options.out / "settings.json").write_text(json.dumps(settings))
    report = {
        "settings": settings,
        "macs": {path.stem: macs_of(path) for path in paths},
        "bytes": {path.stem: path.stat().st_size for path in paths},
        "ms": measure(OnnxNet(options.out, options.threads), tuple(settings["size"]), options.repeats),
        "threads": options.threads,
    }
    print(json.dumps(report, indent=1) if options.json else table_of(report))
    return 0


def table_of(report):
    lines = ["| graph | GMACs | MB |", "| --- | --- | --- |"]
    lines += [f"| {name} | {macs / 1e9:.2f} | {report['bytes'][name] / 1e6:.1f} |" for name, macs in report["macs"].items()]
    ms = report["ms"]
    return "\n".join([*lines, "", f"coarse alone {ms['coarse']:.1f} ms, all {ms['all']:.1f} ms, {ms['cpu']:.1f} ms of CPU (median, {report['threads']} threads)"])
