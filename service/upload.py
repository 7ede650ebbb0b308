"""The request's body -> the bytes of one image, bounded while reading and never on disk."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import BodyTooLarge, BrokenUpload, NoImage, SeveralImages

FIELD = "file"


class _InMemoryParser(MultiPartParser):
    spool_max_size = 2**63 - 1  # the body is bounded already; Starlette would spool 1 MB and more to disk
    complete = False

    def on_end(self) -> None:
        self.complete = True

    def discard(self) -> None:
        for file in self._files_to_close_on_error:  # the last one is in no form if the body was cut off inside it
            file.close()


async def read_image(request: Request, *, limit: int) -> bytes:
    """The image's bytes, from a multipart field `file` or from the raw body.

    Raises NoImage, SeveralImages, BrokenUpload, BodyTooLarge.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        data = await _read_field(request, limit)
    else:
        data = await read_body(request, limit=limit)
    if not data:
        raise NoImage(f"Send one image as the multipart field {FIELD!r} or as the body itself.")
    return data


async def read_body(request: Request, *, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge."""
    return b"".join([chunk async for chunk in _bounded(request, limit)])


async def _read_field(request: Request, limit: int) -> bytes:
    parser = _InMemoryParser(request.headers, _bounded(request, limit), max_files=2, max_fields=16)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise SeveralImages(f"Send one file in the field {FIELD!r}; several came.") from error
        raise BrokenUpload(error.message) from error
    except KeyError as error:  # Starlette 1.10: a content type without a boundary
        raise BrokenUpload("The content type names no boundary.") from error
    if not parser.complete:
        parser.discard()
        raise BrokenUpload("The body ends before its last boundary.")
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if len(files) > 1:
            raise SeveralImages(f"Send one file in the field {FIELD!r}; several came.")
        named = form.get(FIELD)
        return await named.read() if isinstance(named, UploadFile) else b""
    finally:
        await form.close()


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    message = f"At most {limit:,} bytes are accepted."
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(message)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise BodyTooLarge(message)
        yield chunk
