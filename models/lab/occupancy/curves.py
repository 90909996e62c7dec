"""Curves of a run, as a picture."""

import cv2
import numpy as np

import plots


def draw(history, path):
    """IoU by level above, the loss below, both over minutes of training."""
    minutes = [entry["seconds"] / 60 for entry in history]
    levels = {name: [entry["iou"][name] for entry in history] for name in history[0]["iou"]}
    losses = {"loss": [entry["loss"] for entry in history]}
    pictures = [plots.plot("IoU", minutes, levels, 1.0), plots.plot("loss", minutes, losses, max(losses["loss"]) * 1.05)]
    cv2.imwrite(str(path), np.concatenate(pictures))
