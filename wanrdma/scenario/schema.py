"""What a scenario file may say: one model a section, one described field a key.

Each field carries its meaning, its unit and where its default comes from, so that the JSON
Schema and the reference page are made from here and nothing is said twice. Sources:
"published" (in a standard, a manual or a paper), "derived" (worked out from the others),
"assumed" (a plain choice of ours: change it if you know better).
"""

from typing import Annotated

from pydantic import (
    Field,
    model_validator,
)

from . import checks, like
from .event import Event
from .hosts import Host, expand, pair
from .limits import MOST_SEED, SITE_NAME
from .line import Change, Errors, Line, Otn
from .nic import Dcqcn, Framing, Nic, RetryBudget
from .section import Section, part, refuse
from .site import Ecn, Fabric, Gateway, Pfc, Site, Watchdog
from .units import (
    PortRate,
    TimePs,
)
from .work import Slots, Work


class Scenario(Section):
    """Sites, the lines between them, what the NICs are set to, and the work."""

    keys_for_later = ("training",)

    name: str = Field(
        description="Name of the scenario, and of its result files.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=64,
        examples=["perftest"],
    )
    description: str = Field("", description="What it shows.")
    sites: dict[Annotated[str, Field(pattern=SITE_NAME)], Site] = Field(
        description="The data centres, by name.", min_length=1, examples=[{"a": {"hosts": 1}}]
    )
    lines: list[Line] = Field([], description="The optical paths between them.")
    nic: Nic = part("What the NICs are set to.")
    traffic: list[Work] = Field(
        description="The work: transfers and computations.",
        min_length=1,
        examples=[[{"name": "write", "from": "a.0", "to": "b.0", "bytes": "1 GiB"}]],
    )
    events: list[Event] = Field([], description="What happens to lines and NICs, and when.")
    seed: int = Field(
        1, description="The same seed gives the same run.", ge=0, le=MOST_SEED, examples=[1]
    )
    stop: TimePs | None = Field(
        None,
        description="The run stops at this time at the latest.",
        json_schema_extra={"unit": "ps"},
        examples=["1 s"],
    )

    @model_validator(mode="before")
    @classmethod
    def _like(cls, data: object) -> object:
        resolved, problems = like.resolve(data)
        refuse(problems)
        return resolved

    @model_validator(mode="after")
    def _cross_checks(self) -> "Scenario":
        refuse(checks.across(self.sites, self.lines, self.traffic, self.nic, events=self.events))
        return self

    def site_nic(self, site: str) -> Nic:
        """Return the settings of one site's NICs: the scenario's, with what the site overrides."""
        return checks.merged_nic(self.nic, self.sites[site].nic)

    def hosts(self, selector: str) -> list[Host]:
        """Hosts, as (site, index), that SITE.N, SITE.* or SITE.A-B names."""
        return expand(selector, {name: site.hosts for name, site in self.sites.items()})

    def pairs(self, work: Work) -> list[tuple[Host, Host]]:
        """Sender and receiver of each transfer that a row stands for, in order."""
        if work.source is None or work.target is None:
            raise ValueError(f"{work.name} is a computation")
        return pair(self.hosts(work.source), self.hosts(work.target))

    def convergence(self, site: str) -> float | None:
        """All its NICs' rate over all its lines' rate; None for a site without lines."""
        return checks.convergence(site, self.sites[site].hosts, self.site_nic(site), self.lines)


__all__ = [
    "Change",
    "Dcqcn",
    "Ecn",
    "Errors",
    "Event",
    "Fabric",
    "Framing",
    "Gateway",
    "Line",
    "Nic",
    "Otn",
    "Pfc",
    "PortRate",
    "RetryBudget",
    "Scenario",
    "Site",
    "Slots",
    "Watchdog",
    "Work",
]
