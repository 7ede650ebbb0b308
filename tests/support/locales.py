"""The texts of the page, by language."""

from service.page.localization import load_locales
from tests.support.paths import ROOT

LOCALES = load_locales(ROOT / "templates/locales")
