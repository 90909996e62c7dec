"""Multiplications with addition of published stereo networks, counted from their layers: `costs --width 880 --height 400`.

Convolutions and matrix products only, as `export` counts them for ours. The layers are those that the papers and their authors' code describe; what has no
weights (warping, pooling, upsampling, soft argmin) is left out, which is in their favour.

- PSMNet: Chang and Chen 2018, arXiv 1803.08669, the stacked hourglass, 192 disparities. Tools that count a transposed convolution at its outputs, as
  most do, find 71 GMACs more at 512x256 than this.
- StereoVoxelNet: Li et al. 2023, arXiv 2209.08459, 12 planes, all 64 cells a side.
"""

import argparse
import json
from math import ceil


def conv2d(before, after, size, pixels, groups=1):
    return before // groups * after * size * size * pixels


def conv3d(before, after, voxels, size=27):
    return before * after * size * voxels


def psmnet(width, height, disparities=192):
    at = lambda stride: ceil(width / stride) * ceil(height / stride)
    half, quarter = at(2), at(4)
    features = conv2d(3, 32, 3, half) + 8 * conv2d(32, 32, 3, half)
    features += conv2d(32, 64, 3, quarter) + 31 * conv2d(64, 64, 3, quarter) + conv2d(32, 64, 1, quarter)
    features += conv2d(64, 128, 3, quarter) + 5 * conv2d(128, 128, 3, quarter) + conv2d(64, 128, 1, quarter)
    features += 6 * conv2d(128, 128, 3, quarter) + conv2d(320, 128, 3, quarter) + conv2d(128, 32, 1, quarter)
    volume = lambda stride: ceil(disparities / stride) * at(stride)
    first = conv3d(64, 32, volume(4)) + 3 * conv3d(32, 32, volume(4))
    down = conv3d(32, 64, volume(8)) + conv3d(64, 64, volume(8)) + 2 * conv3d(64, 64, volume(16))
    up = conv3d(64, 64, volume(16)) + conv3d(64, 32, volume(8))  # counted where they read, as transposed convolutions work
    last = conv3d(32, 32, volume(4)) + conv3d(32, 1, volume(4))
    return 2 * features + first + 3 * (down + up + last)


def stereo_voxel_net(width, height, planes=12):
    at = lambda stride: ceil(width / stride) * ceil(height / stride)
    half, quarter = at(2), at(4)

    def inverted(before, after, pixels, expansion, inside=None):
        middle = before * expansion
        return conv2d(before, middle, 1, inside or pixels) + conv2d(middle, middle, 3, pixels, middle) + conv2d(middle, after, 1, pixels)

    separable = lambda before, after, pixels: conv2d(before, before, 3, pixels, before) + conv2d(before, after, 1, pixels)
    features = inverted(3, 32, half, 3, at(1)) + 2 * inverted(32, 32, half, 3) + 3 * 2 * separable(32, 32, half)
    features += separable(32, 64, quarter) + 31 * separable(64, 64, quarter) + 2 * 3 * 2 * separable(64, 64, quarter)
    features += sum(conv2d(before, after, 1, quarter) for before, after in ((160, 160), (160, 128), (128, 64), (64, 32)))
    plane = (1 * 8 * 8 * 9 * 8 + 8 * 16 * 4 * 9 * 2 + 16 * 8 * 2 * 9 + 8) * quarter
    encoder = conv2d(planes, 64, 6, at(8)) + conv2d(64, 128, 4, at(32)) + conv2d(128, 256, 4, at(128))
    flat = 256 * ceil(width / 128) * ceil(height / 128)
    encoder += flat * 512 + 512 * 512 + 512 * 128
    decoder = conv3d(128, 64, 1, 125) + conv3d(64, 64, 4**3, 8) + conv3d(64, 32, 4**3, 125) + conv3d(32, 32, 8**3, 8)
    decoder += conv3d(32, 16, 8**3, 125) + conv3d(16, 16, 16**3, 8) + conv3d(16, 8, 16**3, 125) + conv3d(8, 8, 32**3, 8) + conv3d(8, 1, 32**3, 216)
    return 2 * features + planes * plane + encoder + decoder


NETWORKS = {"PSMNet": psmnet, "StereoVoxelNet": stereo_voxel_net}


def main(arguments):
    parser = argparse.ArgumentParser(prog="costs", description="Multiplications with addition of published stereo networks, from their layers.")
    parser.add_argument("--width", type=int, default=880)
    parser.add_argument("--height", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.width < 64 or options.height < 64:
        parser.error("--width and --height have to be 64 or more")
    found = {name: count(options.width, options.height) for name, count in NETWORKS.items()}
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join([f"| network | GMACs at {options.width}x{options.height} |", "| --- | --- |", *(f"| {name} | {macs / 1e9:.1f} |" for name, macs in found.items())]))
    return 0
