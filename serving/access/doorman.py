"""Who is calling: the tokens that are known, and what each may still do."""

import hmac
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from posology.errors import ServiceDown
from serving.access.buckets import Bucket
from serving.access.tokens import Token, digest_of, id_in
from serving.ranking import where

REFRESH_SECONDS = 2.0  # a token that was revoked anywhere opens nothing after that

log = logging.getLogger("posology.serving")


class Doorman:
    """Knows the tokens of the store, as read last, and the one the service was started with.

    A call never waits for the database: the tokens are read beside the calls.
    While the database does not answer, those read last are believed; nobody
    can revoke one then either.
    """

    def __init__(self, first: Token, read: Callable[[], Iterable[Token]], clock: Callable[[], datetime]) -> None:
        self._first, self._read, self._clock = first, read, clock
        self._known: dict[str, Token] | None = None
        self._buckets: dict[str, Bucket] = {}
        self._is_fresh = True
        self._stopped = threading.Event()

    def refresh(self) -> None:
        """Read the tokens again; those known are believed when that fails."""
        try:
            self._known = {token.token_id: token for token in self._read()}
        except Exception as error:  # whatever broke, revocations must be seen once it is mended
            if self._is_fresh:  # said once, not every two seconds of an outage
                log.warning("the tokens could not be read, those known are believed: %s", where(error))
            self._is_fresh = False
        else:
            self._is_fresh = True

    def keep_fresh(self) -> threading.Thread:
        """Read them again every ``REFRESH_SECONDS`` until ``stop``."""
        thread = threading.Thread(target=self._refresh_until_stopped, name="tokens", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End what ``keep_fresh`` began."""
        self._stopped.set()

    def who(self, authorizations: Sequence[bytes]) -> Token | None:
        """The token that a call carries, when it is valid now; None when there is none, or there are several.

        Args:
            authorizations: the values of every ``Authorization`` header.

        Raises:
            ServiceDown: it may be one of the store, which could not be read yet.
        """
        if len(authorizations) != 1:
            return None
        kind, _, came = authorizations[0].partition(b" ")
        said = id_in(came)
        if self._known is None and said:
            raise ServiceDown("the tokens could not be read yet; try again in a moment")
        token = (self._known or {}).get(said, self._first)  # an unknown id costs the time of a known one
        is_it = hmac.compare_digest(digest_of(came), token.digest)
        return token if is_it and kind.lower() == b"bearer" and token.is_valid(self._clock()) else None

    def wait_seconds(self, token: Token) -> float:
        """Count a call of a token; 0, or how long its caller has to wait before the next."""
        if token.calls_per_second is None:
            return 0.0
        bucket = self._buckets.get(token.token_id)
        if bucket is None or bucket.per_second != token.calls_per_second:
            bucket = self._buckets[token.token_id] = Bucket(token.calls_per_second)
        return bucket.take()

    def _refresh_until_stopped(self) -> None:
        while not self._stopped.wait(REFRESH_SECONDS):
            self.refresh()
