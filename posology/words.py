"""What patients are told about a choice, in the therapy's own words.

A sentence may name attributes of the content; nothing of the patient can
stand in it, whatever the file says.
"""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from posology.checked_file import Misplaced
from posology.errors import first_few

TITLE = "title"
SENTENCES = ("chosen", "safe_default", "never_measured")
LONGEST = 300


class Words(BaseModel):
    """One sentence for each kind of answer, and the contents' names as patients read them.

    ``safe_default`` is said when nothing else can be given, ``never_measured``
    when that is so because no reading was taken yet; ``safe_default`` when it
    is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chosen: str = Field(min_length=1, max_length=LONGEST)
    safe_default: str = Field(min_length=1, max_length=LONGEST)
    never_measured: str | None = Field(default=None, min_length=1, max_length=LONGEST)
    titles: dict[str, str] = {}

    def check(self, allowed: set[str], content_ids: list[str] | None) -> None:
        """Raise ``Misplaced`` for a name that is no attribute of a content, or a content without its title.

        Args:
            allowed: columns of the content.
            content_ids: of the catalogue; None when the contents come as a table.
        """
        for name, sentence in self._sentences():
            for place in _places(name, sentence):
                if place not in {TITLE, "content_id", *allowed}:
                    known = first_few([TITLE, "content_id", *sorted(allowed)], 12)
                    raise Misplaced(f"{{{place}}} is not an attribute of a content; expected one of {known}", name)
        if content_ids is None:
            return
        if unknown := sorted(set(self.titles) - set(content_ids)):
            raise Misplaced(f"{first_few(unknown)} is not in the catalogue", "titles")
        untitled = [each for each in content_ids if each not in self.titles]
        if untitled and any(TITLE in _places(*each) for each in self._sentences()):
            raise Misplaced(f"contents without a title: {first_few(untitled)}", "titles")

    def say(self, kind: str, content: Mapping[str, Any]) -> str | None:
        """The sentence of a kind about a content; None where it names what the content lacks."""
        sentence = getattr(self, kind) or self.safe_default
        known = {**content, TITLE: self.titles.get(content["content_id"])}
        named = {place: known.get(place) for place in _places(kind, sentence)}
        if any(value is None for value in named.values()):
            return None
        return sentence.format(**{place: _legible(value) for place, value in named.items()})

    def _sentences(self) -> Iterator[tuple[str, str]]:
        for name in SENTENCES:
            sentence = getattr(self, name)
            if sentence is not None:
                yield name, sentence


def _places(name: str, sentence: str) -> list[str]:
    """The names in braces."""
    try:
        parts = list(Formatter().parse(sentence))
    except ValueError as error:
        raise Misplaced(f"{error}; a brace that is meant is written twice", name) from error
    if any(form or how for _, place, form, how in parts if place is not None):
        raise Misplaced("expected a name alone in braces, like {title}", name)
    return [place for _, place, _, _ in parts if place is not None]


def _legible(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
