"""The page."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from service.champion import Champion
from service.examination import Examiner
from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def add_page(app: FastAPI, settings: Settings, champion: Champion, examiner: Examiner) -> None:
    """Add the page and its files."""
    app.mount("/static", StaticFiles(directory=ROOT / "static"))
