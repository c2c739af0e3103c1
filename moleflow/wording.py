"""How counts are told."""


def counted(number: int, noun: str) -> str:
    """How many of what there are: `1 trial`, `2 trials`, `2 classes`."""
    several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else several}"
