"""The progress of a stage: its learning rate schedule, its best epoch and when it ends."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from training.config import OptimiserConfig, StageConfig

STAGES = ("warm_up", "fine_tune", "finish", "pretrain")  # pretrain comes first, but has checkpoints of its own

History = dict[str, list[float]]  # the values of each number, one for each epoch


@dataclass(frozen=True, slots=True)
class Progress:
    """The state after `epoch` finished epochs.

    `waited`: epochs since the best one. `held`: epochs since the best one or the last reduction of the learning rate.
    """

    learning_rate: float
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    waited: int = 0
    held: int = 0
    history: History = field(default_factory=dict)

    @classmethod
    def start(cls, stage: StageConfig) -> Self:
        """The state before the first epoch."""
        return cls(learning_rate=stage.learning_rate)

    def after(self, numbers: dict[str, float], *, stage: StageConfig, optimiser: OptimiserConfig) -> "Progress":
        """The state after one more epoch. Without `val_loss` in `numbers` every epoch counts as the best so far."""
        history = {name: [*self.history.get(name, []), value] for name, value in numbers.items()}
        better = "val_loss" not in numbers or numbers["val_loss"] < self.best_loss
        epoch = self.epoch + 1
        held = 0 if better else self.held + 1
        learning_rate = self.learning_rate
        if optimiser.schedule == "cosine":
            learning_rate = stage.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / stage.epochs))
        elif optimiser.schedule == "plateau" and held >= optimiser.plateau_patience:
            learning_rate, held = learning_rate * optimiser.plateau_factor, 0
        return replace(
            self,
            learning_rate=learning_rate,
            epoch=epoch,
            best_loss=numbers.get("val_loss", self.best_loss) if better else self.best_loss,
            best_epoch=epoch if better else self.best_epoch,
            waited=0 if better else self.waited + 1,
            held=held,
            history=history,
        )

    @property
    def improved(self) -> bool:
        """Whether the last epoch is the best so far."""
        return self.epoch > 0 and self.best_epoch == self.epoch

    def finished(self, stage: StageConfig) -> bool:
        """Whether all epochs of the stage are done, or its patience is exhausted."""
        return self.epoch >= stage.epochs or self.waited >= stage.patience

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The inverse of to_json."""
        return cls(**content)
