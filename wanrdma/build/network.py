"""What a scenario becomes before it runs: the kernels' tables, and names for their rows."""

from dataclasses import dataclass, field

from ..kernels.tables import Tables


@dataclass
class Network:
    """Tables ready for the emulator, with a name for every row that a person may see.

    ``warnings`` say what is allowed but hardly meant.

    ``port_names[p]`` reads ``node>peer``, with ``#k`` after it where several links join the
    same two nodes: ``a.0>a.switch``, ``tianjin.gateway>tianjin.otn0#1``.
    """

    tables: Tables
    port_names: list[str]
    flow_names: list[str]
    queue_pair_names: list[str]
    queue_pair_flow: list[int]
    operation_names: list[str]
    warnings: list[str] = field(default_factory=list)
