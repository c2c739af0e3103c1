"""Studies and plans on disk, by the name that scripts have imported them from so far."""

from orchestration.records.plans import plan_of, read_plan
from orchestration.studies.catalog import known_studies, load_study

__all__ = ["known_studies", "load_study", "plan_of", "read_plan"]
