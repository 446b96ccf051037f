"""A bare page that shows a widget's own script, with a model that speaks to the widget itself."""

import base64
import json
import re
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from tests.support.browser import Visit

PAGE = """<!doctype html><meta charset="utf-8"><title>widget</title><style>%s</style><body><div id="here"></div><script type="module">
const hears = {};
const state = %s;
window.travelled = 0;
window.asked = [];
window.hear = (name, value, buffers) => (hears[name] ?? []).forEach((hear) => hear(value, buffers));
const opened = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
window.tell = ({ message, buffers }) => {
  window.travelled += JSON.stringify(message).length + buffers.join("").length;
  window.hear("msg:custom", message, buffers.map(opened));
};
window.change = (name, value) => { state[name] = value; window.hear(`change:${name}`); };
const changed = new Set();
const model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; changed.add(name); },
  save_changes: () => {
    for (const name of changed) { window.save(name, state[name]); window.hear(`change:${name}`); }
    changed.clear();
  },
  on: (name, hear) => { (hears[name] ??= []).push(hear); },
  off: (name, hear) => { hears[name] = hears[name].filter((one) => one !== hear); },
  send: async (message) => { window.asked.push(message); for (const answer of await window.ask(message)) window.tell(answer); },
};
const made = URL.createObjectURL(new Blob([%s], { type: "text/javascript" }));
const { default: widget } = await import(made);
window.leave = await widget.render({ model, el: document.getElementById("here") });
window.ready = true;
</script>"""


def shown(seen: Visit, widget: Any, address: str = "about:blank") -> None:
    """Show the widget in a page; what is made in a thread comes when all of it is made."""
    said: list[Any] = []
    widget.send = lambda content, buffers=None: said.append((content, buffers or []))

    def ask(message: Any) -> list[Any]:
        said.clear()
        widget._answer(widget, message)
        getattr(widget, "wait", lambda: None)()
        return [_packed(content, buffers) for content, buffers in said]

    _open(seen, widget, ask, address)


def streamed(seen: Visit, widget: Any) -> Callable[[], None]:
    """Show the widget in a page; each call of what is returned brings the page what was made since."""
    made: SimpleQueue[Any] = SimpleQueue()
    widget.send = lambda content, buffers=None: made.put(_packed(content, buffers or []))

    def ask(message: Any) -> list[Any]:
        widget._answer(widget, message)
        return []

    def bring() -> None:
        # The page's own questions are heard while it is spoken to.
        seen.page.evaluate("all => all.forEach(window.tell)", [made.get() for _ in range(made.qsize())])

    _open(seen, widget, ask, "about:blank")
    return bring


def _packed(content: Any, buffers: list[bytes]) -> dict[str, Any]:
    return {"message": content, "buffers": [base64.b64encode(one).decode() for one in buffers]}


def _open(seen: Visit, widget: Any, ask: Callable[[Any], list[Any]], address: str) -> None:
    seen.page.expose_function("ask", ask)
    seen.page.expose_function("save", lambda name, value: setattr(widget, name, value))
    state = {name: getattr(widget, name) for name in widget.trait_names(sync=True) if not name.startswith("_")}
    state = {name: value for name, value in state.items() if _is_json(value)}
    if address != "about:blank":
        seen.page.goto(address)
    seen.page.set_content(PAGE % (widget._css, json.dumps(state), json.dumps(widget._esm)))
    seen.page.wait_for_function("window.ready")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def luminance(colour: str) -> float:
    """Return how bright a colour of a style is, as contrast is reckoned."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def unreadable(seen: Visit, ground: str, parts: tuple[str, ...]) -> list[str]:
    """Return which parts stand out too little from the background of a place."""
    behind = luminance(seen.page.evaluate("part => getComputedStyle(document.querySelector(part)).backgroundColor", ground))
    found = []
    for part in parts:
        ink = luminance(seen.page.evaluate("part => getComputedStyle(document.querySelector(part)).color", part))
        if (max(ink, behind) + 0.05) / (min(ink, behind) + 0.05) < 4.5:
            found.append(part)
    return found
