"""What was decided of a release that is served, as the service reads it: one file that may change while it runs."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from posology.errors import CannotDo
from serving.modes.plan import Plan

log = logging.getLogger("posology.serving")


class Beside(BaseModel):
    """A second release beside the champion. ``share`` of the patients get it; a shadow has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    digest: str
    folder: Path
    mode: Literal["shadow", "canary"]
    share: float


class Standing(BaseModel):
    """Who signed for a release, since when it is live, by which plan, and what runs beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str | None = None
    since: str | None = None
    signatures: tuple[dict[str, Any], ...] = ()
    plan: Plan = Plan()
    beside: Beside | None = None


ALONE = Standing()  # of a release that nobody signed for, such as a test's
Stamp = tuple[int, int] | None  # time of change and place on the disk; None: the file cannot be seen


@dataclass
class StandingFile:
    """The standing as the file has it now; read again when the file was replaced.

    What ran beside may end or widen while the service runs. Anything else, such as
    another release beside, waits for a service that begins with it. A file that is
    lost or damaged meanwhile changes nothing: patients are waiting.
    """

    path: Path | None
    _known: tuple[Stamp, Standing] | None = field(default=None, init=False, repr=False)

    def read(self) -> Standing:
        """The standing now.

        Raises:
            CannotDo: the file cannot be read, at the first time.
        """
        if self.path is None:
            return ALONE
        stamp = _stamp(self.path)
        if self._known is None:
            self._known = stamp, _parse(self.path)
        elif stamp != self._known[0]:
            self._known = stamp, self._parsed_again(self.path, self._known[1])
        return self._known[1]

    def _parsed_again(self, path: Path, before: Standing) -> Standing:
        try:
            return _parse(path)
        except CannotDo as error:
            log.error("%s; what stood before goes on", error)
            return before


def _stamp(path: Path) -> Stamp:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino


def _parse(path: Path) -> Standing:
    try:
        return Standing.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise CannotDo(f"{path} is lost or damaged: expected what `posology promote` writes; promote again") from None
