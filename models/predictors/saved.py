"""CatBoost models as files: equal bytes for equal models."""

import json
from pathlib import Path

from catboost import CatBoost

from posology.digests import canonical_json

# Metadata that differ between equal models; so does the number of threads.
VARYING = ("model_guid", "train_finish_time")


def save_catboost(model: CatBoost, path: Path) -> None:
    """Write a ``.cbm``."""
    metadata = model.get_metadata()
    params = json.loads(metadata["params"])
    for place in ("system_options", "flat_params"):
        params[place]["thread_count"] = 1
    metadata["params"] = canonical_json(params)
    for key in VARYING:
        metadata[key] = ""
    model.save_model(str(path))
    type(model)().load_model(str(path)).save_model(str(path))  # a model just fitted is packed differently
