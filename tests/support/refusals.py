"""What a refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from ev_gym.scenario import ScenarioError


def refusal(make: Any) -> str:
    """The message of the `ScenarioError` that a call must raise."""
    with pytest.raises(ScenarioError) as caught:
        make()
    return str(caught.value)
