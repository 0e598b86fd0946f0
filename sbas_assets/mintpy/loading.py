"""From the files of a topsStack folder to MintPy's `inputs/*.h5`.

MintPy says on a mirror of the stack what the files are to hold, and this package writes them; MintPy's load_data makes
what is not covered, on the mirror too. How pixels are read is in load_images.py, which of them and into which files in
stack_files.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.load_images import unchanged, write_geometry
from sbas_assets.mintpy.load_plan import Wanted, ask_mintpy, geometry_images, stack_images
from sbas_assets.mintpy.mirror import BASELINES, mirror
from sbas_assets.mintpy.segment_files import StackFiles
from sbas_assets.mintpy.stack_files import SEGMENTS, StackSource, write_stack
from sbas_assets.mintpy.workfolder import GEOMETRY, ION_STACK, STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture, network_picture
from sbas_assets.step import Frame, Job, Made, Step
from sbas_assets.topsstack.baselines import baseline_timeseries
from sbas_assets.topsstack.contents import differing, recall
from sbas_assets.topsstack.fingerprint import Fingerprint, fingerprint
from sbas_assets.topsstack.tree import Pair, StackLayout, StackTree, scan


def stack_layout(frame: Frame) -> StackLayout:
    """Where the frame's stack has its files: topsStack's places unless the template says otherwise."""
    return StackLayout.from_template(frame.config.stack, frame.config.mintpy)


def require_ion_pairs(job: Job) -> None:
    """Raise InputError `ion-stack-missing` when the ionosphere is to be corrected and the stack has none."""
    chosen = job.template.value("mintpy.ionosphericDelay.method")
    if not chosen or job.facts()["ion_pairs_loaded"]:
        return
    layout = stack_layout(job.frame)
    raise InputError(
        "ion-stack-missing",
        f"mintpy.ionosphericDelay.method = {chosen}, but no ionospheric interferograms were found "
        f"({layout.ion_unw}, {layout.ion_cor})",
        mend="run topsStack with its ionosphere steps, correct mintpy.load.ionUnwFile and ionCorFile, or set the "
        "method to no",
        path=layout.stack,
        frame=job.frame.key,
    )


def make_stack(job: Job) -> Made:
    """Load all pairs that passed the preflight, and the ionospheric ones if the stack has them."""
    require_ion_pairs(job)
    facts = job.facts()
    stacks, by_mintpy = _load_stacks(job, facts["pairs_loaded"], facts["ion_pairs_loaded"])
    with h5py.File(job.folder / STACK, "r") as h5:
        shape = h5["unwrapPhase"].shape
        pairs = [(first.decode(), second.decode()) for first, second in h5["date"][:]]
    baselines = date_baselines(job.folder / STACK)
    outputs = {name: file for stack in stacks for name, file in stack.outputs.items()}
    kept = {name: sha256 for stack in stacks for name, sha256 in stack.kept.items()}
    files = [*outputs.values(), *(job.workspace.root / name for name in kept)]
    return Made(
        outputs=outputs,
        sealed=[name for stack in stacks for name in stack.sealed],
        kept=kept,
        metrics={
            "pairs": shape[0],
            "pairs_read": sum(stack.read for stack in stacks),
            "pairs_left_out": len(facts["pairs_dropped"]),
            "dates": len(baselines),
            "rows": shape[1],
            "columns": shape[2],
            "size_MB": round(sum(path.stat().st_size for path in files) / 1e6, 3),
            **({"loaded_by": "MintPy"} if by_mintpy else {}),
        },
        picture=network_picture(pairs, baselines),
    )


def make_geometry(job: Job) -> Made:
    """Load height, latitude, longitude, angles and masks."""
    first = job.facts()["pairs_loaded"][0]
    by_mintpy = _load_geometry(job, first)
    with h5py.File(job.folder / GEOMETRY, "r") as h5:
        height, datasets = h5["height"][:], sorted(h5)
    return Made(
        outputs={GEOMETRY: job.folder / GEOMETRY},
        metrics={
            "datasets": ", ".join(datasets),
            "rows": height.shape[0],
            "columns": height.shape[1],
            **({"loaded_by": "MintPy"} if by_mintpy else {}),
        },
        facts={"isce_version": job.facts()["isce_version"]},
        picture=map_picture(height, title="Height", label="m", cmap="terrain"),
    )


def _load_stacks(job: Job, loaded: Sequence[str], ion: Sequence[str]) -> tuple[list[StackFiles], str]:
    """Make the stacks that MintPy's load_data would make; return their files, and why MintPy had to, if it had."""
    tree = scan(stack_layout(job.frame))
    # one pair shows MintPy all that it needs to know but the pixels
    wanted = _ask(job, tree, loaded[:1], ion[:1])
    shown = {STACK: _shown(tree.pairs, loaded), ION_STACK: _shown(tree.ion_pairs, ion)}
    sources = _sources(job, shown, wanted)
    if isinstance(sources, str):
        _let_mintpy_load(job, sources, lambda: mirror(tree, job.folder, loaded, ion))
        made = {name: job.folder / name for name in shown if (job.folder / name).is_file()}
        return [StackFiles(made, read=sum(map(len, shown.values())))], sources
    with unchanged([source.images for source in sources]):
        contents = _contents(job, tree, shown)
        return [write_stack(job, source, contents[source.name]) for source in sources], ""


def _contents(job: Job, tree: StackTree, shown: Mapping[str, list[Pair]]) -> dict[str, dict[str, str]]:
    """Digest of the images of each pair, by stack."""
    pairs = replace(tree, pairs=tuple(shown[STACK]), ion_pairs=tuple(shown[ION_STACK]), geometry={})
    found = _as_surveyed(job, pairs)
    return {STACK: found.pairs, ION_STACK: found.ion_pairs}


def _as_surveyed(job: Job, tree: StackTree) -> Fingerprint:
    """Identify what is about to be loaded: what the survey has read is not read again.

    Raises
    ------
    OutsideError
        `file-changing`, when it is not what the survey has found.
    """
    found = fingerprint(tree, cache=job.workspace.stack_digests)
    known = recall(job.workspace.stack_contents, job.inputs["topsStack"].data_version)
    changed = differing(known, found) if known else []
    if changed:
        mend = "wait until whatever changes the stack has finished, then run again"
        raise OutsideError("file-changing", f"{changed[0]} has changed since the stack was checked", mend=mend)
    return found


def _load_geometry(job: Job, pair: str) -> str:
    """Make the geometry that MintPy's load_data would make; return why MintPy had to, empty if it had not."""
    tree = scan(stack_layout(job.frame))
    wanted = _ask(job, tree, [pair], (), "--geom")
    reason = _write_geometry(job, tree, wanted)
    if reason:
        _let_mintpy_load(job, reason, lambda: mirror(tree, job.folder, [pair], ()), "--geom")
    return reason


def _ask(job: Job, tree: StackTree, pairs: Sequence[str], ion: Sequence[str], *arguments: str) -> Wanted:
    workfolder.write_template(job, mirror(tree, job.folder, pairs, ion))
    return workfolder.run(job, lambda: ask_mintpy(geometry_only="--geom" in arguments))


def _let_mintpy_load(job: Job, reason: str, show: Callable[[], object], *arguments: str) -> None:
    job.run.tell(f"loaded by MintPy's own code: {reason}")
    show()
    workfolder.run(job, lambda: _load_data(["--template", TEMPLATE, *arguments]))


def _load_data(arguments: list[str]) -> None:
    import mintpy.cli.load_data

    mintpy.cli.load_data.main(arguments)


def _shown(pairs: Sequence[Pair], names: Sequence[str]) -> list[Pair]:
    """Return the named pairs in order of name, as MintPy stores them."""
    found = {pair.name: pair for pair in pairs}
    gone = sorted(set(names) - found.keys())
    if gone:
        mend = "wait until whatever changes the stack has finished, then run again"
        raise OutsideError("file-changing", f"pair {gone[0]} has gone since the stack was checked", mend=mend)
    return [found[name] for name in sorted(names)]


def _sources(job: Job, shown: Mapping[str, list[Pair]], wanted: Wanted) -> list[StackSource] | str:
    """What the stacks are made of, or why MintPy has to make them."""
    series = baseline_timeseries(job.folder / BASELINES)
    sources = []
    for name, product in ((STACK, wanted.stack), (ION_STACK, wanted.ion_stack)):
        pairs = shown[name]
        if not pairs:
            continue
        if product is None:
            return "MintPy finds no interferograms"
        if not {date for pair in pairs for date in pair.dates} <= series.keys():
            return "there are dates without a baseline"
        images = stack_images(wanted, product, pairs)
        if isinstance(images, str):
            return images
        baselines = {pair.dates: _baseline(series, pair) for pair in pairs}
        sources.append(StackSource(name, product, images, baselines, wanted.compression))
    if len({source.images.full_shape for source in sources}) != 1:
        return "the ionosphere has another resolution"
    return sources


def _baseline(series: Mapping[str, tuple[float, float]], pair: Pair) -> float:
    """Perpendicular baseline of a pair in m (`prep_isce.add_ifgram_metadata`, `ifgramDict.get_perp_baseline`)."""
    top, bottom = (series[pair.date2][end] - series[pair.date1][end] for end in (0, 1))
    return float(top + bottom) / 2.0


def _write_geometry(job: Job, tree: StackTree, wanted: Wanted) -> str:
    """Write geometryRadar.h5; return why not, if not."""
    if wanted.geometry is None:
        return "the geometry is not in radar coordinates"
    images = geometry_images(wanted, wanted.geometry, tree.geometry)
    if isinstance(images, str):
        return images
    place = job.folder / GEOMETRY
    place.parent.mkdir(parents=True, exist_ok=True)
    with unchanged([images]):
        _as_surveyed(job, replace(tree, pairs=(), ion_pairs=()))
        write_geometry(place, wanted.geometry, images, wanted.compression)
    return ""


def date_baselines(stack: Path) -> Mapping[str, float]:
    """Perpendicular baseline of each date in m, relative to the first; of dates too that the network has dropped.

    Source: MintPy `ifgramStack.get_perp_baseline_timeseries`.
    """
    from mintpy.objects import ifgramStack

    obj = ifgramStack(str(stack))
    obj.open(print_msg=False)
    series = obj.get_perp_baseline_timeseries(dropIfgram=False)
    return dict(zip(obj.get_date_list(dropIfgram=False), map(float, series), strict=True))


def _attributes(job: Job) -> Mapping[str, str]:
    """The frame's own attributes, which load_data writes into its files and MintPy's steps read there."""
    return job.frame.config.attributes


IFGRAM_STACK = Step(
    name="ifgramStack",
    upstream=("topsStack",),
    options=("mintpy.subset.", "mintpy.multilook.", "mintpy.load.compression"),
    code_version="3",
    make=make_stack,
    state=_attributes,
    owns=SEGMENTS,
)

GEOMETRY_RADAR = Step(
    name="geometryRadar",
    upstream=("topsStack",),
    parts={"topsStack": "geometry"},
    options=("mintpy.subset.", "mintpy.multilook.", "mintpy.load.compression"),
    code_version="2",
    make=make_geometry,
    state=_attributes,
)
