"""A detector for one camera: from pictures of it, and what models saw in them, to a model of lynceus with a report.

Each step leaves a file when it is done and is skipped while its command stays the same; a step that is done again has all after it done again.
The first pictures are trained on, the last are kept for the report: neighbours are alike, so a random split would flatter.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from packs import PackError, read_pack, write_coco
from sets import SetError, read_set
from teaching import own_lynceus

HERE = Path(__file__).resolve().parent
CALIBRATION = HERE / "data-lists" / "calibration.json"
"""Of one view of each picture, so that is what teachers look at here."""
FEW = 50
"""Pictures: with fewer there is nothing to learn or to judge by."""


class StepError(Exception):
    """Which step failed; it told why itself."""


@dataclass(frozen=True)
class Step:
    name: str
    command: list
    """What is run, and by what it is known whether it was done like this."""
    inside: Optional[Callable] = None
    """Instead of a process: what is done here."""
    is_optional: bool = False
    """Whether there is a result without it: a model without spare anchors stays as it is."""
    continues: Optional[Path] = None
    """What an interrupted run leaves, in a folder of its own: where it is there, the step goes on with `--resume`."""


def steps_of(options):
    """All steps, in order; each works on what those before it left."""
    out, lynceus = options.out, options.lynceus
    own = lambda name, *arguments: [sys.executable, str(HERE / name), *map(str, arguments)]
    boxes = [out / "boxes" / f"{model}.ndjson" for model in options.teach]
    teachers = [part for path in [*options.boxes, *boxes] for part in ("--teacher", path)]
    split = 1 - options.held_out
    packs = {"train": f"0:{split:g}", "held-out": f"{split:g}:1"}
    steps = [Step(f"teach {model}", own("teach", "--set", options.frames, "--model", model, "--views", "plain", "--out", path, "--lynceus", shlex.join(lynceus))) for model, path in zip(options.teach, boxes)]
    for name, part in packs.items():
        about = ("--name", f"{options.id} {name}", "--licence", "the owner's of the camera")
        steps.append(Step(f"prepare {name}", own("prepare", "--set", options.frames, *teachers, "--calibration", CALIBRATION, "--part", part, *about, "--out", out / "packs" / name)))
    for name in packs:
        steps.append(Step(f"dataset {name}", ["write_coco", name], lambda name=name: write_coco(read_pack(out / "packs" / name), out / "datasets" / name)))
    return [*steps, *training_steps(options, own), *model_steps(options)]


def training_steps(options, own):
    out = options.out
    data = [out / "packs" / "train", *options.also]
    begin = ["--begin-with", options.begin_with] if options.begin_with else []
    trained = own("train", "--data", *data, "--validate", out / "packs" / "held-out", "--out", out / "run", "--hours", f"{options.hours:g}", "--seed", options.seed, *begin)
    # Not in half precision: what prunes and quantizes wants weights as they are.
    exported = own("export", "--checkpoint", out / "run" / "last.pt", "--out", out / "onnx", "--id", options.id, "--float32")
    return [Step("train", trained, continues=out / "run" / "last.pt"), Step("export", exported)]


def model_steps(options):
    """Of lynceus. What can be left out keeps its id in the report only where it was made."""
    out, lynceus, model = options.out, options.lynceus, options.id
    data, judged = str(out / "datasets" / "train"), str(out / "datasets" / "held-out")
    replaced = Step("add", [*lynceus, "models", "add", str(out / "onnx"), "--id", model, "--test-image", str(out / "datasets" / "held-out" / "images" / "000001.png")])
    pruned = [*lynceus, "models", "prune-anchors", model, "--data", data, "--verify", judged, "--out-id", f"{model}-anchors"]
    quantized = lambda parent: [*lynceus, "models", "quantize", parent, "--calibrate", data, "--data", data, "--verify", judged, "--out-id", f"{model}-int8"]
    return [
        replaced,
        Step("prune anchors", pruned, is_optional=True),
        Step("quantize", quantized(f"{model}-anchors"), is_optional=True),
        Step("report", [*lynceus, "models", "bench", model, f"{model}-anchors", f"{model}-int8", *options.teach, "--data", judged, "--sizes", "own", "--runs", "60", "--report", str(out / "report.html")]),
    ]


class Runner:
    """Runs steps, remembers in `done/` what was done how, and does again all after a step that was."""

    def __init__(self, options):
        self.options = options
        self.folder = options.out / "done"
        self.is_anew = False
        self.made = {options.id: True}
        """Models by id, and whether they were made."""

    def run(self, steps):
        for number, step in enumerate(steps, 1):
            step = self._adapted(step)
            mark = self.folder / f"{number:02d}-{step.name.replace(' ', '-')}.json"
            told = self._done(mark, step)
            if told is None:
                print(f"[{number}/{len(steps)}] {step.name}", file=sys.stderr, flush=True)
                told = self._do(step, mark.with_suffix(".begun"))
                self.is_anew = True
                _write(mark, {"command": step.command, "failed": told})
            else:
                print(f"[{number}/{len(steps)}] {step.name}: done before", file=sys.stderr, flush=True)
            self._remember(step, told)

    def _adapted(self, step):
        """Models that an optional step could not make are left out, or replaced by what they would have been made of."""
        absent = {model for model, is_made in self.made.items() if not is_made}
        if step.name == "quantize":
            command = [self.options.id if part in absent else part for part in step.command]
        else:
            command = [part for part in step.command if part not in absent]
        return Step(step.name, command, step.inside, step.is_optional, step.continues)

    def _done(self, mark, step):
        if self.is_anew or not mark.is_file():
            return None
        about = json.loads(mark.read_text())
        return about["failed"] if about["command"] == step.command else None

    def _do(self, step, begun):
        """@returns whether an optional step failed. @raises StepError where another did"""
        if step.inside:
            step.inside()
            return False
        command = self._continued(step, begun) if step.continues else step.command
        self._forget_models(step)
        failed = subprocess.run(command).returncode != 0
        if failed and not step.is_optional:
            raise StepError(f"{step.name} failed: {shlex.join(command)}")
        if failed:
            print(f"{step.name}: goes on without it", file=sys.stderr, flush=True)
        return failed

    def _continued(self, step, begun):
        """The command with `--resume` where this very step was interrupted; what an earlier one left is removed."""
        if not self.is_anew and step.continues.is_file() and begun.is_file() and json.loads(begun.read_text())["command"] == step.command:
            return [*_without(step.command, "--begin-with"), "--resume"]
        shutil.rmtree(step.continues.parent, ignore_errors=True)
        _write(begun, {"command": step.command})
        return step.command

    def _forget_models(self, step):
        """A model of that name from an earlier run would be in the way."""
        model = _model_of(step, self.options.id)
        if model is not None:
            subprocess.run([*self.options.lynceus, "models", "remove", model], capture_output=True)

    def _remember(self, step, failed):
        model = _model_of(step, self.options.id)
        if model is not None:
            self.made[model] = not failed


def _model_of(step, model):
    """The id of the model that a step makes."""
    return {"add": model, "prune anchors": f"{model}-anchors", "quantize": f"{model}-int8"}.get(step.name)


def _without(command, option):
    """A command without an option and its value."""
    at = command.index(option) if option in command else len(command)
    return command[:at] + command[at + 2 :]


def _write(path, about):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(about, indent=2) + "\n")
    os.replace(part, path)


def check(options):
    """What would fail after hours fails here. @raises SetError, PackError"""
    pictures = read_set(options.frames).pictures
    held = round(options.held_out * len(pictures))
    if len(pictures) < FEW or held < 1:
        raise SetError(f"{options.frames} has {len(pictures)} pictures; expected at least {FEW}, some hundreds are better, of all hours and weathers that count")
    for path in options.boxes:
        if not path.is_file():
            raise SetError(f"there is no {path}")
    for name in options.also:
        read_pack(name.rpartition(":")[0] if ":" in name else name)
    for model in options.teach:
        told = subprocess.run([*options.lynceus, "models", "inspect", model], capture_output=True, text=True)
        if told.returncode != 0:
            raise SetError(f"lynceus has no model {model}: {told.stderr.strip()}")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="camera", description="Makes a detector for one camera from its own pictures: teachers' boxes, training, anchors, INT8, report.")
    parser.add_argument("--frames", type=Path, required=True, metavar="FOLDER", help="pictures in the order that they were taken; boxes in COCO's format count where there are any")
    parser.add_argument("--boxes", type=Path, nargs="+", default=[], metavar="RESULTS.ndjson", help="what lynceus run found in them")
    parser.add_argument("--teach", nargs="*", default=["centernet-coco"], metavar="ID", help="models that look at the pictures again, closer (centernet-coco)")
    parser.add_argument("--also", nargs="*", default=[], metavar="PACK[:WEIGHT]", help="packs to train on beside, so that it doesn't forget what the camera seldom sees")
    parser.add_argument("--begin-with", type=Path, metavar="CHECKPOINT", help="of train; without it the network begins from nothing, and needs hours")
    parser.add_argument("--hours", type=float, default=0.5, help="of training (0.5)")
    parser.add_argument("--held-out", type=float, default=0.2, metavar="SHARE", help="of the pictures, the last ones: for the report alone (0.2)")
    parser.add_argument("--id", default="my-camera", help="of the new model; -anchors and -int8 beside it (my-camera)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="everything that is made but the models, which lynceus keeps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lynceus", type=shlex.split, default=own_lynceus(), metavar="COMMAND", help="how lynceus is called (%(default)s)")
    options = parser.parse_args(arguments)
    if not options.teach and not options.boxes:
        parser.error("without --boxes somebody has to --teach")
    if not 0 < options.held_out < 1:
        parser.error("--held-out is a share between 0 and 1")
    if options.begin_with and not options.begin_with.is_file():
        parser.error(f"there is no {options.begin_with}")
    if shutil.which(options.lynceus[0]) is None:
        parser.error(f"there is no {options.lynceus[0]}: build lynceus (npm run build) or say how it is called with --lynceus")
    return options


def main(arguments):
    options = parse(arguments)
    try:
        check(options)
        Runner(options).run(steps_of(options))
    except (SetError, PackError, StepError) as error:
        print(f"camera: {error}", file=sys.stderr)
        return 2
    print(f"{options.id} is ready: lynceus run YOUR-CAMERA --model {options.id}\n{options.out / 'report.html'} compares it with its teachers by what they agree on in the last pictures; nobody drew those boxes.")
    return 0
