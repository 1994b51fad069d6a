"""Faults found in other emulators of RDMA, packets and queues: none of them is in this one.

Each was reproduced there, and gives a figure that looks right or a run that never ends. Here
are tests of those that no other file is about. The others:

- A mark of 32 bits for the last NAK, so that beyond 4 GiB each packet out of order draws one:
  test_long_runs.py, test_a_loss_beyond_2_and_4_gib_draws_one_nak.
- Window times rate in 64 bits, which overflows above 46 MB at 400 Gb/s:
  test_long_runs.py, test_a_window_times_a_rate_that_leave_64_bits.
- A lost NAK that nobody misses, so that the run hangs: test_timers.py, test_lost_nak.
- Pauses that do not run out, so that a lost XON hangs, and are not said again:
  test_timers.py, test_lost_xon and test_lost_xoff.
- Headroom without the frames in flight, so that short links drop:
  test_headroom.py, test_automatic_headroom_is_enough.
- A NAK for each packet out of order: test_timers.py, test_lost_packet.
- ACK timers that are computed and never armed: test_timers.py, test_lost_last_packet and
  test_dead_line.
"""

from math import ceil

import pytest
from validation.runs import Trial

from wanrdma.kernels.tables import PFC

LIGHT_PS_PER_KM = 4_900_000
CABLE_PS = 2 * 4_900  # 2 m at 4.9 ns/m
FRAME_BYTES = 4096 + 82
PAUSE_BYTES = 84
P = FRAME_BYTES * 20  # a full packet at 400 Gb/s
HOST_PORT = "a.0>a.switch"


# Link times cut to whole nanoseconds

NANOSECONDS = """\
name: nanoseconds
sites:
  a: {{hosts: 1, fabric: {{type: one-switch, cable: 1 m, pfc: none}}}}
  b: {{like: a}}
lines:
  - between: [a, b]
    distance: 1000.1 m
    delay: 4.9 us/km
    rate: {rate_gbps} Gbps
    otn: {{flow_control: none, latency: 0 s}}
nic: {{rate: {rate_gbps} Gbps, mtu: {mtu_bytes}, framing: {{overhead: 82 B, reth: 0 B}}}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {bytes} B}}
"""


@pytest.mark.parametrize(
    ("rate_gbps", "mtu_bytes", "packet_ps"),
    [(400, 4096, 83_560), (800, 1024, 11_060), (1600, 256, 1690)],
)
def test_link_times_are_not_cut_to_nanoseconds(
    rate_gbps: int, mtu_bytes: int, packet_ps: int
) -> None:
    """Cut, these packets would be sent 0.7, 0.5 and 69 % too fast, and the light be too early.

    Each hop sends packet k a packet time after packet k - 1, and nothing ever waits. A metre of
    cable takes 4.9 ns, the line 4900.49 ns.
    """
    packets = 1000
    trial = Trial(
        NANOSECONDS.format(rate_gbps=rate_gbps, mtu_bytes=mtu_bytes, bytes=packets * mtu_bytes)
    )
    result = trial.run(probe=True)
    ends_ps = [packet_ps * (k + 1) for k in range(packets)]
    assert trial.departures_ps(HOST_PORT) == ends_ps
    assert trial.departures_ps("a.switch>b.switch") == [t + 4_900 + packet_ps for t in ends_ps]
    completion_ps = ends_ps[-1] + 2 * packet_ps + 2 * 4_900 + 4_900_490
    assert result.flows[0].completion_s == completion_ps / 1e12


# Headroom larger than the buffer: XOFF = buffer - headroom wraps to a huge level


def test_a_buffer_below_its_headroom_pauses_at_its_first_byte() -> None:
    """100 km at 400 Gb/s need 49 MB of headroom, and the far terminal has 40 MB.

    Its XOFF is then 0: the first packet stops the near terminal. What still comes is a round
    trip of the line, 49,000,000 B, less the quarter that the last link takes away meanwhile:
    36.6 MB as stored, of which up to 300 kB wait in the switch behind. Without a pause three
    quarters of all 128 MiB would come to stand there.
    """
    far_port, buffer_bytes = "b.otn0>a.otn0", 40_000_000
    trial = Trial(
        "incast-pfc",
        f"lines.0.otn.buffer={buffer_bytes} B",
        "lines.0.otn.xoff=auto",
        "lines.0.otn.xon=auto",
        "traffic.0.bytes=8 MiB",
    )
    result = trial.run(probe=True)
    lane = trial.tables.lanes[8 * trial.port(far_port) + 3]
    assert (lane["xoff_bytes"], lane["ingress_limit_bytes"]) == (0, buffer_bytes)
    assert any("is below the worst-case headroom" in warning for warning in result.warnings)

    # Host at 100 Gb/s, two cables of 30 m, switch and terminal at 400 Gb/s, light.
    first_in_ps = (FRAME_BYTES + 16) * (80 + 20 + 20) + 2 * 147_000 + 100 * LIGHT_PS_PER_KM
    assert trial.departures_ps(far_port, PFC)[0] == first_in_ps + PAUSE_BYTES * 20
    still_coming_bytes = 49_000_000 * 3 / 4 * 4158 / FRAME_BYTES
    assert still_coming_bytes - 300_000 < lane["max_ingress_bytes"] < still_coming_bytes
    assert (result.status, result.drops) == ("completed", ())


# Packets lost at a queue's limit and not counted

BURST = """\
name: burst
sites:
  a:
    hosts: 1
    fabric: {{type: one-switch, cable: 2 m, pfc: none, queue_limit: {limit} B}}
  b: {{hosts: 1, fabric: {{type: one-switch, cable: 2 m, pfc: none}}}}
lines:
  - between: [a, b]
    distance: 10 km
    delay: 4.9 us/km
    rate: 100 Gbps
    otn: {{flow_control: none, latency: 0 s}}
nic: {{rate: 400 Gbps, window: 1 MB, framing: {{reth: 0 B}}}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {bytes} B}}
"""


def test_each_packet_lost_at_a_queue_limit_is_counted() -> None:
    """A queue of four packets gets one each P and sends one in 4 P, for 42 packets.

    Packets 0 to 3 fill it. Packet 4 comes in the moment in which packet 0 has left, and is lost:
    an arrival comes before the end of a service. Packet 5 takes the place, 6 to 8 are lost, and
    so on to packet 41. The first NAK needs 98 us: nothing is sent again.
    """
    trial = Trial(BURST.format(limit=4 * 4158, bytes=42 * 4096), "stop=90 us")
    result = trial.run()
    taken = 4 + len(range(5, 42, 4))
    counters = result.flows[0].counters
    assert (counters["tx_packets"], counters["rx_packets"]) == (42, taken)
    (drop,) = result.drops
    assert (drop.port, drop.side, drop.packets) == ("a.switch>b.switch", "egress", 42 - taken)
    assert result.totals["drops_congestion"] == 42 - taken


NARROWING = """\
name: narrowing
sites:
  a:
    hosts: 2
    nic: {rate: 400 Gbps}
    gateway: {rate: 400 Gbps}
    fabric: {type: one-switch, cable: 30 m}
  b:
    hosts: 1
    nic: {rate: 25 Gbps}
    fabric: {type: one-switch, cable: 30 m}
lines:
  - between: [a, b]
    distance: 10 km
    rate: 100 Gbps
    otn: {flow_control: cooperative, latency: 0 s}
nic: {window: 8 MB}
traffic:
  - {name: write, from: a.*, to: b.0, bytes: 4 MiB, message: 1 MiB}
"""
SMALL_PFC = "{xoff: 20 kB, xon: 10 kB, headroom: 0 B}"
LIMITS = {
    "queue": (["sites.a.fabric.pfc=none", "sites.a.fabric.queue_limit=50 kB"], ["a.switch>a.otn0"]),
    "headroom": ([f"sites.a.fabric.pfc={SMALL_PFC}"], ["a.switch>a.0", "a.switch>a.1"]),
    "client-buffer": (["lines.0.otn.client_buffer=5 kB"], ["a.otn0>a.switch"]),
    "far-buffer": (["lines.0.otn.buffer=100 kB"], ["b.otn0>a.otn0"]),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_sent_arrives_or_is_counted(limit: str) -> None:
    """Whichever buffer is too small. Rates fall from 2 x 400 to 400, 100 and 25 Gb/s.

    The ACK timer is far longer than any queue, and go-back-N sends only what is still missing:
    when all is done nothing is under way any more.
    """
    settings, places = LIMITS[limit]
    trial = Trial(NARROWING, *settings)
    result = trial.run()
    assert result.status == "completed"
    sent = sum(flow.counters["tx_packets"] for flow in result.flows)
    arrived = sum(flow.counters["rx_packets"] for flow in result.flows)
    lost = result.totals["drops_congestion"]
    assert lost > 0
    assert sent == arrived + lost
    assert sorted(drop.port for drop in result.drops) == places
    assert sum(drop.packets for drop in result.drops) == lost


# A PAUSE that arrives without delay

FAR_PAUSE = """\
name: far-pause
sites:
  a: {{hosts: 1, fabric: {{type: one-switch, cable: 2 m}}}}
  b: {{like: a}}
lines:
  - between: [a, b]
    distance: {distance_km} km
    delay: 4.9 us/km
    rate: 400 Gbps
    otn: {{flow_control: cooperative, latency: 0 s, buffer: 256 MiB, xoff: 0 B, xon: 0 B}}
nic: {{rate: 400 Gbps, window: 256 MiB, ack_priority: 4, framing: {{reth: 0 B}}}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {bytes} B}}
"""


@pytest.mark.parametrize("distance_km", [1, 30])
def test_a_pause_takes_as_long_as_the_light(distance_km: int) -> None:
    """The far terminal, with XOFF and XON 0, stops the near one as soon as it holds a packet.

    All links have one rate: the near one sends packet k from (k + 2) P and two cables on, and
    the far one always holds one packet until the last of them has left. When it says stop, what
    fits in a round trip of the line still comes; when it says go on, the next packet comes a
    round trip after. ACKs are of another priority: they would bring pauses of their own.
    """
    light_ps = distance_km * LIGHT_PS_PER_KM
    pause_ps = PAUSE_BYTES * 20 + light_ps  # from the decision to its effect
    near_starts_ps = 2 * P + 2 * CABLE_PS
    stopped_ps = near_starts_ps + P + light_ps + pause_ps
    sent = ceil((stopped_ps - near_starts_ps) / P)  # the one in service goes on to its end
    trial = Trial(FAR_PAUSE.format(distance_km=distance_km, bytes=4096 * (sent + 5)))
    assert trial.run(probe=True).status == "completed"
    all_passed_ps = near_starts_ps + sent * P + light_ps + P
    goes_on_ps = all_passed_ps + pause_ps
    expected = [near_starts_ps + P * (k + 1) for k in range(sent)]
    expected += [goes_on_ps + P * (k + 1) for k in range(5)]
    assert trial.departures_ps("a.otn0>b.otn0") == expected


# Queues that tick while they are idle

IDLE = """\
name: idle
sites:
  a: {hosts: 4, fabric: {ecn: {kmin: 20 kB, kmax: 200 kB}}}
  b: {like: a, nic: {rate: 100 Gbps}}
lines:
  - between: [a, b]
    distance: 1 km
    rate: 400 Gbps
    otn: {flow_control: cooperative}
nic: {rate: 400 Gbps, timeout: 8}
traffic:
  - {name: early, from: a.*, to: b.0, bytes: 2 MiB}
  - {name: late, from: a.*, to: b.*, bytes: 2 MiB, start: 10 ms}
"""


def event_count(*settings: str) -> int:
    trial = Trial(IDLE, *settings)
    result = trial.run()
    assert result.status == "completed"
    assert min(result.totals["pause_frames"], trial.tables.lanes["ecn_marked"].sum()) > 0
    return trial.tables.total("events") + trial.tables.total("jumped_events")


def test_idle_time_costs_no_events() -> None:
    """Ten seconds between two bursts are as much work as ten milliseconds.

    Each of the first burst's four queue pairs leaves an ACK timer that was turned off, whose
    event may count or not.
    """
    assert event_count("traffic.1.start=10 s") == pytest.approx(event_count(), abs=4)


def test_waiting_for_a_timer_costs_no_events() -> None:
    """The last packet is lost; its timer of 0.13 ms or 2.1 s is one event."""
    counts = []
    for exponent in (5, 19):
        trial = Trial(BURST.format(limit=2**30, bytes=42 * 4096), f"nic.timeout={exponent}")
        trial.lose_frame("a.switch>b.switch", 41, [FRAME_BYTES] * 41)
        result = trial.run()
        assert (result.status, result.totals["timeouts"]) == ("completed", 1)
        counts.append(trial.tables.total("events") + trial.tables.total("jumped_events"))
    assert counts[0] == counts[1]
