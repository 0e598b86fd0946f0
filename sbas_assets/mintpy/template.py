"""A frame's MintPy template: the options a user gave on top of MintPy's defaults, complete and checked.

Here: `Template` and the public names of the `template_*` modules. Not here: running anything with it. No Dagster and
no `import mintpy.utils`, which takes seconds and brings matplotlib.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sbas_assets.mintpy.template_import import ImportedTemplate, read_cfg, resolve_paths
from sbas_assets.mintpy.template_mistakes import checked, is_attribute, validate
from sbas_assets.mintpy.template_options import Option, default_text, known_options
from sbas_assets.mintpy.template_syntax import expand, substitute

__all__ = [
    "ImportedTemplate",
    "Option",
    "Template",
    "is_attribute",
    "known_options",
    "read_cfg",
    "resolve_paths",
    "validate",
]

_SPECIAL: dict[str, bool | None] = {"yes": True, "true": True, "no": False, "false": False, "none": None}


@dataclass(frozen=True)
class Template:
    """The template of one frame; make it with `Template.from_options`.

    Parameters
    ----------
    options : dict of str to str
        What differs from MintPy's defaults, in MintPy's spelling, attributes included.
    overridden : dict of str to str
        What the user asked for and does not get: `mintpy.compute.cluster = local` becomes none, since blocks are
        worked through inside the run and no Dask cluster is started.
    """

    options: dict[str, str]
    overridden: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Template:
        """Check options and complete them.

        Parameters
        ----------
        options : mapping of str to str
            MintPy options and attributes; everything else has its default.

        Raises
        ------
        InputError
            See `validate`.
        """
        good = checked(options)
        key = "mintpy.compute.cluster"
        overridden = {key: good.pop(key)} if good.get(key) == "local" else {}
        return cls(good, overridden)

    @cached_property
    def text(self) -> str:
        """The complete smallbaselineApp.cfg: MintPy's, with its comments, and attributes at the end."""
        text = substitute(default_text(), self.options)
        extra = [f"{key} = {value}" for key, value in self.options.items() if is_attribute(key)]
        return text + "".join(f"{line}\n" for line in ["", "## attributes", *extra]) if extra else text

    @cached_property
    def raw(self) -> dict[str, str]:
        """Every option as a string, `auto` replaced; what a data version is made of.

        Spaces and brackets in lists of numbers are left out, as MintPy does, so that they make no new version.
        """
        known = known_options()
        values = self._values()
        values["mintpy.geocode"] = "yes" if self._needs_geocode() else values["mintpy.geocode"]
        lists = {key for key, option in known.items() if option.rule.kind == "value"}
        return {key: re.sub(r"[\s\[\]]+", "", value) if key in lists else value for key, value in values.items()}

    @cached_property
    def resolved(self) -> dict[str, str | bool | None]:
        """Every option as the steps of MintPy see it: yes and no are bool, none is None, `auto` is replaced."""
        found: dict[str, str | bool | None] = {
            key: _SPECIAL.get(value.lower(), value) for key, value in self._values().items()
        }
        found["mintpy.geocode"] = found["mintpy.geocode"] or self._needs_geocode()
        return found

    def value(self, key: str) -> str | bool | None:
        """Return one option as MintPy sees it; KeyError when MintPy has no such option."""
        return self.resolved[key]

    def yes(self, key: str) -> bool:
        """Tell whether an option is switched on with yes."""
        return self.value(key) is True

    def subset(self, prefixes_or_keys: Sequence[str]) -> dict[str, str]:
        """Return the options that one step reads.

        Parameters
        ----------
        prefixes_or_keys : sequence of str
            Keys, and beginnings of keys with a `.` or `*` at the end.

        Returns
        -------
        dict of str to str
            From `raw`, sorted by key. KeyError when an entry fits nothing: it is a slip of the caller.
        """
        found = {key for entry in prefixes_or_keys for key in self._fitting(entry)}
        return {key: self.raw[key] for key in sorted(found)}

    def _fitting(self, entry: str) -> list[str]:
        prefix = entry.removesuffix("*")
        wild = entry.endswith((".", "*"))
        found = [key for key in self.raw if (key.startswith(prefix) if wild else key == entry)]
        if not found and not is_attribute(prefix):
            raise KeyError(entry)
        return found

    def _values(self) -> dict[str, str]:
        """Replace `auto` as mintpy.utils.utils1.check_template_auto_value does."""
        found = {key: self.options.get(key) or _auto(option) for key, option in known_options().items()}
        return found | self.options

    def _needs_geocode(self) -> bool:
        """The rule of smallbaselineApp: products that need geocoding switch it on."""
        values = self._values()
        return any(values[key] == "yes" for key in ("mintpy.save.hdfEos5", "mintpy.save.kmz"))


def _auto(option: Option) -> str:
    if option.key == "mintpy.compute.numWorker":
        return "40"  # what MintPy sets for every cluster but local, and local is not used here
    # An empty WEATHER_DIR leaves MintPy's auto file without a value, and the option stays "auto".
    return (expand(option.auto) if option.auto else "") or "auto"
