"""The label that goes on the box: QR code with the node's id, and the id for people to read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import segno
from PIL import Image, ImageDraw, ImageFont

from vuong.contract.encode import BASE_NAME

_WIDTH, _HEIGHT, _MARGIN = 620, 300, 20
_DPI: Final = 300  # 52 × 25 mm on paper


def draw(node: str, pond: str) -> Image.Image:
    """Return the label as a picture; the code holds the node's URN (``urn:dev:mac:…``, RFC 9039)."""
    code = io.BytesIO()
    segno.make(BASE_NAME + node, error="q", micro=False).save(code, kind="png", scale=8, border=2)
    label = Image.new("L", (_WIDTH, _HEIGHT), 255)
    square = Image.open(code).convert("L").resize((_HEIGHT - 2 * _MARGIN,) * 2, Image.Resampling.NEAREST)
    label.paste(square, (_MARGIN, _MARGIN))
    pen, left = ImageDraw.Draw(label), _HEIGHT + _MARGIN
    pen.text((left, 50), "Vuông", font=ImageFont.load_default(44), fill=0)
    pen.text((left, 120), f"{node[:8]}\n{node[8:]}", font=ImageFont.load_default(40), fill=0, spacing=8)
    pen.text((left, 228), pond[:20], font=ImageFont.load_default(36), fill=0)
    return label


def write(node: str, pond: str, path: Path) -> None:
    """Write the label as PNG or PDF, by the file's name."""
    draw(node, pond).save(path, dpi=(_DPI, _DPI), resolution=_DPI)  # PNG takes the one, PDF the other
