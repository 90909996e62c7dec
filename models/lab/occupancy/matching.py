"""Comparing both pictures along rows: cosines of features at whole steps of disparity, all of them or those around a guess."""

import torch
from torch.nn import functional as F

BLOCK = 44
"""Columns that are compared at once: more waste comparisons, fewer waste calls."""
REACH = 4
"""Whole steps of disparity to either side of a guess that a closer look compares."""


def match(left, right, planes):
    """Cosine of left features and right ones on planes of depth `[b, planes, h, w]`, and at whole steps, see `at_disparities`.

    Blocks of columns of a row are compared with all that may belong to them in the other row at once (matrix products); whole steps of disparity are cut
    from that, and the planes `[b, disparities, planes]` are mixtures of these: between two steps for a far plane, over several for a near one. Outside of
    the right picture it is 0.
    """
    with torch.autocast("cpu", enabled=False):
        steps = at_disparities(left, right, int(planes.shape[1]))
        return (steps @ planes.flip(1)[:, None]).permute(0, 3, 1, 2), steps


def at_disparities(left, right, disparities):
    """Cosines of features `[b, c, h, w]` at whole disparities, widest first: `[b, h, w, disparities]`."""
    left, right = (F.normalize(side.float(), dim=1) for side in (left, right))
    pairs, channels, height, width = (int(length) for length in left.shape)
    count = -(-width // BLOCK)
    block = -(-width // count)
    reach = disparities - 1
    rows = F.pad(left, (0, count * block - width)).reshape(pairs, channels, height, count, block).permute(0, 2, 3, 4, 1)
    others = F.pad(right, (reach, count * block - width)).permute(0, 2, 1, 3)
    others = torch.stack([others[..., start : start + block + reach] for start in range(0, count * block, block)], 2)
    rows = F.pad(rows, (0, 0, 0, 1))  # what lets `band` be a cut
    learns = rows.requires_grad and not torch.jit.is_tracing()
    found = Band.apply(rows, others, disparities) if learns else band(rows @ others, disparities)
    return found.reshape(pairs, height, count * block, disparities)[:, :, :width]


def band(every, disparities):
    """Of comparisons `[b, h, n, block + 1, block + disparities - 1]` those at whole disparities: `[b, h, n, block, disparities]`.

    In rows that are longer by one, each begins one column later: so a diagonal is a column, and no index is looked up.
    """
    pairs, height, count, rows, width = (int(length) for length in every.shape)
    flat = every.reshape(pairs, height, count, rows * width)[..., : (rows - 1) * (width + 1)]
    return flat.reshape(pairs, height, count, rows - 1, width + 1)[..., :disparities]


class Band(torch.autograd.Function):
    """`band` of the product of both pictures, with buffers that are kept: of the product and its gradient, tens of megabytes, only the band is ever
    written anew. Making them for each step took two fifths of it.
    """

    buffers = {}

    @classmethod
    def buffer(cls, name, shape):
        if (name, shape) not in cls.buffers:
            cls.buffers[name, shape] = torch.zeros(shape)
        return cls.buffers[name, shape]

    @staticmethod
    def forward(ctx, rows, others, disparities):
        rows, others = rows.contiguous(), others.contiguous()
        ctx.save_for_backward(rows, others)
        ctx.disparities = disparities
        every = Band.buffer("product", (*rows.shape[:4], others.shape[4]))
        return band(torch.matmul(rows, others, out=every), disparities).clone()

    @staticmethod
    def backward(ctx, slope):
        rows, others = ctx.saved_tensors
        every = Band.buffer("slope", (*rows.shape[:4], others.shape[4]))
        band(every, ctx.disparities).copy_(slope)
        return every @ others.transpose(3, 4), rows.transpose(3, 4) @ every, None


def around_guess(left, right, guess):
    """Cosines of features `[b, c, 2h, 4w]` at the whole disparities from a guess `[b, h, w]` plus `REACH` to it less `REACH`: `[b, 2h, w, 4, disparities]`.

    Blocks of two rows and four columns share a guess, so that each row of a block is compared with one strip of the right picture. Outside of that it is 0.
    """
    left, right = (F.normalize(side.float(), dim=1).permute(0, 2, 3, 1) for side in (left, right))
    pairs, height, width, channels = (int(length) for length in left.shape)
    count = width // 4
    from_column = torch.arange(count) * 4 - REACH - guess
    from_column = from_column[:, :, None].expand(pairs, height // 2, 2, count).reshape(pairs, height, count, 1)
    columns = from_column + torch.arange(4 + 2 * REACH)
    columns = torch.where((columns >= 0) & (columns < width), columns, torch.full_like(columns, width)).long()
    rows = torch.arange(pairs * height).reshape(pairs, height, 1, 1)
    table = F.pad(right, (0, 0, 0, 1)).reshape(pairs * height * (width + 1), channels)
    strips = table.index_select(0, (rows * (width + 1) + columns).flatten()).reshape(pairs, height, count, 4 + 2 * REACH, channels)
    every = F.pad(left.reshape(pairs, height, count, 4, channels), (0, 0, 0, 1)) @ strips.transpose(3, 4)
    return band(every, 2 * REACH + 1)
