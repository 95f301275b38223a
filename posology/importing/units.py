"""Units of one dimension and how they convert, by exact factors only.

Factors of time and mass are those of the SI brochure (BIPM 2019, table 8),
of inch, foot, pound and ounce the international agreement of 1959. A month
and a year are counted as a twelfth of, and one, Julian year of 365.25 days.
"""

from fractions import Fraction

_DAY = 86_400
FACTORS = {  # in the base unit of its dimension
    "time": {
        "microseconds": Fraction(1, 1_000_000),
        "milliseconds": Fraction(1, 1_000),
        "seconds": Fraction(1),
        "minutes": Fraction(60),
        "hours": Fraction(3_600),
        "days": Fraction(_DAY),
        "weeks": Fraction(7 * _DAY),
        "months": Fraction(1_461 * _DAY, 48),
        "years": Fraction(1_461 * _DAY, 4),
    },
    "length": {
        "mm": Fraction(1, 1_000),
        "cm": Fraction(1, 100),
        "m": Fraction(1),
        "km": Fraction(1_000),
        "inches": Fraction(254, 10_000),
        "feet": Fraction(3_048, 10_000),
    },
    "mass": {
        "mg": Fraction(1, 1_000_000),
        "g": Fraction(1, 1_000),
        "kg": Fraction(1),
        "ounces": Fraction(28_349_523_125, 10**12),
        "pounds": Fraction(45_359_237, 10**8),
    },
    "share": {"fraction": Fraction(1), "percent": Fraction(1, 100)},
}


def factor(came: str, wanted: str) -> Fraction:
    """What numbers in one unit are multiplied by to be in the other; exact.

    Raises:
        ValueError: a unit is not known, or they measure different things.
    """
    if came == wanted:
        return Fraction(1)
    for units in FACTORS.values():
        if came in units and wanted in units:
            return units[came] / units[wanted]
    known = "; ".join(f"{dimension}: {', '.join(units)}" for dimension, units in FACTORS.items())
    raise ValueError(f"{came} cannot be converted to {wanted}; an expression can; known are {known}")
