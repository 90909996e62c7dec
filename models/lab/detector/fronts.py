"""Pareto fronts of accuracy against cost, and how far they can be trusted. Numbers alone: points are arrays `[n, 2]` of cost (lower is better) and accuracy."""

import numpy as np


def front(points):
    """The points that no other beats, by rising cost: accuracy rises, too. Of equal ones the first."""
    kept = []
    for cost, accuracy in sorted(map(tuple, points), key=lambda point: (point[0], -point[1])):
        if not kept or accuracy > kept[-1][1]:
            kept.append((cost, accuracy))
    return np.array(kept).reshape(-1, 2)


def best_within(points, costs):
    """The highest accuracy that each cost buys; 0 where it buys nothing."""
    own = front(points)
    if not len(own):
        return np.zeros(len(costs))
    at = np.searchsorted(own[:, 0], costs, side="right") - 1
    return np.where(at >= 0, own[np.maximum(at, 0), 1], 0.0)


def hypervolume(points, low, high):
    """What the front dominates between two costs, over the logarithm of cost and divided by its range: the mean accuracy that a cost buys.

    Costs are above 0, `low < high`; the accuracy of reference is 0.
    """
    own = front(points)
    own = own[own[:, 0] <= high]
    if not len(own):
        return 0.0
    edges = np.log(np.append(np.maximum(own[:, 0], low), high))
    return float((np.diff(edges) * own[:, 1]).sum() / np.log(high / low))


def resamples(count, draws, seed):
    """Indices `[draws, count]`, drawn with replacement."""
    return np.random.default_rng(seed).integers(0, count, (draws, count))


def interval(values, share=0.95):
    """The middle share of values. @returns (low, high)"""
    return tuple(float(each) for each in np.quantile(values, [(1 - share) / 2, (1 + share) / 2]))


def cheapest(points, accuracy):
    """The least cost that reaches an accuracy; infinite where none does."""
    reaching = points[points[:, 1] >= accuracy]
    return float(reaching[:, 0].min()) if len(reaching) else float("inf")


def speed_ratios(points_by_name, levels=50):
    """Slowest over fastest of several fronts at equal accuracy, over the accuracies that all of them reach, from the least of their cheapest networks' on.

    @returns accuracies `[k]`, ratios `[k]`, and the fastest and slowest of each; empty where nothing is shared
    """
    fronts = {name: front(points) for name, points in points_by_name.items()}
    top, bottom = min(own[-1, 1] for own in fronts.values()), max(own[0, 1] for own in fronts.values())
    accuracies = np.linspace(min(bottom, top), top, levels)
    costs = {name: np.array([cheapest(own, accuracy) for accuracy in accuracies]) for name, own in fronts.items()}
    names, table = list(costs), np.stack(list(costs.values()))
    ends = [(names[table[:, k].argmin()], names[table[:, k].argmax()]) for k in range(levels)]
    return accuracies, table.max(0) / table.min(0), ends


def inverted_share(first, second):
    """Of all pairs that both costs tell apart, those that they order differently."""
    a, b = (np.sign(np.subtract.outer(np.asarray(cost), np.asarray(cost))) for cost in (first, second))
    told = np.triu(a * b, 1)
    pairs = np.count_nonzero(told)
    return float((told < 0).sum() / pairs) if pairs else 0.0


def worst_inversion(first, second):
    """The pair (i, j) where i costs most times j's by the first cost and yet less by the second; None where there is none."""
    a, b = (np.log(np.asarray(cost, float)) for cost in (first, second))
    both = np.minimum(np.subtract.outer(a, a), -np.subtract.outer(b, b))
    i, j = np.unravel_index(both.argmax(), both.shape)
    return (int(i), int(j)) if both[i, j] > 0 else None


def advantages(names, costs, accuracies):
    """Least squares of accuracy over the logarithm of cost, one slope for all names: how much more a name reaches at equal cost than the mean of the names.

    Uses every network, where a front uses its best. @returns by name, and the slope: accuracy that e times the cost buys
    """
    kinds = sorted(set(names))
    which = np.array([[name == kind for kind in kinds] for name in names], float)
    solved = np.linalg.lstsq(np.column_stack((which, np.log(costs))), np.asarray(accuracies), rcond=None)[0]
    return dict(zip(kinds, solved[:-1] - solved[:-1].mean())), float(solved[-1])


def halves(count, draws, seed):
    """Indices `[draws, count // 2]`, drawn without replacement."""
    random = np.random.default_rng(seed)
    return np.stack([random.permutation(count)[: count // 2] for _ in range(draws)])
