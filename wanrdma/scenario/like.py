"""``like``: a site that takes another's settings, merged before anything is validated."""

from collections.abc import Mapping
from typing import Any

from .found import Found, Place, unknown_site

MOST_IN_A_ROW = 50


def long_form(data: Any) -> Any:
    """Write the short forms of all sites out, in a plain scenario mapping."""
    if not isinstance(data, Mapping) or not isinstance(data.get("sites"), Mapping):
        return data
    return {**data, "sites": {name: _long_form(site) for name, site in data["sites"].items()}}


def _long_form(site: Any) -> Any:
    if not isinstance(site, Mapping):
        return site
    site = dict(site)
    if isinstance(site.get("fabric"), str):
        site["fabric"] = {"type": site["fabric"]}
    fabric = site.get("fabric")
    if isinstance(fabric, Mapping):
        pfc = fabric.get("pfc")
        if isinstance(pfc, Mapping) and "priority" in pfc and "priorities" not in pfc:
            pfc = dict(pfc)
            pfc["priorities"] = [pfc.pop("priority")]
            site["fabric"] = {**fabric, "pfc": pfc}
    return site


def resolve(data: object) -> tuple[object, list[Found]]:
    """Give each site with ``like`` the other site's settings beneath its own.

    Returns the scenario's mapping with all sites merged, and what was wrong. A site whose
    ``like`` cannot be followed is left as it is.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("sites"), Mapping):
        return data, []
    sites = long_form(data)["sites"]
    found: list[Found] = []
    done: dict[str, Any] = {}

    def merged(name: str, trail: tuple[str, ...]) -> Any:
        if name in done:
            return done[name]
        site = sites[name]
        like = site.get("like") if isinstance(site, Mapping) else None
        if isinstance(like, str):
            wrong = _wrong(like, name, trail, sites)
            if wrong:
                place: Place = ("sites", name, "like")
                found.append(Found([place], wrong))
            else:
                site = _merge(_without_like(merged(like, (*trail, name))), site)
        done[name] = site
        return site

    return {**data, "sites": {name: merged(name, ()) for name in sites}}, found


def _wrong(like: str, name: str, trail: tuple[str, ...], sites: Mapping[str, Any]) -> str | None:
    if like not in sites:
        return unknown_site(like, [str(key) for key in sites])
    if like in (*trail, name):
        ring = [*trail, name]
        return f"goes round in a circle: {' -> '.join([*ring[ring.index(like) :], like])}"
    if len(trail) >= MOST_IN_A_ROW:
        return f"more than {MOST_IN_A_ROW} sites in a row"
    return None


def _without_like(site: Any) -> Any:
    if not isinstance(site, Mapping):
        return site
    return {key: value for key, value in site.items() if key != "like"}


def _merge(base: Any, own: Any) -> Any:
    """Lay ``own`` over ``base``, key by key all the way down."""
    if isinstance(base, Mapping) and isinstance(own, Mapping):
        merged = dict(base)
        for key, value in own.items():
            merged[key] = _merge(base[key], value) if key in base else value
        return merged
    return own
