"""What went wrong with a remote, in words and without the credentials that libraries may repeat."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from posology.errors import CannotDo, NotFound, PosologyError, ServiceDown

TALKERS = ("dvc", "dvc_data", "dvc_objects")
DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidClientTokenId", "403"}
CREDENTIALS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where it is used, AWS_SESSION_TOKEN"


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn whatever DVC or the S3 client raises about a remote into one of our errors, and keep them from talking."""
    from dvc.exceptions import DvcException
    from dvc_objects.errors import ObjectDBError, ObjectFormatError
    from dvc_objects.fs.errors import AuthError

    kinds: tuple[type[Exception], ...] = (DvcException, ObjectDBError, ObjectFormatError, AuthError, OSError)
    if address.startswith("s3://"):
        from botocore.exceptions import BotoCoreError, ClientError

        kinds += (BotoCoreError, ClientError)
    with _silent():
        try:
            yield
        except PosologyError:
            raise
        except kinds as error:
            raise _in_words(error, address) from None


def _in_words(error: Exception, address: str) -> PosologyError:
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    codes = {str(code) for cause in causes if (code := getattr(cause, "response", {}).get("Error", {}).get("Code"))}
    if names & {"NoCredentialsError", "PartialCredentialsError"}:
        return CannotDo(f"{address} asks for credentials: set {CREDENTIALS}")
    if codes & DENIED or "PermissionError" in names:
        return CannotDo(f"{address} denies access: check {CREDENTIALS}, and the permissions of that account")
    if "NoSuchBucket" in codes:
        return NotFound(f"{address}: there is no such bucket; make it or correct POSOLOGY_SNAPSHOT_REMOTE")
    if names & {"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "HTTPClientError"}:
        return ServiceDown(f"{address} does not answer: is it up, and is POSOLOGY_SNAPSHOT_ENDPOINT_URL its address?")
    if names & {"DownloadError", "FileMissingError", "CheckoutError", "ObjectFormatError"}:
        return CannotDo(f"not all of the snapshot is whole in {address}: push it again from where it was taken")
    return CannotDo(f"{address}: {', '.join(sorted(codes)) or type(causes[-1]).__name__}; nothing was changed")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def _silent() -> Iterator[None]:
    """What DVC logs is said by the error; its text may hold addresses and tracebacks."""
    loggers = [logging.getLogger(name) for name in TALKERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
