"""Laws of variance components: closed forms, statsmodels, and data whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from moleflow.streams import numpy_stream
from reports.statistics import VarianceComponents, variance_components, with_images
from reports.statistics.components import _by_likelihood, _coded
from reports.statistics.likelihood import Crossed, deviance, reml

TRUTH = {"task 0": 0.02, "class": 0.05, "seed": 0.01, "residual": 0.015}
"""Standard deviations."""
LEVELS = (6, 5, 8)


def design(name: str, levels: tuple[int, ...] = LEVELS) -> tuple[np.ndarray, dict[str, list[int]]]:
    draw = numpy_stream("tests", "components", name)
    where = np.indices(levels)
    y = 0.8 + draw.normal(0, TRUTH["residual"], levels)
    for axis, source in enumerate(("task 0", "class", "seed")):
        y += draw.normal(0, TRUTH[source], levels[axis])[where[axis]]
    names = dict(zip(("task 0", "class", "seed"), where.reshape(3, -1).tolist(), strict=True))
    return y.ravel(), names


def without(y: np.ndarray, names: dict[str, list[int]], rows: list[int]):
    keep = [i for i in range(len(y)) if i not in rows]
    return y[keep], {name: [levels[i] for i in keep] for name, levels in names.items()}


def estimates(found: VarianceComponents) -> dict[str, float]:
    return {part.name: part.estimate for part in found.components}


def test_closed_form_is_the_analysis_of_variance_by_hand():
    y, names = design("hand")
    cube = y.reshape(LEVELS)
    found = variance_components(y, names)
    assert found.method == "ANOVA"
    ms = 40 * cube.mean((1, 2)).var(ddof=1)
    rest = cube - cube.mean()
    for axis in range(3):
        others = tuple(i for i in range(3) if i != axis)
        rest = rest - (cube.mean(others, keepdims=True) - cube.mean())
    noise = (rest**2).sum() / (240 - 1 - 5 - 4 - 7)
    assert estimates(found)["residual"] == pytest.approx(noise)
    assert estimates(found)["task 0"] == pytest.approx((ms - noise) / 40)


@pytest.mark.slow
def test_without_balance_it_is_statsmodels_reml():
    y, names = without(*design("mixed"), rows=list(range(0, 240, 7)) + list(range(100, 130)))
    found = variance_components(y, names)
    assert found.method == "REML"
    data = pd.DataFrame({name.replace(" ", ""): levels for name, levels in names.items()})
    data["y"], data["all"] = y * 100, 1
    terms = {name: f"0 + C(Q('{name}'))" for name in ("task0", "class", "seed")}
    oracle = smf.mixedlm("y ~ 1", data, groups="all", vc_formula=terms).fit()
    wanted = dict(zip(oracle.model.exog_vc.names, oracle.vcomp / 1e4, strict=True))
    for name, estimate in estimates(found).items():
        of = oracle.scale / 1e4 if name == "residual" else wanted[name.replace(" ", "")]
        assert estimate == pytest.approx(of, rel=2e-3)


@pytest.mark.slow
def test_with_balance_likelihood_and_closed_form_agree():
    y, names = design("agree")
    closed = variance_components(y, names)
    codes = {name: _coded(levels, name, len(y)) for name, levels in names.items()}
    for part, other in zip(closed.components, _by_likelihood(y, codes, 223), strict=True):
        assert part.estimate > 0
        assert other.estimate == pytest.approx(part.estimate, rel=1e-4)


def test_gradient_of_the_likelihood_is_its_slope():
    y, names = without(*design("slope", (3, 4, 3)), rows=[0, 5, 17])
    codes = [_coded(levels, name, len(y)) for name, levels in names.items()]
    model = Crossed.of((y - y.mean()) / y.std(), codes)
    at, step = np.array([0.5, 0.2, 0.7, 0.05]), 1e-6
    slope = [
        (deviance(model, at + e)[0] - deviance(model, at - e)[0]) / (2 * step)
        for e in np.eye(4) * step
    ]
    assert deviance(model, at)[1] == pytest.approx(np.array(slope), rel=1e-5)


def test_likelihood_is_that_of_the_normal_distribution():
    """Of n − 1 contrasts, by the matrix V itself."""
    y, names = without(*design("density", (3, 3, 2)), rows=[1])
    codes = [_coded(levels, name, len(y)) for name, levels in names.items()]
    y = (y - y.mean()) / y.std()
    at = np.array([0.5, 0.2, 0.7, 0.05])
    v = at[0] * np.eye(17)
    for variance, code in zip(at[1:], codes, strict=True):
        v += variance * (code[:, None] == code)
    k = np.linalg.svd(np.ones((1, 17)))[2][1:]
    inner = k @ v @ k.T
    wanted = np.linalg.slogdet(inner)[1] + (k @ y) @ np.linalg.solve(inner, k @ y)
    assert deviance(Crossed.of(y, codes), at)[0] == pytest.approx(wanted + math.log(17))


def covered(name: str, rows: list[int], times: int, levels: tuple[int, ...]) -> dict[str, float]:
    hits = dict.fromkeys(TRUTH, 0)
    for i in range(times):
        found = variance_components(*without(*design(f"{name} {i}", levels), rows=rows))
        for part in found.components:
            assert part.interval is not None
            hits[part.name] += part.interval[0] <= TRUTH[part.name] ** 2 <= part.interval[1]
    return {source: count / times for source, count in hits.items()}


@pytest.mark.slow
def test_intervals_of_the_closed_form_cover_the_truth():
    found = covered("anova", [], 400, (4, 5, 3))
    assert all(0.92 <= share <= 0.98 for share in found.values()), found


@pytest.mark.slow
def test_estimates_of_the_closed_form_have_no_bias():
    """Negative ones kept: to cut them off would make every mean too large."""
    truth = {"task 0": 0.001, "class": 0.05, "seed": 0.01, "residual": 0.015}
    sums = dict.fromkeys(truth, 0.0)
    draw = numpy_stream("tests", "components", "bias")
    below = 0
    for _ in range(800):
        parts = [draw.normal(0, sd, n) for sd, n in zip(truth.values(), (3, 4, 3), strict=False)]
        y = (
            parts[0][:, None, None]
            + parts[1][:, None]
            + parts[2]
            + draw.normal(0, 0.015, (3, 4, 3))
        )
        names = np.indices((3, 4, 3)).reshape(3, -1).tolist()
        found = variance_components(y.ravel(), dict(zip(truth, names, strict=False)))
        below += found.components[0].negative
        for source, estimate in estimates(found).items():
            sums[source] += estimate / 800
    assert sums["task 0"] == pytest.approx(0.001**2, abs=3e-6)
    for source in ("class", "seed", "residual"):
        assert sums[source] == pytest.approx(truth[source] ** 2, rel=0.15)
    assert below > 200


@pytest.mark.slow
def test_ends_of_the_profile_are_where_the_best_deviance_is_384_above_the_least():
    """One source, so that the other variance can be tried on a grid."""
    draw = numpy_stream("tests", "components", "profile")
    code = np.repeat(np.arange(6), [3, 4, 5, 2, 6, 3])
    y = draw.normal(0, 1, 6)[code] + draw.normal(0, 0.7, 23)
    model = Crossed.of((y - y.mean()) / y.std(), [code])
    fit = reml(model)
    least = deviance(model, np.array(fit.variances))[0]
    for i, ends in enumerate(fit.intervals):
        for end in ends:
            grid = np.geomspace(1e-3, 10, 1500)
            tried = [deviance(model, np.array([v, end] if i else [end, v]))[0] for v in grid]
            assert min(tried) - least == pytest.approx(1.96**2, abs=0.02)


@pytest.mark.soak
def test_intervals_by_likelihood_cover_the_truth_nearly():
    """Profile likelihood with few levels is a little narrow, as is said."""
    found = covered("reml", [0, 3, 11, 12, 30, 31], 150, (5, 5, 4))
    assert all(0.89 <= share <= 0.985 for share in found.values()), found


def test_a_negative_estimate_is_said_and_takes_no_share():
    """Levels of the source are more alike than chance would make them."""
    y = [1.0, 2.0, 3.0, 3.0, 1.0, 2.0, 2.0, 3.0, 1.0]
    found = variance_components(y, {"order": [0, 0, 0, 1, 1, 1, 2, 2, 2]}).components[0]
    assert found.negative and found.estimate < 0 and found.share == 0.0
    assert found.interval is not None and found.interval[0] == 0.0


@pytest.mark.slow
def test_nested_orders_are_told_apart_by_likelihood():
    draw = numpy_stream("tests", "components", "nested")
    task0 = np.repeat(np.arange(10), 12)
    order = np.repeat(np.arange(40), 3)
    y = (
        draw.normal(0, 0.05, 10)[task0]
        + draw.normal(0, 0.02, 40)[order]
        + draw.normal(0, 0.005, 120)
    )
    found = variance_components(y, {"task 0": task0.tolist(), "order": order.tolist()})
    assert found.method == "REML"
    sd = {name: math.sqrt(value) for name, value in estimates(found).items()}
    assert 0.03 < sd["task 0"] < 0.08 and 0.015 < sd["order"] < 0.026
    assert sd["residual"] == pytest.approx(0.005, rel=0.2)


def test_test_images_are_taken_from_the_class():
    found = variance_components(*design("images"))
    split = with_images(found, 0.0004, "class")
    assert estimates(split)["class"] == pytest.approx(estimates(found)["class"] - 0.0004)
    assert estimates(split)["test pictures"] == 0.0004
    assert sum(part.share or 0 for part in split.components) == pytest.approx(1.0)
    assert with_images(found, 1.0, "class").components[1].negative


def test_shares_sum_to_one():
    found = variance_components(*design("shares"))
    assert sum(part.share or 0 for part in found.components) == pytest.approx(1.0)


def test_where_nothing_varies_nothing_has_a_share():
    found = variance_components([0.9] * 6, {"seed": [0, 0, 1, 1, 2, 2]})
    assert all(part.share is None and part.estimate == 0.0 for part in found.components)


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ({"seed": [0, 0, 0, 0]}, "seed has 1 levels"),
        ({"seed": [0, 1, 2, 3]}, "seed has 4 levels over 4"),
        ({"seed": [0, 0, 1]}, "3 levels of seed for 4"),
        ({"a": [0, 0, 1, 1], "b": ["x", "x", "y", "y"]}, "change together"),
        ({"a": [0, 0, 1, 2], "b": [0, 1, 0, 0]}, "too few"),
    ],
)
def test_designs_without_an_answer_are_refused(sources, says):
    with pytest.raises(ValueError, match=says):
        variance_components([0.1, 0.2, 0.3, 0.5], sources)
