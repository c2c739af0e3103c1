"""The axis of task orders: drawn, made by rules, published, or written down by the user."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from moleflow.errors import StudyError
from orchestration.studies.order_tables import ListedOrder
from orchestration.studies.written import ClassName, Written

Way = Literal[
    "alphabetical",
    "reversed",
    "random",
    "first_swapped",
    "latin_square",
    "cyclic_shifts",
    "textures_first",
    "objects_first",
    "easy_first",
    "hard_first",
    "similar",
    "dissimilar",
]
RULES = get_args(Way)
Family = Literal["texture", "object"]


class Orders(Written):
    """Axis: task orders.

    With a `TaskZero` axis, `count` orders of the rest for each task 0; without, `count` whole
    orders. Where task 0 is one class or group, theirs differ as long as there are others, but for
    `each` neighbours. The first order is alphabetical, groups as given. An order is cut into tasks
    after it was drawn; orders that give the same tasks are one.

    Or orders that are given: by rules (`ways`), by their published names, from a file, or class by
    class. Trials then know the order's name, as `ordering`.
    """

    kind: Literal["orders"] = "orders"
    count: int = 1
    """Orders that are drawn; of given ones, how many `random` makes."""
    each: Annotated[int, Field(ge=1)] = 1
    """Orders that have one first class, before the next first class has its turn."""
    seed: int = 0
    """What random orders are drawn from. Training and the choice of pictures have others."""
    named: tuple[tuple[ClassName, ...], ...] = ()
    """These orders instead: each names every class, or every group as `a+b`."""
    ways: tuple[Way, ...] = ()
    """Orders by these rules, of the classes as the study names them, or else alphabetically.

    `alphabetical`, `reversed`, `random` (`count`, from `seed`); `first_swapped`: each class once in
    front of the others; `cyclic_shifts`; `latin_square`: every class at every place, and after
    every other one, equally often; `textures_first`, `objects_first`; `easy_first`, `hard_first`:
    by `difficulty`; `similar`, `dissimilar`: the next class is the nearest, or farthest, one.
    """
    published: tuple[str, ...] = ()
    """Orders of other papers and benchmarks, by name."""
    listed: tuple[ListedOrder, ...] = ()
    """Orders that are written in a file: `orders_in(Path("orders.csv"))`."""
    fitting: bool = False
    """Whether rules that the classes do not fit are left out: where all are of one family, or a
    table lacks one of them. Else they are refused."""
    families: dict[ClassName, Family] = Field(default_factory=dict[str, Family])
    """Of classes that are in no known data set."""
    difficulty: dict[ClassName, float] = Field(default_factory=dict[str, float])
    """A metric of each class: the higher, the easier."""
    difficulty_of: str = ""
    """A finished study of the root folder that `difficulty` is taken from: mean image AUROC."""
    distances: dict[ClassName, dict[ClassName, float]] = Field(
        default_factory=dict[str, dict[str, float]]
    )
    """Between classes; where it is empty, those of their mean features, which the store holds."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.named and (self.ways or self.published or self.listed):
            raise StudyError("orders are named, or given by rules; use two studies for both")
        return self

    @property
    def given(self) -> bool:
        """Whether orders are stated rather than drawn around a first class."""
        return bool(self.named or self.ways or self.published or self.listed)

    @property
    def by_difficulty(self) -> bool:
        return bool({"easy_first", "hard_first"} & set(self.ways))

    @property
    def by_distance(self) -> bool:
        return bool({"similar", "dissimilar"} & set(self.ways))
