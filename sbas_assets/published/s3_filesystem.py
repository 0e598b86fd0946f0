"""Reading and listing S3 through s3fs, with deadlines, and where its credentials and address come from.

Belongs here: what s3fs is told, and when it asks again. Does not belong here: writing (`object_writer`), because a
server that is silent while it is written to keeps s3fs waiting for ever.

s3fs tries a number of times, botocore below it too, and s3fs once more around both when it reads an object: 5 x 5 x 5
timeouts. Here each of them tries once, and `PatientS3` tries again by the clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import weakref
from collections.abc import Mapping
from time import monotonic
from typing import Any

import botocore.session
from aiohttp import ClientPayloadError
from botocore.credentials import Credentials
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from sbas_assets.published.deadlines import FIRST_WAIT_S, RETRIES, Deadlines
from sbas_assets.published.store_faults import is_passing

NO_CREDENTIALS = "no AWS credentials were found, so it was asked without: set AWS_ACCESS_KEY_ID or AWS_PROFILE"

# Of one object, when its connection breaks on the way; when it falls silent it has failed.
_READS = 3


class PatientS3(S3FileSystem):  # type: ignore[misc]  # s3fs has no types
    """An S3 file system that asks again within a deadline.

    Parameters
    ----------
    request_s : float
        Seconds of silence after which a request failed.
    lacks_credentials : bool
        Anonymous because there are no credentials, not because that was asked for.
    identity : str
        Differs with the credentials and the environment, so that fsspec does not hand out a connection of others.
    **options
        As of s3fs.
    """

    retries = 1

    def __init__(
        self, *, request_s: float = 30.0, lacks_credentials: bool = False, identity: str = "", **options: Any
    ) -> None:
        super().__init__(**options)
        self.deadlines = Deadlines(request_s)
        self.lacks_credentials = lacks_credentials
        self.identity = identity

    async def set_session(self, refresh: bool = False, kwargs: Mapping[str, Any] | None = None) -> Any:
        """Connect, as s3fs does."""
        before = self._s3
        client = await super().set_session(refresh, dict(kwargs or {}))
        if client is not before:
            client.meta.events.register_last("before-parameter-build.s3", _ask_for_the_region_once)
            if self.asynchronous:
                # s3fs leaves what Zarr connects in its own loop to be closed by its user
                weakref.finalize(self, self.close_session, asyncio.get_running_loop(), self._s3creator)
        return client

    connect = sync_wrapper(set_session)

    async def _call_s3(self, method: str, *maps: Mapping[str, Any], **arguments: Any) -> Any:
        begun = monotonic()
        for number in range(RETRIES + 1):
            try:
                return await super()._call_s3(method, *maps, **arguments)
            except PermissionError as error:
                if self.lacks_credentials:
                    error.add_note(NO_CREDENTIALS)
                raise
            except Exception as error:
                late = monotonic() - begun > self.deadlines.again_s
                if late or number == RETRIES or not is_passing(error):
                    raise
            await asyncio.sleep(FIRST_WAIT_S * 2**number)
        raise AssertionError("the last failure is raised")

    async def _cat_file(self, path: str, *arguments: Any, **named: Any) -> Any:
        for left in reversed(range(_READS)):
            try:
                return await super()._cat_file(path, *arguments, **named)
            except ClientPayloadError:
                if not left:
                    raise
        raise AssertionError("the last failure is raised")


def _ask_for_the_region_once(model: Any, context: dict[str, Any], **_: object) -> None:
    """Keep botocore from asking a server that redirects without naming a region for it again, and again."""
    if model.name == "HeadBucket":
        context.setdefault("s3_redirect", {})["redirected"] = True


def make_options(options: Mapping[str, Any], deadlines: Deadlines) -> dict[str, Any]:
    """Return what `PatientS3` is made with: the user's own options, and what they leave open.

    Parameters
    ----------
    options : mapping
        Of s3fs, as the user gave them.
    deadlines : Deadlines
        Of one request.

    Raises
    ------
    botocore.exceptions.BotoCoreError
        The profile that `AWS_PROFILE` names is not there, or the credentials are incomplete.
    """
    # s3fs reads every object twice (HEAD, then GET) unless told to read it in one piece; a cached listing would hide
    # what another process has published
    made: dict[str, Any] = {"use_listings_cache": False, "max_concurrency": 1} | dict(options)
    patience = {
        "connect_timeout": deadlines.connect_s,
        "read_timeout": deadlines.request_s,
        "retries": {"total_max_attempts": 1},
    }
    made["config_kwargs"] = patience | dict(made.get("config_kwargs") or {})
    region = os.environ.get("AWS_REGION")
    # every other AWS client reads both
    if region and not os.environ.get("AWS_DEFAULT_REGION"):
        made["client_kwargs"] = {"region_name": region} | dict(made.get("client_kwargs") or {})
    made["request_s"] = deadlines.request_s
    found = None
    if not options.get("anon") and explicit_key(made) is None:
        found = find_credentials(made)
        made["lacks_credentials"] = found is None and "anon" not in options
        made.setdefault("anon", found is None)
    made["identity"] = _identity(found)
    return made


def explicit_key(options: Mapping[str, Any]) -> str | None:
    """Return the access key among s3fs' options, under whichever of its names."""
    inner = options.get("client_kwargs") or {}
    key = options.get("key") or options.get("username") or inner.get("aws_access_key_id")
    return None if key is None else str(key)


def find_credentials(options: Mapping[str, Any]) -> Credentials | None:
    """Return what botocore finds: in the environment, the files below ``~/.aws``, or from the machine's role."""
    return aws_session(options).get_credentials()


def aws_session(options: Mapping[str, Any]) -> botocore.session.Session:
    """Return botocore's settings for the profile among s3fs' options, or the one that the environment names."""
    return botocore.session.Session(profile=options.get("profile"))


def _identity(found: Credentials | None) -> str:
    """Return a digest of what botocore reads once, when a client is made."""
    parts = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("AWS_")]
    # other kinds are renewed by botocore itself, and looking at them would renew them now
    if found is not None and found.method in {"shared-credentials-file", "config-file"}:
        parts += [str(found.access_key), str(found.secret_key), str(found.token)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
