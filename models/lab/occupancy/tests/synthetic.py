"""A small set of pairs with exact disparity, without a renderer: upright textured planes before a far one."""

import json

import cv2
import numpy as np

WIDTH, HEIGHT, FOCAL_PX, BASELINE_M, RANGE_M = 128, 64, 120.0, 0.4, 16.0


def write_set(folder, count, seed=0):
    for name in ("image_2", "image_3", "disp_occ_0", "calib"):
        (folder / name).mkdir(parents=True)
    (folder / "set.json").write_text(json.dumps({"rangeM": RANGE_M}))
    for index in range(count):
        left, right, disparity = make_pair(np.random.default_rng([seed, index]))
        stem = f"{index:06d}"
        for name, picture in (("image_2", left), ("image_3", right), ("disp_occ_0", np.round(disparity * 256).astype(np.uint16))):
            cv2.imwrite(str(folder / name / f"{stem}_10.png"), picture)
        rows = [f"P{camera}: {FOCAL_PX} 0 {(WIDTH - 1) / 2} {-FOCAL_PX * along} 0 {FOCAL_PX} {(HEIGHT - 1) / 2} 0 0 0 1 0" for camera, along in ((2, 0.0), (3, BASELINE_M))]
        (folder / "calib" / f"{stem}.txt").write_text("\n".join(rows))
    return folder


def make_pair(random):
    """Whole disparities, so that pixels correspond exactly."""
    texture = lambda: cv2.resize(random.integers(0, 256, (HEIGHT // 2, WIDTH, 3), dtype=np.uint8), (2 * WIDTH, HEIGHT))
    left, right = np.zeros((2, HEIGHT, WIDTH, 3), np.uint8)
    disparity = np.zeros((HEIGHT, WIDTH), np.float32)
    for d, x, w in [(4, 0, WIDTH), *sorted((int(random.integers(5, 24)), int(random.integers(24, WIDTH - 40)), 32) for _ in range(3))]:
        picture = texture()
        left[:, x : x + w] = picture[:, d : d + w]
        from_x = max(0, x - d)
        right[:, from_x : x - d + w] = picture[:, d + from_x - (x - d) : d + w]
        if x == 0:
            right[:, w - d :] = picture[:, d + w : w + 2 * d]
        disparity[:, x : x + w] = d
    return left, right, disparity
