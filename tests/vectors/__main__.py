"""Write the shared vectors anew: python -m tests.vectors"""

from __future__ import annotations

from tests.vectors import PATH, integer_vectors

PATH.write_text(integer_vectors(), encoding="ascii")
