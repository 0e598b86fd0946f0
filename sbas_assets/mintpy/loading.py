"""From the files of a topsStack folder to MintPy's `inputs/*.h5`.

MintPy says on a mirror of the stack what the files are to hold, and this package writes them; MintPy's load_data makes
what is not covered, on the mirror too. How pixels are read and written is in load_images.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.load_images import write_geometry, write_stack
from sbas_assets.mintpy.load_plan import Wanted, ask_mintpy, geometry_images, stack_images
from sbas_assets.mintpy.mirror import BASELINES, mirror
from sbas_assets.mintpy.workfolder import GEOMETRY, ION_STACK, STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture, network_picture
from sbas_assets.step import Frame, Job, Made, Step
from sbas_assets.topsstack.baselines import baseline_timeseries
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
    by_mintpy = _load(job, pairs=None)
    with h5py.File(job.folder / STACK, "r") as h5:
        shape = h5["unwrapPhase"].shape
        pairs = [(first.decode(), second.decode()) for first, second in h5["date"][:]]
    baselines = date_baselines(job.folder / STACK)
    outputs = {name: job.folder / name for name in (STACK, ION_STACK) if (job.folder / name).is_file()}
    dropped = job.facts()["pairs_dropped"]
    return Made(
        outputs=outputs,
        metrics={
            "pairs": shape[0],
            "pairs_left_out": len(dropped),
            "dates": len(baselines),
            "rows": shape[1],
            "columns": shape[2],
            "size_MB": round(sum(path.stat().st_size for path in outputs.values()) / 1e6, 3),
            **({"loaded_by": "MintPy"} if by_mintpy else {}),
        },
        picture=network_picture(pairs, baselines),
    )


def make_geometry(job: Job) -> Made:
    """Load height, latitude, longitude, angles and masks."""
    first = job.facts()["pairs_loaded"][0]
    by_mintpy = _load(job, pairs=(first,))
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


def _load(job: Job, pairs: Sequence[str] | None) -> str:
    """Make the files that MintPy's load_data would make; with `pairs` given, the geometry alone.

    Returns
    -------
    str
        Why MintPy had to do it, empty if it had not.
    """
    facts = job.facts()
    geometry_only = pairs is not None
    loaded, ion = (facts["pairs_loaded"], facts["ion_pairs_loaded"]) if pairs is None else (pairs, ())
    tree = scan(stack_layout(job.frame))
    # one pair shows MintPy all that it needs to know but the pixels
    workfolder.write_template(job, mirror(tree, job.folder, loaded[:1], ion[:1]))
    wanted = workfolder.run(job, lambda: ask_mintpy(geometry_only=geometry_only))
    if geometry_only:
        found = _write_geometry(job, tree, wanted)
    else:
        found = _write_stacks(job, _shown(tree.pairs, loaded), _shown(tree.ion_pairs, ion), wanted)
    if found:
        job.run.tell(f"loaded by MintPy's own code: {found}")
        mirror(tree, job.folder, loaded, ion)
        arguments = ["--template", TEMPLATE, *(["--geom"] if geometry_only else [])]
        workfolder.run(job, lambda: _load_data(arguments))
    return found


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


def _write_stacks(job: Job, pairs: list[Pair], ion_pairs: list[Pair], wanted: Wanted) -> str:
    """Write ifgramStack.h5, and ionStack.h5 if the stack has one; return why not, if not."""
    series = baseline_timeseries(job.folder / BASELINES)
    todo = []
    for name, product, shown in ((STACK, wanted.stack, pairs), (ION_STACK, wanted.ion_stack, ion_pairs)):
        if not shown:
            continue
        if product is None:
            return "MintPy finds no interferograms"
        if not {date for pair in shown for date in pair.dates} <= series.keys():
            return "there are dates without a baseline"
        images = stack_images(wanted, product, shown)
        if isinstance(images, str):
            return images
        todo.append((name, product, images, {pair.dates: _baseline(series, pair) for pair in shown}))
    if len({images.full_shape for _, _, images, _ in todo}) != 1:
        return "the ionosphere has another resolution"
    for name, product, images, baselines in todo:
        write_stack(_place(job, name), product, images, baselines, wanted.compression)
    return ""


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
    write_geometry(_place(job, GEOMETRY), wanted.geometry, images, wanted.compression)
    return ""


def _place(job: Job, name: str) -> Path:
    place = job.folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


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
    code_version="2",
    make=make_stack,
    state=_attributes,
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
