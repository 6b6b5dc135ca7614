"""The Pareto front: properties over random points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.report.pareto import pareto_front

NUMBERS = st.one_of(st.integers(-4, 4).map(float), st.floats(allow_nan=False))
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40)


def beats(one, other):
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def front_of(points):
    return pareto_front([cost for cost, _ in points], [gain for _, gain in points])


@given(POINTS)
def test_the_front_is_what_no_point_beats(points):
    expected = [not any(beats(other, point) for other in points) for point in points]
    assert front_of(points).tolist() == expected


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(points, random):
    order = list(range(len(points)))
    random.shuffle(order)
    front = front_of(points)
    assert front_of([points[index] for index in order]).tolist() == [bool(front[index]) for index in order]


@given(POINTS.filter(bool))
def test_the_cheapest_of_the_best_points_is_on_the_front(points):
    best = min(range(len(points)), key=lambda index: (-points[index][1], points[index][0]))
    assert front_of(points)[best]


@given(POINTS)
def test_a_point_without_a_number_is_never_on_the_front_and_beats_nobody(points):
    front = front_of(points)
    more = front_of([*points, (float("nan"), 1e300), (-1e300, float("nan"))])
    assert more.tolist() == [*front.tolist(), False, False]


def test_equal_points_are_on_the_front_together():
    assert front_of([(1.0, 2.0), (1.0, 2.0), (1.0, 1.0)]).tolist() == [True, True, False]


def test_no_points_have_no_front():
    assert pareto_front([], []).dtype == np.bool_
    assert len(pareto_front([], [])) == 0
