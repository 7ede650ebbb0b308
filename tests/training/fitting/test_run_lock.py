"""One process at a time trains a run; checkpoints that nobody needs any more are deleted."""

import os
from pathlib import Path

import numpy as np
import pytest

from training.fitting.checkpoints import Checkpoints
from training.fitting.cleaning import clean_up
from training.fitting.disk_space import NotEnoughSpace, check_space
from training.fitting.divergence import Diverged, check_finite
from training.fitting.run_lock import RunInUse, locked
from training.fitting.stage_progress import Progress


def test_the_second_of_two_says_who_holds_the_run(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "run"),
        pytest.raises(RunInUse, match=r"run is in use: process \d+"),
        locked(tmp_path / "run"),
    ):
        pass
    with locked(tmp_path / "run"):
        pass


def save(folder: Path, *stages: str) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for stage in stages:
        progress = Progress(0.1, epoch=1, best_epoch=1, history={"loss": [1.0]})
        checkpoints.save(stage, progress, model=[np.ones(1000)], best=[np.ones(1000)], optimiser=[np.ones(2000)])
    return checkpoints


def test_a_pruned_stage_knows_its_progress_and_its_best_weights(tmp_path: Path) -> None:
    checkpoints = save(tmp_path, "warm_up")
    progress, model, optimiser = checkpoints.latest("warm_up")
    assert len(model) == len(optimiser) == 1
    checkpoints.prune("warm_up", progress)
    assert checkpoints.latest("warm_up") == (progress, [], [])
    assert checkpoints.best("warm_up")[0].sum() == 1000


def test_cleaning_spares_what_is_not_finished_or_in_use(tmp_path: Path) -> None:
    stages = ("warm_up", "fine_tune")
    finished, folds, unfinished, busy = (tmp_path / "runs" / name for name in ("done", "folds", "started", "busy"))
    for folder in (finished, folds / "fold-1", folds / "fold-2", unfinished, busy):
        save(folder, *stages)
    for folder in (finished, folds, busy):
        Checkpoints(folder).note("finished", "{}")
    with locked(busy):
        freed = clean_up(tmp_path, everything=False)
    assert set(freed) == {finished, folds}
    assert all(count > 24_000 for count in freed.values())
    kept = {path.relative_to(tmp_path / "runs").as_posix() for path in (tmp_path / "runs").rglob("*.npz")}
    whole = {
        f"{name}/{stage}-{kind}.npz" for name in ("started", "busy") for stage in stages for kind in ("best", "latest")
    }
    assert kept == whole | {f"{name}/fine_tune-best.npz" for name in ("done", "folds/fold-1", "folds/fold-2")}

    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "images.npy").write_bytes(b"12345")
    assert clean_up(tmp_path, everything=True)[tmp_path / "prepared"] == 5
    assert not list(finished.glob("*.npz"))
    assert list(unfinished.glob("*.npz"))
    assert Checkpoints(finished).note("finished") == "{}"


def test_the_last_stage_is_kept_whatever_the_times_of_its_files(tmp_path: Path) -> None:
    """A copy of a home gives its files other times."""
    run = tmp_path / "runs" / "copied"
    save(run, "warm_up", "fine_tune")
    Checkpoints(run).note("finished", "{}")
    os.utime(run / "fine_tune-best.npz", (1, 1))
    clean_up(tmp_path, everything=False)
    assert [path.name for path in run.glob("*.npz")] == ["fine_tune-best.npz"]


@pytest.mark.parametrize("everything", [False, True])
def test_cleaning_spares_a_finished_run_while_a_fold_of_it_is_trained_again(tmp_path: Path, everything: bool) -> None:
    """The process of a fold holds the lock of the fold alone."""
    run = tmp_path / "runs" / "folds"
    for fold in ("fold-1", "fold-2"):
        save(run / fold, "warm_up", "fine_tune")
    Checkpoints(run).note("finished", "{}")
    before = sorted(run.rglob("*.npz"))
    with locked(run / "fold-1"):
        assert clean_up(tmp_path, everything=everything) == {}
    assert sorted(run.rglob("*.npz")) == before
    assert set(clean_up(tmp_path, everything=everything)) == {run}


@pytest.mark.parametrize("folder", ["runs/one", "runs/one/fold-2", "pretrained/one"])
def test_prepared_images_are_kept_while_a_process_trains(
    folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = tmp_path / "prepared" / "images.npy"
    images.parent.mkdir()
    images.write_bytes(b"12345")
    with locked(tmp_path / folder):
        assert clean_up(tmp_path, everything=True) == {}
    assert images.is_file()
    assert "prepared is kept" in caplog.text
    assert clean_up(tmp_path, everything=True) == {tmp_path / "prepared": 5}


def test_a_disk_that_is_too_small_is_named_with_both_sizes(tmp_path: Path) -> None:
    check_space(tmp_path, needed={"checkpoints": 1})
    with pytest.raises(
        NotEnoughSpace, match=r"GB of free space, but the run needs 9000000\.\d+ GB: 9000000\.00 GB of che"
    ):
        check_space(tmp_path, needed={"checkpoints": 9_000_000 * 10**9, "bundle": 0})


@pytest.mark.parametrize(("numbers", "weight", "cause"), [
    ({"loss": float("nan")}, 1.0, "loss is not a finite number"),
    ({"val_loss": float("inf")}, 1.0, "val_loss is not a finite number"),
    ({"loss": 1.0}, float("nan"), "a weight is not a finite number"),
])  # fmt: skip
def test_a_number_that_is_none_names_stage_epoch_rate_and_a_way_out(
    numbers: dict[str, float], weight: float, cause: str
) -> None:
    with pytest.raises(Diverged, match=rf"fine_tune, epoch 3 of 9: {cause} \(learning rate 0\.5\).*mixed_bfloat16"):
        check_finite(numbers | {"learning_rate": 0.5}, weights=[np.full(3, weight)], words="fine_tune, epoch 3 of 9")
    check_finite({"loss": 1.0, "learning_rate": 1.0}, weights=[np.ones(3)], words="")
