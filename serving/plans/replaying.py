"""A delivered decision of a plan, made again with all that stand before it in the plan."""

from typing import Any

from models.release import Release
from serving.plans.planning import Terms, planned
from serving.ranking import answer
from serving.records import Decision, Plan
from serving.store import Store


def planned_again(release: Release, store: Store, decision: Decision, plan: Plan) -> dict[str, Any]:
    """What the release decides for the decision's place in the plan, on the course as it was known then."""
    place = [item["decision_id"] for item in plan.document["decisions"]].index(decision.decision_id)
    course = store.course(plan.user_id, release.contents, revision=plan.course_revision)
    terms = Terms.from_json(plan.request)
    return answer(release, planned(release, course, terms, now=plan.issued_at)[place].choice)
