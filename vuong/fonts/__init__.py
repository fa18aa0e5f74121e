"""The fonts of all pages (SIL Open Font Licence, beside each): Vietnamese and Khmer are legible on a phone that brings no font for them."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
