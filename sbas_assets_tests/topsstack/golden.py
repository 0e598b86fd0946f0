"""Where the ISCE2-written samples are, and how a test does without them."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
GOLDEN = DATA / "topsstack_golden"
STACK = GOLDEN / "10_stack_desc_S1A_VV_2swath"
MEXICO = DATA / "mexico_city_T005A"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="no ISCE2 golden samples beside this checkout")
needs_mexico = pytest.mark.skipif(not MEXICO.is_dir(), reason="no Mexico City sample beside this checkout")
