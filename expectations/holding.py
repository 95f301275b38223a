"""The expectation that Great Expectations lacks: a condition worked out beforehand is true in every row."""

from typing import Any, ClassVar

import numpy as np
from great_expectations.execution_engine import ExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation


class ExpectFactToHold(BatchExpectation):
    """Expect a column of booleans, worked out from several columns, rows or tables, to be true throughout.

    Great Expectations' own way to ask this (values in the set {true}) builds a dozen metrics
    a column and takes thirty times as long on a small frame.
    """

    column: str

    metric_dependencies: ClassVar[tuple[str, ...]] = ()
    success_keys: ClassVar[tuple[str, ...]] = ("column",)
    args_keys: ClassVar[tuple[str, ...]] = ("column",)

    def _validate(
        self,
        metrics: dict[str, Any],  # noqa: ARG002 -- none are asked for
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        """Which rows are false; the engine asks every expectation this."""
        data: Any = execution_engine.batch_manager.active_batch_data if execution_engine else None
        fact = data.dataframe[self.column].to_numpy()
        if fact.dtype != np.bool_ and len(fact):
            raise TypeError(f"{self.column}: expected booleans, got {fact.dtype}")
        rows = np.flatnonzero(~fact.astype(np.bool_)).tolist()
        share = 100 * len(rows) / len(fact) if len(fact) else 0.0
        result = {"element_count": len(fact), "unexpected_count": len(rows), "unexpected_percent": share}
        return {"success": not rows, "result": {**result, "unexpected_index_list": rows}}
