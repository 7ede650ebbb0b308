import numpy as np
import pytest

from inference.views import GROUP, gather, spread

IMAGE = np.arange(4 * 4 * 3).reshape(4, 4, 3)


def test_eight_different_views() -> None:
    views = spread(IMAGE, 8)
    assert len({view.tobytes() for view in views}) == 8
    assert (views[0] == IMAGE).all()
    assert (views[1] == IMAGE[:, ::-1]).all()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_gather_undoes_spread(count: int) -> None:
    assert (gather(spread(IMAGE, count)) == IMAGE).all()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_every_count_is_a_group(count: int) -> None:
    """A view of a view is a view: so the average does not depend on how the image was taken."""
    members = {view.tobytes() for view in spread(IMAGE, count)}
    for view in GROUP[:count]:
        assert {each.tobytes() for each in spread(np.ascontiguousarray(view.apply(IMAGE)), count)} == members


def test_a_view_of_a_batch_is_the_batch_of_views() -> None:
    batch = np.stack([IMAGE, IMAGE + 100])
    for view in GROUP:
        assert (view.apply(batch, (1, 2)) == np.stack([view.apply(image) for image in batch])).all()
