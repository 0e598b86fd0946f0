"""From the files of a topsStack folder to MintPy's `inputs/*.h5`.

MintPy's load_data runs on a mirror of the stack made of links, with the metadata that prep_isce would have taken
from ISCE2 already in it; so nothing is written into the stack, and files of earlier runs in it are not seen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.workfolder import GEOMETRY, ION_STACK, STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture, network_picture
from sbas_assets.step import Frame, Job, Made, Step
from sbas_assets.topsstack.metadata import isce_metadata, write_rsc
from sbas_assets.topsstack.tree import TEMPLATE_KEYS, Pair, StackLayout, StackTree, scan

_HEADERS = (".xml", ".vrt", ".full.xml", ".full.vrt")
_GEOMETRY = "stack/merged/geom_reference"
_LOAD_OPTION = {field: f"mintpy.load.{key}" for key, field in TEMPLATE_KEYS.items()}


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
    _load(job, pairs=None)
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
        },
        picture=network_picture(pairs, baselines),
    )


def make_geometry(job: Job) -> Made:
    """Load height, latitude, longitude, angles and masks."""
    first = job.facts()["pairs_loaded"][0]
    _load(job, pairs=(first,))
    with h5py.File(job.folder / GEOMETRY, "r") as h5:
        height, datasets = h5["height"][:], sorted(h5)
    return Made(
        outputs={GEOMETRY: job.folder / GEOMETRY},
        metrics={"datasets": ", ".join(datasets), "rows": height.shape[0], "columns": height.shape[1]},
        facts={"isce_version": job.facts()["isce_version"]},
        picture=map_picture(height, title="Height", label="m", cmap="terrain"),
    )


def _load(job: Job, pairs: Sequence[str] | None) -> None:
    """Run MintPy's load_data; with `pairs` given, for the geometry alone."""
    import mintpy.cli.load_data

    facts = job.facts()
    wanted = (facts["pairs_loaded"], facts["ion_pairs_loaded"]) if pairs is None else (pairs, ())
    options = mirror(scan(stack_layout(job.frame)), job.folder, *wanted)
    workfolder.write_template(job, options)
    arguments = ["--template", TEMPLATE, *(["--geom"] if pairs is not None else [])]
    workfolder.run(job, lambda: mintpy.cli.load_data.main(arguments))


def mirror(tree: StackTree, folder: Path, pairs: Sequence[str], ion_pairs: Sequence[str]) -> dict[str, str]:
    """Link a stack's files into `folder/stack` and write its metadata beside them.

    Parameters
    ----------
    tree : StackTree
        The stack.
    folder : Path
        MintPy's work folder.
    pairs, ion_pairs : sequence of str
        Names of the pairs to show.

    Returns
    -------
    dict
        `mintpy.load.*` options that find the mirror's files from `folder`.
    """
    options = {_LOAD_OPTION[name]: "auto" for name in _LOAD_OPTION.keys() - {"meta", "baselines"}}
    options |= {"mintpy.load.processor": "isce", "mintpy.load.autoPath": "no", "mintpy.load.updateMode": "no"}
    images = _mirror_pairs(tree.pairs, pairs, folder, "stack/merged/interferograms")
    ion = _mirror_pairs(tree.ion_pairs, ion_pairs, folder, "stack/ion")
    images |= {f"ion_{dataset}": pattern for dataset, pattern in ion.items()}
    options |= {_LOAD_OPTION[dataset]: pattern for dataset, pattern in images.items()}
    for name, image in tree.geometry.items():
        _link_image(image, folder / _GEOMETRY / image.name)
        options[_LOAD_OPTION[name]] = f"./{_GEOMETRY}/{image.name}"
    for file in tree.baselines:
        _link(file, folder / "stack/baselines" / file.stem / file.name)
    for file in tree.references:
        _link(file, folder / "stack/reference" / file.name)
    _write_metadata(folder, tree.references[0].name)
    options[_LOAD_OPTION["meta"]] = "./stack/reference/IW*.xml"
    options[_LOAD_OPTION["baselines"]] = "./stack/baselines"
    return options


def _write_metadata(folder: Path, swath: str) -> None:
    """Write the data.rsc that keeps prep_isce from importing ISCE2; it must not be older than the swath's file."""
    product = folder / "stack/reference" / swath
    rsc = product.with_name("data.rsc")
    write_rsc(isce_metadata(product, folder / _GEOMETRY), rsc)
    newest = max(rsc.stat().st_mtime, product.stat().st_mtime + 1)
    os.utime(rsc, (newest, newest))


def _mirror_pairs(found: Sequence[Pair], wanted: Sequence[str], folder: Path, place: str) -> dict[str, str]:
    """Link the images of pairs; return what finds them from `folder`, by dataset."""
    names: dict[str, str] = {}
    for pair in (pair for pair in found if pair.name in wanted):
        for dataset, image in pair.files.items():
            # one name for all pairs, whatever the user's pattern matched
            name = names.setdefault(dataset, image.name)
            _link_image(image, folder / place / pair.name / name)
    return {dataset: f"./{place}/*/{name}" for dataset, name in names.items()}


def _link_image(image: Path, place: Path) -> None:
    _link(image, place)
    for suffix in _HEADERS:
        header = image.with_name(image.name + suffix)
        if header.is_file():
            _link(header, place.with_name(place.name + suffix))


def _link(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(file)


def date_baselines(stack: Path) -> Mapping[str, float]:
    """Perpendicular baseline of each date in m, relative to the first (`ifgramStack.get_perp_baseline_timeseries`)."""
    from mintpy.objects import ifgramStack

    obj = ifgramStack(str(stack))
    obj.open(print_msg=False)
    series = obj.get_perp_baseline_timeseries(dropIfgram=True)
    return dict(zip(obj.get_date_list(dropIfgram=True), map(float, series), strict=True))


def _attributes(job: Job) -> Mapping[str, str]:
    """The frame's own attributes, which load_data writes into its files and MintPy's steps read there."""
    return job.frame.config.attributes


IFGRAM_STACK = Step(
    name="ifgramStack",
    upstream=("topsStack",),
    options=("mintpy.subset.", "mintpy.multilook.", "mintpy.load.compression"),
    make=make_stack,
    state=_attributes,
)

GEOMETRY_RADAR = Step(
    name="geometryRadar",
    upstream=("topsStack",),
    parts={"topsStack": "geometry"},
    options=("mintpy.subset.", "mintpy.multilook.", "mintpy.load.compression"),
    make=make_geometry,
    state=_attributes,
)
