"""Presets: what known NICs and libraries are set to, each value with its source.

One YAML file each in ``nics/``: ``description``, and under ``nic`` and ``slots`` the keys of
these sections, each a mapping of ``value`` and ``source``.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Name = Literal[
    "ascend-hccl",
    "connectx-gbn",
    "connectx-sr",
    "nccl-2.23",
    "ns3-hpcc",
    "perftest-default",
]
SlotsName = Literal["nccl-2.23"]


def names() -> list[str]:
    """List the presets, in alphabetical order."""
    folder = files(__package__).joinpath("nics")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


@cache
def read(name: str) -> dict[str, Any]:
    """Return what the file of a preset says. Raises FileNotFoundError if there is none."""
    from ruamel.yaml import YAML

    text = files(__package__).joinpath("nics", f"{name}.yaml").read_text(encoding="utf-8")
    preset: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return preset


def under(data: object, section: str) -> object:
    """Lay a section as it was given over what its preset says.

    A section without one, or with one that there is not, is returned as it is.
    """
    if not isinstance(data, Mapping):
        return data
    name = data.get("preset")
    if not isinstance(name, str) or name not in names():
        return data
    return _laid_over(_values(read(name).get(section, {})), data)


def _values(section: Mapping[str, Any]) -> dict[str, Any]:
    """Take the values of a preset's section without their sources."""
    return {
        key: entry["value"] if "value" in entry else _values(entry)
        for key, entry in section.items()
    }


def _laid_over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**lower, **upper}
    for key in lower:
        if isinstance(lower[key], Mapping) and isinstance(upper.get(key), Mapping):
            merged[key] = _laid_over(lower[key], upper[key])
    return merged
