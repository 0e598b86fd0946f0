"""Ways to spoil a good stack. Each function returns, or is, what takes the stack's folder and plants a fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from sbas_assets_tests.topsstack.writer import DATES, PAIRS, SHAPE, product_xml, write_raster

FIRST, SECOND, THIRD = PAIRS
IFG = "merged/interferograms"
GEOM = "merged/geom_reference"
UNW = f"{IFG}/{FIRST}/filt_fine.unw"
COR = f"{IFG}/{FIRST}/filt_fine.cor"
IW1, IW2 = "reference/IW1.xml", "reference/IW2.xml"
BASE = f"baselines/{DATES[0]}_{DATES[1]}/{DATES[0]}_{DATES[1]}.txt"


def cut(path: str, keep: float = 0.5) -> Callable[[Path], None]:
    def plant(stack: Path) -> None:
        content = (stack / path).read_bytes()
        (stack / path).write_bytes(content[: int(keep * len(content))])

    return plant


def grow(path: str) -> Callable[[Path], None]:
    return lambda stack: (stack / path).write_bytes((stack / path).read_bytes() + b"\0")


def remove(path: str) -> Callable[[Path], None]:
    def plant(stack: Path) -> None:
        target = stack / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return plant


def edit(path: str, old: str, new: str, count: int = -1) -> Callable[[Path], None]:
    def plant(stack: Path) -> None:
        text = (stack / path).read_text()
        assert old in text
        (stack / path).write_text(text.replace(old, new, count))

    return plant


def folder_instead(path: str) -> Callable[[Path], None]:
    def plant(stack: Path) -> None:
        (stack / path).unlink()
        (stack / path).mkdir()

    return plant


def dangling(path: str) -> Callable[[Path], None]:
    def plant(stack: Path) -> None:
        (stack / path).unlink()
        (stack / path).symlink_to("/nowhere/at/all")

    return plant


def fill(path: str, value: float, bands: int, scheme: str, dtype: str = "f4") -> Callable[[Path], None]:
    origin = f"/elsewhere/{FIRST}"
    images = [np.full(SHAPE, value, dtype)] * bands
    return lambda stack: write_raster(stack / path, images, scheme, origin)


def swap_headers(stack: Path) -> None:
    a, b = (stack / IFG / name / "filt_fine.unw.xml" for name in (FIRST, SECOND))
    ours, theirs = a.read_text(), b.read_text()
    a.write_text(theirs)
    b.write_text(ours)


def rename(old: str, new: str) -> Callable[[Path], None]:
    return lambda stack: (stack / IFG / old).rename(stack / IFG / new)


def set_property(path: str, name: str, old: str, new: str) -> Callable[[Path], None]:
    return edit(path, f'<property name="{name}"><value>{old}', f'<property name="{name}"><value>{new}')


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda stack: shutil.copy(stack / source, stack / target)


def write(path: str, content: bytes) -> Callable[[Path], None]:
    return lambda stack: (stack / path).write_bytes(content)


def empty_image(name: str, dtype: str, bands: int) -> Callable[[Path], None]:
    images = [np.zeros(SHAPE, dtype)] * bands
    return lambda stack: write_raster(stack / GEOM / name, images, "BSQ")


def second_swath_of_another_date(stack: Path) -> None:
    (stack / IW2).write_text(product_xml(2, datetime(2020, 5, 23, 13, 51, 23)))
