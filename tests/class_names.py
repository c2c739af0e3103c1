"""Classes of data sets that tests plan studies on."""

from orchestration.studies.known_classes import classes_of

MVTEC, VISA = (tuple(classes_of(name)) for name in ("mvtec", "visa"))
OTHERS = ("ball_screw", "cookie", "hazelnut", "magnetic_tile")
