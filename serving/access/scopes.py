"""Who may make which call: one table of paths."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """What a token is for. A token may have several."""

    APP = "app"  # the server of a patients' app: it enrols, asks, shows, reports
    CLINICIAN = "clinician"  # a clinic's system: the same, and it may override a decision
    REVIEWER = "reviewer"  # reads what is served and how it does; nothing of a patient
    OPERATOR = "operator"  # runs the service: watches it, erases


EVERY_SCOPE = frozenset(Scope)
_CARE = frozenset({Scope.APP, Scope.CLINICIAN})
_WATCH = frozenset({Scope.REVIEWER, Scope.OPERATOR})

# Health, and the page a browser loads before anybody could give it a token: nothing of a patient, nothing secret.
_PAGE = ("page.css", "page.js", "asking.js", "form.js", "answer.js", "nodes.js")
OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/", *(f"/page/{file}" for file in _PAGE)})

# A path that is in neither table is no call, whoever asks.
PATH_TO_SCOPES: Mapping[str, frozenset[Scope]] = MappingProxyType(
    {
        "/v1/recommend": _CARE,
        "/v1/session-plan": _CARE,
        "/v1/plan": _CARE,
        "/v1/plan/reconcile": _CARE,
        "/v1/rank": _CARE,
        "/v1/activate": _CARE,
        "/v1/feedback": _CARE,
        "/v1/measurements": _CARE,
        "/v1/users": _CARE,
        "/v1/withdraw": _CARE,
        "/v1/override": frozenset({Scope.CLINICIAN}),
        "/v1/erase": frozenset({Scope.OPERATOR}),
        "/v1/release": EVERY_SCOPE,
        "/v1/therapy": EVERY_SCOPE,
        "/openapi.json": EVERY_SCOPE,
        "/metrics": _WATCH,
    }
)
