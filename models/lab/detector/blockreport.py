"""What a comparison of blocks comes to: tables, a verdict and a picture, from its rows alone."""

import re

import cv2
import numpy as np

import fronts

COSTS = {
    "macs_million": "million MACs", "fp32 1 ms": "fp32, 1 thread, ms", "fp32 2 ms": "fp32, 2 threads, ms", "int8 1 ms": "INT8, 1 thread, ms", "int8 2 ms": "INT8, 2 threads, ms",
}
DECIDING = ("fp32 1 ms", "int8 1 ms")
SHIPPED = "csp"
DRAWS = 1000
BAND = (0.1, 0.9)
"""Of the picture: wider ones hide each other."""
SEED = 1
BEGIN, END = "<!-- figures: written by compare-blocks --report -->", "<!-- end of figures -->"


class Samples:
    """Networks of every block by number, those numbers that all blocks have; a draw takes the same numbers of each."""

    def __init__(self, rows):
        self.blocks = list(dict.fromkeys(row["block"] for row in rows))
        by_place = {(row["block"], int(row["sample"])): row for row in rows}
        numbers = sorted({int(row["sample"]) for row in rows})
        self.numbers = [number for number in numbers if all((block, number) in by_place for block in self.blocks)]
        self.rows = {block: [by_place[block, number] for number in self.numbers] for block in self.blocks}
        self.costs = [cost for cost in COSTS if all(row.get(cost, float("nan")) > 0 for rows in self.rows.values() for row in rows)]

    def points(self, cost):
        """By block `[n, 2]` of cost and AP50, that of INT8 where the cost is."""
        accuracy = "int8 ap50" if cost.startswith("int8") else "ap50"
        return {block: np.array([[row[cost], row[accuracy]] for row in rows]) for block, rows in self.rows.items()}

    def column(self, name):
        return {block: np.array([row.get(name, float("nan")) for row in rows]) for block, rows in self.rows.items()}

    def flat(self, name):
        return np.concatenate(list(self.column(name).values()))

    def range(self, cost):
        """Of all networks."""
        values = self.flat(cost)
        return float(values.min()), float(values.max())

    def shared_range(self, cost):
        """Where every block has cheaper and dearer networks: outside of it a front says what was drawn, not what is possible. All, where nothing is shared."""
        columns = self.column(cost).values()
        low, high = max(float(each.min()) for each in columns), min(float(each.max()) for each in columns)
        return (low, high) if low < high else self.range(cost)


class Measured:
    """Everything that is told about one cost."""

    def __init__(self, samples, cost):
        self.cost, self.points = cost, samples.points(cost)
        self.low, self.high = samples.shared_range(cost)
        self.mean = {block: self.volume(points) for block, points in self.points.items()}
        drawn = fronts.resamples(len(samples.numbers), DRAWS, SEED)
        self.drawn = {block: np.array([self.volume(points[chosen]) for chosen in drawn]) for block, points in self.points.items()}
        self.advantage, self.slope = self.advantages(slice(None))
        each = [self.advantages(chosen)[0] for chosen in drawn]
        self.drawn_advantage = {block: np.array([one[block] for one in each]) for block in self.points}

    def volume(self, points):
        return fronts.hypervolume(points, self.low, self.high)

    def advantages(self, chosen):
        names = [block for block, points in self.points.items() for _ in points[chosen]]
        joined = np.concatenate([points[chosen] for points in self.points.values()])
        return fronts.advantages(names, joined[:, 0], joined[:, 1])

    def order(self):
        return sorted(self.mean, key=lambda block: -self.mean[block])

    def ahead(self, block):
        """The block that reaches most at equal cost beside this one. @returns it, by how much it is ahead, and the interval of that"""
        best = max((other for other in self.advantage if other != block), key=self.advantage.get)
        return best, self.advantage[best] - self.advantage[block], fronts.interval(self.drawn_advantage[best] - self.drawn_advantage[block])

    def worth(self, lead):
        """What it costs to make up for a difference in accuracy, as times the cost; None where cost buys nothing."""
        return float(np.exp(lead / self.slope)) if self.slope > 0 and lead / self.slope < 5 else None


def points_of(value):
    return f"{100 * value:.1f}"


def between(value, ends):
    return f"{points_of(value)} [{points_of(ends[0])}, {points_of(ends[1])}]"


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *("| " + " | ".join(row) + " |" for row in rows)])


def front_table(samples, measured):
    header = ["block", *(f"{COSTS[each.cost]}, {each.low:.3g} to {each.high:.3g}" for each in measured)]
    rows = [[block, *(between(each.mean[block], fronts.interval(each.drawn[block])) for each in measured)] for block in samples.blocks]
    return table(header, rows)


def advantage_table(samples, measured):
    header = ["block", *(COSTS[each.cost] for each in measured)]
    rows = [[block, *(between(each.advantage[block], fronts.interval(each.drawn_advantage[block])) for each in measured)] for block in samples.blocks]
    return table(header, rows)


def integer_table(samples):
    ratio = lambda threads: {block: samples.column(f"fp32 {threads} ms")[block] / samples.column(f"int8 {threads} ms")[block] for block in samples.blocks}
    one, two, lost = ratio(1), ratio(2), {block: samples.column("ap50")[block] - samples.column("int8 ap50")[block] for block in samples.blocks}
    spread = lambda values: f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})"
    rows = [[block, spread(one[block]), spread(two[block]), f"{points_of(np.mean(lost[block]))} ({points_of(lost[block].max())} at most)"] for block in samples.blocks]
    return table(["block", "times faster, 1 thread", "times faster, 2 threads", "points of AP50 lost"], rows)


def speed_lines(measured):
    for each in measured:
        accuracies, ratios, ends = fronts.speed_ratios(each.points)
        most = int(ratios.argmax())
        yield (
            f"- {COSTS[each.cost]}: {np.median(ratios):.2f} times in the median, {ratios[most]:.2f} at most "
            f"({ends[most][0]} is fastest and {ends[most][1]} slowest at {points_of(accuracies[most])} points); compared from {points_of(accuracies[0])} to {points_of(accuracies[-1])}"
        )


def inversion_lines(samples, measured):
    names, macs = [row["network"] for rows in samples.rows.values() for row in rows], samples.flat("macs_million")
    for each in measured[1:]:
        cost = samples.flat(each.cost)
        told = f"- {COSTS[each.cost]}: {100 * fronts.inverted_share(macs, cost):.0f} % of the pairs of networks"
        pair = fronts.worst_inversion(macs, cost)
        if pair:
            i, j = pair
            told += f"; {names[i]} has {macs[i] / macs[j]:.2f} times the MACs of {names[j]} and takes {cost[i] / cost[j]:.2f} times as long"
        yield f"{told}. Fronts by MACs {' > '.join(measured[0].order())}, by time {' > '.join(each.order())}."


def trust_lines(samples, measured):
    for each in measured:
        told = []
        spread = samples.flat(each.cost.replace(" ms", " cv")) if each.cost.endswith(" ms") else np.array([np.nan])
        if np.isfinite(spread).all():
            told.append(f"measured again, a network's time varies by {100 * np.median(spread):.1f} % (CV, median; {100 * spread.max():.1f} % at most)")
        half = fronts.halves(len(samples.numbers), DRAWS // 5, SEED)
        if half.shape[1] > 0:
            volumes = {block: np.array([each.volume(points[chosen]) for chosen in half]) for block, points in each.points.items()}
            change = np.concatenate([np.abs(volumes[block] / each.mean[block] - 1) for block in volumes if each.mean[block] > 0])
            same = np.mean([max(volumes, key=lambda block: volumes[block][draw]) == each.order()[0] for draw in range(len(half))])
            told.append(f"with half of the networks a front's mean changes by {100 * np.median(change):.0f} % in the median, and the same block leads in {100 * same:.0f} % of the draws")
        yield f"- {COSTS[each.cost]}: {'; '.join(told)}"


def verdict(samples, measured):
    """Of the block that is shipped, at the costs that decide: what all networks say at equal cost."""
    if SHIPPED not in samples.blocks:
        return f"{SHIPPED} was not among the blocks."
    deciding = [each for each in measured if each.cost in DECIDING] or measured[:1]
    lines, is_beaten = [], False
    for each in deciding:
        best, lead, ends = each.ahead(SHIPPED)
        is_beaten |= ends[0] > 0
        lines.append(f"At equal {COSTS[each.cost]}, {told_lead(each, best, lead, ends)}.")
    decision = f"**The measurement {'speaks against' if is_beaten else 'does not speak against'} {SHIPPED} for the network that is shipped.**"
    timed = "" if any(each.cost in DECIDING for each in measured) else " Nothing has been timed yet: this goes by multiply-accumulates alone, which do not decide."
    return " ".join([decision + timed, *lines])


def told_lead(measured, best, lead, ends):
    first, second = (best, SHIPPED) if lead > 0 else (SHIPPED, best)
    size, (low, high) = (lead, ends) if lead > 0 else (-lead, (-ends[1], -ends[0]))
    times = measured.worth(size)
    worth = f", what {times:.2f} times the cost would buy" if times else ""
    return f"{first} is ahead of {second} by {between(size, (low, high))} points of AP50{worth}"


def is_comparable(samples):
    return len(samples.numbers) >= 2 and len(samples.blocks) >= 2


def figures(rows, about):
    """@returns what stands between the markers of a page"""
    samples = Samples(rows)
    if not is_comparable(samples):
        return "Too few networks to compare yet: two of two blocks are the least."
    measured = [Measured(samples, cost) for cost in samples.costs]
    parts = [
        setting(samples, about), verdict(samples, measured),
        f"Mean AP50 along the front, in points, over the costs that all blocks have networks of (95 % of {DRAWS} draws of networks):", front_table(samples, measured),
        "How much more AP50 a block's networks reach than the mean of all at equal cost, in points; by one line through all of a block's networks:", advantage_table(samples, measured),
        "Slowest over fastest block at equal AP50:", "\n".join(speed_lines(measured)),
    ]
    if len(measured) > 1:
        parts += ["Pairs that MACs put the wrong way round:", "\n".join(inversion_lines(samples, measured))]
    if "int8 1 ms" in samples.costs:
        parts += ["What INT8 does to the networks of each block, median and range:", integer_table(samples)]
    parts += ["How far to trust it:", "\n".join(trust_lines(samples, measured))]
    return "\n\n".join(parts)


def setting(samples, about):
    told = f"{len(samples.numbers)} networks of each of {len(samples.blocks)} blocks ({', '.join(samples.blocks)})"
    recipe, machine = about.get("recipe", {}), about.get("machine")
    if recipe:
        told += f"; {recipe['steps']} steps of {recipe['batch']} pictures of {recipe['side']} px each, seed {recipe['seed']}; learnt on {', '.join(recipe['data'])}, scored on {', '.join(recipe['validate'])}"
    if machine:
        told += f"; timed on {machine['cpu']}, {about['repeats']} times {about['runs']} runs"
    return f"{told}. AP50 of fp32 networks from {points_of(samples.flat('ap50').min())} to {points_of(samples.flat('ap50').max())}."


def into_page(text, page):
    """Puts the figures between their markers; a page that has none ends with them."""
    before = page.read_text() if page.exists() else "# Blocks\n"
    framed = f"{BEGIN}\n\n{text}\n\n{END}"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: framed, before) if pattern.search(before) else f"{before}\n{framed}\n")


def report(rows, about, page):
    """Writes the figures of a page and its picture beside it. @returns the figures"""
    text, samples = figures(rows, about), Samples(rows)
    if is_comparable(samples):
        image = page.with_suffix(".png")
        cv2.imwrite(str(image), picture(samples))
        text = f"{text}\n\n![Fronts of AP50 against cost, by block]({image.name})"
    into_page(text, page)
    return text


# Okabe and Ito's colours, blue first: told apart whatever one's eyes are like.
COLOURS = [(178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204), (0, 159, 230), (60, 60, 60)]
PANEL_WIDTH, PANEL_HEIGHT, MARGIN = 760, 520, 64
FONT = cv2.FONT_HERSHEY_SIMPLEX
GREY, LIGHT = (70, 70, 70), (228, 228, 228)


class Panel:
    """Axes: logarithmic to the right, from 0 up."""

    def __init__(self, title, x_range, top):
        self.image = np.full((PANEL_HEIGHT, PANEL_WIDTH, 3), 255, np.uint8)
        self.low, self.high, self.top = x_range[0] / 1.06, x_range[1] * 1.06, top * 1.08
        cv2.putText(self.image, title, (MARGIN, 30), FONT, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        step = next(step for power in range(-4, 4) for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if self.top / step < 7)
        for value in np.arange(0, self.top, step):
            self.label_y(float(value))
        for value in ticks(self.low, self.high):
            self.label_x(value)

    def at(self, x, y):
        right, bottom = PANEL_WIDTH - MARGIN // 2, PANEL_HEIGHT - MARGIN
        share = np.log(x / self.low) / np.log(self.high / self.low)
        return int(MARGIN + (right - MARGIN) * share), int(bottom - (bottom - MARGIN) * y / self.top)

    def label_y(self, value):
        left, right = self.at(self.low, value), self.at(self.high, value)
        cv2.line(self.image, left, right, LIGHT, 1)
        cv2.putText(self.image, f"{value:.3g}", (8, left[1] + 4), FONT, 0.42, GREY, 1, cv2.LINE_AA)

    def label_x(self, value):
        x, y = self.at(value, 0)
        cv2.line(self.image, (x, y), (x, y + 5), GREY, 1)
        cv2.putText(self.image, f"{value:g}", (x - 12, y + 22), FONT, 0.42, GREY, 1, cv2.LINE_AA)

    def band(self, x, low, high, colour):
        shape = [self.at(*each) for each in zip(x, low)] + [self.at(*each) for each in zip(x[::-1], high[::-1])]
        layer = self.image.copy()
        cv2.fillPoly(layer, [np.array(shape, np.int32)], colour, cv2.LINE_AA)
        cv2.addWeighted(layer, 0.13, self.image, 0.87, 0, self.image)

    def steps(self, own, end, colour):
        corners = [corner for k, (x, y) in enumerate(own) for corner in ((x, y), (own[k + 1][0] if k + 1 < len(own) else end, y))]
        cv2.polylines(self.image, [np.array([self.at(*corner) for corner in corners], np.int32)], False, colour, 2, cv2.LINE_AA)

    def dots(self, points, colour):
        for x, y in points:
            cv2.circle(self.image, self.at(x, y), 4, colour, -1, cv2.LINE_AA)

    def legend(self, names):
        for row, name in enumerate(names):
            y = PANEL_HEIGHT - MARGIN - 16 - 20 * (len(names) - 1 - row)
            cv2.circle(self.image, (PANEL_WIDTH - 130, y - 4), 5, COLOURS[row % len(COLOURS)], -1, cv2.LINE_AA)
            cv2.putText(self.image, name, (PANEL_WIDTH - 116, y), FONT, 0.46, (0, 0, 0), 1, cv2.LINE_AA)


def ticks(low, high):
    steps = [digit * 10.0**power for power in range(-2, 6) for digit in (1, 1.5, 2, 3, 4, 5, 7)]
    return [step for step in steps if low <= step <= high]


def front_panel(samples, cost):
    points, (low, high) = samples.points(cost), samples.range(cost)
    top = max(float(each[:, 1].max()) for each in points.values())
    panel = Panel(f"AP50 by {COSTS[cost]}", (low, high), max(top, 0.01))
    drawn = fronts.resamples(len(samples.numbers), DRAWS // 4, SEED)
    low, high = samples.shared_range(cost)
    grid = np.geomspace(low, high, 160)
    for index, own in enumerate(points.values()):
        seen = np.stack([fronts.best_within(own[chosen], grid) for chosen in drawn])
        panel.band(grid, *np.quantile(seen, BAND, axis=0), COLOURS[index % len(COLOURS)])
    for index, own in enumerate(points.values()):
        panel.steps(fronts.front(own), float(own[:, 0].max()), COLOURS[index % len(COLOURS)])
        panel.dots(own, COLOURS[index % len(COLOURS)])
    panel.legend(samples.blocks)
    return panel.image


def cost_panel(samples):
    """What MACs say of time."""
    macs, times = samples.column("macs_million"), samples.column("fp32 1 ms")
    panel = Panel("fp32 with 1 thread, ms, by million MACs", samples.range("macs_million"), float(samples.flat("fp32 1 ms").max()))
    for index, block in enumerate(samples.blocks):
        panel.dots(zip(macs[block], times[block]), COLOURS[index % len(COLOURS)])
    panel.legend(samples.blocks)
    return panel.image


def picture(samples):
    """All fronts, two panels a row."""
    panels = [front_panel(samples, cost) for cost in samples.costs]
    if "fp32 1 ms" in samples.costs:
        panels.append(cost_panel(samples))
    if len(panels) % 2 and len(panels) > 1:
        panels.append(np.full_like(panels[0], 255))
    across = min(2, len(panels))
    return np.concatenate([np.concatenate(panels[row : row + across], 1) for row in range(0, len(panels), across)])
