// The browser's side of ResultTable: draws the rows on the screen and asks Python for the rest.
const ROW = 28;
const AHEAD = 10;

function render({ model, el }) {
  const columns = model.get("columns");
  const { root, status, actions, code } = frame(el, "bb-table");
  const send = button(actions, "Send to TOPCAT", "Hand these rows to TOPCAT, or to what else listens by SAMP, on the machine where the notebook computes");
  const copy = button(actions, "Copy as Python");
  const scroller = made("div", root, {
    class: "bb-scroller", tabindex: "0", role: "group",
    "aria-label": "Rows of the table: the arrows move, Space and Enter select, with Shift all up to there",
  });
  const room = made("div", scroller, { class: "bb-room" });
  const table = made("table", room, { role: "grid", "aria-multiselectable": "true", "aria-colcount": columns.length + 1 });
  const head = made("thead", table);
  const body = made("tbody", table);
  root.append(code);

  let seen = model.get("seen");
  let request = 0;
  let sorted = null;
  let mine = false;
  let current = 0;
  let anchor = null;
  const id = `bb-${Math.random().toString(36).slice(2)}`;
  let shown = { start: 0, numbers: [], cells: [] };

  const visible = () => Math.max(1, Math.floor((scroller.clientHeight - head.offsetHeight) / ROW));
  const roll = rolled(scroller, room, {
    line: () => ROW,
    above: () => head.offsetHeight,
    count: () => seen,
    visible,
    changed() { draw(); ask(); },
  });

  function say(message = "", refused = false) {
    const chosen = model.get("selected").length;
    const total = model.get("total");
    const rows = `${seen === total ? "" : `${spaced(seen)} of `}${counted(total, "row")}`;
    status.textContent = message || (chosen ? `${rows}, ${spaced(chosen)} selected` : rows);
    status.classList.toggle("bb-refused", refused);
  }

  function ask() {
    request += 1;
    model.send({ type: "rows", start: Math.max(0, roll.first - AHEAD), count: visible() + 2 * AHEAD, request });
  }

  function draw() {
    const chosen = new Set(model.get("selected"));
    const lines = [];
    for (let at = roll.first; at < Math.min(seen, roll.first + visible() + 1); at += 1) {
      const here = at - shown.start;
      const number = shown.numbers[here];
      const line = made("tr", null, { "aria-rowindex": at + 2, "aria-selected": String(chosen.has(number)) });
      made("th", line, { scope: "row" }).textContent = spaced(at + 1);
      columns.forEach((column, index) => {
        const cell = made("td", line, { class: `bb-${column.kind}` });
        const value = shown.cells[here]?.[index];
        if (number !== undefined && (value === null || value === undefined)) cell.classList.add("bb-null");
        cell.textContent = number === undefined ? "…" : value ?? "–";
        if (value) cell.title = value;
      });
      line.dataset.at = at;
      line.id = `${id}-${at}`;
      line.classList.toggle("bb-current", at === current);
      lines.push(line);
    }
    body.replaceChildren(...lines);
    table.setAttribute("aria-rowcount", seen + 1);
    scroller.setAttribute("aria-activedescendant", `${id}-${current}`);
    roll.fit();
  }

  function bring(at) {
    if (at < roll.first) roll.go(at);
    else if (at >= roll.first + visible()) roll.go(at - visible() + 1);
    else draw();
  }
  function choose(rows) {
    mine = true;
    model.set("selected", rows);
    model.save_changes();
    mine = false;
    say();
    draw();
  }
  const toggled = (number) => {
    const before = model.get("selected");
    return before.includes(number) ? before.filter((one) => one !== number) : [...before, number];
  };
  // Which rows are between two places, Python knows: those off the screen are not here.
  const reach = () => model.send({ type: "range", one: anchor ?? 0, other: current });

  scroller.addEventListener("keydown", (event) => {
    if (event.target !== scroller || !seen) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: visible(), PageUp: -visible(), Home: -seen, End: seen };
    const number = shown.numbers[current - shown.start];
    if (event.key in steps) {
      current = Math.min(Math.max(0, current + steps[event.key]), seen - 1);
      if (event.shiftKey) reach();
      else anchor = current;
      bring(current);
    } else if (event.key === " " && number !== undefined) choose(toggled(number));
    else if (event.key === "Enter" && number !== undefined) choose([number]);
    else if (event.key === "Escape" && model.get("selected").length) choose([]);
    else return;
    event.preventDefault();
  });

  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    const at = Number(line?.dataset.at);
    const number = line ? shown.numbers[at - shown.start] : undefined;
    if (number === undefined) return;
    const before = model.get("selected");
    current = at;
    if (event.shiftKey && anchor !== null) {
      reach();
      return;
    }
    anchor = at;
    if (event.ctrlKey || event.metaKey) choose(toggled(number));
    else choose(before.length === 1 && before[0] === number ? [] : [number]);
  });

  const names = made("tr", head);
  const filters = made("tr", head);
  made("th", names, { scope: "col" }).textContent = "#";
  made("th", filters);
  const buttons = columns.map((column, index) => {
    const cell = made("th", names, { scope: "col", "aria-sort": "none", class: `bb-${column.kind}` });
    const sorter = button(cell, "", column.description || column.name);
    made("span", sorter).textContent = column.name;
    if (column.unit) made("small", sorter).textContent = column.unit;
    sorter.addEventListener("click", () => {
      const descending = sorted?.column === index && !sorted.descending;
      const back = sorted?.column === index && sorted.descending;
      sorted = back ? null : { column: index, descending };
      buttons.forEach((one) => one.setAttribute("aria-sort", "none"));
      if (sorted) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      model.send({ type: "sort", column: back ? null : index, descending });
    });
    const field = made("input", made("th", filters), {
      type: "text",
      "aria-label": `Filter ${column.name}`,
      placeholder: column.kind === "number" ? "> 5, 1..2" : "contains",
    });
    let told = "";
    const tell = () => {
      if (field.value !== told) model.send({ type: "filter", column: index, text: field.value });
      told = field.value;
    };
    field.addEventListener("change", tell);
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") tell();
    });
    return cell;
  });
  const fields = [...filters.querySelectorAll("input")];

  send.addEventListener("click", () => model.send({ type: "samp" }));
  copy.addEventListener("click", () => model.send({ type: "python" }));

  const answers = {
    rows(message) {
      if (message.request !== request) return;
      shown = message;
      draw();
    },
    view(message) {
      seen = message.seen;
      fields.forEach((field) => field.removeAttribute("aria-invalid"));
      anchor = null;
      current = 0;
      shown = { start: 0, numbers: [], cells: [] };
      say();
      draw();
      roll.go(0);
    },
    range(message) { choose(message.rows); },
    found(message) {
      current = message.at;
      if (message.at < roll.first || message.at >= roll.first + visible()) roll.go(message.at - visible() / 2);
      else draw();
    },
    python(message) { copied(message.code, code, say); },
    sent(message) { say(message.message); },
    refused(message) {
      if (Number.isInteger(message.column)) fields[message.column]?.setAttribute("aria-invalid", "true");
      say(message.message, true);
    },
  };
  const hear = (message) => answers[message?.type]?.(message);
  const again = () => {
    say();
    draw();
    // What was selected elsewhere comes into view.
    if (!mine && model.get("selected").length) model.send({ type: "find", row: model.get("selected").at(-1) });
  };
  model.on("msg:custom", hear);
  model.on("change:selected", again);
  say();
  draw();
  ask();
  return () => {
    roll.end();
    model.off("msg:custom", hear);
    model.off("change:selected", again);
  };
}

export default { render };
