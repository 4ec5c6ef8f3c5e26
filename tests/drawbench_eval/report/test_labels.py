import numpy as np

from drawbench_eval.report.labels import place_labels

BOUNDS = (0.0, 0.0, 200.0, 200.0)


def boxes(placed, sizes):
    half = sizes / 2
    return [
        (p.x - half[p.index, 0], p.y - half[p.index, 1], p.x + half[p.index, 0], p.y + half[p.index, 1])
        for p in placed
    ]


def test_labels_neither_overlap_nor_leave_the_panel():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 200, size=(60, 2))
    sizes = np.tile([14.0, 7.0], (60, 1))
    placed = place_labels(points, sizes, points, gap=3, bounds=BOUNDS)
    assert len(placed) > 30
    found = boxes(placed, sizes)
    for i, a in enumerate(found):
        assert min(a) >= 0
        assert max(a) <= 200
        for b in found[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_lone_label_keeps_clear_of_its_line():
    line = np.stack([np.linspace(0, 200, 400), np.linspace(0, 200, 400)], axis=1)
    placed = place_labels(np.array([[100.0, 100.0]]), np.array([[14.0, 7.0]]), line, gap=3, bounds=BOUNDS)
    x0, y0, x1, y1 = boxes(placed, np.array([[14.0, 7.0]]))[0]
    inside = (line[:, 0] > x0) & (line[:, 0] < x1) & (line[:, 1] > y0) & (line[:, 1] < y1)
    assert not inside.any()


def test_where_there_is_no_room_the_first_ones_win():
    points = np.full((30, 2), 100.0)
    placed = place_labels(points, np.tile([40.0, 20.0], (30, 1)), points[:1], gap=3, bounds=BOUNDS)
    assert 0 < len(placed) < 30
    assert placed[0].index == 0
