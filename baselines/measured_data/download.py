"""A large file over HTTP, which goes on where it broke off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import requests
import tenacity

from ev_gym.markets import Unreachable, fetching

CHUNK_BYTES = 1 << 16


class _BrokenOffError(Exception):
    """An attempt that is worth another one."""


def download(
    url: str, path: Path, source: str, progress: Callable[[int, int | None], object]
) -> None:
    """Download a file, or what is missing of it.

    What has come lies beside it, in `*.part`, with what the server calls that version in
    `*.version`: where that has changed meanwhile, or is not told, the download begins anew.

    Args:
        url: Its address.
        path: Where to put it.
        source: Name of the source, for messages.
        progress: Called with the bytes so far and the bytes in total, None where not known.

    Raises:
        Unreachable: if it cannot be had in several attempts; the next call goes on from there.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_BrokenOffError),
        stop=tenacity.stop_after_attempt(fetching.ATTEMPTS),
        wait=lambda state: fetching.FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1),
        reraise=True,
    )
    try:
        retrying(_attempt, url, path, progress)
    except _BrokenOffError as error:
        raise Unreachable(f"{source}, {url}: {error}") from None


def _attempt(url: str, path: Path, progress: Callable[[int, int | None], object]) -> None:
    part, version = path.with_name(path.name + ".part"), path.with_name(path.name + ".version")
    have = part.stat().st_size if part.exists() and version.exists() else 0
    # The archive is to come as it is, or its bytes could not be counted.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version.read_text(encoding="utf-8")}
    timeout = (fetching.CONNECT_S, fetching.READ_S)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code not in (200, 206):
                raise _BrokenOffError(f"HTTP status {response.status_code}")
            if response.status_code == 200:
                have = 0  # all of it comes
            length = response.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            name = response.headers.get("ETag") or response.headers.get("Last-Modified")
            # A weak name does not promise equal bytes.
            if name is None or name.startswith("W/"):
                version.unlink(missing_ok=True)
            else:
                version.write_text(name, encoding="utf-8")
            with part.open("ab" if have else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    have += len(chunk)
                    progress(have, total)
    except requests.RequestException as error:
        raise _BrokenOffError(f"broke off ({type(error).__name__}) after {have} bytes") from None
    version.unlink(missing_ok=True)
    part.replace(path)
