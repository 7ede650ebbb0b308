import numpy as np
import pytest

from inference.imaging.test_time_augmentation import DIHEDRAL_GROUP, VIEW_COUNTS, ViewCount, make_views, undo_views

IMAGE = np.arange(4 * 4 * 3).reshape(4, 4, 3)


def test_eight_different_views() -> None:
    views = make_views(IMAGE, 8)
    assert len({view.tobytes() for view in views}) == 8
    assert (views[0] == IMAGE).all()
    assert (views[1] == IMAGE[:, ::-1]).all()


@pytest.mark.parametrize("count", VIEW_COUNTS)
def test_undo_views_inverts_make_views(count: ViewCount) -> None:
    assert (undo_views(make_views(IMAGE, count)) == IMAGE).all()


@pytest.mark.parametrize("count", VIEW_COUNTS)
def test_every_count_is_a_group(count: ViewCount) -> None:
    """The views of any view are the same set, so the average does not depend on the orientation of the image."""
    members = {view.tobytes() for view in make_views(IMAGE, count)}
    for view in DIHEDRAL_GROUP[:count]:
        assert {each.tobytes() for each in make_views(np.ascontiguousarray(view.apply(IMAGE)), count)} == members


def test_a_view_of_a_batch_is_the_batch_of_views() -> None:
    batch = np.stack([IMAGE, IMAGE + 100])
    for view in DIHEDRAL_GROUP:
        assert (view.apply(batch, (1, 2)) == np.stack([view.apply(image) for image in batch])).all()
