"""Writing to S3 through obstore, which gives up on a silent server; s3fs waits for ever when it writes.

Belongs here: single objects, with and without a condition, and deleting. Does not belong here: reading and listing
(`s3_filesystem`), other stores (`store`).

Address and credentials are those of the file system that reads, so both always see the same bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError
from obstore.store import S3Store

from sbas_assets.published.deadlines import FIRST_WAIT_S, RETRIES, Deadlines
from sbas_assets.published.s3_filesystem import NO_CREDENTIALS, PatientS3, aws_session, explicit_key, find_credentials
from sbas_assets.published.store_faults import bucket_missing

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

# botocore renews what expires ten minutes before it does
_CREDENTIALS_LAST = timedelta(minutes=5)
# of one DeleteObjects request
_DELETED_AT_ONCE = 1000


class RefusedError(Exception):
    """The object is not, or no longer, as the writer expected it."""


@dataclass(frozen=True)
class _Provider:
    """Hands botocore's credentials to obstore, each time they have to be renewed."""

    credentials: Credentials

    def __call__(self) -> S3Credential:
        frozen = self.credentials.get_frozen_credentials()
        return {
            "access_key_id": str(frozen.access_key),
            "secret_access_key": str(frozen.secret_key),
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_LAST,
        }


class ObjectWriter:
    """Writes the objects of one bucket.

    Parameters
    ----------
    fs : PatientS3
        That reads the bucket.
    bucket : str
        Its name.
    """

    def __init__(self, fs: PatientS3, bucket: str) -> None:
        self._fs = fs
        self._bucket = bucket
        self._store = _make_store(fs, bucket)

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        with self._explained():
            obstore.put(self._store, key, data, use_multipart=False)

    def copy(self, source: str, key: str) -> bool:
        """Let the server copy an object; tell whether it did. Any fault means only that the bytes have to be sent."""
        try:
            obstore.copy(self._store, source, key)
        except (BaseError, OSError):
            return False
        return True

    def put_if(self, key: str, data: bytes, expected: str | None) -> str:
        """Write an object if it has the tag `expected`, or if it does not exist, and return its new tag.

        Raises
        ------
        RefusedError
            It is otherwise.
        """
        if expected is None:
            return self._put_if(key, data, "create")
        # Ceph's gateway compares the tag without looking for quotation marks, and so refuses one that has them, as the
        # standard wants it; Amazon takes both. A server that wants them is asked again: it has written nothing yet.
        try:
            return self._put_if(key, data, {"e_tag": expected})
        except RefusedError:
            return self._put_if(key, data, {"e_tag": f'"{expected}"'})

    def read_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return an object and its tag in one look, or None when there is no such object."""
        try:
            with self._explained():
                found = obstore.get(self._store, key)
                data = found.bytes().to_bytes()
        except FileNotFoundError as error:
            if bucket_missing(error):
                raise
            return None
        return data, _tag(found.meta["e_tag"])

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, many with each request; one that is not there is no error."""
        for batch in batched(keys, _DELETED_AT_ONCE):
            with self._explained():
                obstore.delete(self._store, list(batch))

    def _put_if(self, key: str, data: bytes, mode: Any) -> str:
        try:
            with self._explained():
                made = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            if bucket_missing(error):
                raise
            raise RefusedError(key) from error
        return _tag(made["e_tag"])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PermissionDeniedError as error:
            if self._fs.lacks_credentials:
                error.add_note(NO_CREDENTIALS)
            raise


def _tag(etag: str | None) -> str:
    if not etag:
        raise ValueError("the S3 server gave an object no ETag")
    return etag.strip('"')


def _make_store(fs: PatientS3, bucket: str) -> S3Store:
    credentials = _credentials(fs)
    # the environment's values for another bucket, profile or server must not mix with these
    return S3Store(
        bucket,
        config=_address(fs, bucket) | {"skip_signature": credentials is None, "request_payer": fs.requester_pays},
        client_options=_client_options(fs),
        retry_config=_retries(fs.deadlines),
        credential_provider=None if credentials is None else _Provider(credentials),
    )


def _address(fs: PatientS3, bucket: str) -> S3Config:
    """Return endpoint and region as botocore has resolved them, and whether the bucket is a part of the host's name."""
    client = fs.s3
    url = urlsplit(client.meta.endpoint_url)
    style = (client.meta.config.s3 or {}).get("addressing_style", "auto")
    amazon = (url.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")) and "." not in bucket
    virtual = style == "virtual" or (style == "auto" and amazon)
    host = f"{bucket}.{url.netloc}" if virtual else url.netloc
    endpoint = f"{url.scheme}://{host}{url.path.rstrip('/')}"
    return {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": client.meta.region_name or "us-east-1",
        "virtual_hosted_style_request": virtual,
    }


def _credentials(fs: PatientS3) -> Credentials | None:
    """Return what signs the requests, or None for anonymous ones."""
    if fs.anon:
        return None
    inner = fs.client_kwargs
    key = explicit_key({"key": fs.key, "client_kwargs": inner})
    if key is not None:
        secret = fs.secret or inner.get("aws_secret_access_key")
        return Credentials(key, secret, fs.token or inner.get("aws_session_token"))
    found = find_credentials(fs.kwargs)
    if found is None:
        raise NoCredentialsError
    return found


def _client_options(fs: PatientS3) -> ClientConfig:
    deadlines: Deadlines = fs.deadlines
    options: ClientConfig = {
        "allow_http": True,
        "timeout": timedelta(seconds=deadlines.request_s),
        "connect_timeout": timedelta(seconds=deadlines.connect_s),
    }
    verify = fs.client_kwargs.get("verify")
    if verify is False:
        options["allow_invalid_certificates"] = True
    elif bundle := verify or aws_session(fs.kwargs).get_config_variable("ca_bundle"):
        options["root_certificate"] = Path(bundle).read_bytes()
    return options


def _retries(deadlines: Deadlines) -> RetryConfig:
    waits = timedelta(seconds=FIRST_WAIT_S), timedelta(seconds=FIRST_WAIT_S * 2**RETRIES)
    return {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(seconds=deadlines.again_s),
        "backoff": {"init_backoff": waits[0], "max_backoff": waits[1], "base": 2},
    }
