"""A page on which a person labels parts in any browser: pictures, two buttons each, and a file to import again.

It stands alone: every picture is in it, and it forbids itself every address (Content-Security-Policy). The one
script and the one style that it runs are named there by their hashes. It holds nobody's verdict.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from uuid import UUID

from bridge.store.reading import Drawn
from bridge.store.words import restored

_TYPES = {"jpg": "jpeg", "png": "png", "bmp": "bmp", "gif": "gif", "webp": "webp"}
"""What every browser shows; of another picture its name stands there."""


def page(line: str, who: str, drawn: Sequence[Drawn], pictures: Sequence[Sequence[Path]]) -> str:
    """Return the page; reads the pictures.

    Args:
        line: the line.
        who: who labels; it stands in every row of the file.
        drawn: the parts, in the order in which they are shown.
        pictures: the files of each part.
    """
    here = files(__package__)
    script = here.joinpath("label_page.js").read_text(encoding="utf-8")
    style = here.joinpath("label_page.css").read_text(encoding="utf-8")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    parts = "\n".join(_part(n, one, shown) for n, (one, shown) in enumerate(zip(drawn, pictures, strict=True)))
    told = escape(json.dumps({"line": line, "who": who}))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(line)}: {len(drawn)} parts to label</title>
<style>{style}</style>
</head>
<body data-told="{told}">
<header>
<h1>{escape(line)}: {len(drawn)} parts to label</h1>
<p>For {escape(who)}. Say of each part whether it was good as it came. Keys: o OK, n NG, arrows up and down.</p>
</header>
<form autocomplete="off">
{parts}
</form>
<footer><span id="count">0 of {len(drawn)}</span> <button type="button" id="save">Save as CSV</button></footer>
<script>{script}</script>
</body>
</html>
"""


def _part(number: int, one: Drawn, pictures: Sequence[Path]) -> str:
    name = escape(restored(one.part).encode("utf-8", "replace").decode()) or "(no serial number)"
    at = datetime.fromtimestamp(one.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    shown = "".join(map(_picture, pictures)) or "<p>No picture of it is kept.</p>"
    radio = f'<input type="radio" name="p{number}" value='
    return f"""<fieldset data-id="{UUID(bytes=one.id)}">
<legend>{number + 1}. {name} <small>{at}</small></legend>
<div class="pictures">{shown}</div>
<label class="ok">{radio}"OK"> OK</label>
<label class="ng">{radio}"NG"> NG</label>
<input class="note" type="text" maxlength="200" placeholder="defect, or a remark" aria-label="remark">
</fieldset>"""


def _picture(path: Path) -> str:
    kind = _TYPES.get(path.suffix[1:].lower())
    if kind is None:
        return f"<p>{escape(str(path))}</p>"
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return "<p>A picture has gone meanwhile.</p>"
    return f'<img src="data:image/{kind};base64,{data}" alt="the part">'


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
