"""G001."""

from dataclasses import dataclass
from typing import ClassVar

from posology.errors import TooSmall, first_few
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Guardrail


@dataclass(frozen=True)
class DataValid(Guardrail):
    """Every rule about whole tables held, and few rows went to quarantine.

    Attributes:
        largest_quarantined_share: of a table's rows, 0 to 1. Rows are not lost
            at random; beyond it what is left may not stand for the patients.
    """

    code: ClassVar[str] = "G001"
    title: ClassVar[str] = "The data are valid"

    largest_quarantined_share: float

    def _answer(self, evidence: Evidence) -> Answer:
        data = evidence.data
        if data is None or not any(rows.total for rows in data.tables.values()):
            raise TooSmall("nothing is known of the data: validate them first")
        shares = {table: rows.quarantined / rows.total for table, rows in data.tables.items() if rows.total}
        worst = max(shares, key=lambda table: shares[table])
        figures = {f"quarantined_share_{table}": share for table, share in shares.items()}
        if data.failed_table_rules:
            return Answer(Verdict.FAIL, f"table rules did not hold: {first_few(data.failed_table_rules)}", {**figures})
        within = shares[worst] <= self.largest_quarantined_share
        share = f"{shares[worst]:.2%} of the rows of {worst} are" if shares[worst] else "no row is"
        said = f"{share} in quarantine; at most {self.largest_quarantined_share:.2%} is allowed"
        return Answer(Verdict.PASS if within else Verdict.FAIL, said, {**figures})
