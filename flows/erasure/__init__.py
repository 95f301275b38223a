"""One patient out of everything a home keeps, with a receipt."""

from flows.erasure.erasing import Receipt, erase, erase_pending
from flows.erasure.tombstones import refuse_erased

__all__ = ["Receipt", "erase", "erase_pending", "refuse_erased"]
