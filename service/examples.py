"""Example images for the page: the files of a folder, shown as a gallery, each usable with one click."""

from itertools import islice
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

from service.errors import NoImage

DRAWN = Path(__file__).resolve().parent.parent / "static" / "examples"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_MOST = 12


class Examples:
    """The images of `folder`, by name; without a folder the drawn lesions that come with Lunar.

    The folder is read anew each time: images may come and go while the service runs.
    """

    def __init__(self, folder: Path | None) -> None:
        self.drawn = folder is None
        self._folder = DRAWN if folder is None else folder

    def names(self) -> list[str]:
        """The first dozen file names, in order; none if the folder cannot be read."""
        try:
            found = sorted(path for path in self._folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        except OSError:
            return []
        return [path.name for path in islice(filter(_is_image, found), _MOST)]

    def path(self, name: str) -> Path | None:
        """The file behind a name of the gallery, or None: nothing else of the disk can be asked for."""
        path = self._folder / name
        return path if path.name == name and _is_image(path) else None

    def read(self, name: str) -> bytes:
        """The bytes of an example. Raises NoImage."""
        path = self.path(name)
        if path is None:
            raise NoImage("There is no example of this name.")
        return path.read_bytes()


def add_examples(app: FastAPI, examples: Examples) -> None:
    """Add GET /examples/{name}."""

    @app.get("/examples/{name}", include_in_schema=False)
    async def show_example(name: str) -> FileResponse:
        path = examples.path(name)
        if path is None:
            raise HTTPException(404)
        return FileResponse(path)


def _is_image(path: Path) -> bool:
    written = path.name.isprintable()  # not so: bytes that are no text, which no address can carry
    return written and path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
