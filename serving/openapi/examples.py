"""What a call that takes no body answers, as an example."""

from typing import Any

from serving.shapes import Bodies

SHOWN = 2  # contents: all of them would fill pages


def example_of(name: str, bodies: Bodies) -> dict[str, Any]:
    """Of a call's answer, by the call's name; empty where the therapy does not tell it."""
    return {"example": _therapy(bodies)} if name == "therapy" else {}


def _therapy(bodies: Bodies) -> dict[str, Any]:
    declared = bodies.therapy.model_dump(mode="json", exclude_none=True)
    catalogue = declared.get("catalogue") or [{"content_id": each} for each in bodies.content_ids]
    shown = {each["content_id"] for each in catalogue[:SHOWN]}
    if titles := declared.get("words", {}).get("titles"):
        declared["words"]["titles"] = {each: title for each, title in titles.items() if each in shown}
    return {**declared, "catalogue": catalogue[:SHOWN]}
