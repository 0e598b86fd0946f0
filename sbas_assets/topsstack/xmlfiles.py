"""Parsing of the XML and VRT files that ISCE2 writes beside its products.

Holds what product headers and image headers share: opening, and the errors of a file that cannot be opened or
is not whole. What the elements mean is decided in product.py and rasters.py.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from sbas_assets.errors import InputError


def parse_xml(path: Path, *, code: str) -> ET.Element:
    """Parse an XML file of ISCE2 and return its root.

    Parameters
    ----------
    path : Path
        The file.
    code : str
        Code of the error for a file that is not well-formed XML (half written, 0 bytes, binary).

    Raises
    ------
    InputError
        `file-unreadable` or the given code, with the file and the mend.
    """
    try:
        # Written by the user's own processing; expat >= 2.4.1 bounds entity expansion.
        return ET.parse(path).getroot()  # noqa: S314
    except OSError as error:
        raise unreadable(path, error) from error
    except (ET.ParseError, ValueError) as error:
        raise InputError(
            code,
            f"is not whole XML ({error}): it was half written or overwritten",
            mend="run again the topsStack step that writes it",
            path=path,
        ) from error


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error of a file that the system does not let us open.

    Parameters
    ----------
    path : Path
        The file.
    error : OSError
        What the system said.
    """
    if path.is_symlink() and not path.exists():
        cause, mend = f"is a symbolic link to nothing ({path.readlink()})", "restore what the link points to"
    elif path.is_dir():
        cause, mend = "is a folder where a file is expected", "move the folder away and restore the file"
    else:
        cause, mend = (
            f"cannot be read ({error.strerror or error})",
            "restore the file or give read permission",
        )
    return InputError("file-unreadable", cause, mend=mend, path=path)
