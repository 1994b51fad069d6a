"""Print docs/validation.md: ``python -m tests.validation > docs/validation.md``, some minutes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does, pyproject.toml's pythonpath

from validation.page import page

if __name__ == "__main__":
    print(page(), end="")
