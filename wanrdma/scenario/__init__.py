"""Scenarios: what a file may say (schema), in which units, and how it is read (load).

``load`` reads a file or a built-in scenario into a checked ``Scenario``. Both are imported
here for good: ``load`` is also the name of the module, and must always mean the function.
"""

from .load import LoadedScenario, load, loads
from .schema import Scenario

__all__ = ["LoadedScenario", "Scenario", "load", "loads"]
