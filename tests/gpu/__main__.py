"""`python -m tests.gpu`."""

from tests.gpu.run import main

raise SystemExit(main())
