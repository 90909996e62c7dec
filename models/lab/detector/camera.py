"""A detector for one camera: from pictures of it, and what models saw in them, to a model of lynceus with a report.

Each step leaves a file when it is done and is skipped while its command and what it reads from outside stay the same; a step that is done again has all
after it done again.
The first pictures are trained on, the last are kept for the report: neighbours are alike, so a random split would flatter.
"""

import argparse
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
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
PATIENCE_S = 4
"""With a process that was interrupted."""
PRUNING = ("--max-sets", "150", "--tries", "1", "--views", "2", "--steps", "400")
"""A search of minutes: some hundreds of pictures from one place don't tell more sets of anchors apart, nor bear a longer recovery."""
BEFORE, ANCHORS, INT8 = "-before", "-anchors", "-int8"
"""What is put behind the id: the network that training began with, without spare anchors, in integers."""


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
    reads: tuple = ()
    """What it takes from outside, as `trace_of` has it: it is done again where that changed."""
    makes: Optional[str] = None
    """A model's id."""
    told_in: Optional[Path] = None
    """Where what it prints goes."""
    about: str = ""
    """How long it takes, where that is known."""


def steps_of(options):
    """All steps, in order; each works on what those before it left."""
    out, lynceus = options.out, options.lynceus
    own = lambda name, *arguments: [sys.executable, str(HERE / name), *map(str, arguments)]
    boxes = [out / "boxes" / f"{model}.ndjson" for model in options.teach]
    teachers = [part for path in [*options.boxes, *boxes] for part in ("--teacher", path)]
    split = 1 - options.held_out
    packs = {"train": f"0:{split:g}", "held-out": f"{split:g}:1"}
    pictures = (trace_of(options.frames),)
    seen = (*pictures, *map(trace_of, options.boxes))
    steps = []
    for model, path in zip(options.teach, boxes):
        command = own("teach", "--set", options.frames, "--model", model, "--views", "plain", "--out", path, "--lynceus", shlex.join(lynceus))
        steps.append(Step(f"teach {model}", command, reads=pictures))
    for name, part in packs.items():
        about = ("--name", f"{options.id} {name}", "--licence", "the owner's of the camera")
        command = own("prepare", "--set", options.frames, *teachers, "--calibration", CALIBRATION, "--part", part, *about, "--out", out / "packs" / name)
        steps.append(Step(f"prepare {name}", command, reads=seen))
    for name in packs:
        steps.append(Step(f"dataset {name}", ["write_coco", name], lambda name=name: write_coco(read_pack(out / "packs" / name), out / "datasets" / name)))
    return [*steps, *training_steps(options, own), *model_steps(options, own)]


def training_steps(options, own):
    out = options.out
    data = [out / "packs" / "train", *options.also]
    begin = ["--begin-with", options.begin_with] if options.begin_with else []
    saving = ("--save-minutes", f"{min(5, max(0.5, options.hours * 10)):g}")
    trained = own("train", "--data", *data, "--validate", out / "packs" / "held-out", "--out", out / "run", "--hours", f"{options.hours:g}", "--seed", options.seed, *saving, *begin)
    reads = tuple(map(trace_of, [*begin[1:], *(pack_of(name) / "labels.json" for name in options.also)]))
    about = f"{options.hours * 60:.3g} minutes of a core of its own, longer on a busy machine; stopped, it goes on from its last checkpoint"
    return [Step("train", trained, continues=out / "run" / "last.pt", reads=reads, about=about), exporting(own, "export", out / "run" / "last.pt", out / "onnx", options.id)]


def exporting(own, name, checkpoint, out, model):
    # Not in half precision: what prunes and quantizes wants weights as they are.
    return Step(name, own("export", "--checkpoint", checkpoint, "--out", out, "--id", model, "--float32"))


def model_steps(options, own):
    """Of lynceus. What can be left out keeps its id in the report only where it was made."""
    out, lynceus, model = options.out, options.lynceus, options.id
    data, judged = str(out / "datasets" / "train"), str(out / "datasets" / "held-out")
    tried = ("--test-image", str(out / "datasets" / "held-out" / "images" / "000001.png"))
    adding = lambda name, folder, made: Step(name, [*lynceus, "models", "add", str(folder), "--id", made, *tried], makes=made)
    before = []
    if options.begin_with:
        before = [exporting(own, "export what it began with", options.begin_with, out / "onnx-before", model + BEFORE), adding("add what it began with", out / "onnx-before", model + BEFORE)]
    pruned = [*lynceus, "models", "prune-anchors", model, "--data", data, "--verify", judged, *PRUNING, "--out-id", model + ANCHORS]
    quantized = [*lynceus, "models", "quantize", model + ANCHORS, "--calibrate", data, "--data", data, "--verify", judged, "--out-id", model + INT8]
    compared = [*own_models(options), *([model + BEFORE] if before else []), *options.teach]
    bench = [*lynceus, "models", "bench", *compared, "--data", judged, "--sizes", "own", "--runs", "60", "--report", str(out / "report.html"), "--json"]
    return [
        adding("add", out / "onnx", model),
        *before,
        Step("prune anchors", pruned, is_optional=True, makes=model + ANCHORS, about="some minutes"),
        Step("quantize", quantized, is_optional=True, makes=model + INT8, about="some minutes"),
        Step("report", bench, told_in=out / "report.json"),
    ]


def own_models(options):
    """Ids of the models that are to be made, the last the quickest."""
    return [options.id, options.id + ANCHORS, options.id + INT8]


def pack_of(name):
    """The folder in `PACK[:WEIGHT]`."""
    return Path(name.rpartition(":")[0] if ":" in name else name)


def trace_of(path):
    """By what it is known that a file or a folder's content is another: names and sizes, and of a file when it was written."""
    path = Path(path)
    if not path.is_dir():
        about = path.stat()
        return [str(path), about.st_size, about.st_mtime_ns]
    files = sorted((str(file.relative_to(path)), file.stat().st_size) for file in path.rglob("*") if file.suffix not in (".part", ".ndjson") and file.is_file())
    return [str(path), len(files), hashlib.sha256(json.dumps(files).encode()).hexdigest()]


class Runner:
    """Runs steps, remembers in `done/` what was done how, and does again all after a step that was."""

    def __init__(self, options):
        self.options = options
        self.folder = options.out / "done"
        self.is_anew = False
        self.at = ""
        """What is being done."""
        self.made = {}
        """Models by id, and whether they were made."""

    def run(self, steps):
        for number, step in enumerate(steps, 1):
            step = self._adapted(step)
            mark = self.folder / f"{number:02d}-{step.name.replace(' ', '-')}.json"
            self.at = f"[{number}/{len(steps)}] {step.name}"
            why = "" if self.is_anew else self._why_again(mark, step)
            if why is None:
                say(f"{self.at}: done before")
                is_made = json.loads(mark.read_text())["made"]
            else:
                say(f"{self.at}{why and f': {why}'}{step.about and f' ({step.about})'}")
                began = time.monotonic()
                is_made = self._do(step, mark.with_suffix(".begun"), mark)
                say(f"{self.at}: {time.monotonic() - began:.0f} s")
                self.is_anew = True
            if step.makes:
                self.made[step.makes] = is_made

    def _adapted(self, step):
        """Models that an optional step could not make are left out, or replaced by what they would have been made of."""
        absent = {model for model, is_made in self.made.items() if not is_made}
        if step.name == "quantize":
            return replace(step, command=[self.options.id if part in absent else part for part in step.command])
        return replace(step, command=[part for part in step.command if part not in absent])

    def _why_again(self, mark, step):
        """None where the step is done; else why it is done again, or nothing where it never was."""
        if not mark.is_file():
            return ""
        about = json.loads(mark.read_text())
        if about.get("command") != step.command:
            return "its command is another"
        if about.get("reads") != list(step.reads):
            return "what it reads has changed"
        if about.get("failed", True):
            return "it failed before"
        if step.makes and about["made"] and not self._has_model(step.makes):
            return f"{step.makes} is not there any more"
        return None

    def _do(self, step, begun, mark):
        """@returns whether what an optional step makes was made. @raises StepError where another failed, or any was killed"""
        mark.unlink(missing_ok=True)
        status = 0
        if step.inside:
            step.inside()
        else:
            command = self._continued(step, begun) if step.continues else step.command
            if step.makes:
                # One of that name from an earlier run would be in the way.
                subprocess.run([*self.options.lynceus, "models", "remove", step.makes], capture_output=True)
            status = run_process(command, step.told_in)
            if status < 0 or (status and not step.is_optional):
                raise StepError(f"{step.name} {f'was ended by signal {-status}' if status < 0 else 'failed'}: {shlex.join(command)}")
        is_made = status == 0 and (not step.is_optional or self._has_model(step.makes))
        if not is_made:
            say(f"{step.name}: goes on without it")
        _write(mark, {"command": step.command, "reads": step.reads, "failed": status != 0, "made": is_made})
        return is_made

    def _has_model(self, model):
        return model is None or subprocess.run([*self.options.lynceus, "models", "inspect", model], capture_output=True).returncode == 0

    def _continued(self, step, begun):
        """The command with `--resume` where this very step was interrupted; what an earlier one left is removed."""
        this = {"command": step.command, "reads": list(step.reads)}
        if not self.is_anew and step.continues.is_file() and begun.is_file() and json.loads(begun.read_text()) == this:
            return [*_without(step.command, "--begin-with"), "--resume"]
        shutil.rmtree(step.continues.parent, ignore_errors=True)
        _write(begun, this)
        return step.command


def run_process(command, told_in=None):
    """@returns its status. Interrupted, it lets the process end first: a terminal tells both, `kill` only this one."""
    with told_in.open("wb") if told_in else open(os.devnull, "rb") as file:
        process = subprocess.Popen(command, stdout=file if told_in else None)
        try:
            return process.wait()
        except KeyboardInterrupt:
            for number, patience in ((None, PATIENCE_S), (signal.SIGINT, 5 * PATIENCE_S), (signal.SIGKILL, None)):
                try:
                    if number:
                        process.send_signal(number)
                    process.wait(patience)
                    break
                except subprocess.TimeoutExpired:
                    pass
            raise


def say(text):
    print(text, file=sys.stderr, flush=True)


def _without(command, option):
    """A command without an option and its value."""
    at = command.index(option) if option in command else len(command)
    return command[:at] + command[at + 2 :]


def _write(path, about):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(about, indent=2) + "\n")
    os.replace(part, path)


LEAST_LOSS = 0.02
"""The quickest model that loses no more mAP50 than this against the best of them is the one to run."""


@dataclass(frozen=True)
class Score:
    """Of one model, on the held-out pictures."""

    model: str
    map50: float
    low: float
    high: float
    ms: float
    """Median of an inference, one thread."""


def scores_of(report):
    """By model, from what `lynceus models bench --json` prints."""
    found = {}
    for each in report["candidates"]:
        if each["accuracy"] and each["threads"] == 1:
            interval = each["accuracy"].get("map50Interval") or {}
            map50 = each["accuracy"]["map50"] or 0.0
            found[each["model"]] = Score(each["model"], map50, interval.get("low", map50), interval.get("high", map50), each["latency"]["p50Ms"])
    return found


def chosen(scores):
    """Of those that were made: the quickest that is about as good as the best. @param scores in any order, at least one"""
    best = max(score.map50 for score in scores)
    return min((score for score in scores if score.map50 >= best - LEAST_LOSS), key=lambda score: score.ms)


def compared(new, old, name):
    """One sentence."""
    points = 100 * (new.map50 - old.map50)
    if new.low <= old.high and old.low <= new.high:
        told = f"as good as {name}, as far as these pictures tell ({points:+.1f} points, and the intervals overlap)"
    else:
        told = f"{abs(points):.1f} points {'better' if points > 0 else 'worse'} than {name}"
    return f"It is {told}, and {factor(old.ms / new.ms)}."


def factor(times):
    return f"{times:.1f} times as fast" if times >= 1.05 else f"{1 / times:.1f} times slower" if times <= 0.95 else "as fast"


def who_drew(pack, given):
    """The boxes that models were judged by, in words. @param given how many of them came with the pictures; scores don't tell, a sure teacher's is 1, too"""
    share = min(1, given / max(1, sum(len(entry["boxes"]) for entry in pack.pictures)))
    if share == 1:
        return "People drew all boxes that were judged by."
    who = f"People drew {share:.0%} of the boxes that were judged by, teachers the others" if share else "Nobody drew the boxes that were judged by, teachers did"
    return f"{who}: a teacher agrees with itself, and what all of them miss is missed here, too."


def table_of(options, own, scores):
    rows = [("made", own), ("began with", [options.id + BEFORE]), ("teacher", options.teach)]
    lines = ["| | model | mAP50 | 95 % | ms, one thread |", "| --- | --- | ---: | ---: | ---: |"]
    for kind, models in rows:
        for each in filter(None, map(scores.get, models)):
            lines.append(f"| {kind} | {each.model} | {100 * each.map50:.1f} | {100 * each.low:.1f} to {100 * each.high:.1f} | {each.ms:.1f} |")
    return lines


def summary(options, made, report, held_out, given):
    """What was made and how good it is, in plain words.

    @param made by id, whether it was @param report of `models bench` @param held_out the pack that was judged by @param given how many of its boxes people drew
    """
    scores = scores_of(report)
    own = [model for model in own_models(options) if made.get(model) and model in scores]
    new = chosen([scores[model] for model in own])
    others = [(options.id + BEFORE, "what it began with"), *((model, f"its teacher {model}") for model in options.teach)]
    told = [compared(new, scores[model], name) for model, name in others if model in scores]
    absent = ((options.id + ANCHORS, "no anchor could be spared, or it failed"), (options.id + INT8, "integers gain too little on this machine or lose too much, or it failed"))
    told += [f"There is no {model}: {why}; what was said above tells which." for model, why in absent if not made.get(model)]
    lines = [f"On the last {len(held_out.pictures)} pictures, which nothing was trained on:", "", *table_of(options, own, scores), "", f"{new.model} is the one to run.", *told]
    return "\n".join([*lines, who_drew(held_out, given), f"{options.out / 'report.html'} has the rest.", "", f"lynceus run YOUR-CAMERA --model {new.model}"])


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
        read_pack(pack_of(name))
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
    parser.add_argument("--begin-with", type=Path, metavar="CHECKPOINT", help="of train, or a model folder such as models/street; without it the network begins from nothing, and needs hours")
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
    if options.begin_with and not options.begin_with.exists():
        parser.error(f"there is no {options.begin_with}")
    if shutil.which(options.lynceus[0]) is None:
        parser.error(f"there is no {options.lynceus[0]}: build lynceus (npm run build) or say how it is called with --lynceus")
    return options


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main(arguments):
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    runner = Runner(options)
    try:
        check(options)
        runner.run(steps_of(options))
    except (SetError, PackError, StepError) as error:
        say(f"camera: {error}")
        return 2
    except KeyboardInterrupt:
        say(f"\ncamera: interrupted at {runner.at or 'the beginning'}; the same command goes on there")
        return 130
    given = sum(len(picture.boxes) for picture in read_set(options.frames, part=(1 - options.held_out, 1)).pictures)
    print(summary(options, runner.made, json.loads((options.out / "report.json").read_text()), read_pack(options.out / "packs" / "held-out"), given))
    return 0
