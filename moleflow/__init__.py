"""MoLE-Flow: continual anomaly detection with a normalizing flow and one small bank per task."""
