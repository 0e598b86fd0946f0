"""Judging the options a user gave: what is unknown, what has a value MintPy would misread, what can not work here.

MintPy ignores a key that it does not know and takes most values unchecked, so a slip in a template (often copied from
a blog) shows up hours later or never. Here every option is judged before anything runs, and all mistakes are told at
once. Not here: the notations themselves (template_rules).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from types import MappingProxyType

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template_options import Option, known_options
from sbas_assets.mintpy.template_syntax import expand

# What smallbaselineApp.TimeSeriesAnalysis._read_template takes for auto, yes and no; it forgives no capitals, though
# YAML and Python write True and Off.
_LOOSE = MappingProxyType(
    {"def": "auto", "default": "auto"}
    | dict.fromkeys(["y", "on", "true", "yes"], "yes")
    | dict.fromkeys(["n", "off", "false", "no"], "no")
)
_LOWER = frozenset({"mintpy.deramp", "mintpy.troposphericDelay.method"})
# MintPy's attributes are MACRO_CASE, UNAVCO's (needed for HDF-EOS5) are not.
_ATTRIBUTE = re.compile(
    r"[A-Z][A-Z0-9_]*|(?:unavco|hdfeos5)\.\w+|mission|beam_mode|beam_swath|relative_orbit|(?:first|last)_frame"
    r"|atmos_correct_method|processing_dem|unwrap_method"
)

# Keys that were MintPy's (or PySAR's) once, and keys that blogs and chat assistants invent.
_RENAMED: Mapping[str, str] = MappingProxyType(
    {
        "mintpy.load.incFile": "mintpy.load.incAngleFile",
        "mintpy.load.azFile": "mintpy.load.azAngleFile",
        "mintpy.load.losFile": "mintpy.load.incAngleFile",
        "mintpy.load.latFile": "mintpy.load.lookupYFile",
        "mintpy.load.lonFile": "mintpy.load.lookupXFile",
        "mintpy.load.hgtFile": "mintpy.load.demFile",
        "mintpy.load.heightFile": "mintpy.load.demFile",
        "mintpy.load.cohFile": "mintpy.load.corFile",
        "mintpy.load.coherenceFile": "mintpy.load.corFile",
        "mintpy.load.ystep": "mintpy.multilook.ystep",
        "mintpy.load.xstep": "mintpy.multilook.xstep",
        "mintpy.networkInversion.parallel": "mintpy.compute.cluster",
        "mintpy.networkInversion.cluster": "mintpy.compute.cluster",
        "mintpy.networkInversion.numWorker": "mintpy.compute.numWorker",
        "mintpy.networkInversion.config": "mintpy.compute.config",
        "mintpy.networkInversion.maxMemory": "mintpy.compute.maxMemory",
        "mintpy.residualRMS.ramp": "mintpy.residualRMS.deramp",
        "mintpy.topographicResidual.stepFuncDate": "mintpy.topographicResidual.stepDate",
        "mintpy.geocode.latStep": "mintpy.geocode.laloStep",
        "mintpy.geocode.lonStep": "mintpy.geocode.laloStep",
        "mintpy.timeFunc.bootstrap": "mintpy.timeFunc.uncertaintyQuantification",
        "mintpy.save.kml": "mintpy.save.kmz",
    }
)
_RENAMED_GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "pysar.": "mintpy.",
        "mintpy.load.subset.": "mintpy.subset.",
        "mintpy.load.multilook.": "mintpy.multilook.",
        "mintpy.velocity.": "mintpy.timeFunc.",
        "mintpy.residualRms.": "mintpy.residualRMS.",
        "mintpy.tropoDelay.": "mintpy.troposphericDelay.",
        "mintpy.ionoDelay.": "mintpy.ionosphericDelay.",
    }
)
_REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "mintpy.networkInversion.residualNorm": "MintPy has only the L2 norm now: remove the line",
        "mintpy.subset.tightBox": "MintPy has it no more: remove the line, give mintpy.subset.yx or lalo",
    }
)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a template."""

    code: str
    message: str
    mend: str


def is_attribute(key: str) -> bool:
    """Tell whether a key is a metadata attribute that MintPy writes into its files, e.g. `ORBIT_DIRECTION`."""
    return _ATTRIBUTE.fullmatch(key) is not None


def examine(options: Mapping[str, str]) -> tuple[dict[str, str], list[Mistake]]:
    """Judge options and spell them as MintPy needs them.

    Returns
    -------
    options : dict of str to str
        The good ones in MintPy's spelling, without those that are `auto`.
    mistakes : list of Mistake
        Everything that is wrong, in the order of the options.
    """
    judged = {key: _judge(key, str(value)) for key, value in options.items()}
    good = {key: found for key, found in judged.items() if isinstance(found, str) and found != "auto"}
    bad = [found for found in judged.values() if isinstance(found, Mistake)]
    return good, [*bad, *_contradictions(good)]


def validate(options: Mapping[str, str], *, path: str | PathLike[str] | None = None, frame: str | None = None) -> None:
    """Raise one InputError that names every mistake in the options.

    Parameters
    ----------
    options : mapping of str to str
        MintPy options and attributes.
    path, frame : optional
        Where they came from, for the message.
    """
    checked(options, path=path, frame=frame)


def checked(
    options: Mapping[str, str], *, path: str | PathLike[str] | None = None, frame: str | None = None
) -> dict[str, str]:
    """Return the options in MintPy's spelling, or raise as `validate` does."""
    good, mistakes = examine(options)
    if len(mistakes) == 1:
        found = mistakes[0]
        raise InputError(found.code, found.message, mend=found.mend, path=path, frame=frame)
    if mistakes:
        codes = {found.code for found in mistakes}
        listing = "".join(f"\n  - {found.message} -> {found.mend}" for found in mistakes)
        raise InputError(
            codes.pop() if len(codes) == 1 else "template-invalid",
            f"{len(mistakes)} options are wrong:{listing}\n",
            mend="correct them all",
            path=path,
            frame=frame,
        )
    return good


def _judge(key: str, raw: str) -> str | Mistake:
    value = expand(raw.strip())
    if not value or "#" in value or not value.isprintable():
        return _bad_value(key, raw, "is empty or has a character that a template can not hold", "write auto or a value")
    option = known_options().get(key)
    if option is None:
        return value if is_attribute(key) else _unknown(key)
    value = _LOOSE.get(value.lower(), value)
    if key in _LOWER:
        value = value.lower().replace("-", "_")
    return "auto" if value.lower() == "auto" else _judge_value(option, value)


def _judge_value(option: Option, value: str) -> str | Mistake:
    rule = option.rule
    unset = re.search(r"\$\{?\w+\}?", value)
    if unset and rule.kind in {"path", "file"} and value != option.auto:
        return _bad_value(option.key, value, f"uses {unset[0]}, which is not set in the environment", "set it")
    spelled = rule.read(value)
    if spelled is None:
        near = get_close_matches(value.lower(), rule.words, 1)
        mend = f"did you mean {near[0]}?" if near else f"correct it, or leave it out (MintPy: {option.auto or 'auto'})"
        return _bad_value(option.key, value, f"is not {rule.says}", mend)
    return _unsupported(option.key, spelled) or spelled


def _bad_value(key: str, value: str, why: str, mend: str) -> Mistake:
    return Mistake("template-value-invalid", f"{key} = {value!r} {why}", mend)


def _unsupported(key: str, value: str) -> Mistake | None:
    """Refuse what MintPy knows and this platform can not run."""
    if key == "mintpy.load.processor" and value != "isce":
        mend = "set it to isce and give a topsStack folder; other processors are for smallbaselineApp.py by hand"
        return Mistake("processor-unsupported", f"{key} = {value}: only ISCE2 stacks are processed here", mend)
    if key == "mintpy.compute.cluster" and value not in {"local", "none"}:
        mend = "set it to none and let Dagster's run launcher spread the frames over machines"
        return Mistake("cluster-unsupported", f"{key} = {value}: no Dask cluster is started from a run", mend)
    return None


# MintPy's timeseries2velocity stops with "bootstrapping support polynomial with the order of 1 ONLY!"
_NOT_WITH_BOOTSTRAP = tuple(f"mintpy.timeFunc.{name}" for name in ("periodic", "stepDate", "exp", "log"))


def _contradictions(options: Mapping[str, str]) -> Iterator[Mistake]:
    """Find options that are good alone and not together."""
    model = options.get("mintpy.troposphericDelay.weatherModel", "ERA5")
    if model != "ERA5" and options.get("mintpy.troposphericDelay.method", "pyaps") == "pyaps":
        message = f"mintpy.troposphericDelay.weatherModel = {model} needs PyAPS 2, which can not be installed any more"
        yield Mistake("weather-model-unsupported", message, "set it to ERA5, or choose another method")
    if options.get("mintpy.timeFunc.uncertaintyQuantification") == "bootstrap":
        more = [key for key in _NOT_WITH_BOOTSTRAP if options.get(key, "no") != "no"]
        more += ["mintpy.timeFunc.polynomial"] if options.get("mintpy.timeFunc.polynomial", "1") != "1" else []
        if more:
            message = f"mintpy.timeFunc.uncertaintyQuantification = bootstrap works with a line alone, not {more[0]}"
            yield Mistake("template-value-invalid", message, "choose residue, or leave out the other time functions")
    for group in ("mintpy.network", "mintpy.timeFunc"):
        start, end = options.get(f"{group}.startDate", "no"), options.get(f"{group}.endDate", "no")
        if "no" not in (start, end) and start >= end:
            yield _bad_value(f"{group}.startDate", start, f"is not before endDate = {end}", "exchange the two dates")


def _unknown(key: str) -> Mistake:
    near = _nearest(key)
    mend = _REMOVED.get(near or key) or (f"did you mean {near}?" if near else "remove the line")
    return Mistake("template-option-unknown", f"{key} is not an option of the installed MintPy", mend)


def _nearest(key: str) -> str | None:
    """Return the key that was probably meant."""
    known = known_options()
    new = key
    for old_group, new_group in _RENAMED_GROUPS.items():
        new = new_group + new[len(old_group) :] if new.startswith(old_group) else new
    new = _RENAMED.get(new, new)
    if new in known or new in _REMOVED:
        return new
    lower = {name.lower(): name for name in known}
    close = get_close_matches(new.lower(), lower, 1)
    return lower[close[0]] if close else None
