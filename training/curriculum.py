"""All stages of one network, in their order, each on images of its own size."""

from __future__ import annotations

from collections.abc import Callable

from training import stages
from training.checkpoint import Checkpoints
from training.config import Config, StageConfig
from training.dataset import Part
from training.model import Network, resized
from training.progress import History

# The images of a stage: its training part and, if there is one, its validation part.
Material = Callable[[StageConfig], tuple[Part, Part | None]]


def teach(
    network: Network,
    config: Config,
    *,
    material: Material,
    checkpoints: Checkpoints,
    report: stages.Report,
    member: int = 0,
) -> dict[str, History]:
    """Warm up, fine-tune and, if the configuration says so, finish; the network ends with the last stage's weights."""
    plan = {stages.WARM_UP: config.warm_up, stages.FINE_TUNE: config.fine_tune, stages.FINISH: config.finish}
    histories = {}
    for name, stage in plan.items():
        if stage is None or stage.epochs == 0:
            continue
        sized = resized(network, config, stage.size)
        train, validation = material(stage)
        course = stages.Course(sized, train, validation, config, checkpoints, report, member)
        histories[name] = stages.fit(course, stage, name=name)
        if sized is not network:
            network.model.set_weights(sized.model.get_weights())
    return histories
