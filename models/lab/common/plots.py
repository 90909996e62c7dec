"""Curves of a run, as a picture."""

import cv2
import numpy as np

COLOURS = [(200, 90, 30), (40, 130, 220), (60, 160, 60), (170, 60, 170), (30, 30, 200), (120, 120, 120)]
WIDTH, HEIGHT, MARGIN = 900, 420, 60
FONT = cv2.FONT_HERSHEY_SIMPLEX


def plot(title, x, lines, top, of="minutes of training"):
    """@param lines values by name, one for each of `x`"""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    right, bottom = WIDTH - 4 * MARGIN, HEIGHT - MARGIN
    at = lambda minute, value: (int(MARGIN + (right - MARGIN) * minute / max(x[-1], 1e-9)), int(bottom - (bottom - MARGIN) * value / max(top, 1e-9)))
    for share in np.linspace(0, 1, 6):
        cv2.line(picture, at(0, share * top), at(x[-1], share * top), (225, 225, 225), 1)
        cv2.putText(picture, f"{share * top:.2f}", (8, at(0, share * top)[1] + 4), FONT, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
        cv2.putText(picture, f"{share * x[-1]:.1f}", (at(share * x[-1], 0)[0] - 12, bottom + 20), FONT, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    cv2.putText(picture, f"{title} over {of}", (MARGIN, 32), FONT, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    for row, (name, values) in enumerate(lines.items()):
        colour = COLOURS[row % len(COLOURS)]
        points = [at(minute, value) for minute, value in zip(x, values)]
        cv2.polylines(picture, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
        cv2.circle(picture, points[-1], 4, colour, -1, cv2.LINE_AA)
        cv2.putText(picture, f"{name} {values[-1]:.3f}", (right + 12, MARGIN + 20 * row), FONT, 0.45, colour, 1, cv2.LINE_AA)
    return picture
