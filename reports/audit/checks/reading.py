"""What no printed number decides: it was read in code, logs or documents."""

from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Finding, Verdict


def reading(claim: Claim) -> Finding:
    """Nothing is recomputed; what was read is quoted."""
    if claim.recorded:
        return Finding(
            Verdict.UNCHECKABLE, f"no number is printed that decides it; read was: {claim.recorded}"
        )
    return Finding(Verdict.UNCHECKABLE, "no number is printed that decides it")


ALSO = (
    *("is it measured", "script", "status", "comparison", "seeds", "direction", "which run"),
    *("assumption", "against", "logged", "size against", "fm of", "effect", "trainable values"),
)
CHECKS = (Check("reading", ALSO, "anything", reading),)
