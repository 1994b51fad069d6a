"""Closed forms: what a hand calculation says, to size things with and to check results against.

Times in integer picoseconds, sizes in bytes of line time unless said otherwise, rates in
picoseconds a byte, as in the kernels.
"""

import math

PFC_FRAME_BYTES = 84
TIMEOUT_UNIT_PS = 4_096_000  # InfiniBand specification: 4.096 us x 2^n


def line_delay_ps(distance_m: float, ps_per_metre: float) -> int:
    """Return the time that light needs from end to end."""
    return round(distance_m * ps_per_metre)


def ack_timeout_ps(exponent: int, detection: float = 1.0) -> int:
    """Return the ACK timer: detection x 4.096 us x 2^exponent; exponent 0 means none (0).

    Source: InfiniBand specification, Local ACK Timeout; it lets the detection take 1 to 4
    times the nominal value. Zero disables the timer (ibv_modify_qp(3)).
    """
    if exponent == 0:
        return 0
    return round(detection * TIMEOUT_UNIT_PS * (1 << exponent))


def headroom_bytes(ps_per_byte: int, round_trip_ps: int, frame_bytes: int) -> int:
    """Return the headroom that an ingress needs above XOFF when nothing drains (worst case).

    rate x RTT, and three frames and a PFC frame: the frame that crosses XOFF may do so with
    all but one byte, the PFC frame waits for one in service and takes its own time, and the
    peer finishes the one it has begun. The usual rule (IEEE 802.1Qbb, annex O; DOMAIN 4)
    has rate x RTT and two frames, and leaves the first and the PFC frame to the XOFF level.
    The response time of the paused port is 0 here.
    """
    return math.ceil(round_trip_ps / ps_per_byte) + 3 * frame_bytes + PFC_FRAME_BYTES


def auto_window_packets(
    ps_per_byte: int, round_trip_ps: int, packet_bytes: int, ack_every: int
) -> int:
    """Return the packets in flight that keep a NIC busy over a path.

    NIC rate x round trip (stores and latencies included), two periods of coalesced ACKs and
    two packets; never above 2^23, half the PSN space (InfiniBand specification).
    """
    packets = math.ceil(round_trip_ps / (packet_bytes * ps_per_byte)) + 2 * ack_every + 2
    return min(packets, 2**23)


def frame_loss(bit_error_ratio: float, exposed_bytes: int) -> float:
    """Return the probability that independent bit errors hit a frame."""
    return -math.expm1(8 * exposed_bytes * math.log1p(-bit_error_ratio))


def realised_go_back_n_efficiency(
    packets: int,
    go_backs: int,
    timeouts: int,
    packets_a_round_trip: float,
    timeout_in_packets: float,
) -> float:
    """Return the efficiency of a run from what it met: M / (M + g N + t T / tau), DOMAIN 6."""
    resent = go_backs * packets_a_round_trip + timeouts * timeout_in_packets
    return packets / (packets + resent)
