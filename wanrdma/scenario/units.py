"""Quantities as people write them ("329 km", "2 x 400 Gbps"), and back.

Inside, time is whole picoseconds, size whole bytes, length metres, delay per length
picoseconds a metre, and a rate whole picoseconds a byte.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

PS_PER_S = 10**12
BIT_PS_PER_BYTE = 8 * PS_PER_S
"""Rate in bit/s times picoseconds a byte: 8e12, whatever the rate."""

MOST_TIME_PS = 9 * 10**18
"""About 104 days: int64 picoseconds end at 106."""
MOST_BYTES = 2**60
MOST_DISTANCE_M = 20_000e3
"""Half way round the Earth."""
MOST_PORTS = 1024
LEAST_BPS = 10**6

LARGEST_NUMBER = 2**1000

# Short, and its exponent too: "1e999999999 B" would otherwise fill the memory.
_NUMBER = r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?"
_UNIT = "[A-Za-z\u00b5\u03bc]+"  # the two letters that people use for micro
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*({_UNIT}(?:\s*/\s*{_UNIT})?)\s*", re.ASCII)
_BARE = re.compile(rf"\s*{_NUMBER}\s*", re.ASCII)
_PORTS = re.compile(r"\s*(\d{1,9})\s*[x\u00d7]\s*(\S.*)", re.ASCII | re.DOTALL)


class QuantityError(ValueError):
    """A quantity that cannot be used; the text says what was given and what is allowed."""


@dataclass(frozen=True)
class PortRate:
    """``count`` ports of one rate each; ``ps_per_byte`` is how long a byte lasts on one."""

    count: int
    ps_per_byte: int

    @property
    def bps(self) -> float:
        """Bits a second of one port."""
        return BIT_PS_PER_BYTE / self.ps_per_byte

    @property
    def total_bps(self) -> float:
        """Bits a second of all ports together."""
        return self.count * self.bps

    def __str__(self) -> str:
        rate = show_rate(self.bps)
        return rate if self.count == 1 else f"{self.count} x {rate}"


@dataclass(frozen=True)
class _Kind:
    """What a field expects: its name, its base unit, an example, and the units to suggest."""

    name: str
    base: str
    example: str
    units: tuple[str, ...]


_LENGTH = _Kind("a length", "meter", "329 km", ("m", "km", "cm"))
_TIME = _Kind("a time", "picosecond", "50 ms", ("s", "ms", "us", "ns", "ps", "min", "h"))
_SIZE = _Kind(
    "a size", "byte", "64 MiB", ("B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "bit")
)
_RATE = _Kind(
    "a rate",
    "bit_per_second",
    "400 Gbps",
    ("bps", "kbps", "Mbps", "Gbps", "Tbps", "Mb/s", "Gb/s", "Tb/s"),
)
_MEANT_AS_BYTES = ("b", "kb", "Mb", "Gb", "Tb")
"""Bits, in a rate; of a size they would be a slip, eight times too small."""
_DELAY = _Kind(
    "a delay per length", "picosecond/meter", "4.9 us/km", ("us/km", "ns/m", "ps/m", "ms/km")
)


@cache
def _registry() -> Any:
    import pint  # here, because it takes a third of a second

    text = files(__package__).joinpath("units.txt").read_text(encoding="utf-8")
    # Fractions: "4.9 us" is exactly 4,900,000 ps, which no float arithmetic promises.
    registry: Any = pint.UnitRegistry(None, non_int_type=Fraction, cache_folder=None)
    registry.load_definitions(text.splitlines())
    return registry


@cache
def _factor(unit: str, kind: _Kind) -> Fraction:
    """How many base units of ``kind`` one ``unit`` is."""
    import pint

    registry = _registry()
    try:
        given = registry.parse_units(unit)
        return Fraction(registry.convert(Fraction(1), given, registry.parse_units(kind.base)))
    except pint.DimensionalityError:
        raise QuantityError(
            f"{unit!r} is not a unit of {kind.name[2:]}; {_units_of(kind)}"
        ) from None
    except Exception:  # pint raises many kinds for a unit that it cannot read
        near = _nearest_unit(unit, kind)
        hint = f"did you mean {near!r}? " if near else ""
        raise QuantityError(f"unknown unit {unit!r}; {hint}{_units_of(kind)}") from None


def _units_of(kind: _Kind) -> str:
    return f"{kind.name} is given in {', '.join(kind.units)}"


def _nearest_unit(unit: str, kind: _Kind) -> str | None:
    lower = {name.lower(): name for name in reversed(kind.units)}
    near = difflib.get_close_matches(unit.lower(), lower, n=1, cutoff=0.4)
    return lower[near[0]] if near else None


def shorten(value: object, most: int = 60) -> str:
    """Write a value for a message, on one line and not longer than ``most`` characters."""
    if value is None:
        return "nothing"
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return "a number too large for anything"  # which Python would refuse to write
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def _quantity(value: object, kind: _Kind) -> Fraction:
    """Read a quantity in base units of ``kind``.

    Raises QuantityError for anything but text with a known unit, or the number 0.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value == 0:
            return Fraction(0)
        raise QuantityError(f"{value} has no unit; write {kind.name} like '{kind.example}'")
    if not isinstance(value, str):
        raise QuantityError(f"must be {kind.name} like '{kind.example}', got {shorten(value)}")
    match = _QUANTITY.fullmatch(value)
    if match is None:
        if _BARE.fullmatch(value):
            if Fraction(value) == 0:
                return Fraction(0)
            raise QuantityError(
                f"{value.strip()} has no unit; write {kind.name} like '{kind.example}'"
            )
        raise QuantityError(f"{shorten(value)} is not {kind.name} like '{kind.example}'")
    number, unit = match[1], re.sub(r"\s", "", match[2])
    if kind is _SIZE and unit in _MEANT_AS_BYTES:
        raise QuantityError(
            f"{shorten(value)} is in bits; write {unit[:-1]}B for bytes, {unit}it for bits"
        )
    quantity = Fraction(number) * _factor(unit, kind)
    if quantity < 0:
        raise QuantityError(f"{shorten(value)} is negative; {kind.name} is 0 or more")
    return quantity


def parse_time(value: object) -> int:
    """Whole picoseconds from "50 ms". Raises QuantityError."""
    time = _quantity(value, _TIME)
    if time.denominator != 1:
        raise QuantityError(f"{shorten(value)} is not a whole number of picoseconds")
    if time > MOST_TIME_PS:
        raise QuantityError(f"{shorten(value)} is too long; at most 2500 h")
    return int(time)


def parse_bytes(value: object) -> int:
    """Whole bytes from "64 MiB". Raises QuantityError."""
    size = _quantity(value, _SIZE)
    if size.denominator != 1:
        raise QuantityError(f"{shorten(value)} is not a whole number of bytes")
    if size > MOST_BYTES:
        raise QuantityError(f"{shorten(value)} is too large; at most 1048576 TiB")
    return int(size)


def parse_length(value: object) -> float:
    """Metres from "329 km". Raises QuantityError."""
    return float(_quantity(value, _LENGTH))


def parse_delay_per_length(value: object) -> float:
    """Picoseconds a metre from "4.9 us/km". Raises QuantityError."""
    return float(_quantity(value, _DELAY))


def parse_rate(value: object) -> PortRate:
    """Ports and their rate from "400 Gbps" or "2 x 400 Gbps".

    Raises QuantityError, also for a rate at which a byte does not last a whole number of
    picoseconds: the emulator's clock would drift.
    """
    if isinstance(value, PortRate):
        return value
    count, rate = 1, value
    if isinstance(value, str) and (ports := _PORTS.fullmatch(value)):
        count, rate = int(ports[1]), ports[2]
        if not 1 <= count <= MOST_PORTS:
            raise QuantityError(f"{shorten(value)}: 1 to {MOST_PORTS} ports")
    bps = _quantity(rate, _RATE)
    if bps < LEAST_BPS or bps > BIT_PS_PER_BYTE:
        raise QuantityError(f"{shorten(value)}: a port's rate is 1 Mbps to 8 Tbps")
    ps_per_byte = BIT_PS_PER_BYTE / bps
    if ps_per_byte.denominator != 1:
        slower, faster = _nearest_rates(ps_per_byte)
        raise QuantityError(
            f"{shorten(value)}: a byte must last a whole number of picoseconds; "
            f"the nearest rates that do are {slower} and {faster}"
        )
    return PortRate(count, int(ps_per_byte))


def _nearest_rates(ps_per_byte: Fraction) -> tuple[str, str]:
    """Find the next slower and next faster rate that can be written and used."""
    down = int(ps_per_byte)
    up = down + 1
    while not _finite_decimal(down):
        down -= 1
    while not _finite_decimal(up):
        up += 1
    return _rate_text(up), _rate_text(down)


def _finite_decimal(ps_per_byte: int) -> bool:
    for prime in (2, 5):
        while ps_per_byte % prime == 0:
            ps_per_byte //= prime
    return ps_per_byte == 1


def _rate_text(ps_per_byte: int) -> str:
    gbps = Fraction(BIT_PS_PER_BYTE, ps_per_byte * 10**9)
    return f"{float(gbps):.12g} Gbps"


def _distance(metres: float) -> float:
    if metres > MOST_DISTANCE_M:
        raise QuantityError(f"{metres / 1e3:g} km is too far; 0 to {MOST_DISTANCE_M / 1e3:g} km")
    return metres


def _one_port(rate: PortRate) -> PortRate:
    if rate.count != 1:
        raise QuantityError(f"'{rate}' is {rate.count} ports; this is the rate of one port")
    return rate


def _at_least_one_byte(size: int) -> int:
    if size < 1:
        raise QuantityError("must be at least 1 B")
    return size


def _or_auto(parse: Callable[[object], Any]) -> Callable[[object], Any]:
    def parse_or_auto(value: object) -> Any:
        if value is None or value == "auto":
            return None
        try:
            return parse(value)
        except QuantityError as error:
            raise QuantityError(f"{error} (or 'auto')") from None

    return parse_or_auto


def _json(kind: _Kind, *examples: Any, zero: bool = True, auto: bool = False) -> WithJsonSchema:
    """Tell json_schema what a field takes; the patterns are made there, as that needs pint."""
    more = ["auto"] if auto else []
    schema = {"x-quantity": kind.name, "x-zero": zero, "x-auto": auto}
    return WithJsonSchema({**schema, "examples": [*more, *(examples or [kind.example])]})


TimePs = Annotated[int, BeforeValidator(parse_time), _json(_TIME, "50 ms", "5 us", 0)]
"""A time, in whole picoseconds."""
Bytes = Annotated[int, BeforeValidator(parse_bytes), _json(_SIZE, "64 MiB", "4096 B")]
"""A size, in whole bytes."""
SomeBytes = Annotated[
    int,
    AfterValidator(_at_least_one_byte),
    BeforeValidator(parse_bytes),
    _json(_SIZE, zero=False),
]
"""A size of at least one byte."""
BytesOrAuto = Annotated[int | None, BeforeValidator(_or_auto(parse_bytes)), _json(_SIZE, auto=True)]
"""A size in whole bytes, or None for "auto": worked out from the rest of the scenario."""
Metres = Annotated[float, BeforeValidator(parse_length), _json(_LENGTH, "30 m", "329 km")]
"""A length, in metres."""
Distance = Annotated[
    float, AfterValidator(_distance), BeforeValidator(parse_length), _json(_LENGTH)
]
"""The length of a line in metres, at most 20,000 km."""
DelayPerLength = Annotated[float, BeforeValidator(parse_delay_per_length), _json(_DELAY)]
"""How long light takes, in picoseconds a metre."""
Rate = Annotated[
    PortRate, BeforeValidator(parse_rate), _json(_RATE, "400 Gbps", "2 x 400 Gbps", zero=False)
]
"""One or more ports of one rate."""
OnePortRate = Annotated[
    PortRate, AfterValidator(_one_port), BeforeValidator(parse_rate), _json(_RATE, zero=False)
]
"""The rate of exactly one port."""

_KINDS = {kind.name: kind for kind in (_LENGTH, _TIME, _SIZE, _RATE, _DELAY)}
_ZERO = r"[+-]?(?:0{1,20}(?:\.0{0,20})?|\.0{1,20})(?:[eE][+-]?[0-9]{1,2})?"


def quantity_units() -> dict[str, tuple[str, ...]]:
    """Return each kind of quantity ("a size") and the units to write it in."""
    return {name: kind.units for name, kind in _KINDS.items()}


def quantity_pattern(name: str) -> str:
    """Return a pattern of texts that are this kind of quantity; "zero": a 0 without unit.

    It is for JSON Schema, and lets pass what is only too large or negative.
    """
    if name == "zero":
        return rf"^\s*{_ZERO}\s*$"
    units = _unit_pattern(_KINDS[name])
    ports = r"(?:\s*[0-9]{1,9}\s*[x\u00d7])?" if name == _RATE.name else ""
    number = _NUMBER.replace(r"\d", "[0-9]")
    return rf"^{ports}\s*{number}\s*(?:{units})\s*$"


def _unit_pattern(kind: _Kind) -> str:
    """Return a pattern of the units of a kind: those of the unit file, or one over another."""

    def named(one: _Kind) -> str:
        return "|".join(name for name in _unit_names() if _fits(name, one))

    over = {
        _TIME.name: (_SIZE, _RATE),
        _RATE.name: (_SIZE, _TIME),
        _DELAY.name: (_TIME, _LENGTH),
    }
    own = named(kind)
    if kind is _SIZE:
        own = "|".join(unit for unit in own.split("|") if unit not in _MEANT_AS_BYTES)
    patterns = [own] if own else []
    if kind.name in over:
        above, below = over[kind.name]
        patterns.append(rf"(?:{named(above)})\s*/\s*(?:{named(below)})")
    return "|".join(patterns)


@cache
def _unit_names() -> list[str]:
    """List all names and symbols of the unit file, and their plurals, which pint reads too."""
    found = []
    for line in files(__package__).joinpath("units.txt").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, *symbols = (word.strip() for word in line.split("="))
            found += [word for word in (name, *symbols) if "_" not in word]
    return list(dict.fromkeys(found + [f"{word}s" for word in found]))


def _fits(unit: str, kind: _Kind) -> bool:
    try:
        _factor(unit, kind)
    except QuantityError:
        return False
    return True


def _scaled(value: float, steps: list[tuple[float, str]], digits: int) -> str:
    """Write ``value`` with ``digits`` significant ones in the largest unit that fits."""
    for index, (size, unit) in enumerate(steps):
        if abs(value) >= size or index == len(steps) - 1:
            scaled = value / size
            whole = len(str(int(abs(scaled))))
            text = f"{scaled:.{max(digits - whole, 0)}f}"
            if index and abs(float(text)) >= steps[index - 1][0] / size:  # 999.96 -> 1000.0
                return _scaled(steps[index - 1][0], steps, digits)
            return f"{text} {unit}"
    raise AssertionError("the last step fits everything")


def show_bytes(size_bytes: float) -> str:
    """Write a size for people: "4.00 GiB", "512 B"."""
    if abs(size_bytes) < 1024 and size_bytes == int(size_bytes):
        return f"{int(size_bytes)} B"
    steps = [(2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")]
    return _scaled(size_bytes, steps, 3)


def show_time(time_ps: float) -> str:
    """Write a time for people: "3.224 ms", "1.500 s". The argument is in picoseconds."""
    if time_ps == 0:
        return "0 s"
    if abs(time_ps) < 1000 and time_ps == int(time_ps):
        return f"{int(time_ps)} ps"
    steps = [(1e12, "s"), (1e9, "ms"), (1e6, "us"), (1e3, "ns"), (1.0, "ps")]
    return _scaled(time_ps, steps, 4)


def show_rate(bps: float) -> str:
    """Write a rate for people: "20.8 Gb/s". The argument is in bits a second."""
    if bps == 0:
        return "0 b/s"
    steps = [(1e12, "Tb/s"), (1e9, "Gb/s"), (1e6, "Mb/s"), (1e3, "kb/s"), (1.0, "b/s")]
    return _scaled(bps, steps, 3)
