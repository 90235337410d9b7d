"""All figures of a view on one sheet, or one figure with its caption: an SVG in which the SVG of each figure lies."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from toyviz.citation import CITATION
from toyviz.export.plain_text import plain_text
from toyviz.export.refused import Refused
from toyviz.export.render import RENDERER
from toyviz.export.scene import Scene
from toyviz.export.theme import Theme, theme
from toyviz.export.vega import self_contained
from toyviz.view import Block, Figure, Number, Table, Text

WIDTH, MARGIN, GAP = 1080, 40, 20
BROAD, SQUARE = (WIDTH - 2 * MARGIN, 400), (320, 320)
LETTER = 0.5  # of the size of a sans-serif font: about how wide a letter is
WIDE_LETTER = 0.62  # in a link
# Raised, lowered and accented letters: without them in the first font, a whole line would get any other that has them.
SMALL_LETTERS = re.compile("[\u0300-\u036f\u1d2c-\u1d6a\u2070-\u209f\u2c7c]")
MOST_ROWS = 24  # of a table
LARGEST = 30_000_000  # letters of a sheet


@dataclass(frozen=True)
class Picture:
    """An SVG and its size."""

    svg: str
    width: float
    height: float


def figure_svg(scene: Scene, figure: Figure) -> str:
    """One figure as SVG, its caption, link and citation in its metadata."""
    asked = scene.asked
    spec = self_contained(figure.chart, theme(asked.theme), scene.position, (asked.width, asked.height))
    svg = RENDERER.svg(spec)
    told = f"<title>{escape(scene.caption)}</title><desc>{escape(f'{figure.chart.alt} {scene.link} {CITATION}')}</desc>"
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + told, svg, count=1)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of an SVG in pixels."""
    found = re.search(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', svg)
    if not found:
        raise Refused("the drawing has no size", 500)
    return float(found[1]), float(found[2])


def sheet(scene: Scene, only: Figure | None = None) -> str:
    """The sheet as SVG: what it is of, the figures with what they show in words, the texts, the link, the citation."""
    look = theme(scene.asked.theme)
    page = _Page(look)
    page.text(scene.title, 24, look.text, look.heading, bold=True)
    page.text(scene.asked.page.question, 14, look.text)
    page.text(scene.words, 12, look.quiet)
    page.text(scene.step, 12, look.quiet)
    page.text(scene.link, 10, look.quiet)
    for block in [only] if only else scene.blocks:
        if isinstance(block, Figure):
            page.place(_picture(scene, block, look), block.chart.alt)
        else:
            page.end_row()
            for line, size in _lines(block):
                page.text(line, size, look.text, mono=isinstance(block, Table))
    page.end_row()
    page.text(CITATION, 11, look.quiet)
    return page.svg(f"{scene.caption} {scene.link}")


def _picture(scene: Scene, figure: Figure, look: Theme) -> Picture:
    asked = scene.asked
    size = SQUARE if figure.chart.square else (BROAD[0], None if "height" in figure.chart.spec else BROAD[1])
    if scene.asked.figure == figure.id:
        size = (asked.width or size[0], asked.height or size[1])
    svg = RENDERER.svg(self_contained(figure.chart, look, scene.position, size))
    return Picture(svg, *size_of(svg))


def _lines(block: Block) -> Iterator[tuple[str, float]]:
    """What a block says, line by line, each with the size of its letters."""
    if isinstance(block, Number):
        yield f"{block.label}: {plain_text(block.value)}", 13
    elif isinstance(block, Table):
        yield from ((line, 11) for line in block.frame.head(MOST_ROWS).to_string(index=False).split("\n"))
        if len(block.frame) > MOST_ROWS:
            yield f"and {len(block.frame) - MOST_ROWS} rows more", 11
    elif isinstance(block, Text):
        for line, marked in zip(plain_text(block.markdown).split("\n"), _marked(block.markdown), strict=False):
            if line.strip():
                yield line, 15 if marked else 13


def _marked(markdown: str) -> Iterator[bool]:
    """Whether each line is a heading."""
    lines = re.sub(r"\n{3,}", "\n\n", markdown).strip().split("\n")
    yield from (line.startswith("#") or bool(re.fullmatch(r"\*\*[^*]+\*\*", line.strip())) for line in lines)


class _Page:
    """A page that grows downwards."""

    def __init__(self, look: Theme) -> None:
        self.look, self.parts, self.y = look, list[str](), float(MARGIN)
        self.row, self.x, self.number = list[tuple[Picture, str]](), 0.0, 0

    def text(self, text: str, size: float, colour: str, font: str = "", bold: bool = False, mono: bool = False) -> None:
        """A paragraph, in as many lines as it takes."""
        self.end_row()
        if not text:
            return
        family = font or ("monospace" if mono else self.look.font)
        self.parts += self._written(text, MARGIN, BROAD[0], size, colour, family, bold, mono)
        self.y += size * 0.5

    def place(self, picture: Picture, caption: str) -> None:
        """A picture beside the ones before it, or below them where it has no room."""
        broad = BROAD[0]
        if picture.width > broad:
            picture = Picture(picture.svg, broad, picture.height * broad / picture.width)
        if self.row and self.x + picture.width > broad:
            self.end_row()
        self.row.append((picture, caption))
        self.x += picture.width + GAP

    def end_row(self) -> None:
        """Put the pictures that stand beside each other, each with its caption."""
        row, self.row, self.x = self.row, [], 0.0
        if not row:
            return
        top, left, bottom = self.y + GAP / 2, float(MARGIN), 0.0
        tallest = max(picture.height for picture, _ in row)
        for picture, caption in row:
            self.parts.append(self._nested(picture, left, top))
            self.y = top + tallest + 4
            self.parts += self._written(caption, left, picture.width, 11, self.look.quiet, self.look.font)
            left, bottom = left + picture.width + GAP, max(bottom, self.y)
        self.y = bottom + GAP / 2

    def svg(self, about: str) -> str:
        """The page. Raises Refused for one that is too large."""
        height = self.y + MARGIN / 2
        body = "".join(self.parts)
        if len(body) > LARGEST:
            raise Refused("this sheet would be too large: export its figures one by one", 413)
        box = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" {box}>'
            f"<title>{escape(about)}</title><desc>{escape(CITATION)}</desc>"
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{self.look.background}"/>{body}</svg>'
        )

    def _nested(self, picture: Picture, x: float, y: float) -> str:
        """The SVG at its place, its ids changed: those of two figures may be the same."""
        self.number += 1
        mine = f"p{self.number}-"
        svg = re.sub(r'\bid="', f'id="{mine}', picture.svg)
        svg = svg.replace("url(#", f"url(#{mine}").replace('href="#', f'href="#{mine}')
        width, height = size_of(svg)
        head = f'<svg x="{x:g}" y="{y:g}" width="{picture.width:g}" height="{picture.height:g}"'
        return re.sub(r"^.*?<svg[^>]*>", f'{head} viewBox="0 0 {width:g} {height:g}">', svg, count=1, flags=re.DOTALL)

    def _written(
        self,
        text: str,
        x: float,
        width: float,
        size: float,
        colour: str,
        font: str,
        bold: bool = False,
        mono: bool = False,
    ) -> list[str]:
        """Lines of text from the current height down."""
        letters = max(8, int(width / size / (LETTER if " " in text else WIDE_LETTER)))
        lines = [text] if mono else textwrap.wrap(text, letters, break_on_hyphens=False)
        written = []
        for line in lines:
            self.y += size * 1.35
            weight = ' font-weight="bold"' if bold else ""
            family = f"DejaVu Sans, {font}" if SMALL_LETTERS.search(line) else font
            style = f'font-family="{family}" font-size="{size:g}" fill="{colour}"{weight} xml:space="preserve"'
            written.append(f'<text x="{x:g}" y="{self.y:g}" {style}>{escape(line)}</text>')
        return written
