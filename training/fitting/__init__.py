"""The training loop: stages, loss, optimiser, checkpoints, cross-validation. No evaluation."""
