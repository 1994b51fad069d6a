"""What a scenario becomes before it runs: the kernels' tables, and names for their rows."""

from dataclasses import dataclass, field
from typing import Any

from ..kernels.tables import PRIORITIES, Tables


@dataclass(frozen=True)
class Happening:
    """An event of the scenario: what, when, on which line (-1: none).

    Until `end_ps` nothing passes, or a storm lasts; -1: for ever.
    """

    name: str
    at_ps: int
    end_ps: int
    line: int


@dataclass
class Network:
    """Tables ready for the emulator, with a name for every row that a person may see.

    ``warnings`` say what is allowed but hardly meant.

    ``port_names[p]`` reads ``node>peer``, with ``#k`` after it where several links join the
    same two nodes: ``a.0>a.switch``, ``tianjin.gateway>tianjin.otn0#1``. Ports that only stand
    for others, another way for light or a control channel, come after these and have no name.
    """

    tables: Tables
    port_names: list[str]
    flow_names: list[str]
    queue_pair_names: list[str]
    queue_pair_flow: list[int]
    operation_names: list[str]
    warnings: list[str] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)

    @property
    def ports(self) -> Any:
        """The table of ports, those with names."""
        return self.tables.ports[: len(self.port_names)]

    @property
    def lanes(self) -> Any:
        """The table of lanes, those of ports with names."""
        return self.tables.lanes[: PRIORITIES * len(self.port_names)]
