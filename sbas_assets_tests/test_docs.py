"""The documents say what the code does: codes, assets, files, options, links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dagster as dg
import pytest

from sbas_assets.checks import CHECKS
from sbas_assets.definitions import defs
from sbas_assets.mintpy.template import known_options
from sbas_assets.published.variables import VARIABLES
from sbas_assets.topsstack.problems import CODES

ROOT = Path(__file__).resolve().parents[1]
SOURCE = sorted((ROOT / "sbas_assets").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
# calls whose first argument is a code, and helpers that pass one on
RAISING = {"InputError", "OutsideError", "PassingError", "Problem", "Mistake", "Failure"}
PASSING = {"_unknown", "parse_xml"}
# how a command ends when no error was raised for it
ENDINGS = {"internal", "interrupted", "usage"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def texts(nodes: list[ast.expr]) -> set[str]:
    constants = [node for expression in nodes for node in ast.walk(expression) if isinstance(node, ast.Constant)]
    return {node.value for node in constants if isinstance(node.value, str) and CODE.fullmatch(node.value)}


def codes_of_source() -> set[str]:
    found = set(CODES) | ENDINGS
    for path in SOURCE:
        for call in calls(ast.parse(path.read_text())):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name in RAISING:
                found |= texts(call.args[:1])
            elif name in PASSING:
                found |= texts(call.args)
    blocking = [spec for check in CHECKS for spec in check.check_specs if spec.blocking and spec.name != "preflight"]
    return found | {spec.name.replace("_", "-") for spec in blocking}


def test_every_code_is_explained_and_every_explained_code_exists():
    explained = re.findall(r"^#### ([a-z0-9-]+)$", page("errors.md"), re.MULTILINE)

    assert len(explained) == len(set(explained))
    assert set(explained) == codes_of_source()


def assets() -> set[str]:
    return {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}


@pytest.mark.parametrize("name", ["products.md", "from-mintpy.md"])
def test_every_asset_has_its_place(name):
    missing = [asset for asset in assets() if f"`{asset}`" not in page(name)]

    assert missing == []


def test_every_check_has_its_place():
    names = {spec.name for check in CHECKS for spec in check.check_specs}

    assert [name for name in names if f"`{name}`" not in page("operating.md")] == []


def test_every_step_of_mintpy_has_its_place():
    from mintpy.cli.smallbaselineApp import STEP_LIST

    assert [step for step in STEP_LIST if f"`{step}`" not in page("from-mintpy.md")] == []


def test_every_group_of_options_has_its_place():
    groups = {".".join(key.split(".")[:2]) for key in known_options()}

    assert [group for group in sorted(groups) if f"`{group}" not in page("from-mintpy.md")] == []


def test_every_option_that_the_documents_name_exists():
    known, wrong = known_options(), []
    # keys that are named because MintPy does not know them
    mistaken = {"mintpy.load.incFile", "mintpy.load.azFile", "mintpy.load.subset.lalo", "mintpy.load.subset.yx"}
    for path in PAGES:
        for key in re.findall(r"`(mintpy\.[a-z]\w*(?:\.\w+)*)", path.read_text()):
            is_group = any(name.startswith(f"{key}.") for name in known)
            if not (key in known or is_group or key in mistaken or key.startswith("mintpy.session")):
                wrong.append(f"{path.name}: {key}")

    assert wrong == []


def test_every_published_variable_has_its_place():
    assert [v.name for v in VARIABLES if f"`{v.name}`" not in page("products.md")] == []


def test_links_lead_somewhere():
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")

    assert broken == []


def test_every_module_is_on_the_map():
    text = page("architecture.md")
    missing = [
        str(path.relative_to(ROOT / "sbas_assets"))
        for path in SOURCE
        if path.name != "__init__.py" and f"`{path.relative_to(ROOT / 'sbas_assets')}`" not in text
    ]

    assert missing == []


def test_groups_in_the_documents_are_those_of_the_assets():
    groups = {spec.group_name for spec in defs.resolve_all_asset_specs()}

    assert [group for group in groups if f"| {group} |" not in page("products.md")] == []
    assert isinstance(defs, dg.Definitions)
