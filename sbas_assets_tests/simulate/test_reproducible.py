"""Equal configurations give equal bytes, and later acquisitions leave earlier ones alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import pytest

from sbas_assets.simulate import SimulationConfig, Truth, regular_dates, simulate_stack


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_in_another_folder(
    tiny_config: SimulationConfig, tiny_stack: tuple[Path, Truth], tmp_path: Path
) -> None:
    other = tmp_path / "somewhere" / "else"
    simulate_stack(tiny_config, other)
    assert digests(other) == digests(tiny_stack[0])


def test_another_seed_gives_other_phases(
    tiny_config: SimulationConfig, tiny_stack: tuple[Path, Truth], tmp_path: Path
) -> None:
    simulate_stack(tiny_config.model_copy(update={"seed": 1}), tmp_path)
    name = "merged/interferograms/20200511_20200523/filt_fine.unw"
    assert (tmp_path / name).read_bytes() != (tiny_stack[0] / name).read_bytes()


def test_more_acquisitions_leave_earlier_pairs_as_they_were(
    tiny_config: SimulationConfig, tiny_stack: tuple[Path, Truth], tmp_path: Path
) -> None:
    before = digests(tiny_stack[0])
    longer = SimulationConfig(**{**tiny_config.model_dump(), "dates": regular_dates("20200511", 6)})
    simulate_stack(longer, tmp_path)
    after = digests(tmp_path)
    changed = {name for name, digest in before.items() if after[name] != digest}
    assert changed == {"SAFE_files.txt", "truth.h5"}
    assert len(after) > len(before)


def test_an_earlier_acquisition_leaves_pairs_alone_when_the_reference_is_named(
    tiny_config: SimulationConfig, tiny_stack: tuple[Path, Truth], tmp_path: Path
) -> None:
    before = digests(tiny_stack[0] / "merged")
    dates = ("20200429", *tiny_config.dates)
    simulate_stack(
        SimulationConfig(**{**tiny_config.model_dump(), "dates": dates, "reference_date": "20200511"}), tmp_path
    )
    after = digests(tmp_path / "merged")
    assert {name: after[name] for name in before} == before


def test_no_file_names_the_folder_it_was_written_to(tiny_stack: tuple[Path, Truth]) -> None:
    folder, _ = tiny_stack
    place = str(folder).encode()
    assert not [path for path in folder.rglob("*") if path.is_file() and place in path.read_bytes()]


def test_the_truth_records_its_configuration(tiny_config: SimulationConfig, tiny_stack: tuple[Path, Truth]) -> None:
    with h5py.File(tiny_stack[0] / "truth.h5") as file:
        assert SimulationConfig.model_validate_json(file.attrs["config"]) == tiny_config


@pytest.mark.parametrize(
    "wrong",
    [
        {"dates": ("20200523", "20200511", "20200604")},
        {"dates": ("20200511", "20200511", "20200604")},
        {"dates": ("20201341", "20210101", "20210201")},
        {"reference_date": "20190101"},
        {"river": False},
        {"lenght": 100},
    ],
    ids=["unsorted", "repeated", "no calendar date", "foreign reference", "jump without river", "misspelt"],
)
def test_a_configuration_that_makes_no_stack_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        SimulationConfig(**wrong)
