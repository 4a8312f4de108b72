"""Views: the image, its mirror, and draws that depend on row and view alone."""

from __future__ import annotations

import numpy as np

from benchmarks.training.stored.views import Views

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
ROWS = np.array([3, 5, 8, 13, 21, 34])


def test_the_first_views_are_the_image_and_its_mirror() -> None:
    assert len(Views()) == 2
    np.testing.assert_array_equal(Views().view(0, IMAGES, ROWS), IMAGES)
    np.testing.assert_array_equal(Views().view(1, IMAGES, ROWS), IMAGES[:, :, ::-1])
    assert len(Views(mirror=False)) == 1


def test_further_views_are_drawn_by_row_and_view_and_have_mirrors() -> None:
    views = Views(draws=3, shift=0.2, zoom=0.1)
    made = [views.view(number, IMAGES, ROWS) for number in range(len(views))]
    assert len(made) == 6
    for image, mirror in zip(made[::2], made[1::2], strict=True):
        np.testing.assert_array_equal(mirror, image[:, :, ::-1])
    assert len({image.tobytes() for image in made}) == 6
    order = np.array([4, 0, 2])  # in another batch, the same rows have the same views
    np.testing.assert_array_equal(views.view(2, IMAGES[order], ROWS[order]), made[2][order])
    same = np.repeat(IMAGES[:1], 6, axis=0)
    assert len({image.tobytes() for image in views.view(2, same, ROWS)}) == 6
    assert not np.array_equal(made[2], Views(draws=3, shift=0.2, zoom=0.1, seed=1).view(2, IMAGES, ROWS))
    assert not np.array_equal(views.view(2, IMAGES, ROWS), views.view(2, IMAGES, ROWS + 1))
