"""The answer for one image as a line of JSON: the public reply, with the file before it."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from inference.domain.taxonomy import Language
from inference.prediction.classifier import Analysis
from inference.prediction.serialization import explanation_reply, prediction_reply
from lunar.scoring.images import STDIN, below, shown
from lunar.scoring.scorer import Scored

Answer = dict[str, Any]  # as it stands in JSON

FILE, MODEL, OPTIONS, ERROR = "file", "model", "options", "error"
FOLDER = "folder"  # where a relative name is looked up
START = b'{"file": '  # of every line
PICTURES = ("heatmap", "overlay")


class Answers:
    """Makes the answers of one job, and writes their heat maps as files if there is a folder for them."""

    def __init__(
        self,
        model: Answer,
        options: Answer,
        *,
        language: Language,
        explained: bool,
        heatmaps: Path | None,
        folder: Path | None,
    ) -> None:
        self._job = {MODEL: model, OPTIONS: options}
        self._folder = folder
        self._language = language
        self._explained = explained
        self._heatmaps = heatmaps

    def answer(self, scored: Scored) -> Answer:
        """`file`, `model`, `options`, then the fields of /predict or /explain; without a result `file` and `error`.

        Behind a relative `file`, `folder` is where it is looked up, if the job may be resumed.
        """
        named: Answer = {FILE: shown(scored.name)}
        if self._folder and scored.name != STDIN and not Path(scored.name).is_absolute():
            named[FOLDER] = shown(str(self._folder))
        if scored.analysis is None:
            return {**named, ERROR: scored.error}
        answer: Answer = {**named, **self._job, **self._reply(scored.analysis)}
        if self._heatmaps:
            explanations: list[Answer] = answer["explanations"]
            for explanation in explanations:
                _keep_pictures(explanation, scored.name, self._heatmaps)
        return answer

    def _reply(self, analysis: Analysis) -> Answer:
        reply = (
            explanation_reply(analysis, self._language)
            if self._explained
            else prediction_reply(analysis.prediction, self._language)
        )
        return reply.model_dump(mode="json", by_alias=True)


def to_line(answer: Answer) -> str:
    """One line of JSON, with its end."""
    return json.dumps(answer, ensure_ascii=False) + "\n"


def _keep_pictures(explanation: Answer, name: str, folder: Path) -> None:
    """Write the PNGs below the folder, under the image's own path, and put their paths into the explanation."""
    for kind in PICTURES:
        if kind in explanation:
            path = folder.joinpath(*below(name))
            path = path.with_name(f"{path.name}.{explanation['class']}.{explanation['method']}.{kind}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b64decode(explanation[kind]))
            explanation[kind] = shown(str(path))
