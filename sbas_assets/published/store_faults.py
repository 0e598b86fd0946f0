"""The faults of stores as errors that a person can act on.

Belongs here: reading what fsspec, s3fs, botocore, obstore and the operating system raise. Does not belong here: the
deadlines that turn silence into a fault (`deadlines`).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sbas_assets.errors import InputError, OutsideError, SbasError

# Classes of botocore, aiohttp, obstore and Python, by name: importing them takes longer than reading a folder.
_UNREACHABLE = frozenset(
    {
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "ClientConnectionError",
        "ClientPayloadError",
        "TimeoutError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ResponseParserError",
        "IncompleteReadError",
    }
)
_FORBIDDEN = frozenset(
    {
        "PermissionError",
        "PermissionDeniedError",
        "UnauthenticatedError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "SSOTokenLoadError",
        "ConfigParseError",
    }
)
_INVALID = frozenset({"NotImplementedError", "ParamValidationError", "InvalidPathError"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EROFS, errno.EPERM})
_BUSY = frozenset({errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO)})
_MISPLACED = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG})

# Codes and statuses of S3 servers: Amazon's, Ceph's, MinIO's.
_FULL_CODES = frozenset(
    {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
)
_REGION_CODES = frozenset({"PermanentRedirect", "IllegalLocationConstraintException"})
_FORBIDDEN_CODES = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "TokenRefreshRequired"}
)
_PASSING_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"})
_PASSING_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})
_NO_REGION = "incorrectly configured region"

# obstore has no fields: what the server said is in the text
_STATUS = re.compile(r"status code: (\d{3})\b")
_CODE = re.compile(r"<Code>([^<]+)</Code>|\(code: (\w+)\)")
_MESSAGE = re.compile(r"<Message>([^<]+)</Message>")
_REQUEST = re.compile(r"Error performing (\w+ \S+) in ")
_CAUSE = re.compile(r'(?:message|error): "([^"]+)"|InvalidCertificate\(\s*(\w+)|kind: (Timeout)\b')


@dataclass(frozen=True)
class Answer:
    """What a server said: the HTTP status, S3's code and the message, where there were any."""

    status: int | None = None
    code: str = ""
    message: str = ""


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
        ``store-permission``, ``store-bucket-missing``, ``store-clock-skewed``, ``store-region-wrong``,
        ``store-certificate-invalid``, ``store-refused`` or ``store-url-invalid``.
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


def is_passing(error: BaseException) -> bool:
    """Tell whether the same request may succeed some seconds later: no answer, a broken one, or a busy server."""
    answer = answer_of(error)
    if answer.code in _PASSING_CODES:
        return True
    if answer.status is not None or answer.code:
        return answer.status in _PASSING_STATUSES
    names, numbers = _marks(error)
    if _is_distrust(error, names):
        return False
    # what obstore has no class for, silence above all, is its GenericError
    return bool(names & _UNREACHABLE or numbers & _BUSY or ("GenericError" in names and _is_of_obstore(error)))


def bucket_missing(error: BaseException) -> bool:
    """Tell a missing bucket from a missing object."""
    return answer_of(error).code == "NoSuchBucket"


def conflict(url: str, path: str) -> OutsideError:
    """Return the error for an object that somebody else has written meanwhile."""
    return OutsideError(
        "store-conflict",
        f"another process was faster to write this object of {url}",
        mend="run again: what is there now is looked at first",
        path=path,
    )


def url_error(url: str, reason: str) -> InputError:
    """Return the error for a URL, or an endpoint, that leads nowhere."""
    return InputError(
        "store-url-invalid",
        f"the store's URL {url!r} cannot be used: {reason}",
        mend="set SBAS_STORE to a folder, or to s3://bucket/prefix, and AWS_ENDPOINT_URL to http(s)://host:port",
    )


def answer_of(error: BaseException) -> Answer:
    """Return what an S3 or a web server said, if an exception, or what caused it, holds that."""
    for link in _chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            said = response["Error"]
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return Answer(status, str(said.get("Code", "")), str(said.get("Message") or ""))
        if _is_of_obstore(link):
            text = str(link)
            number, code, message = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text)
            words = (code[1] or code[2]) if code else ""
            return Answer(int(number[1]) if number else None, words, message[1] if message else "")
        if type(link).__name__ == "ClientResponseError":
            # aiohttp's, of a store at a web address
            return Answer(getattr(link, "status", None), "", str(getattr(link, "message", "")))
    return Answer()


def _translate(url: str, error: Exception) -> SbasError | None:
    """Return the fault that an exception, or what caused it, stands for."""
    names, numbers = _marks(error)
    answer, reason = answer_of(error), _reason(error)
    fault: SbasError | None = _hidden_fault(url, error, answer, reason)
    if fault is not None:
        return fault
    if numbers & _FULL or answer.code in _FULL_CODES or answer.status == 507:
        fault = OutsideError("store-full", f"{url} is full: {reason}", mend="free space there, then run again")
    elif _is_forbidden(error, answer):
        fault = InputError(
            "store-permission",
            f"{url} refuses access: {reason}",
            mend="check the AWS_* credentials and the bucket's policy, or the folder's permissions",
        )
    elif is_passing(error):
        fault = OutsideError(
            "store-unreachable",
            f"{url} does not answer: {reason}",
            mend="check the network, AWS_ENDPOINT_URL and that the server runs; the step is tried again",
        )
    elif numbers & _MISPLACED or names & _INVALID or answer.code == "InvalidBucketName":
        fault = url_error(url, reason)
    elif answer.status is not None and answer.status >= 400 and answer.code != "NoSuchKey":
        fault = InputError(
            "store-refused",
            f"{url} refused a request: {reason}",
            mend="check that AWS_ENDPOINT_URL is an S3 server's address, and what that server's log says",
        )
    return fault


def _hidden_fault(url: str, error: Exception, answer: Answer, reason: str) -> InputError | None:
    """Return the fault of a bucket, a clock or a region, which S3 hides behind statuses of other faults."""
    if answer.code == "NoSuchBucket":
        return InputError(
            "store-bucket-missing", f"the bucket of {url} does not exist", mend="create it, or correct SBAS_STORE"
        )
    if answer.code == "RequestTimeTooSkewed":
        return InputError(
            "store-clock-skewed",
            f"{url} refuses access because this machine's clock is wrong: {reason}",
            mend="set the clock, for instance with `timedatectl set-ntp true`",
        )
    malformed = answer.code == "AuthorizationHeaderMalformed" and "region" in answer.message
    elsewhere = answer.status is not None and answer.status // 100 == 3
    if malformed or elsewhere or answer.code in _REGION_CODES or _NO_REGION in str(error):
        return InputError(
            "store-region-wrong",
            f"{url} is in another region or at another address: {reason}",
            mend="set AWS_DEFAULT_REGION to the bucket's region, and AWS_ENDPOINT_URL to the final address (https)",
        )
    if _is_distrust(error, _marks(error)[0]):
        return InputError(
            "store-certificate-invalid",
            f"the certificate of {url} is not accepted: {reason}",
            mend="set AWS_CA_BUNDLE to a file with the certificate of the server's authority",
        )
    return None


def _is_distrust(error: BaseException, names: set[str]) -> bool:
    """Tell whether the server's certificate was not accepted."""
    return "SSLCertVerificationError" in names or (_is_of_obstore(error) and "InvalidCertificate" in str(error))


def _is_forbidden(error: Exception, answer: Answer) -> bool:
    if answer.status is not None or answer.code:
        return answer.status in {401, 403} or answer.code in _FORBIDDEN_CODES
    names, numbers = _marks(error)
    return bool(names & _FORBIDDEN or numbers & _REFUSED)


def _reason(error: Exception) -> str:
    """Return what went wrong in a line: in the server's words if it said any."""
    answer = answer_of(error)
    said = ": ".join(filter(None, [answer.code, answer.message.strip()]))
    return "; ".join([said or _words(error), *getattr(error, "__notes__", [])])


def _words(error: Exception) -> str:
    text = str(error)
    if request := _REQUEST.search(text):
        # the cause is many lines below, among obstore's own structures
        causes = _CAUSE.findall(text)
        words, certificate, silence = causes[-1] if causes else ("", "", "")
        told = words or certificate or (silence and "no answer in time")
        return f"{request[1]}: {told or text.splitlines()[0].rsplit(' - ', 1)[-1]}"
    if isinstance(error, TimeoutError) and not text:
        return "no answer in time"
    return text.split("\n", 1)[0].strip() or type(error).__name__


def _marks(error: BaseException) -> tuple[set[str], set[int | None]]:
    """Return the names of the classes, and the system's error numbers, of an exception and what caused it."""
    names = {base.__name__ for link in _chain(error) for base in type(link).__mro__}
    return names, {link.errno for link in _chain(error) if isinstance(link, OSError)}


def _is_of_obstore(error: BaseException) -> bool:
    """Tell whether obstore raised an exception; what is not there is Python's own FileNotFoundError."""
    return type(error).__module__.startswith("obstore") or (
        isinstance(error, FileNotFoundError) and "Error performing" in str(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
