"""Python imports this when it starts, where tests put its folder on PYTHONPATH."""

import os

if "NEMESIS" in os.environ:
    import nemesis_shim

    nemesis_shim.install(os.environ["NEMESIS"])
