"""application/json: the public JSON of docs/api.md."""

from pydantic import BaseModel, ConfigDict

from inference.explainers.class_maps import ExplanationRequest
from inference.prediction.replies import ExplanationReply, ModelName, PredictionReply
from inference.prediction.serialization import explanation_reply, prediction_reply
from service.representations.examples import EXPLAINED, PREDICTED
from service.representations.representation import Answered, Document


class _Answered(BaseModel):
    """The first fields of a reply; the second base of its class, because pydantic takes the last base first."""

    request_id: str
    model: ModelName


class PredictReply(PredictionReply, _Answered):
    """200 of /predict."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTED]})


class ExplainReply(ExplanationReply, _Answered):
    """200 of /explain."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPLAINED]})


class JsonDocument:
    """The default."""

    def narrow(self, explanation: ExplanationRequest | None, data: bytes) -> ExplanationRequest | None:
        """Whatever is asked for."""
        return explanation

    def render(self, answered: Answered) -> Document:
        """PredictReply or ExplainReply."""
        common = {"request_id": answered.request_id, "model": answered.served.reply}
        language, coverage = answered.language, answered.coverage
        if answered.explanation:
            explained = ExplainReply(**common, **dict(explanation_reply(answered.analysis, language, coverage)))
            text = explained.model_dump_json(by_alias=True)
        else:
            predicted = PredictReply(
                **common, **dict(prediction_reply(answered.analysis.prediction, language, coverage))
            )
            text = predicted.model_dump_json(by_alias=True)
        return Document(text.encode(), "application/json")
