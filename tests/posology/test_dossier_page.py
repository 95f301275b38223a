"""The dossier is one page that says everything, needs nothing and can be trusted with any text."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posology.dossier import (
    DataFacts,
    Dossier,
    Estimate,
    Figure,
    GroupRow,
    SkillRow,
    SkillTable,
    TherapyFacts,
    ValueRow,
    numbers,
    render,
)
from posology.dossier import figures as plots
from posology.dossier.patients import patients_rows
from posology.guardrails import Finding, Verdict, overall
from posology.therapy import Column, Therapy
from posology.therapy_file import load_therapy

VOID = {"meta", "img", "br", "link", "input", "path", "circle"}


def finding(code: str, verdict: Verdict, explanation: str = "because of the numbers", **figures: float) -> Finding:
    return Finding(code, f"Question {code}?", verdict, explanation, figures)


@cache
def plot() -> Figure:
    return plots.weight_plot(np.ones(30), policy="candidate")


def dossier(*findings: Finding, **changes: object) -> Dossier:
    findings = findings or (finding("G001", Verdict.PASS, patients=120),)
    plain = Dossier(
        title="Training of attention",
        therapy=TherapyFacts("attention", "Training of attention", 3, "constrained", "MMSE", "higher", 1.4, 0.5),
        release="attention-0123456789ab",
        digests={"release": "ab" * 32, "therapy": "cd" * 32},
        data_version="d4c1f0",
        as_of=datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
        git_commit="774a51e",
        author="R. Weber",
        verdict=overall(findings),
        findings=findings,
        data=DataFacts(120, 3400, 260, 9, {"D003 sessions": 4}),
        split="By patient and forward in time.",
        skills=(
            SkillTable(
                "Feedback",
                (SkillRow("boosting", Estimate(0.11, 0.10, 0.12), Estimate(0.4, 0.3, 0.5), is_candidate=True),),
                "mean absolute error",
                "R²",
                "60 patients",
            ),
        ),
        policies=(ValueRow("candidate", "doubly robust", Estimate(0.6, 0.5, 0.7), 812.0, 0.61, is_candidate=True),),
        value_unit="feedback",
        logged_value=0.55,
        content_mix={"rest": {"logged": 0.2, "candidate": 0.1}, "memory": {"logged": 0.8}},
        figures=(plot(),),
        limitations=("No comment was read.",),
        software={"catboost": "1.2.10"},
        commands=("dvc repro",),
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def words(html: str) -> str:
    return re.sub(r"[ \n]+", " ", Page(html).text)


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (Verdict.PASS, "Every guardrail that applies passed (2). The release may be signed for."),
        (Verdict.FAIL, "Of 2 guardrails that apply, 1 failed. The release cannot be promoted."),
        (Verdict.INSUFFICIENT, "Of 2 guardrails that apply, 1 could not be answered with this data."),
    ],
)
def test_the_verdict_stands_on_top_in_words_and_by_a_sign(verdict: Verdict, sentence: str) -> None:
    html = render(
        dossier(finding("G001", Verdict.PASS), finding("G002", verdict), finding("G3", Verdict.NOT_APPLICABLE))
    )
    banner = html[html.index('<div class="banner') : html.index('<dl class="facts')]
    assert verdict.value.capitalize() in words(banner)
    assert sentence in words(banner)
    assert "<svg" in banner
    assert html.index('class="banner') < html.index("What you sign") < html.index('id="guardrails"')


def test_guardrails_that_block_come_first_and_are_linked_from_the_banner() -> None:
    html = render(dossier(finding("G001", Verdict.PASS), finding("G007", Verdict.FAIL)))
    assert 'href="#G007"' in html
    assert 'href="#G001"' not in html
    assert html.index('id="G007"') < html.index('id="G001"')


def test_a_dossier_cannot_say_better_than_its_findings() -> None:
    with pytest.raises(ValueError, match="the verdict of these findings is fail, not pass"):
        dossier(finding("G001", Verdict.FAIL), verdict=Verdict.PASS)
    with pytest.raises(ValueError, match="insufficient evidence"):
        dossier(findings=(), verdict=Verdict.PASS)


def test_what_is_signed_is_every_digest_in_full() -> None:
    html = render(dossier())
    assert "ab" * 32 in html
    assert "cd" * 32 in html
    assert "posology review sign attention-0123456789ab" in html


def test_every_part_of_the_evidence_is_on_the_page() -> None:
    text = words(render(dossier()))
    for part in (
        "MMSE, higher is better",
        "smallest important change 1.4 points",
        "non-inferiority margin 0.5 points",
        "4 May 2026, 09:30 UTC",
        "0.110 (0.100 to 0.120)",
        "doubly robust 0.600 (0.500 to 0.700) 812 0.610",
        "D003 sessions 4",
        "By patient and forward in time.",
        "No comment was read.",
        "774a51e",
        "catboost 1.2.10",
        "dvc repro",
        "patients 120",
        "R. Weber",
    ):
        assert part in text, part


def test_what_is_not_there_leaves_no_empty_section() -> None:
    bare = dossier(skills=(), policies=(), figures=(), content_mix={}, limitations=(), logged_value=None, as_of=None)
    html = render(dataclasses.replace(bare, therapy=TherapyFacts("a", "A", 1, "feedback")))
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", html)
    assert headings == ["What you sign", "Guardrails", "Data", "To get the same again"]
    assert "judged by feedback alone" in html
    assert "no data yet" in html


def test_the_page_needs_nothing_from_outside() -> None:
    html = render(dossier())
    page = Page(html)
    assert not page.all("script")
    assert not page.all("link")
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in page.all("img"))  # type: ignore[union-attr]
    assert all(link["href"].startswith("#") for link in page.all("a"))  # type: ignore[union-attr]
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_the_page_can_be_heard_and_walked_by_keyboard() -> None:
    page = Page(render(dossier()))
    assert page.open == []
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    assert all(head.get("scope") in {"col", "row"} for head in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"].removeprefix("#") for link in page.all("a")]  # type: ignore[union-attr]
    assert set(targets) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_colours_have_the_contrast_that_reading_needs() -> None:
    css = render(dossier())
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))
    for kind in ("pass", "fail", "insufficient", "not-applicable"):
        assert contrast(colour[kind], "#ffffff") >= 4.5
        assert contrast(colour[kind], colour[f"{kind}-soft"]) >= 4.5
    assert contrast(colour["quiet"], colour["paper"]) >= 4.5


HOSTILE = '<script>alert("x")</script>\'&{{ 7*7 }}</style>'


def test_no_text_can_become_markup() -> None:
    bad = finding("G001", Verdict.FAIL, explanation=HOSTILE)
    html = render(
        dossier(
            dataclasses.replace(bad, title=HOSTILE, figures={HOSTILE: HOSTILE}),
            title=HOSTILE,
            author=HOSTILE,
            release=HOSTILE,
            split=HOSTILE,
            digests={HOSTILE: HOSTILE},
            limitations=(HOSTILE,),
            commands=(HOSTILE,),
            content_mix={HOSTILE: {HOSTILE: 1.0}},
            therapy=TherapyFacts(HOSTILE, HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE, 1.0, 1.0),
        )
    )
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert "49" not in words(html)
    assert html.count("&lt;script&gt;") > 10


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    html = render(dossier(author=text, figures=()))
    assert text in Page(html).text


def test_equal_dossiers_give_equal_pages() -> None:
    assert render(dossier()) == render(dossier())


def test_a_long_catalogue_is_summed_after_thirty_contents() -> None:
    mix = {f"content {place:02}": {"candidate": 1 / 50} for place in range(50)}
    text = words(render(dossier(content_mix=mix)))
    assert "content 29" in text
    assert "content 30" not in text
    assert f"20 more contents {numbers.percent(0.4)}" in text


def test_facts_of_a_therapy_are_those_of_its_file() -> None:
    therapy = Therapy.model_validate(
        {
            "name": "a",
            "title": "A",
            "version": 2,
            "status": {
                "instrument": "THI",
                "minimum": 0,
                "maximum": 100,
                "better": "lower",
                "smallest_important_change": 7,
                "final_after_days": 90,
                "final_window_days": 20,
            },
            "safety": {"safe_default": "rest"},
            "objective": "status",
            "exploration": {"floor": 0.1, "temperature": 0.1},
        }
    )
    assert TherapyFacts.of(therapy) == TherapyFacts("a", "A", 2, "status", "THI", "lower", 7.0, None, "rest")


def test_every_rule_and_cap_is_shown_with_its_reason() -> None:
    facts = TherapyFacts.of(load_therapy("mci"))
    assert len(facts.safety) == len(load_therapy("mci").safety.rules) + 3
    text = words(render(dossier(therapy=facts)))
    for line in facts.safety:
        assert line.says in text
        assert line.because in text
    assert "The therapy declares no rule and no cap." in words(
        render(dossier(therapy=dataclasses.replace(facts, safety=())))
    )


def test_groups_are_shown_and_one_too_small_has_no_numbers() -> None:
    known = GroupRow(
        "F", "sex: female", 60, Estimate(0.06, 0.05, 0.07), Estimate(0.0, -0.1, 0.1), Estimate(0.9, 0.8, 1)
    )
    text = words(render(dossier(groups=(known, GroupRow("F", "sex: unknown", 2)))))
    assert "sex: female F 60 0.060 (0.050 to 0.070)" in text
    assert "sex: unknown F 2 – – –" in text


def test_patients_are_summed_up_and_small_counts_are_withheld() -> None:
    columns = {
        "age": Column(kind="number", minimum=0, maximum=110, unit="years"),
        "sex": Column(kind="category", values=("female", "male")),
        "alone": Column(kind="boolean"),
        "note": Column(kind="text"),
    }
    many = pl.DataFrame(
        {"age": [*range(60, 80), None], "sex": ["female"] * 18 + ["male"] * 3, "alone": [True] * 21, "note": ["x"] * 21}
    )
    rows = patients_rows(columns, many, many.head(5))
    assert [row.column for row in rows] == ["age, years", "sex", "alone"]
    age, sex, alone = (row.learned_from.replace(numbers.THIN_SPACE, " ") for row in rows)
    assert age == "median 69.5 (64.8 to 74.2)"
    assert sex == "female 86 %, male under 52 %"
    assert alone == "yes 100 %"
    assert {row.judged_on for row in rows} == {"fewer than 11 patients"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (True, "yes"),
        (12043, "12\u2009043"),
        (0.1234, "0.123"),
        (-4.5678, "−4.57"),
        (0.0, "0"),
        (1234.5, "1\u2009234"),
        (0.00001, "1.0e−05"),
        (float("nan"), "not finite"),
        ("as text", "as text"),
    ],
)
def test_numbers_read_as_people_write_them(value: object, shown: str) -> None:
    assert numbers.number(value) == shown


def test_the_numbers_of_an_interval_share_their_precision() -> None:
    assert numbers.interval(Estimate(0.21, -0.71, 1.134)) == "0.21 (−0.71 to 1.13)"
    assert numbers.interval(Estimate(0.5)) == "0.500"


@pytest.mark.parametrize(
    ("text", "shown"), [("too few patients", "Too few patients."), ("Mf is known.", "Mf is known.")]
)
def test_an_explanation_reads_as_a_sentence(text: str, shown: str) -> None:
    assert numbers.sentence(text) == shown


def test_times_are_shown_in_utc() -> None:
    summer = datetime(2026, 7, 1, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert numbers.moment(summer) == "30 June 2026, 23:05 UTC"


@pytest.mark.parametrize(("low", "high"), [(0.2, None), (0.6, 0.4)])
def test_an_interval_that_cannot_be_is_refused(low: float, high: float | None) -> None:
    with pytest.raises(ValueError, match="interval"):
        Estimate(0.5, low, high)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
