"""One file over the network, checked; a network that does not answer is noticed within seconds."""

import hashlib
import http.client
import queue
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tqdm import tqdm

from experiments.training.errors import DataError, Refused, Unreachable

CONTACT = 8.0  # seconds until an answer begins: looking up the name, every address tried, redirects
STALL = 5.0  # seconds that one attempt to connect or one read may take
LARGEST = 256 << 20
CHUNK = 1 << 16


def fetch(url: str, md5: str) -> bytes:
    """The file at ``url`` (http, https or file), whose MD5 must be ``md5``; in memory, so nothing half done stays.

    Raises Unreachable where there is no connection, Refused where there is no such file, DataError for a wrong MD5.
    """
    if not _is_address(url):
        raise Refused(f"--data-url must be an address that begins with https://, http:// or file://, and is {url!r}")
    with _contact(url) as response:
        data = _body(url, response)
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if actual != md5:
        raise DataError(
            f"{url} is not the file it should be: its MD5 is {actual}, expected {md5}; try another --data-url"
        )
    return data


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        named = parts.scheme == "file" or (parts.hostname and parts.port != 0)
    except ValueError:  # brackets without an end, a port that is none
        return False
    return parts.scheme in ("http", "https", "file") and bool(named) and not re.search(r"\s", url)


def _contact(url: str) -> Any:
    # A timeout of the socket does not bound the look-up of a name, so the first contact has a thread and a deadline.
    answers: queue.Queue[Any] = queue.Queue(1)
    late = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "manualnet"})
        try:
            answer: Any = urllib.request.urlopen(request, timeout=STALL)
        except Exception as error:
            answer = error
        answers.put(answer)
        if late.is_set() and not isinstance(answer, Exception):
            answer.close()

    threading.Thread(target=ask, daemon=True, name="first contact").start()
    host = urllib.parse.urlsplit(url).netloc
    try:
        answer = answers.get(timeout=CONTACT)
    except queue.Empty:
        late.set()
        raise Unreachable(f"{host} does not answer within {CONTACT:.0f} s") from None
    if isinstance(answer, urllib.error.HTTPError):
        answer.close()
        raise Refused(f"{url} is refused: {answer.code} {answer.reason}") from answer
    if isinstance(answer, urllib.error.URLError) and url.startswith("file:"):
        raise Refused(f"{url} cannot be read: {answer.reason}") from answer
    if isinstance(answer, OSError | http.client.HTTPException):
        raise Unreachable(f"{host} cannot be reached: {getattr(answer, 'reason', answer)}") from answer
    if isinstance(answer, Exception):
        raise Refused(f"{url} cannot be fetched: {answer}") from answer
    return answer


def _body(url: str, response: Any) -> bytes:
    total = int(response.headers.get("Content-Length") or 0)
    data = bytearray()
    try:
        with tqdm(total=total or None, desc="CIFAR-10", unit="B", unit_scale=True, disable=None) as bar:
            while chunk := response.read(CHUNK):
                data += chunk
                bar.update(len(chunk))
                if len(data) > LARGEST:
                    raise DataError(f"{url} is not the file it should be: it has more than {LARGEST >> 20} MiB")
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{url} broke off after {len(data):,} bytes: {error}") from error
    if len(data) < total:
        raise Unreachable(f"{url} broke off after {len(data):,} of {total:,} bytes")
    return bytes(data)
