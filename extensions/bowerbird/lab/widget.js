// What the widgets share in the browser: making elements, a choice among some, a long list in a short frame, and copying Python.
// Browsers draw nothing higher than some 17 million pixels: above this, one pixel of the bar is several lines.
const HIGHEST = 8_000_000;

const made = (tag, parent, attributes = {}) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
};
const spaced = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u2009");
const counted = (number, one) => `${spaced(number)} ${one}${number === 1 ? "" : "s"}`;
const button = (parent, words, title) => {
  const element = made("button", parent, { type: "button", ...(title ? { title } : {}) });
  element.textContent = words;
  return element;
};

function choice(parent, words, options, value, chosen) {
  const label = made("label", parent);
  label.append(`${words} `);
  const select = made("select", label);
  for (const [key, name] of options) made("option", select, { value: JSON.stringify(key) }).textContent = name;
  select.value = JSON.stringify(value);
  select.addEventListener("change", () => chosen(JSON.parse(select.value)));
  return select;
}

// A widget's frame: a bar with a line of words and its actions, and below all else a place for Python that was asked for.
function frame(el, kind) {
  // JupyterLab's shortcuts would take Enter and the arrows away from the fields and the rows.
  const root = made("div", el, { class: `bb-widget ${kind}`, "data-lm-suppress-shortcuts": "true" });
  const bar = made("div", root, { class: "bb-bar" });
  const status = made("span", bar, { role: "status", class: "bb-status" });
  const actions = made("span", bar, { class: "bb-actions" });
  const code = made("pre", null, { class: "bb-code", hidden: "" });
  return { root, bar, status, actions, code };
}

async function copied(words, code, say) {
  code.textContent = words;
  code.hidden = false;
  try {
    await navigator.clipboard.writeText(words);
    say("Copied: paste it into a cell");
  } catch {
    getSelection()?.selectAllChildren(code);
    say("The browser keeps its clipboard: copy what is marked below");
  }
}

// A scroller that knows its first line on the screen. `line` is the height of one, `above` that of what stays on top,
// `count` and `visible` say how many there are and how many fit; `changed` is called once a frame after any move.
function rolled(scroller, room, { line, above, count, visible, changed }) {
  let first = 0;
  let moving = false;
  let asked = null;
  const last = () => Math.max(0, count() - visible());
  // Where it is hidden, as while the lab changes its theme, nothing fits: what was drawn stays.
  const soon = () => { asked ??= requestAnimationFrame(() => { asked = null; if (scroller.clientHeight) changed(); }); };

  function go(to, fromBar = false) {
    first = Math.min(Math.max(0, Math.round(to)), last());
    if (!fromBar) {
      const range = scroller.scrollHeight - scroller.clientHeight;
      const before = scroller.scrollTop;
      scroller.scrollTop = last() ? (first / last()) * range : 0;
      // Where it stays, no event comes: the next one is the user's.
      moving = scroller.scrollTop !== before;
    }
    soon();
  }
  scroller.addEventListener("scroll", () => {
    if (moving) { moving = false; return; }
    const range = scroller.scrollHeight - scroller.clientHeight;
    go(range > 0 ? (scroller.scrollTop / range) * last() : 0, true);
  });
  const watcher = new ResizeObserver(soon);
  watcher.observe(scroller);
  return {
    get first() { return first; },
    go,
    soon,
    fit() { room.style.height = `${Math.min(count() * line(), HIGHEST) + above()}px`; },
    end() { watcher.disconnect(); },
  };
}
