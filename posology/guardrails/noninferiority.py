"""Not worse by more than a margin."""

from posology.bootstrap import Interval
from posology.guardrails.finding import Verdict

ROUNDING = 1e-9


def compare_with_margin(excess: Interval, margin: float) -> Verdict:
    """Pass when the whole interval of how much worse it is lies within the margin, fail when it lies beyond.

    In between neither is shown (ICH E9, section 3.3.2; FDA, Non-Inferiority
    Clinical Trials to Establish Effectiveness, 2016). The error rate of a wrong
    pass is half of what the interval leaves out: 2.5 %.
    """
    if excess.high <= margin + ROUNDING:
        return Verdict.PASS
    return Verdict.FAIL if excess.low > margin else Verdict.INSUFFICIENT
