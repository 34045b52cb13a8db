# SPDX-License-Identifier: MIT
"""Files of a folder or of a web server: hostile input, bounded in size and time."""

import http.client
import os
import queue
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from lppack.errors import AnswerIsNo, EnvironmentMissing

SECONDS = 600.0  # for a whole file
_SILENCE = 30.0  # seconds without a byte
_PART = 1 << 16
_SAYS = "the server says"
_ABSENT = f"{_SAYS} 404"
_HINT = "check that this host can reach the source, and that the files are there"


class NotServed(EnvironmentMissing):
    """The source does not serve the file. Nothing was done."""

    kind = "not-served"
    absent = False  # True: the source reports that it has no such file


class TooLarge(AnswerIsNo):
    """The source's file is larger than the limit for such files. Nothing of it was kept."""

    kind = "too-large"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse redirects: only the policy names the source. A redirect could lead from https to
    http."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch(source: str, name: str, *, size_max: int, seconds: float = SECONDS) -> bytes:
    """Return the bytes of the file ``name`` of ``source``: a folder, file:, http: or https:.

    TLS is checked against the certificates of the system. Raise NotServed, TooLarge.
    """
    remote = source.startswith(("http:", "https:"))
    place = f"{source.rstrip('/')}/{urllib.parse.quote(name) if remote else name}"
    parts = _parts_of_url(place, seconds) if remote else _parts_of_file(place)
    data = bytearray()
    for part in parts:
        data += part
        if len(data) > size_max:
            raise TooLarge(
                f"{place} is larger than {size_max >> 10} KiB", hint="look at what is served there"
            )
    return bytes(data)


def _parts_of_file(place: str) -> Iterator[bytes]:
    url = place.startswith("file://")
    path = Path(urllib.parse.unquote(place.removeprefix("file://")) if url else place)
    try:
        # O_NONBLOCK: opening a pipe could wait without end.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotServed(f"{path} is not an ordinary file", hint=_HINT)
            yield from iter(lambda: file.read(_PART), b"")
    except OSError as error:
        refused = NotServed(f"{path} cannot be read: {error.strerror}", hint=_HINT)
        refused.absent = isinstance(error, FileNotFoundError)
        raise refused from None


def _parts_of_url(place: str, seconds: float) -> Iterator[bytes]:
    """Yield the parts of a file, which a thread reads; after ``seconds`` the thread is abandoned.

    The timeout of a socket is not enough: a server may send a byte now and then, or endless
    headers.
    """
    parts: queue.Queue[bytes | str | None] = queue.Queue(maxsize=16)
    given_up = threading.Event()

    def read() -> None:
        try:
            opener = urllib.request.build_opener(_NoRedirect)
            with opener.open(place, timeout=_SILENCE) as answer:
                for part in iter(lambda: answer.read1(_PART), b""):
                    parts.put(part)
                    if given_up.is_set():
                        return
                # read1() does not report that the server has closed the connection
                left = answer.length
            parts.put(
                "the server closed the connection before the end of the file" if left else None
            )
        except urllib.error.HTTPError as error:
            parts.put(f"{_SAYS} {error.code}")
        except (urllib.error.URLError, OSError) as error:
            parts.put(str(getattr(error, "reason", None) or error))
        except (http.client.HTTPException, ValueError) as error:
            parts.put(f"no answer of a web server: {type(error).__name__}")

    threading.Thread(target=read, daemon=True).start()
    end = time.monotonic() + seconds
    try:
        while True:
            part = parts.get(timeout=max(end - time.monotonic(), 0.001))
            if isinstance(part, str):
                refused = NotServed(f"{place}: {ascii(part)[1:-1]}", hint=_HINT)
                refused.absent = part == _ABSENT
                raise refused
            if part is None:
                return
            if time.monotonic() > end:
                raise queue.Empty
            yield part
    except queue.Empty:
        raise NotServed(f"{place} was not fetched in {seconds:g} s", hint=_HINT) from None
    finally:
        given_up.set()
        while not parts.empty():  # the thread may wait for room in the queue
            parts.get_nowait()
