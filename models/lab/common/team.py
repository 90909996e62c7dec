"""Processes that share each step of a training: one thread each is quicker than one process of several, and all of them have the same weights throughout."""

import multiprocessing
import tempfile
from pathlib import Path

import torch
from torch import distributed


class Team:
    """One process of a run among `count`: gradients are averaged over them, and they agree on the time."""

    def __init__(self, rank, count, meeting):
        self.rank, self.count = rank, count
        if count > 1:
            distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)

    def mean(self, values):
        """Of vectors, over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values

    def share(self, parameters, values):
        """Averages the gradients of parameters, in place. @returns the averaged values"""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        told = self.mean(torch.cat([*(gradient.reshape(-1) for gradient in gradients), values]))
        place = 0
        for gradient in gradients:
            gradient.copy_(told[place : place + gradient.numel()].view(gradient.shape))
            place += gradient.numel()
        return told[place:]


def run_together(work, count, *arguments):
    """@param work done by each process as `work(team, *arguments)`; it has to be a module's own function
    @returns what the first process made, which is this one"""
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        others = [multiprocessing.get_context("spawn").Process(target=join, args=(work, rank, count, meeting, arguments), daemon=True) for rank in range(1, count)]
        for other in others:
            other.start()
        made = join(work, 0, count, meeting, arguments)
        for other in others:
            other.join()
    return made


def join(work, rank, count, meeting, arguments):
    return work(Team(rank, count, meeting), *arguments)
