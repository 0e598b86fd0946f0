"""One place in an object store, whatever fsspec calls it.

Belongs here: paths, bytes, listings, the pointer's atomic move. Does not belong here: what is stored (`manifest`,
`zarr_product`), how S3 is read and written (`s3_filesystem`, `object_writer`), what faults mean (`store_faults`).

A store holds
``<frame>/<product>/<data version>/{data.zarr/, manifest.json, ...}``, ``<frame>/versions/<version>/{item.json, ...}``,
``<frame>/tags/<tag>`` and, moved last, ``<frame>/item.json``, which alone decides what readers see; and
``collection.json``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store as ZarrStore
from zarr.storage import FsspecStore, LocalStore

from sbas_assets.published.deadlines import Deadlines
from sbas_assets.published.local_objects import digest, only_writer, remove_files
from sbas_assets.published.object_info import ObjectInfo
from sbas_assets.published.store_faults import bucket_missing, conflict, store_faults, url_error
from sbas_assets.workspace import atomic_write, flush

if TYPE_CHECKING:
    from sbas_assets.published.object_writer import ObjectWriter

__all__ = ["COLLECTION", "DATA", "ITEM", "MANIFEST", "ObjectInfo", "Store", "open_store", "store_faults"]

DATA = "data.zarr"
MANIFEST = "manifest.json"
ITEM = "item.json"
COLLECTION = "collection.json"

_S3 = ("s3://", "s3a://")


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
    deadlines : Deadlines
        How long an S3 server may take; a folder's lock is waited for as long.
    """

    url: str
    fs: Any
    root: str
    options: dict[str, Any] = field(default_factory=dict)
    deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def is_local(self) -> bool:
        """True for a folder of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def is_s3(self) -> bool:
        """True for a bucket."""
        return "s3" in self._protocols

    def path(self, *parts: str) -> str:
        """Return the full path of something below the root."""
        return "/".join([self.root, *parts])

    def read(self, path: str) -> bytes | None:
        """Return an object's bytes, or None when there is no such object."""
        try:
            return bytes(self.fs.cat_file(path))
        except FileNotFoundError as error:
            if bucket_missing(error):
                raise
            return None

    def read_tagged(self, path: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and the tag that `put_if` expects, or None when there is no such object."""
        if self.is_s3:
            return self._writer.read_tagged(self._key(path))
        data = self.read(path)
        return None if data is None else (data, digest(data))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size of every object below a folder, by name relative to it; empty when there is none."""
        return {name: int(info["size"]) for name, info in self._found(folder).items()}

    def listing(self, folder: str) -> dict[str, ObjectInfo]:
        """Return what is known of every object below a folder, by name relative to it; empty when there is none."""
        return {name: self._info(info) for name, info in self._found(folder).items()}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted; empty when it does not exist."""
        self.fs.invalidate_cache()
        try:
            entries = self.fs.ls(folder, detail=True)
        except FileNotFoundError as error:
            if bucket_missing(error):
                raise
            return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")

    def put(self, path: str, data: bytes, *, flushed: bool = True) -> None:
        """Write an object so that a reader sees the old bytes or the new ones, never a part.

        An object that is not `flushed` may be lost by a power cut until `flush` is done.
        """
        if self.is_local:
            atomic_write(Path(path), data, flushed=flushed)
        elif self.is_s3:
            self._writer.put(self._key(path), data)
        else:
            self.fs.pipe_file(path, data)

    def flush(self, path: str) -> None:
        """Make an object last that was put without; no other store than a folder puts one so."""
        if self.is_local:
            flush(Path(path))

    def copy(self, source: str, path: str) -> bool:
        """Let a bucket copy an object by itself; tell whether it did. In a folder that would cost what writing does."""
        return self.is_s3 and self._writer.copy(self._key(source), self._key(path))

    def put_if(self, path: str, data: bytes, expected: str | None) -> str:
        """Write a small object unless somebody else has written it meanwhile.

        In S3 the server decides, in a folder a lock beside the file; in any other store what is there is compared
        first, and somebody else can still come in between.

        Parameters
        ----------
        path : str
            Full path of the object.
        data : bytes
            What it shall hold.
        expected : str or None
            The tag that `read_tagged` told, or None when there was no such object.

        Returns
        -------
        str
            The object's new tag.

        Raises
        ------
        OutsideError
            ``store-conflict``: it is there although None was expected, or has another tag. Any other fault leaves it
            open whether the object was written; reading it tells.
        """
        if self.is_s3:
            from sbas_assets.published.object_writer import RefusedError

            try:
                return self._writer.put_if(self._key(path), data, expected)
            except RefusedError as error:
                raise conflict(self.url, path) from error
        if not self.is_local:
            return self._compare_and_put(path, data, expected)
        with only_writer(path, self.deadlines.request_s):
            return self._compare_and_put(path, data, expected)

    def delete(self, paths: Sequence[str]) -> None:
        """Remove objects, in S3 a thousand with each request; one that is not there is no error.

        In a folder, folders that are empty then go too.
        """
        if self.is_s3:
            self._writer.delete([self._key(path) for path in paths])
        elif self.is_local:
            remove_files(self.root, paths)
        else:
            for path in paths:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(path)

    def holds(self, path: str, data: bytes, there: ObjectInfo) -> bool:
        """Tell whether an object of a listing surely has these bytes; False where only reading it would tell.

        In a folder it is read. In a bucket the tag of an object that was written in one piece is its MD5.
        """
        if there.size != len(data):
            return False
        if self.is_local:
            return Path(path).read_bytes() == data
        return there.tag == hashlib.md5(data, usedforsecurity=False).hexdigest()

    def zarr(self, path: str) -> ZarrStore:
        """Return Zarr's own view of a path, for reading."""
        if self.is_local:
            return LocalStore(path, read_only=True)
        if not self.is_s3:
            url = self.fs.unstrip_protocol(path)
            return FsspecStore.from_url(url, storage_options=self.options, read_only=True)
        return FsspecStore(type(self.fs)(**self.options, asynchronous=True), path=path, read_only=True)

    @property
    def _protocols(self) -> tuple[str, ...]:
        return (self.fs.protocol,) if isinstance(self.fs.protocol, str) else tuple(self.fs.protocol)

    @cached_property
    def _writer(self) -> ObjectWriter:
        # obstore is imported when something is written
        from sbas_assets.published.object_writer import ObjectWriter

        return ObjectWriter(self.fs, self.root.split("/", 1)[0])

    def _key(self, path: str) -> str:
        return path.partition("/")[2]

    def _found(self, folder: str) -> dict[str, dict[str, Any]]:
        self.fs.invalidate_cache()
        found = self.fs.find(folder, detail=True)
        start = len(folder) + 1
        return {name[start:]: info for name, info in sorted(found.items())}

    def _info(self, info: Mapping[str, Any]) -> ObjectInfo:
        tag: str | None = None
        if self.is_local:
            modified = datetime.fromtimestamp(info["mtime"], UTC)
        elif self.is_s3:
            modified, tag = info["LastModified"].astimezone(UTC), str(info["ETag"]).strip('"')
        else:
            modified = self.fs.modified(info["name"])
        return ObjectInfo(int(info["size"]), modified, tag)

    def _compare_and_put(self, path: str, data: bytes, expected: str | None) -> str:
        there = self.read(path)
        if (None if there is None else digest(there)) != expected:
            raise conflict(self.url, path)
        self.put(path, data)
        return digest(data)


def open_store(
    url: str, storage_options: Mapping[str, Any] | None = None, *, deadlines: Deadlines | None = None
) -> Store:
    """Return the store at a URL; nothing is read, so an unreachable one is found out later.

    Parameters
    ----------
    url : str
        A folder, or any URL that fsspec knows: ``file://``, ``memory://``, ``s3://bucket/prefix``.
    storage_options : mapping, optional
        Given to fsspec; for S3 the ``AWS_*`` variables and ``~/.aws`` are read anyway, and requests are anonymous
        where no credentials are found.
    deadlines : Deadlines, optional
        As `SBAS_STORE_TIMEOUT` says when None.

    Raises
    ------
    InputError
        ``store-url-invalid``: no such scheme, its client is not installed, or the bucket is left out;
        ``store-permission``: the profile or the credentials are not whole; ``store-timeout-invalid``.
    """
    options = dict(storage_options or {})
    deadlines = deadlines or Deadlines.from_env()
    try:
        with store_faults(url):
            if url.startswith(_S3):
                return _open_s3(url, options, deadlines)
            fs, root = url_to_fs(url, **options)
    except (ValueError, ImportError) as error:
        raise url_error(url, str(error)) from error
    root = root.rstrip("/")
    if not url.strip() or (not root and not isinstance(fs, LocalFileSystem)):
        raise url_error(url, "it names no folder or bucket")
    return Store(url, fs, root, options, deadlines)


def _open_s3(url: str, options: Mapping[str, Any], deadlines: Deadlines) -> Store:
    # botocore takes most of a second to import, which a store in a folder need not wait for
    from sbas_assets.published.s3_filesystem import PatientS3, make_options

    root = url.split("://", 1)[1].rstrip("/")
    if not all(root.split("/")):
        raise url_error(url, "it names no bucket, or has an empty part")
    made = make_options(options, deadlines)
    fs = PatientS3(**made)
    # finds out about a malformed address now, without asking anybody
    fs.connect()
    return Store(url, fs, root, made, deadlines)
