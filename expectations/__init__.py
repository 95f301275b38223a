"""What data must satisfy before anything is learned from them."""

from expectations.codes import CODES, Code, Thresholds
from expectations.findings import Count, Failure, Validation
from expectations.validation import validate

__all__ = ["CODES", "Code", "Count", "Failure", "Thresholds", "Validation", "validate"]
