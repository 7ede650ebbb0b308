"""Writes a bundle again under another manifest, with everything else that it holds."""

from __future__ import annotations

from pathlib import Path

from inference.bundle.manifest import ManifestDraft
from inference.bundle.storage import CARD, Bundle, write_bundle
from training.bundling.model_card import render_card


def reseal(staging: Path, draft: ManifestDraft, *, of: Bundle) -> Bundle:
    """Write the card and the manifest into `staging`, which holds the other files of the bundle, and open it."""
    card = render_card(
        draft,
        ood_evaluation=of.ood_detector.evaluation if of.ood_detector else None,
        uncertainty=of.uncertainty,
        maps=of.maps,
        subgroups=of.subgroups,
    )
    (staging / CARD).write_text(card, encoding="utf-8")
    return write_bundle(staging, draft, head=of.head, golden=of.golden)
