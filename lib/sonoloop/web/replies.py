"""Answers other than plain JSON: files, and a file together with JSON."""

import json
import uuid
from typing import Any, Final

from fastapi import Response

MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".nrrd": "application/octet-stream",
    ".nii": "application/octet-stream",
    ".nii.gz": "application/gzip",
    ".zip": "application/zip",
}


def media_type(filename: str) -> str:
    """Media type of a file by its name."""
    return next(
        (kind for ending, kind in reversed(MEDIA_TYPES.items()) if filename.endswith(ending)),
        "application/octet-stream",
    )


def file_reply(data: bytes, filename: str) -> Response:
    """A file to be saved as ``filename``, which must be a safe name."""
    disposition = f'attachment; filename="{filename}"'
    return Response(data, 200, {"content-disposition": disposition}, media_type(filename))


def file_and_params(data: bytes, filename: str, params: dict[str, Any]) -> Response:
    """``multipart/form-data`` of the parts ``params`` (JSON) and ``image`` (file).

    That is the form in which MONAI Label's client and 3D Slicer expect the answer of an inference.
    """
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\n'
        f"Content-Type: application/json\r\n\r\n{json.dumps(params, allow_nan=False)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{filename}"\r\n'
        f"Content-Type: {media_type(filename)}\r\n\r\n"
    )
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return Response(body, 200, None, f"multipart/form-data; boundary={boundary}")
