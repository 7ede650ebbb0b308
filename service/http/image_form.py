"""Reads one image and the text fields beside it from a request's body; never written to disk."""

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import BrokenUpload, NoImage, SeveralImages
from service.http.upload_bounds import Upload

FIELD = "file"


@dataclass(frozen=True, slots=True)
class ImageForm:
    """An image file, and the text fields of a multipart body in their order: names and values."""

    data: bytes
    fields: tuple[tuple[str, str], ...] = ()


class _InMemoryParser(MultiPartParser):
    spool_max_size = 2**63 - 1  # never on disk: Starlette would spool 1 MB and more; the body is bounded anyway
    complete = False

    @property
    def _charset(self) -> str:
        """Of names and text fields. Starlette would take any codec that the client names: some take minutes."""
        return "utf-8"

    @_charset.setter
    def _charset(self, named: str) -> None:
        pass

    def on_end(self) -> None:
        self.complete = True

    def discard(self) -> None:
        for file in self._files_to_close_on_error:  # includes a last file that was cut off and belongs to no form
            file.close()


async def read_form(request: Request, upload: Upload) -> ImageForm:
    """The image from a multipart field `file`, with the fields beside it, or from the raw body.

    Raises NoImage, SeveralImages, BrokenUpload, and what Upload.chunks raises.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        form = await _read_multipart(request, upload)
    else:
        form = ImageForm(await read_body(request, upload))
    if not form.data:
        raise NoImage(f"Send one image as the multipart field {FIELD!r} or as the body itself.")
    return form


async def read_body(request: Request, upload: Upload) -> bytes:
    """The whole body. Raises what Upload.chunks raises."""
    return b"".join([chunk async for chunk in upload.chunks(request)])


async def _read_multipart(request: Request, upload: Upload) -> ImageForm:
    parser = _InMemoryParser(request.headers, upload.chunks(request), max_files=2, max_fields=16)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise SeveralImages(f"Send one file in the field {FIELD!r}; there is more than one.") from error
        raise BrokenUpload(error.message) from error
    except KeyError as error:  # Starlette 1.10: a content type without a boundary
        raise BrokenUpload("The content type names no boundary.") from error
    if not parser.complete:
        parser.discard()
        raise BrokenUpload("The body ends before its last boundary.")
    try:
        return await _image_form(form)
    finally:
        await form.close()


async def _image_form(form: FormData) -> ImageForm:
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if len(files) > 1:
        raise SeveralImages(f"Send one file in the field {FIELD!r}; there is more than one.")
    named = form.get(FIELD)
    data = await named.read() if isinstance(named, UploadFile) else b""
    fields = tuple((name, value) for name, value in form.multi_items() if isinstance(value, str) and name != FIELD)
    return ImageForm(data, fields)
