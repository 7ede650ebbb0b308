"""The model card as the Hugging Face Hub's parser reads it, and what it says of a bundle without measurements."""

from huggingface_hub import ModelCard

from inference.bundle.storage import Bundle
from training.bundling.card_metadata import card_header
from training.bundling.model_card import render_card


def test_the_header_is_a_model_index_with_the_manifests_numbers(starter: Bundle) -> None:
    card = ModelCard(render_card(starter.manifest, ood_evaluation=None, uncertainty=starter.uncertainty))
    assert (card.data.license, card.data.pipeline_tag) == ("cc-by-nc-4.0", "image-classification")
    assert card.data.model_name == "starter"
    found = {result.metric_args["metric"]: result for result in card.data.eval_results}
    metrics = starter.manifest.metrics
    for name in ("accuracy", "balanced_accuracy", "macro_auc"):
        result, measured = found[name], metrics.overall[name]
        assert result.metric_value == round(measured.value, 4)
        assert result.metric_args["interval"] == {
            "low": round(measured.low, 4),
            "high": round(measured.high, 4),
            "level": 0.95,
        }
        assert result.dataset_split == "held-out images"
    assert found["recall_mel"].metric_value == round(metrics.per_class["mel"]["recall"].value, 4)
    assert found["brier"].metric_value == round(starter.uncertainty.malignancy.brier.value, 4)
    assert card.text.startswith("# Model card: starter")
    assert "Not a medical device" in card.text


def test_an_unknown_licence_is_named_and_an_untrained_one_has_no_results(starter: Bundle, fake_bundle: Bundle) -> None:
    data = starter.manifest.data.model_copy(update={"licence": "As agreed"})
    other = ModelCard(card_header(starter.manifest.replaced(data=data), None))
    assert (other.data.license, other.data.license_name) == ("other", "As agreed")
    assert ModelCard(render_card(fake_bundle.manifest, ood_evaluation=None)).data.eval_results is None


def test_terms_follow_from_the_licence_and_makers_from_the_name(starter: Bundle) -> None:
    own = render_card(starter.manifest, ood_evaluation=None)
    assert "non-commercial use only" in own
    assert "the contributors of Lunar" in own
    data = starter.manifest.data.model_copy(update={"licence": "CC0 1.0"})
    other = render_card(starter.manifest.replaced(data=data, name="clinic"), ood_evaluation=None)
    assert "its terms hold for them too" in other
    assert "non-commercial" not in other
    assert "those who trained it with Lunar" in other


def test_the_card_says_what_was_not_measured(starter: Bundle) -> None:
    plain = render_card(starter.manifest, ood_evaluation=None)
    assert "**no** prediction sets" in plain
    assert "Not measured for this bundle" in plain
    whole = render_card(starter.manifest, ood_evaluation=None, uncertainty=starter.uncertainty, maps=starter.maps)
    assert "They measure **single networks**" in whole
    assert "| mel: Melanoma | 0.7" in whole
