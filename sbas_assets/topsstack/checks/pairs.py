"""Checks of the interferograms: names, files, headers, sizes, content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.topsstack.checks.images import holds_values, inspect_image
from sbas_assets.topsstack.problems import Problem
from sbas_assets.topsstack.rasters import RasterHeader, phase_band
from sbas_assets.topsstack.tree import Pair, StackTree

STEPS = {"unw": "unwrap", "conncomp": "unwrap", "cor": "filter_coherence", "wrapped": "filter_coherence"}
"""The topsStack step that writes each image; the number in front of it differs between stacks."""
Headers = Mapping[str, RasterHeader]


@dataclass(frozen=True)
class Inspected:
    """A pair, the headers that could be read, and what is wrong with its files."""

    pair: Pair
    headers: dict[str, RasterHeader] = field(default_factory=dict)
    errors: tuple[InputError, ...] = ()

    def problems(self) -> Iterator[Problem]:
        """Yield the errors as reasons to drop the pair."""
        return (Problem.of(error, "drop", pair=self.pair.name) for error in self.errors)


def inspect_pair(pair: Pair, *, origin: bool = True) -> Inspected:
    """Look at every file of a pair without reading pixels; `origin`: also whether the headers are of this pair."""
    headers, errors = {}, []
    for dataset, raster in pair.files.items():
        header, found = inspect_image(raster, dataset, pair.name if origin else None)
        errors += found
        if header is not None:
            headers[dataset] = header
    return Inspected(pair, headers, tuple(errors))


def check_names(tree: StackTree) -> Iterator[Problem]:
    """Yield folders that are not named after a pair, pairs back to front, and pairs with several files."""
    if not tree.pairs:
        path = tree.layout.expected("unw")
        mend = "run topsStack up to its unwrap step, or correct the pattern of the unwrapped interferograms"
        yield Problem("interferograms-missing", "stop", path, "matches no interferogram", mend)
    for folder in tree.misnamed:
        mend = "rename it to YYYYMMDD_YYYYMMDD, or move it out of the stack"
        cause = "holds an interferogram but is not named after its two dates"
        yield Problem("pair-name-malformed", "drop", folder, cause, mend, pair=folder.name)
    for pair in tree.pairs:
        yield from _dates(tree, pair)
    for (name, dataset), paths in tree.repeated.items():
        cause = f"is one of {len(paths)} {dataset} files of the pair: " + ", ".join(path.name for path in paths)
        mend = "make the pattern match one file per pair, or move the others away"
        yield Problem("pair-repeated", "drop", paths[1], cause, mend, pair=name)


def _dates(tree: StackTree, pair: Pair) -> Iterator[Problem]:
    folder = pair_folder(tree, pair)
    if not all(_is_date(date) for date in pair.dates):
        cause, mend = "names a date that does not exist", "rename it to YYYYMMDD_YYYYMMDD"
        yield Problem("pair-name-malformed", "drop", folder, cause, mend, pair=pair.name)
    elif pair.date1 >= pair.date2:
        cause = "has its dates back to front: the sign of its phase would be taken the wrong way round"
        mend = f"make {pair.date2}_{pair.date1} with topsStack; renaming the folder would not turn the phase"
        yield Problem("pair-dates-reversed", "drop", folder, cause, mend, pair=pair.name)


def _is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def pair_folder(tree: StackTree, pair: Pair) -> Path:
    """Return the folder that a pair's files are in, or would be."""
    files = list(pair.files.values()) or [tree.layout.expected("unw", pair.name)]
    return next((folder for folder in files[0].parents if folder.name == pair.name), files[0].parent)


def check_files(tree: StackTree, pairs: Sequence[Pair], datasets: Sequence[str]) -> Iterator[Problem]:
    """Yield missing files. Phase and coherence are needed; the rest may lack for all pairs, not for some."""
    for dataset in datasets:
        lacking = [pair for pair in pairs if dataset.removeprefix("ion_") not in pair.files]
        if getattr(tree.layout, dataset) is None or not lacking:
            continue
        needed = dataset.removeprefix("ion_") in {"unw", "cor"}
        if needed or len(lacking) < len([pair for pair in pairs if "unw" in pair.files]):
            yield from (_missing(tree, dataset, pair) for pair in lacking)
        else:
            yield _none_at_all(tree, dataset)


def _missing(tree: StackTree, dataset: str, pair: Pair) -> Problem:
    path = tree.layout.expected(dataset, pair.name)
    step = STEPS.get(dataset)
    mend = f"run again the line of run_files/run_*_{step} that names {pair.name}" if step else "restore the file"
    return Problem(f"{dataset.removeprefix('ion_')}-missing", "drop", path, "is missing", mend, pair=pair.name)


def _none_at_all(tree: StackTree, dataset: str) -> Problem:
    cause = "is missing for every pair: goes on without"
    mend = f"nothing, if that is meant; else run the {STEPS.get(dataset, 'missing')} step"
    return Problem(f"{dataset.removeprefix('ion_')}-missing", "note", tree.layout.expected(dataset), cause, mend)


def common_shape(pairs: Sequence[Inspected], geometry: Headers) -> tuple[int, int] | None:
    """Return rows and columns of most interferograms; on a tie, those of the geometry."""
    votes = Counter(item.headers["unw"].shape for item in pairs if "unw" in item.headers)
    if not votes:
        return None
    best = max(votes.values())
    tied = [shape for shape, count in votes.items() if count == best]
    return next((h.shape for h in geometry.values() if h.shape in tied), tied[0])


def check_shapes(pairs: Sequence[Inspected], shape: tuple[int, int] | None) -> Iterator[Problem]:
    """Yield images of another size than most."""
    for item in pairs:
        for dataset, header in item.headers.items():
            if shape is not None and header.shape != shape:
                cause = f"is {header.length} x {header.width}, most interferograms are {shape[0]} x {shape[1]}"
                mend = "make the pair again with the same area, swaths and looks as the rest of the stack"
                path = item.pair.files[dataset]
                yield Problem("pair-size-differs", "drop", path, cause, mend, pair=item.pair.name)


def check_pixels(pairs: Sequence[Inspected]) -> Iterator[Problem]:
    """Yield phase and coherence images that hold nothing. Reads as few blocks as it can."""
    for item in pairs:
        broken = {error.path for error in item.errors}
        for dataset in ("unw", "cor"):
            raster, header = item.pair.files.get(dataset), item.headers.get(dataset)
            if raster is None or header is None or str(raster) in broken:
                continue
            if not holds_values(raster, header, phase_band(header)):
                cause = "is zero or NaN everywhere"
                mend = f"run again the line of run_files/run_*_{STEPS[dataset]} that names {item.pair.name}"
                yield Problem(f"{dataset}-empty", "drop", raster, cause, mend, pair=item.pair.name)


def check_versions(pairs: Sequence[Inspected]) -> Iterator[Problem]:
    """Yield a note if the interferograms were made with several ISCE2 versions."""
    made = {p.pair.files[d]: h.isce_version for p in pairs for d, h in p.headers.items() if h.isce_version}
    counts = Counter(made.values())
    if len(counts) > 1:
        rare = min(sorted(counts), key=lambda version: counts[version])
        path = next(path for path, version in made.items() if version == rare)
        cause = f"was made with {rare}, as {counts[rare]} of {len(made)} images; the rest with another ISCE2"
        mend = "nothing, if results of both versions agree; else make the stack with one version"
        yield Problem("isce-versions-differ", "note", path, cause, mend)
