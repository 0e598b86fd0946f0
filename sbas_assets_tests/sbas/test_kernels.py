"""Compiled kernels are compiled anew when anything that they are made of changes.

numba keeps compiled functions beside the source and looks for changes in the file of the function itself, not in the
files of what it calls; what it kept also outlives an upgrade. So a kernel that uses others' code names their digest.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

import sbas_assets.sbas

FOLDER = Path(sbas_assets.sbas.__file__).parent
KERNELS = sorted(FOLDER.glob("*_kernel.py"))
PREFIX = "sbas_assets.sbas."


def imported(file: Path) -> set[Path]:
    """Modules of this package that a module is made of, directly or not."""
    names = [node.module or "" for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    direct = {FOLDER / f"{name.removeprefix(PREFIX)}.py" for name in names if name.startswith(PREFIX)}
    return direct.union(*map(imported, direct))


def digest(files: set[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:16]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda file: file.stem)
def test_a_kernel_names_the_digest_of_what_it_is_compiled_with(kernel: Path) -> None:
    parts = imported(kernel)
    if parts:
        assert f'_COMPILED_WITH = "{digest(parts)}"' in kernel.read_text()
