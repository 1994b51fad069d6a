"""What each group needs to see that it does the same again and again (kernels/cycle.py)."""

from itertools import groupby
from typing import Any

import numpy as np

from ..kernels import tables as kt
from ..kernels.cycle_fields import MOTIONS
from ..kernels.cycle_image import FLOW_WORDS, LINE_WORDS

MOST_STANDING = 8192  # packets in queues and on cables: with more no image is taken
TAPE_ROWS = 1 << 14  # of what happens in a period; a longer one is not jumped over bins
WORDS_AN_EVENT = 4  # to be compared or copied: about a twentieth of the time
LEAST_JUMP = 256  # events: with less it is not worth it


def motions() -> Any:
    """Return how each word of a row of each imaged table moves."""
    return np.concatenate([MOTIONS[name] for name in kt.IMAGED_TABLES])


def prepare(tables: kt.Tables) -> None:
    """Give each group the tables for its image, and say in `run` where in it is what."""
    priorities = _used_priorities(tables)
    for g, group in enumerate(tables.groups):
        requesters = np.flatnonzero(tables.ports["group"][tables.requesters["sender_port"]] == g)
        responders = np.flatnonzero(tables.ports["group"][tables.responders["receiver_port"]] == g)
        lanes = (group.own_ports[:, None] * kt.PRIORITIES + priorities).ravel()
        pools = tables.lanes["pool"][lanes]
        rows = {
            "ports": group.own_ports,
            "errors": group.own_ports,
            "requesters": requesters,
            "responders": responders,
            "rates": requesters[tables.requesters["has_rate"][requesters] == 1],
            "lanes": lanes,
            "pools": np.unique(pools[pools != kt.NOWHERE]),
        }
        words = {name: len(rows[name]) * len(MOTIONS[name]) for name in kt.IMAGED_TABLES}
        ends = dict(zip(words, np.cumsum(list(words.values())).tolist(), strict=True))
        run = tables.run[g : g + 1]
        for name in ("errors", "requesters", "responders"):
            run[f"image_{name}"] = ends[name] - words[name]
        run["image_lines"] = ends["pools"]
        run["image_flows"] = run["image_lines"] + LINE_WORDS * len(tables.lines)
        run["image_operations"] = run["image_flows"] + FLOW_WORDS * len(group.own_flows)
        run["words_an_event"] = WORDS_AN_EVENT
        run["least_jump"] = LEAST_JUMP
        run["anchor"] = run["last_end"] = run["image_ps"] = kt.NOWHERE
        run["patience"] = 1
        end = int(run["image_operations"][0]) + len(requesters) + len(responders)
        tables.groups[g] = group._replace(
            own_requesters=requesters,
            own_responders=responders,
            own_transits=_transits(tables, g),
            blocks=np.array([one for name in rows for one in _blocks(name, rows[name])], kt.block),
            image=np.zeros(end, np.int64),
            deltas=np.zeros(ends["pools"], kt.delta),
            pending=np.zeros(2 * len(group.heap), kt.event),
            standing=np.zeros(2 * MOST_STANDING, kt.standing),
            data_shifts=np.zeros(len(tables.requesters), np.int64),
            ack_shifts=np.zeros(len(tables.requesters), np.int64),
            tape=np.zeros(TAPE_ROWS, kt.taped),
        )


def _transits(tables: kt.Tables, g: int) -> Any:
    """Return the queue pairs whose packets pass group g, and begin and end elsewhere."""
    at_ports = tables.paths != kt.NOWHERE
    here = np.zeros(len(tables.paths), bool)
    here[at_ports] = tables.ports["group"][tables.paths[at_ports]] == g
    # A data path and an ACK path follow each other, queue pair by queue pair.
    firsts = tables.requesters["data_path"]
    passes = np.add.reduceat(here, firsts) > 0 if len(firsts) else np.zeros(0, bool)
    ends = (tables.requesters["sender_port"], tables.responders["receiver_port"])
    for ports in ends:
        passes &= tables.ports["group"][ports] != g
    return np.flatnonzero(passes)


def _used_priorities(tables: kt.Tables) -> Any:
    """Return the priorities of anything that is ever sent or stopped."""
    storms = tables.changes["value"][tables.changes["kind"] == kt.STORM_BEGINS].tolist()
    stopped = [c for bits in storms for c in range(kt.PRIORITIES) if bits >> c & 1]
    responders = tables.responders
    used = (tables.requesters["priority"], responders["ack_priority"], responders["cnp_priority"])
    return np.unique(np.concatenate([*used, np.array(stopped, np.int64)])).astype(np.int64)


def _blocks(name: str, rows: Any) -> list[tuple[int, ...]]:
    """Return the rows of a table as blocks of those that lie together."""
    table = kt.IMAGED_TABLES.index(name)
    row_words = len(MOTIONS[name])
    motions_at = sum(len(MOTIONS[other]) for other in kt.IMAGED_TABLES[:table])
    found: list[tuple[int, ...]] = []
    for _, together in groupby(enumerate(rows.tolist()), lambda pair: pair[1] - pair[0]):
        block = [row for _, row in together]
        found.append((0, len(block) * row_words, row_words, motions_at, table, block[0]))
    return found
