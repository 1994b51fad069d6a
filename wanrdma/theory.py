"""Closed forms: what a hand calculation says, to size things with and to check results against.

Times in integer picoseconds, sizes in bytes of line time unless said otherwise, rates in
picoseconds a byte, as in the kernels.
"""

import math

PFC_FRAME_BYTES = 84
SYMBOL_BITS, CODEWORD_SYMBOLS, DATA_SYMBOLS = 10, 544, 514  # RS(544,514), "KP4"
CORRECTABLE_SYMBOLS = (CODEWORD_SYMBOLS - DATA_SYMBOLS) // 2
DELIVERED_CODEWORD_BITS = SYMBOL_BITS * DATA_SYMBOLS
OFEC_THRESHOLD = 2.0e-2  # Open ROADM MSA, W-port specification: below it 1e-15 is left at most
LEAST_BER = 1e-30  # what is left of it is 0 in floating point
PS_PER_BYTE_100G = 80
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


def uncorrected_codewords(pre_fec_ber: float) -> float:
    """Return the share of RS(544,514) codewords with more than 15 bad symbols of 10 bits.

    Bits are bad each for itself before the FEC (IEEE 802.3 clause 91.5.3.3: t = 15).
    """
    from scipy.special import bdtrc

    bad_symbol = _bad_symbol(pre_fec_ber)
    return float(bdtrc(CORRECTABLE_SYMBOLS, CODEWORD_SYMBOLS, bad_symbol))


def post_fec_ber(pre_fec_ber: float) -> float:
    """Return the bit error ratio that RS(544,514) leaves: the bad bits of what it cannot mend.

    A bit is bad, and at least 15 of the 543 other symbols.
    """
    from scipy.special import bdtrc

    others = bdtrc(CORRECTABLE_SYMBOLS - 1, CODEWORD_SYMBOLS - 1, _bad_symbol(pre_fec_ber))
    return pre_fec_ber * float(others)


def failed_codewords(left_ber: float) -> float:
    """Return the share of RS(544,514) codewords that fail where this bit error ratio is left.

    That of the ratio before the FEC, each bit for itself, which leaves it.
    """
    from scipy.optimize import brentq

    def too_much(log_pre: float) -> float:
        return math.log(max(post_fec_ber(math.exp(log_pre)), 5e-324)) - math.log(left_ber)

    return uncorrected_codewords(math.exp(brentq(too_much, math.log(LEAST_BER), math.log(0.5))))


def _bad_symbol(bit_error_ratio: float) -> float:
    return -math.expm1(SYMBOL_BITS * math.log1p(-bit_error_ratio))


def interleaved_codewords(ps_per_byte: int) -> int:
    """Return how many codewords share their stretch of a line: 1, 2 or 4 (DOMAIN 5).

    IEEE 802.3: one to 100G (clause 91), two at 200G and 400G (119), four at 800G (172).
    """
    if ps_per_byte >= PS_PER_BYTE_100G:
        return 1
    return 2 if ps_per_byte >= PS_PER_BYTE_100G // 4 else 4


def block_loss(failed: float, interleaved: int, exposed_bytes: int) -> float:
    """Return the probability that a frame touches a block with a failed codeword.

    Blocks and frames lie anywhere to each other, so a frame touches one block more or fewer,
    by where it begins. `failed` is below 1.
    """
    block_bits = interleaved * DELIVERED_CODEWORD_BITS
    blocks, part = divmod(8 * exposed_bytes - 1, block_bits)
    log_good = interleaved * math.log1p(-failed)
    fewer, more = (-math.expm1(log_good * (blocks + n)) for n in (1, 2))
    return fewer + part / block_bits * (more - fewer)


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


def selective_repeat_s(
    packets: int,
    packet_s: float,
    loss: float,
    round_trip_s: float,
    timeout_s: float,
) -> float:
    """Return the mean time until all packets of a message are acknowledged, selective repeat.

    SDR-RDMA (arXiv 2505.05366, section 4.2): E[T] = sum over q of 1 - prod over i of
    [1 - P(X_i >= q)], + RTT; X_i is when the last transmission of packet i begins. Packet i is
    first sent at i x packet_s and lost each time with probability `loss`, alone. The first loss
    costs a round trip and a packet (a NAK tells of it); each further one of the same packet costs
    `timeout_s` (kernels/repeat.py). There is no window, and ACKs are not lost.
    """
    import numpy as np

    if loss == 0:
        return packets * packet_s + round_trip_s
    most_drops = 1 + math.ceil(math.log(packets * 1e9) / -math.log(loss))
    costs = [0.0] + [round_trip_s + packet_s + k * timeout_s for k in range(most_drops)]
    # In steps of a packet, from the middle of the first on.
    q = packet_s * (np.arange(packets + math.ceil(costs[-1] / packet_s) + 1) + 0.5)
    begun = [np.clip(np.floor((q - cost) / packet_s) + 1, 0, packets) for cost in costs]
    log_none_later = np.where(begun[0] < packets, -np.inf, 0.0)  # of X_i >= q
    for drops in range(1, most_drops + 1):
        log_none_later += (begun[drops - 1] - begun[drops]) * math.log1p(-(loss**drops))
    last_s = packet_s * float(np.sum(-np.expm1(log_none_later)))
    return last_s + packet_s + round_trip_s
