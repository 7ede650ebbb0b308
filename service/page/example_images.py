"""Example images of the page: the image files of one folder that a browser can show."""

from itertools import chain, islice
from pathlib import Path

from inference.imaging.file_format import SUFFIXES
from service.errors import NoImage

DRAWN = Path(__file__).resolve().parents[2] / "static" / "examples"
_SHOWN = ("JPEG", "PNG", "WebP", "BMP", "AVIF")  # by every browser; the page shows the files as they are
_SUFFIXES = frozenset(chain.from_iterable(SUFFIXES[name] for name in _SHOWN))
_MAX_NAMES = 12


class Examples:
    """The images of `folder`, by name; without a folder the drawn lesions that come with Lunar.

    The folder is read at every call, so that images may change while the service runs.
    """

    def __init__(self, folder: Path | None) -> None:
        self.drawn = folder is None
        self._folder = DRAWN if folder is None else folder

    def names(self) -> list[str]:
        """The first dozen file names, in order; none if the folder cannot be read."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        except OSError:
            return []
        return [path.name for path in islice(filter(_is_image, paths), _MAX_NAMES)]

    def path(self, name: str) -> Path | None:
        """The file of this name in the folder, or None: no name reaches a file outside the folder."""
        path = self._folder / name
        return path if path.name == name and _is_image(path) else None

    def read(self, name: str) -> bytes:
        """The bytes of an example. Raises NoImage."""
        path = self.path(name)
        if path is None:
            raise NoImage("There is no example of this name.")
        return path.read_bytes()


def _is_image(path: Path) -> bool:
    has_text_name = path.name.isprintable()  # a name that is not valid text cannot stand in a URL
    try:
        return has_text_name and path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    except OSError:  # a name that no file can have, a folder that may not be entered
        return False
