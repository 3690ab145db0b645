"""The decoding process: a script of its own, so that starting it loads nothing but codecs.

It answers requests on the socket whose number is its first argument, until the socket closes or
nobody asked for the number of seconds that is its second. A request is one message of JSON and one
with the code stream; the answer is one message of JSON and, if that holds no ``error``, one with
the samples: (H, W) or (H, W, 3), little-endian, colour by pixel.
"""

import json
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

_MEMORY_BYTES: Final = 768 * 2**20
_CPU_SECONDS: Final = 2
"""Of one request; a 1024 x 768 JPEG 2000 takes 0.1."""


def main(descriptor: int, idle_s: float) -> None:
    """Answer requests until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(descriptor)
    while connection.poll(idle_s):
        try:
            request = json.loads(connection.recv_bytes())
            stream = connection.recv_bytes()
        except EOFError:
            return
        _limit_cpu()
        try:
            samples = _DECODERS[request["coding"]](stream, request)
        except (ValueError, RuntimeError, TypeError, OSError, MemoryError) as error:
            text = (str(error).splitlines() or [""])[0][:200]
            connection.send_bytes(json.dumps({"error": f"{type(error).__name__} {text}"}).encode())
        else:
            connection.send_bytes(b"{}")
            connection.send_bytes(samples)


def _limit_cpu() -> None:
    """Let the kernel end this process when the request in hand takes too long."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime) + 1 + _CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))


def _jpeg_lossless(stream: bytes, request: dict[str, Any]) -> bytes:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((request["columns"], request["rows"], 1))
    image.SetDataElement(element)
    # RGB whatever it is: then no colour conversion is made here
    name = "MONOCHROME2" if request["samples"] == 1 else "RGB"
    kind = gdcm.PhotometricInterpretation.GetPIType(name)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetPlanarConfiguration(0)
    syntax = gdcm.TransferSyntax.GetTSType("1.2.840.10008.1.2.4.57")
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    bits = request["bits_stored"]
    allocated = request["bits_allocated"]
    image.SetPixelFormat(gdcm.PixelFormat(request["samples"], allocated, bits, bits - 1, 0))
    text: str = image.GetBuffer()  # bytes, which its bindings hand over as text
    return text.encode("utf-8", "surrogateescape")


def _jpeg_ls(stream: bytes, request: dict[str, Any]) -> bytes:
    import jpeg_ls

    samples, header = jpeg_ls.decode_buffer(stream)
    if request["samples"] == 3 and header["interleave_mode"] == 0:
        return _by_pixel(bytes(samples), request)
    return bytes(samples)


def _jpeg2000(stream: bytes, request: dict[str, Any]) -> bytes:
    from openjpeg.utils import decode

    samples = decode(stream)
    return bytes(samples.astype(f"<u{request['bits_allocated'] // 8}", copy=False).tobytes())


def _rle(stream: bytes, request: dict[str, Any]) -> bytes:
    from rle.rle import decode_frame

    pixels = request["rows"] * request["columns"]
    planes = bytes(decode_frame(stream, pixels, request["bits_allocated"], "<"))
    return _by_pixel(planes, request) if request["samples"] == 3 else planes


def _by_pixel(planes: bytes, request: dict[str, Any]) -> bytes:
    import numpy as np

    dtype = np.dtype(f"<u{request['bits_allocated'] // 8}")
    return np.frombuffer(planes, dtype).reshape(3, -1).T.tobytes()


_DECODERS: Final[dict[str, Callable[[bytes, dict[str, Any]], bytes]]] = {
    "jpeg_lossless": _jpeg_lossless,
    "jpeg_ls": _jpeg_ls,
    "jpeg2000": _jpeg2000,
    "rle": _rle,
}

if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
