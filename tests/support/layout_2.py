"""A saved state of layout version 2, in which each of the three peaks was a field, and its program.

`STATE` is that of the env on `stockholm`, 150 steps after `reset(seed=41)`.
"""

from pathlib import Path

PROGRAM = "0.1.0.dev0 (2, c46a94b124a1, numba 0.68.1, numpy 2.4.6)"
STATE = Path(__file__).with_name("layout_2.state").read_bytes()
