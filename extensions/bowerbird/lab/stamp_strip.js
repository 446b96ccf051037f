// The browser's side of StampStrip: shows the stamps on the screen and asks Python for those it does not have.
const GAP = 8;
const CAPTION = 20;
const SIDES = { small: 72, medium: 112, large: 208 };
// So many pictures stay in the page.
const MOST_KEPT = 1500;
const LIMITS = [[100, "all values"], [99.5, "99.5 %"], [99, "99 %"], [95, "95 %"], ["zscale", "zscale"]];

// A buffer may begin anywhere, and numbers only at multiples of their size.
const ordered = (view) => view && new Uint32Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer);

function render({ model, el }) {
  const total = model.get("total");
  const { root, bar, status, actions, code } = frame(el, "bb-strip");
  const looks = made("span", null, { class: "bb-looks" });
  bar.insertBefore(looks, actions);
  const scroller = made("div", root, {
    class: "bb-stamps", tabindex: "0", role: "listbox", "aria-multiselectable": "true", "aria-label": "Stamps of the sources",
  });
  const room = made("div", scroller, { class: "bb-room" });
  const grid = made("div", room, { class: "bb-tiles", role: "presentation" });
  root.append(code);
  const id = `bb-${Math.random().toString(36).slice(2)}`;

  let side = SIDES.medium;
  let current = 0;
  let anchor = 0;
  let mine = false;
  const tiles = new Map();
  // Elements of the rows on the screen, each with what stands in it.
  let drawn = new Map();
  let asked = new Set();
  // Where a table is sorted or filtered, the row at each place; null while each row is at its own.
  let order = ordered(model.get("order"));
  const size = () => order?.length ?? total;
  const rowAt = (place) => (order ? order[place] : place);
  const placeOf = (row) => (order ? order.indexOf(row) : row);

  const step = () => side + GAP;
  const line = () => side + CAPTION + GAP;
  const across = () => Math.max(1, Math.floor((scroller.clientWidth - GAP) / step()));
  const count = () => Math.ceil(size() / across());
  const visible = () => Math.max(1, Math.floor((scroller.clientHeight - GAP) / line()));
  const look = () => ({ stretch: model.get("stretch"), limits: model.get("limits"), colour: model.get("colour"), invert: model.get("invert") });
  const roll = rolled(scroller, room, { line, above: () => GAP, count, visible, changed() { draw(); ask(); } });

  function say(message = "", refused = false) {
    const chosen = model.get("selected").length;
    const stamps = `${size() === total ? "" : `${spaced(size())} of `}${counted(total, "stamp")}`;
    status.textContent = message || `${stamps}${chosen ? `, ${spaced(chosen)} selected` : ""}`;
    status.classList.toggle("bb-refused", refused);
  }

  function shown() {
    const start = roll.first * across();
    return Array.from({ length: Math.max(0, Math.min(size(), start + (visible() + 1) * across()) - start) }, (_, at) => start + at);
  }

  // What is on the screen comes first; what comes next is asked for when all of that is there.
  function ask() {
    const places = shown();
    const after = Array.from({ length: across() * visible() }, (_, at) => (places.at(-1) ?? -1) + 1 + at).filter((place) => place < size());
    const lacking = (some) => some.map(rowAt).filter((row) => !tiles.has(row));
    const here = lacking(places);
    const rows = here.length ? here : lacking(after);
    if (rows.every((row) => asked.has(row))) return;
    asked = new Set(rows);
    model.send({ type: "stamps", rows, look: look() });
  }

  // An element stays that of its row, and a picture that of its tile: made anew, it would be decoded anew.
  function tile(place, chosen) {
    const row = rowAt(place);
    const one = drawn.get(row) ?? { element: made("div", null, { role: "option", id: `${id}-${row}`, class: "bb-tile" }) };
    const { element } = one;
    element.dataset.row = row;
    element.dataset.place = place;
    element.setAttribute("aria-selected", String(chosen.has(row)));
    element.setAttribute("aria-posinset", place + 1);
    element.setAttribute("aria-setsize", size());
    element.classList.toggle("bb-current", place === current);
    const known = tiles.get(row);
    if (one.known !== known || !element.hasChildNodes()) fill(element, known, known?.label ?? String(row));
    one.known = known;
    return one;
  }
  function fill(element, known, words) {
    const caption = made("span", null, { class: "bb-caption" });
    caption.textContent = words;
    element.replaceChildren(known?.picture ?? said(known), caption);
    element.title = known?.reason ? `${words}: ${known.reason}` : words;
  }
  function said(known) {
    const element = made("span", null, { class: known ? "bb-reason" : "bb-waits" });
    element.textContent = known?.reason ?? "…";
    return element;
  }

  function draw() {
    const chosen = new Set(model.get("selected"));
    const columns = across();
    drawn = new Map(shown().map((place) => [rowAt(place), tile(place, chosen)]));
    grid.style.setProperty("--bb-side", `${side}px`);
    grid.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
    const elements = [...drawn.values()].map((one) => one.element);
    if (elements.length !== grid.children.length || elements.some((element, at) => element !== grid.children[at])) grid.replaceChildren(...elements);
    scroller.setAttribute("aria-activedescendant", `${id}-${rowAt(current)}`);
    roll.fit();
  }
  let drawing = null;
  const drawSoon = () => { drawing ??= requestAnimationFrame(() => { drawing = null; if (scroller.clientWidth) { draw(); ask(); } }); };

  function bring(place) {
    const at = Math.floor(place / across());
    if (at < roll.first) roll.go(at);
    else if (at >= roll.first + visible()) roll.go(at - visible() + 1);
    else roll.soon();
  }

  function choose(rows) {
    mine = true;
    model.set("selected", rows);
    model.save_changes();
    mine = false;
    say();
    draw();
  }
  const between = (one, other) => {
    const [low, high] = [one, other].sort((a, b) => a - b);
    return Array.from({ length: high - low + 1 }, (_, at) => rowAt(low + at));
  };
  const toggled = (row) => {
    const before = model.get("selected");
    return before.includes(row) ? before.filter((one) => one !== row) : [...before, row];
  };

  grid.addEventListener("click", (event) => {
    const element = event.target.closest(".bb-tile");
    if (!element) return;
    const row = Number(element.dataset.row);
    const before = model.get("selected");
    current = Number(element.dataset.place);
    if (event.shiftKey) choose(between(anchor, current));
    else {
      anchor = current;
      if (event.ctrlKey || event.metaKey) choose(toggled(row));
      else choose(before.length === 1 && before[0] === row ? [] : [row]);
    }
  });

  scroller.addEventListener("keydown", (event) => {
    if (!size()) return;
    const page = visible() * across();
    const steps = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: across(), ArrowUp: -across(), PageDown: page, PageUp: -page, Home: -total, End: total,
    };
    if (event.key in steps) {
      current = Math.min(Math.max(0, current + steps[event.key]), size() - 1);
      if (event.shiftKey) choose(between(anchor, current));
      else anchor = current;
      bring(current);
    } else if (event.key === " ") choose(toggled(rowAt(current)));
    else if (event.key === "Enter") choose([rowAt(current)]);
    else if (event.key === "Escape" && model.get("selected").length) choose([]);
    else return;
    event.preventDefault();
  });

  function forget() {
    for (const one of tiles.values()) if (one.url) URL.revokeObjectURL(one.url);
    tiles.clear();
    asked.clear();
  }
  function keep(row, one) {
    if (tiles.get(row)?.url) URL.revokeObjectURL(tiles.get(row).url);
    tiles.delete(row);
    tiles.set(row, one);
  }
  function drop() {
    const here = new Set(shown().map(rowAt));
    for (const [old, gone] of tiles) {
      if (tiles.size <= MOST_KEPT) break;
      if (here.has(old)) continue;
      if (gone.url) URL.revokeObjectURL(gone.url);
      tiles.delete(old);
    }
  }

  const set = (name) => (value) => { model.set(name, value); model.save_changes(); };
  const given = model.get("limits");
  const limits = Array.isArray(given) ? [[given, `${given[0]} to ${given[1]}`], ...LIMITS] : LIMITS;
  const known = limits.some(([key]) => JSON.stringify(key) === JSON.stringify(given)) ? limits : [[given, `${given} %`], ...limits];
  const selects = {
    stretch: choice(looks, "Stretch", model.get("stretches").map((one) => [one, one]), model.get("stretch"), set("stretch")),
    limits: choice(looks, "Limits", known, given, set("limits")),
    colour: choice(looks, "Colours", model.get("colours").map((one) => [one, one]), model.get("colour"), set("colour")),
  };
  const inverted = made("label", looks);
  const invert = made("input", inverted, { type: "checkbox" });
  inverted.append(" Invert");
  invert.checked = model.get("invert");
  invert.addEventListener("change", () => set("invert")(invert.checked));
  choice(looks, "Size", Object.entries(SIDES).map(([name, value]) => [value, name]), side, (value) => {
    const place = roll.first * across();
    side = value;
    draw();
    roll.go(Math.floor(place / across()));
  });
  const send = button(actions, "Send to ds9", "Hand the selected cutouts to ds9, or to what else takes images by SAMP, on the machine where the notebook computes");
  send.addEventListener("click", () => model.send({ type: "samp" }));
  button(actions, "Copy as Python").addEventListener("click", () => model.send({ type: "python" }));

  const answers = {
    stamps(message, buffers) {
      if (JSON.stringify(message.look) !== JSON.stringify(look())) return;
      const pictures = buffers.values();
      for (const { row, label, reason } of message.stamps) {
        const one = { label, reason };
        if (!reason) {
          one.url = URL.createObjectURL(new Blob([pictures.next().value], { type: "image/png" }));
          one.picture = made("img", null, { src: one.url, alt: "", draggable: "false" });
        }
        asked.delete(row);
        keep(row, one);
      }
      drop();
      drawSoon();
    },
    python(message) { copied(message.code, code, say); },
    sent(message) { say(message.message); },
    refused(message) {
      asked.clear();
      say(message.message, true);
    },
  };
  const hear = (message, buffers) => answers[message?.type]?.(message, buffers);
  const again = () => {
    say();
    draw();
    // What was selected elsewhere comes into view.
    const place = !mine && model.get("selected").length ? placeOf(model.get("selected").at(-1)) : -1;
    if (place >= 0) {
      current = place;
      bring(current);
    }
  };
  const arranged = () => {
    order = ordered(model.get("order"));
    [current, anchor] = [0, 0];
    asked.clear();
    say();
    draw();
    roll.go(0);
  };
  const anew = () => {
    for (const [name, select] of Object.entries(selects)) select.value = JSON.stringify(model.get(name));
    invert.checked = model.get("invert");
    forget();
    roll.soon();
  };
  const looked = ["stretch", "limits", "colour", "invert"].map((name) => `change:${name}`);
  model.on("msg:custom", hear);
  model.on("change:selected", again);
  model.on("change:order", arranged);
  looked.forEach((name) => model.on(name, anew));
  say();
  // Where it is not on the page yet, nothing fits; it is drawn when it is.
  if (scroller.clientHeight) {
    draw();
    ask();
  }
  return () => {
    roll.end();
    forget();
    model.off("msg:custom", hear);
    model.off("change:selected", again);
    model.off("change:order", arranged);
    looked.forEach((name) => model.off(name, anew));
  };
}

export default { render };
