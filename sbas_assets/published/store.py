"""One place in an object store, whatever fsspec calls it, and its faults as errors that a person can act on.

Belongs here: paths, bytes, listings, the pointer's atomic move, and the translation of faults. Does not belong
here: what is stored (`manifest`, `zarr_product`).

A published product is
``<store>/<frame>/<product>/<version>[-<attempt>]/{data.zarr/, manifest.json}`` and, moved last,
``<store>/<frame>/<product>/latest.json``.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store as ZarrStore
from zarr.storage import FsspecStore, LocalStore

from sbas_assets.errors import InputError, OutsideError, SbasError
from sbas_assets.workspace import atomic_write

DATA = "data.zarr"
MANIFEST = "manifest.json"
LATEST = "latest.json"

# s3fs reads every object twice (HEAD, then GET) unless told to read it in one piece; a cached listing would
# hide what another process has published.
_S3_OPTIONS: dict[str, Any] = {"use_listings_cache": False, "max_concurrency": 1}

# Classes of botocore, aiohttp and Python, by name: the store's client may not be installed.
_UNREACHABLE = frozenset(
    {
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "ClientConnectionError",
        "TimeoutError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ResponseParserError",
    }
)
_FORBIDDEN = frozenset(
    {"PermissionError", "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"}
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EROFS, errno.EPERM)
_BUSY = (errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO))
_MISPLACED = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Store:
    """A folder or bucket prefix.

    Parameters
    ----------
    url : str
        As the user gave it.
    fs : fsspec filesystem
        Synchronous.
    root : str
        The prefix in the filesystem's own spelling, without a slash at its end.
    options : dict
        What the filesystem was made with.
    """

    url: str
    fs: Any
    root: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """True for a folder of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    def path(self, *parts: str) -> str:
        """Return the full path of something below the root."""
        return "/".join([self.root, *parts])

    def read(self, path: str) -> bytes | None:
        """Return an object's bytes, or None when there is no such object."""
        try:
            return bytes(self.fs.cat_file(path))
        except FileNotFoundError as error:
            if _bucket_missing(error):
                raise
            return None

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size of every object below a folder, by name relative to it; empty when there is none."""
        self.fs.invalidate_cache()
        found = self.fs.find(folder, detail=True)
        start = len(folder) + 1
        return {name[start:]: int(info["size"]) for name, info in sorted(found.items())}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted; empty when it does not exist."""
        self.fs.invalidate_cache()
        try:
            entries = self.fs.ls(folder, detail=True)
        except FileNotFoundError as error:
            if _bucket_missing(error):
                raise
            return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")

    def put(self, path: str, data: bytes) -> None:
        """Write an object so that a reader sees the old bytes or the new ones, never a part."""
        if self.is_local:
            atomic_write(Path(path), data)
        else:
            self.fs.pipe_file(path, data)

    def remove_local(self, folder: str) -> None:
        """Remove a folder of a local store."""
        shutil.rmtree(folder)

    def zarr(self, path: str, *, read_only: bool) -> ZarrStore:
        """Return Zarr's own view of a path."""
        if self.is_local:
            return LocalStore(path, read_only=read_only)
        protocol = self.fs.protocol if isinstance(self.fs.protocol, str) else self.fs.protocol[0]
        return FsspecStore.from_url(f"{protocol}://{path}", storage_options=self.options, read_only=read_only)


def open_store(url: str, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Return the store at a URL; nothing is read, so an unreachable one is found out later.

    Parameters
    ----------
    url : str
        A folder, or any URL that fsspec knows: ``file://``, ``memory://``, ``s3://bucket/prefix``.
    storage_options : mapping, optional
        Given to fsspec; for S3 the ``AWS_*`` variables are read anyway.

    Raises
    ------
    InputError
        ``store-url-invalid``: no such scheme, its client is not installed, or the bucket is left out.
    """
    options = dict(storage_options or {})
    if url.startswith(("s3://", "s3a://")):
        options = _S3_OPTIONS | options
    try:
        fs, root = url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise _url_error(url, str(error)) from error
    root = root.rstrip("/")
    if not url.strip() or (not root and not isinstance(fs, LocalFileSystem)):
        raise _url_error(url, "it names no folder or bucket")
    return Store(url, fs, root, options)


def _url_error(url: str, reason: str) -> InputError:
    return InputError(
        "store-url-invalid",
        f"the store's URL {url!r} cannot be used: {reason}",
        mend="set SBAS_STORE to a folder, or to s3://bucket/prefix",
    )


@contextmanager
def store_faults(url: str) -> Iterator[None]:
    """Turn the faults of a store into `OutsideError` and `InputError`; anything else passes unchanged.

    Parameters
    ----------
    url : str
        The store's URL, for the message.

    Raises
    ------
    OutsideError
        ``store-unreachable`` or ``store-full``.
    InputError
        ``store-permission``, ``store-bucket-missing`` or ``store-url-invalid``.
    """
    try:
        yield
    except SbasError:
        raise
    except Exception as error:
        fault = _translate(url, error)
        if fault is None:
            raise
        raise fault from error


def _translate(url: str, error: Exception) -> SbasError | None:
    """Return the fault that an exception, or what caused it, stands for."""
    names = {base.__name__ for link in _chain(error) for base in type(link).__mro__}
    numbers = {link.errno for link in _chain(error) if isinstance(link, OSError)}
    reason = str(error) or type(error).__name__
    if _bucket_missing(error):
        return InputError(
            "store-bucket-missing", f"the bucket of {url} does not exist", mend="create it, or correct SBAS_STORE"
        )
    if numbers & set(_FULL):
        return OutsideError("store-full", f"{url} is full: {reason}", mend="free space there, then run again")
    if names & _FORBIDDEN or numbers & set(_REFUSED):
        return InputError(
            "store-permission",
            f"{url} refuses access: {reason}",
            mend="check the AWS_* credentials and the bucket's policy, or the folder's permissions",
        )
    if names & _UNREACHABLE or numbers & set(_BUSY):
        return OutsideError(
            "store-unreachable",
            f"{url} does not answer: {reason}",
            mend="check the network, AWS_ENDPOINT_URL and that the server runs; the step is tried again",
        )
    if numbers & set(_MISPLACED) or "NotImplementedError" in names:
        return _url_error(url, reason)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _bucket_missing(error: BaseException) -> bool:
    responses = (getattr(link, "response", None) for link in _chain(error))
    return any(
        isinstance(response, dict) and response.get("Error", {}).get("Code") == "NoSuchBucket" for response in responses
    )
