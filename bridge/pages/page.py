"""A page that stands alone: headings, tables, curves and pictures in one HTML file, nothing from the network.

The page forbids itself scripts and every address (Content-Security-Policy), so that it opens from a USB stick in a
plant without a network and can be kept for years. The same input gives the same bytes, so that two people who made
the same report can compare its hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError

try:
    import matplotlib as mpl
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape
    from matplotlib.figure import Figure
except ImportError as exc:
    raise ConfigError(
        "report", f"{exc.name} is not installed, and a page needs it", "write pip install 'aoi-bridge[report]'"
    ) from exc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Markup",
    "Section",
    "facts",
    "mark",
    "picture",
    "prose",
    "render",
    "row",
    "said",
    "svg",
    "table",
    "together",
]

INK: Final = "#1c2733"
SOFT: Final = "#8a97a3"
OK: Final = "#14629e"
"""Blue and orange are told apart by everyone, on paper too."""
NG: Final = "#d9561b"

_DRAWN: Final = {
    "svg.hashsalt": "aoi-bridge",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.grid": True,
    "grid.color": "#e8ecef",
    "axes.axisbelow": True,
    "font.family": "DejaVu Sans",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
_NUMBER = re.compile(r"[-+±≤≥<>]?\s?\d[\d., ]*\s?%?(\s?[(\[].*[)\]]|\s?[–/]\s?\d.*|\s[^\W\d]{1,3})?$")
"""What stands to the right in its column: a number, with its interval, its unit or its counterpart."""
_LOSSLESS_PIXELS: Final = 1 << 12
"""Smaller pictures are written as PNG: JPEG would smear a mark of a few pixels."""
_SIGNATURES: Final = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One heading and what stands under it."""

    title: str
    body: Sequence[Markup]
    """Blocks from the functions of this module, in order."""


def render(title: str, lead: str | Markup, sections: Sequence[Section]) -> str:
    """Return the page; text that is no Markup is escaped, wherever it comes from.

    Args:
        title: the page's heading and its name in the browser.
        lead: one or two sentences: what this is, and what came out.
        sections: what follows; with more than three a list of them stands above.
    """
    here = files(__package__)
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    template = here.joinpath("page.html").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    shown = {"title": title, "lead": lead, "sections": sections, "style_hash": f"sha256-{digest}"}
    return page.from_string(template).render(shown, style=Markup(style))  # noqa: S704 - our own file


def prose(*paragraphs: str | Markup) -> Markup:
    """Return paragraphs."""
    return Markup("\n").join(Markup("<p>{}</p>").format(one) for one in paragraphs)


def said(*paragraphs: str | Markup, good: bool | None = None) -> Markup:
    """Return what must not be overlooked, in a box: good news, bad news, or neither."""
    return Markup('<div class="said {}">{}</div>').format(_tone(good=good), prose(*paragraphs))


def mark(word: str, *, good: bool | None = None) -> Markup:
    """Return a word in the colour of OK or NG; the word says it too, for those who print in black."""
    return Markup('<span class="word {}">{}</span>').format(_tone(good=good), word)


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Return names and values, one pair a line."""
    lines = Markup("\n").join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, _text(value)) for name, value in pairs)
    return Markup('<dl class="facts">\n{}\n</dl>').format(lines)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], caption: str | Markup = "") -> Markup:
    """Return a table; columns of numbers stand to the right.

    Args:
        headers: the columns.
        rows: as many cells each: text, Markup, integers, or floats, which get four digits.
        caption: what the reader must know to read it.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    right = [_numeric([row[column] for row in cells]) for column in range(len(headers))]
    head = _row("th", [escape(header) for header in headers], right)
    body = Markup("\n").join(_row("td", row, right) for row in cells)
    below = Markup("<caption>{}</caption>").format(caption) if caption else ""
    whole = '<div class="wide"><table>{}\n<thead>{}</thead>\n<tbody>\n{}\n</tbody></table></div>'
    return Markup(whole).format(below, head, body)  # noqa: S704 - a constant; what goes in is escaped


def row(*blocks: Markup) -> Markup:
    """Return blocks side by side, as many as fit."""
    return Markup('<div class="row">\n{}\n</div>').format(Markup("\n").join(blocks))


def together(*blocks: Markup) -> Markup:
    """Return blocks that stand on one sheet of paper."""
    return Markup('<div class="together">\n{}\n</div>').format(Markup("\n").join(blocks))


def svg(draw: Callable[[Axes], None], width_in: float, height_in: float, caption: str) -> Markup:
    """Return a drawing of Matplotlib's, as sharp on paper as on a screen.

    Args:
        draw: draws on the axes that it is given, in the page's style.
        width_in: inches, 96 pixels of a screen each.
        height_in: same.
        caption: stands below, and is read out to those who cannot see it.
    """
    with mpl.rc_context(_DRAWN):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        draw(figure.add_subplot())
        file = BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _figure("svg+xml", file.getvalue(), caption, round(width_in * 96))


def picture(image: NDArray[np.uint8] | bytes, caption: str | Markup, width: int) -> Markup:
    """Return a picture.

    Args:
        image: (rows, columns, 3) blue-green-red, (rows, columns) gray, or an encoded file; JPEG and PNG go in as
            they are.
        caption: stands below.
        width: pixels of the screen.

    Raises:
        ValueError: the bytes are no picture.
    """
    if isinstance(image, bytes):
        form = next((form for start, form in _SIGNATURES if image.startswith(start)), None)
        if form is not None:
            return _figure(form, image, caption, width, narrow=True)
    form, data = _encoded(image)
    return _figure(form, data, caption, width, narrow=True)


def _encoded(image: NDArray[np.uint8] | bytes) -> tuple[str, bytes]:
    import cv2  # noqa: PLC0415 - most pages have curves only

    pixels: Any = image
    if isinstance(image, bytes):
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise ValueError("no picture that can be decoded")
    small = pixels.shape[0] * pixels.shape[1] <= _LOSSLESS_PIXELS
    done, data = (
        cv2.imencode(".png", pixels) if small else cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    )
    if not done:
        raise ValueError(f"no picture of shape {pixels.shape}")
    return "png" if small else "jpeg", data.tobytes()


def _figure(form: str, data: bytes, caption: str | Markup, width: int, *, narrow: bool = False) -> Markup:
    source = f"data:image/{form};base64,{base64.b64encode(data).decode()}"
    whole = '<figure{}><img src="{}" width="{}" alt="{}"><figcaption>{}</figcaption></figure>'
    kind = Markup(' class="narrow"') if narrow else ""
    return Markup(whole).format(kind, source, width, Markup(caption).striptags(), caption)  # noqa: S704 - as above


def _row(tag: str, cells: Sequence[Markup], right: Sequence[bool]) -> Markup:
    lines = (
        Markup("<{0}{1}>{2}</{0}>").format(tag, Markup(' class="number"') if number else "", cell)
        for cell, number in zip(cells, right, strict=True)
    )
    return Markup("<tr>{}</tr>").format(Markup("").join(lines))


def _numeric(cells: Sequence[Markup]) -> bool:
    told = [cell.striptags() for cell in cells if cell not in {"", "–"}]
    return bool(told) and all(_NUMBER.match(cell) for cell in told)


def _text(value: object) -> Markup:
    return escape(f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else value)


def _tone(*, good: bool | None) -> str:
    return "" if good is None else "good" if good else "bad"
