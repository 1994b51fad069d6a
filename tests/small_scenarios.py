"""Small scenarios, part by part: what a test does not say is as simple as can be."""

from typing import Any

from wanrdma.scenario.schema import Scenario

ONE_SWITCH = {"type": "one-switch", "cable": "0 m"}


def scenario(**parts: Any) -> Scenario:
    """Two sites of two hosts, 10 km apart, and one transfer; with other parts instead."""
    base: dict[str, Any] = {
        "name": "small",
        "sites": {"a": {"hosts": 2, "fabric": ONE_SWITCH}, "b": {"hosts": 2, "fabric": ONE_SWITCH}},
        "lines": [line("a", "b")],
        "traffic": [transfer("t", "a.0", "b.0")],
    }
    return Scenario.model_validate(base | parts)


def line(a: str, b: str, **keys: Any) -> dict[str, Any]:
    clean = {"between": [a, b], "distance": "10 km", "rate": "400 Gbps", "otn": {"latency": "0 s"}}
    return clean | keys


def transfer(name: str, source: str, target: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "from": source, "to": target, "bytes": "1 MiB"} | keys
