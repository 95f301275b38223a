"""What data must satisfy before anything is learned from them."""

from expectations.codes import CODES, Code
from expectations.findings import Count, Failure, Validation
from expectations.thresholds import Thresholds
from expectations.validation import validate

__all__ = ["CODES", "Code", "Count", "Failure", "Thresholds", "Validation", "validate"]
