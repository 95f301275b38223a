"""Facts of single resources put together into the four tables."""

from dataclasses import dataclass, field

import polars as pl

from posology.fhir.facts import Facts
from posology.fhir.report import NotMapped, RecordsReport
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy


@dataclass
class Assembly:
    """Joins facts to what they hang on; a fact that hangs on nothing, or comes again, is reported."""

    facts: Facts
    mapped: int = 0
    _unplaced: list[NotMapped] = field(default_factory=list)

    def tables(self, therapy: Therapy) -> Tables:
        """The four tables. Where no bundle lists contents, they are the therapy's catalogue if it has one."""
        patients = self._once("patient")
        described = self._once("description")
        contents = self._once("content")
        measurements = self._of_patients(self._once("measurement"), patients)
        frames = {
            "users": self._users(patients, therapy),
            "measurements": measurements,
            "sessions": self._sessions(patients),
            "contents": contents,
        }
        self.mapped += patients.height + described.height + contents.height + measurements.height
        if contents.is_empty() and described.is_empty() and therapy.catalogue is not None:
            frames["contents"] = catalogue_of(therapy)
        return Tables.conform(therapy, {name: frame.select(pl.exclude("^@.*$")) for name, frame in frames.items()})

    def report(self) -> RecordsReport:
        """What became of every resource; after ``tables``."""
        facts = self.facts
        return RecordsReport(
            resources=facts.resources,
            mapped=self.mapped,
            not_mapped=(*facts.not_mapped, *self._unplaced),
            partly=tuple(facts.partly),
            no_place=dict(sorted(facts.no_place.items())),
        )

    def _users(self, patients: pl.DataFrame, therapy: Therapy) -> pl.DataFrame:
        users = patients
        for kind in ("enrolment", "consent", "intake"):
            said = self._first(
                self._of_patients(self._once(kind), patients), "@patient", f"a second {kind} of its patient"
            )
            users = users.join(
                said.select(pl.exclude("@source", "@resource", "user_id"), pl.lit(True).alias(f"@{kind}")),
                left_on="@resource",
                right_on="@patient",
                how="left",
                maintain_order="left",
            )
            self.mapped += said.height
        self.facts.partly += [
            NotMapped(source, resource, "no EpisodeOfCare of the therapy says since when: enrolled_at is empty")
            for source, resource in users.filter(pl.col("@enrolment").is_null())
            .select("@source", "@resource")
            .iter_rows()
        ]
        return _with_demographics(users, therapy)

    def _sessions(self, patients: pl.DataFrame) -> pl.DataFrame:
        sessions = self._of_patients(self._once("session"), patients)
        answers = self._hanging(self._once("feedback"), "@session", sessions, "a session that did not come")
        answers = self._first(answers, "@session", "a second feedback of its session")
        owners = sessions.select(pl.col("@resource").alias("@session"), pl.col("@patient").alias("@owner"))
        answers = answers.join(owners, on="@session", how="left", maintain_order="left")
        answers = self._keep(answers, pl.col("@patient") == pl.col("@owner"), "its session is another patient's")
        self.mapped += sessions.height + answers.height
        return sessions.join(
            answers.select(pl.exclude("@source", "@resource", "@patient", "@owner")),
            left_on="@resource",
            right_on="@session",
            how="left",
            maintain_order="left",
        )

    def _of_patients(self, facts: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
        known = self._hanging(facts, "@patient", patients, "a patient that did not come")
        owners = patients.select(pl.col("@resource").alias("@patient"), "user_id")
        return known.join(owners, on="@patient", how="left", maintain_order="left")

    def _once(self, kind: str) -> pl.DataFrame:
        facts = self.facts.frame(kind)
        return self._first(facts, "@resource", "the same resource again", unless=pl.col("@resource") == "")

    def _hanging(self, facts: pl.DataFrame, on: str, owners: pl.DataFrame, what: str) -> pl.DataFrame:
        known = owners["@resource"].filter(owners["@resource"] != "")
        return self._keep(facts, pl.col(on).is_in(known.implode()), f"it points at {what}")

    def _first(self, facts: pl.DataFrame, key: str, reason: str, *, unless: pl.Expr | None = None) -> pl.DataFrame:
        first = pl.col(key).is_first_distinct()
        return self._keep(facts, first if unless is None else first | unless, reason)

    def _keep(self, facts: pl.DataFrame, condition: pl.Expr, reason: str) -> pl.DataFrame:
        others = facts.filter(~condition)
        self._unplaced += [
            NotMapped(source, resource, reason)
            for source, resource in others.select("@source", "@resource").iter_rows()
        ]
        return facts.filter(condition)


def _with_demographics(users: pl.DataFrame, therapy: Therapy) -> pl.DataFrame:
    """Sex from gender and age at enrolment from the birth date, for patients without answers to the intake."""
    found: dict[str, pl.Expr] = {}
    sex, age = therapy.user.get("sex"), therapy.user.get("age")
    if sex and sex.kind == "category":
        found["sex"] = pl.when(pl.col("@gender").is_in(list(sex.values or ()))).then(pl.col("@gender"))
    if age and age.kind == "number" and age.unit in {None, "years"}:
        found["age"] = _years(pl.col("@birth_date").str.to_date(strict=False), pl.col("enrolled_at").dt.date())
    return users.with_columns(
        pl.when(pl.col("@intake").is_null()).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in found.items()
    )


def _years(since: pl.Expr, until: pl.Expr) -> pl.Expr:
    """Full years from one date to another."""
    before_birthday = (until.dt.month() * 100 + until.dt.day()) < (since.dt.month() * 100 + since.dt.day())
    return (until.dt.year() - since.dt.year() - before_birthday.cast(pl.Int32)).cast(pl.Float64)
