"""What a picture holds, by the marks that its code leaves."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl


def drawn(within: Any, gid: str) -> list[Any]:
    return list(within.findobj(lambda artist: artist.get_gid() == gid))


def bar_widths(axes: Any, gid: str) -> list[float]:
    return [bar.get_width() for bar in drawn(axes, gid)]


def texts(within: Any) -> list[str]:
    return [text.get_text() for text in within.findobj(mpl.text.Text) if text.get_text()]
