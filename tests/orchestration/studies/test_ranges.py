"""Values written short are those that were typed, to the last digit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moleflow.errors import StudyError
from orchestration.studies.ranges import read_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("0:4", [0, 1, 2, 3, 4]),
        ("4:0:-2", [4, 2, 0]),
        ("1:2:0.5", [1.0, 1.5, 2.0]),
        ("0:1:0.4", [0.0, 0.4, 0.8]),
        ("1e-5:1e-3:log3", [1e-5, 1e-4, 1e-3]),
        ("1:2:log3", [1.0, 1.41421356237, 2.0]),
        ("0,0.3,0.7", [0, 0.3, 0.7]),
        ("0, 2:4 ,9", [0, 2, 3, 4, 9]),
        ("whitening,film", ["whitening", "film"]),
        ("true,off", [True, "off"]),
        ("[0.5,2.0],[0.9,1.1]", [[0.5, 2.0], [0.9, 1.1]]),
        ('["layer2","layer3"]', [["layer2", "layer3"]]),
        ('"a,b",c', ["a,b", "c"]),
    ],
)
def test_values_are_those_that_were_typed(text: str, values: list[Any]) -> None:
    found = read_values(text, "field")
    assert list(found) == values and list(map(type, found)) == list(map(type, values))


@given(st.integers(-50, 50), st.integers(1, 60), st.integers(1, 4))
def test_a_range_of_decimals_holds_the_decimals_themselves(
    first: int, count: int, digits: int
) -> None:
    def decimal(number: int) -> str:
        return (
            f"{'-' * (number < 0)}{abs(number) // 10**digits}.{abs(number) % 10**digits:0{digits}}"
        )

    typed = [decimal(first + i) for i in range(count + 1)]
    found = read_values(f"{typed[0]}:{typed[-1]}:{decimal(1)}", "field")
    assert found == tuple(map(float, typed))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.5:0.1:0.1", "goes nowhere"),
        ("4:0", "write 4:0:-1"),
        ("0:4:0", "goes nowhere"),
        ("3:3", "goes nowhere"),
        ("0.1:0.5", "needs a step"),
        ("0:1e-3:log3", "two positive numbers"),
        ("1e-3:1e-3:log3", "goes nowhere"),
        ("1e-5:1e-3:log1", "goes nowhere"),
        ("0:1:1e-9", "more than 100000 values"),
        ("0:99999999999999999999999999999999:1", "more than 100000 values"),
        ("0:50000,0:60000", "too many"),
        ("1,,2", "empty value"),
        ("", "empty value"),
    ],
)
def test_a_range_that_goes_nowhere_is_refused_by_its_field(text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said) as error:
        read_values(text, "loss.tail_weight")
    assert "loss.tail_weight" in str(error.value)
