"""Links between Markdown files lead to files and headings that are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "findings", "project_templates")
# The text behind a fence has no backtick; else it is code within a line.
FENCED = re.compile(r"^```[^`\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)


def test_links_lead_to_files_and_headings() -> None:
    pages = [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)\s]+)\)", prose(page))]
    assert len(links) > 400
    broken = [f"{page.relative_to(ROOT)}: {link}" for page, link in links if not leads_somewhere(page, link)]
    assert not broken


@cache
def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def leads_somewhere(page: Path, link: str) -> bool:
    if re.match(r"\w+:", link):
        return True
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


@cache
def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
    return {*names, *re.findall(r'id="([^"]+)"', prose(page))}
