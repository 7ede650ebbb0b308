"""What a long step shows: a bar on a terminal, lines in a log elsewhere."""

import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from inference import progress
from inference.progress import long_step, tracked
from tests.support.waiting import wait_for


def test_without_a_terminal_there_are_lines_at_intervals(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = iter(range(0, 10_000, 10))  # ten seconds between two looks at the clock
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(now)))  # not that of other threads
    with caplog.at_level(logging.INFO), long_step("fine_tune, epoch 2 of 9", total=600) as step:
        for _ in range(6):
            step.advance(100, note="loss 0.500")
    assert [record.message.split(":")[0] for record in caplog.records] == ["fine_tune, epoch 2 of 9"] * 2
    assert "of 600 images" in caplog.records[0].message
    assert caplog.records[0].message.endswith("loss 0.500")


def test_on_a_terminal_a_bar_shows_counts_and_note_and_goes_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(progress, "CONSOLE", Console(file=terminal, force_terminal=True, width=160))
    with caplog.at_level(logging.INFO), long_step("evaluating", total=9), long_step("checking images", total=3) as step:
        step.advance(2, note="[loss] 0.5")
        wait_for(lambda: "2/3" in terminal.getvalue(), "the bar")
    shown = terminal.getvalue()
    assert "evaluating" in shown
    assert "checking images" in shown
    assert "[loss] 0.5" in shown
    assert not caplog.records


def test_a_step_inside_another_is_drawn_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=160)
    monkeypatch.setattr(progress, "CONSOLE", console)
    with long_step("evaluating", total=9), long_step("checking images", total=3):
        console.print("a line of the log")
        _, drawn = terminal.getvalue().split("a line of the log")
    assert 0 <= drawn.find("evaluating") < drawn.find("checking images")


def test_tracked_items_pass_through() -> None:
    assert list(tracked(iter("abc"), "letters", total=3, unit="letters")) == ["a", "b", "c"]
