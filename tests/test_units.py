"""Quantities as people write them: what they give, what is refused and how it is said."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wanrdma.scenario.units import (
    MOST_BYTES,
    MOST_TIME_PS,
    PortRate,
    QuantityError,
    parse_bytes,
    parse_delay_per_length,
    parse_length,
    parse_rate,
    parse_time,
    shorten,
    show_bytes,
    show_rate,
    show_time,
)

ALL_PARSERS = [parse_bytes, parse_delay_per_length, parse_length, parse_rate, parse_time]


@pytest.mark.parametrize(
    ("text", "ps"),
    [
        ("50 ms", 50_000_000_000),
        ("4.9us", 4_900_000),
        ("  1e-3 s ", 10**9),
        ("0.1 us", 100_000),  # 0.1 is no float here
        ("1 ps", 1),
        ("3 µs", 3_000_000),
        ("3 μs", 3_000_000),
        ("2 h", 7200 * 10**12),
        ("1.5 min", 90 * 10**12),
        (0, 0),
        (0.0, 0),
        ("0", 0),
        ("0 s", 0),
    ],
)
def test_times_are_whole_picoseconds(text, ps):
    result = parse_time(text)
    assert result == ps
    assert type(result) is int


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64 MiB", 64 * 2**20),
        ("1 kB", 1000),
        ("4 GiB", 2**32),
        ("3 TB", 3 * 10**12),
        ("2 TiB", 2**41),
        ("16 bit", 2),
        ("8 kbit", 1000),
        ("0.5 KiB", 512),
        ("82 B", 82),
        ("82 bytes", 82),
        (0, 0),
    ],
)
def test_sizes_are_whole_bytes(text, size):
    result = parse_bytes(text)
    assert result == size
    assert type(result) is int


@pytest.mark.parametrize(
    ("text", "metres"), [("329 km", 329_000.0), ("30 m", 30.0), ("5 cm", 0.05), (0, 0.0)]
)
def test_lengths_are_metres(text, metres):
    assert parse_length(text) == metres


@pytest.mark.parametrize(
    ("text", "ps_per_metre"), [("4.9 us/km", 4900.0), ("5.05us / km", 5050.0), ("4.9 ns/m", 4900.0)]
)
def test_delay_per_length_is_picoseconds_a_metre(text, ps_per_metre):
    assert parse_delay_per_length(text) == ps_per_metre


@pytest.mark.parametrize(
    ("text", "count", "ps_per_byte"),
    [
        ("10 Gbps", 1, 800),
        ("25 Gbps", 1, 320),
        ("40 Gbps", 1, 200),
        ("50 Gbps", 1, 160),
        ("100 Gbps", 1, 80),
        ("200 Gbps", 1, 40),
        ("400 Gbps", 1, 20),
        ("800 Gbps", 1, 10),
        ("1.6 Tbps", 1, 5),
        ("400 Gb/s", 1, 20),
        ("50 GB/s", 1, 20),
        ("2 x 400 Gbps", 2, 20),
        ("4x100Gbps", 4, 80),
        ("4 \u00d7 100 Gbps", 4, 80),
    ],
)
def test_rates_are_ports_and_picoseconds_a_byte(text, count, ps_per_byte):
    rate = parse_rate(text)
    assert rate == PortRate(count, ps_per_byte)
    assert rate.bps == 8e12 / ps_per_byte
    assert rate.total_bps == count * rate.bps
    assert parse_rate(rate) is rate


@pytest.mark.parametrize(
    ("parse", "given_value", "said"),
    [
        (parse_time, 5, "5 has no unit; write a time like '50 ms'"),
        (parse_time, "5", "5 has no unit; write a time like '50 ms'"),
        (parse_time, 1.5, "1.5 has no unit"),
        (parse_time, float("nan"), "nan has no unit"),
        (parse_time, True, "must be a time like '50 ms', got True"),
        (parse_time, None, "must be a time like '50 ms', got nothing"),
        (parse_time, [1], "must be a time"),
        (parse_time, "soon", "'soon' is not a time like '50 ms'"),
        (parse_time, "7 sec", "unknown unit 'sec'; did you mean 's'? a time is given in s, ms,"),
        (parse_time, "7 km", "'km' is not a unit of time"),
        (parse_time, "-7 s", "'-7 s' is negative"),
        (parse_time, "0.5 ps", "not a whole number of picoseconds"),
        (parse_time, "9000000 h", "too long"),
        (parse_length, "3 Km", "unknown unit 'Km'; did you mean 'km'?"),
        (parse_bytes, "64 mb", "unknown unit 'mb'; did you mean 'MB'?"),
        (parse_bytes, "4 Mb", "'4 Mb' is in bits; write MB for bytes, Mbit for bits"),
        (parse_bytes, "4 b", "write B for bytes, bit for bits"),
        (parse_bytes, "3 bit", "not a whole number of bytes"),
        (parse_bytes, "1e40 B", "too large"),
        (parse_bytes, "1e999999999 B", "is not a size like '64 MiB'"),
        (parse_bytes, "2**9 B", "is not a size"),
        (parse_rate, "400G", "unknown unit 'G'"),
        (parse_rate, "400 gbps", "did you mean 'Gbps'?"),
        (parse_rate, "400 Gbps/km", "'Gbps/km' is not a unit of rate"),
        (parse_rate, "0 x 400 Gbps", "1 to 1024 ports"),
        (parse_rate, "2 x", "unknown unit 'x'"),
        (parse_rate, "two x 400 Gbps", "is not a rate like '400 Gbps'"),
        (parse_length, "\u0663 km", "is not a length"),
        (parse_rate, 0, "1 Mbps to 8 Tbps"),
        (parse_rate, "9 Tbps", "1 Mbps to 8 Tbps"),
        (parse_rate, "1 kbps", "1 Mbps to 8 Tbps"),
    ],
)
def test_what_cannot_be_used_is_refused_with_reason_and_example(parse, given_value, said):
    with pytest.raises(QuantityError) as error:
        parse(given_value)
    assert said in str(error.value)


def test_a_rate_without_whole_picoseconds_a_byte_names_the_nearest_that_have():
    with pytest.raises(QuantityError, match="the nearest rates that do are 250 Gbps and 320 Gbps"):
        parse_rate("300 Gbps")
    with pytest.raises(QuantityError, match="are 2000 Gbps and 4000 Gbps"):
        parse_rate("3 Tbps")


@settings(deadline=None)
@given(st.integers(0, 10**18))
def test_every_whole_number_of_the_base_unit_comes_through(number):
    assert parse_time(f"{number} ps") == number
    assert parse_bytes(f"{number} B") == number


@settings(deadline=None)
@given(st.integers(1, 8000), st.integers(0, 5))
def test_a_rate_is_taken_exactly_if_a_byte_lasts_whole_picoseconds(gbps, tenths):
    text = f"{gbps}.{tenths} Gbps"
    ps_per_byte = 8000 / (Fraction(gbps) + Fraction(tenths, 10))
    if ps_per_byte.denominator == 1:
        assert parse_rate(text).ps_per_byte == ps_per_byte
    else:
        with pytest.raises(QuantityError) as error:
            parse_rate(text)
        if ps_per_byte > 1:
            slower, faster = str(error.value).rsplit("are ", 1)[1].split(" and ")
            assert parse_rate(slower).ps_per_byte > ps_per_byte
            assert parse_rate(faster).ps_per_byte < ps_per_byte


@settings(deadline=None)
@given(st.integers(0, MOST_BYTES))
def test_a_shown_size_reads_back_within_what_it_shows(size):
    shown = show_bytes(size)
    # Three digits shown; a fraction of a byte is cut, as "1.01 KiB" is 1034.24 bytes.
    number, unit = shown.split()
    read = Fraction(number) * parse_bytes(f"1 {unit}")
    assert abs(read - size) <= max(size / 150, 0.5)


@settings(deadline=None)
@given(st.integers(0, MOST_TIME_PS))
def test_a_shown_time_reads_back_within_what_it_shows(time_ps):
    number, unit = show_time(time_ps).split()
    read = Fraction(number) * parse_time(f"1 {unit}")
    assert abs(read - time_ps) <= max(time_ps / 1500, 0.5)


@settings(deadline=None)
@given(st.floats(1e6, 8e12))
def test_a_shown_rate_has_three_digits(bps):
    number, unit = show_rate(bps).split()
    factor = {"b/s": 1, "kb/s": 1e3, "Mb/s": 1e6, "Gb/s": 1e9, "Tb/s": 1e12}[unit]
    assert float(number) * factor == pytest.approx(bps, rel=0.0051)


@settings(deadline=None)
@given(
    st.sampled_from(ALL_PARSERS),
    st.one_of(
        st.text(max_size=30),
        st.from_regex(r"[-+]?[0-9.eEx ]{0,12} ?[a-zA-Z/ ]{0,8}", fullmatch=True),
        st.floats(),
        st.integers(),
        st.lists(st.integers(), max_size=2),
    ),
)
def test_no_input_does_anything_but_parse_or_be_refused(parse, value):
    with contextlib.suppress(QuantityError):
        assert parse(value) is not None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (65536, "64.0 KiB"),
        (2**32, "4.00 GiB"),
        (1023.9996 * 1024, "1.00 MiB"),
        (10**15, "909 TiB"),
    ],
)
def test_show_bytes(value, shown):
    assert show_bytes(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 s"),
        (999, "999 ps"),
        (3_224_200_000, "3.224 ms"),
        (999_960_000, "1.000 ms"),
        (10**12, "1.000 s"),
        (1.5, "1.500 ps"),
    ],
)
def test_show_time(value, shown):
    assert show_time(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 b/s"), (20.8e9, "20.8 Gb/s"), (999.96e9, "1.00 Tb/s"), (4e11, "400 Gb/s")],
)
def test_show_rate(value, shown):
    assert show_rate(value) == shown


def test_a_long_or_wild_value_is_shown_short_and_on_one_line():
    assert shorten("x" * 1000) == "'" + "x" * 56 + "..."
    assert shorten("a\nb\x1b") == r"'a\nb\x1b'"
