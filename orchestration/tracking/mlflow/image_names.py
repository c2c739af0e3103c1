"""What images are called in MLflow's views."""

from orchestration.tracking.mlflow.naming import called

SECTION = "anomaly_maps"


def image_key(name: str) -> str:
    """Of a class's images, which has the name that it has in metrics."""
    return f"{SECTION}/{called(name)}"
