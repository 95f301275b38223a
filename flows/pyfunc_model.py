"""The code that MLflow stores beside a predictor: table rows in, predictions out.

MLflow runs this file when the model is loaded; nothing else imports it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from models.release import Release
from models.table_rows import tables_from
from models.targets import TARGETS


class PredictorOfRows(PythonModel):
    """Predicts, for every row of the table ``sessions``, what its content brings at that moment of the course."""

    def load_context(self, context: Any) -> None:
        """Load the predictor with its therapy and contents."""
        self.release = Release.load(Path(context.artifacts["release"]))
        self.target = next(target for target in TARGETS if getattr(self.release, target))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """``decision_id``, ``mean``, ``low``, ``high``, one row a session.

        ``model_input`` holds rows of users, measurements and sessions (and of contents, else those of the
        release count), told apart by its column ``table``; times are UTC without a zone.
        """
        release = self.release
        tables = tables_from(release.therapy, model_input, release.contents)
        features = release.features.of_given(tables, np.arange(tables.sessions.height))
        predictions = getattr(release, self.target).predict(features)
        found = pd.DataFrame(predictions, columns=["mean", "low", "high"])
        return pd.DataFrame({"decision_id": tables.sessions["decision_id"].to_list()}).join(found)


set_model(PredictorOfRows())
