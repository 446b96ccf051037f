// The browser's side of SkyView: Aladin Lite, which the notebook's own server hands out, with what Python tells it to show.
// The sky is dark in light and in dark, so its inks are too.
const INK = { source: "#7aa2ff", chosen: "#ffb454", outline: "#6fcf97", cover: "#b48cff", grid: "#a3aab8" };
const STEP = 0.2;
const ZOOM = 1.5;
const NARROWEST = 1 / 3600;
// How much of its width the frame must show in height.
const HIGH = 0.7;
const UNNAMED = "no band named";
const WHEEL = "The wheel scrolls the page; click the map, or hold Ctrl, and it zooms the map";

// A page of JupyterLab says below which address its server answers, and a cookie which token proves that it is the server's own page.
function below(path) {
  const config = document.getElementById("jupyter-config-data");
  const base = config ? JSON.parse(config.textContent).baseUrl : document.body.dataset.baseUrl ?? "/";
  const token = document.cookie.match(/(?:^|; )_xsrf=([^;]+)/)?.[1];
  return new URL(`${base.replace(/\/?$/, "/")}bowerbird/${token ? `with/${encodeURIComponent(token)}/` : ""}${path}`, location.href).href;
}

const numbers = (view) => {
  // A buffer may begin anywhere, and these arrays only at multiples of eight.
  const bytes = new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  return bytes.slice().buffer;
};

const sized = (element) => new Promise((resolve) => {
  const watcher = new ResizeObserver(() => {
    if (!element.clientWidth) return;
    watcher.disconnect();
    resolve();
  });
  watcher.observe(element);
});

// Aladin has no end of its own: it would draw on at every frame, and a browser has some sixteen contexts for all its pages.
function letGo(map, place) {
  if (map?.view) map.view.redrawClbk = () => {};
  for (const canvas of place.querySelectorAll("canvas")) canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
  place.replaceChildren();
}

const answers = async (address) => {
  try { return (await fetch(address)).ok; } catch { return false; }
};
// What the platform tells of the surveys of a release, one for each band (HiPS 1.0, section 5.2); none where it has none for whoever looks.
async function surveysOf(release) {
  if (!release) return [];
  try {
    const answer = await fetch(below(`hips/${release}/hipslist`));
    if (!answer.ok) return [];
    const records = (await answer.text()).trim().split(/\n\n+/).map((record) => Object.fromEntries(
      record.split("\n").map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1).trim()]),
    ));
    return records.map((one) => ({
      name: release + one.hips_service_url.split(`/hips/${release}`).at(-1),
      band: one.bowerbird_band ?? "",
      waves: [Number(one.em_min ?? NaN), Number(one.em_max ?? NaN)],
    }));
  } catch { return []; }
}
// The words in which an address is refused; none where it answers otherwise than in a line for people.
const refusal = async (address) => {
  try {
    const answer = await fetch(address);
    return answer.headers.get("Content-Type")?.startsWith("text/plain") ? (await answer.text()).trim() : "";
  } catch { return ""; }
};

function render({ model, el }) {
  const { root, bar, status, actions, code } = frame(el, "bb-sky");
  const looks = made("span", null, { class: "bb-looks" });
  bar.insertBefore(looks, actions);
  const pick = button(actions, "Select a region", "Draw a rectangle around the sources to select");
  const send = button(actions, "Send to Aladin", "Hand the sources to Aladin, or to what else listens by SAMP, on the machine where the notebook computes");
  const copy = button(actions, "Copy as Python");
  const place = made("div", root, {
    class: "bb-map", tabindex: "0", role: "application",
    "aria-label": "Map of the sky: the arrows move it, plus and minus zoom, N and P select the next and the previous source",
  });
  made("p", place, { class: "bb-wheel", "aria-hidden": "true" }).textContent = WHEEL;
  root.append(code);
  const total = model.get("total");
  const catalogues = {};
  let map = null;
  let A = null;
  let image = null;
  let edge = null;
  let mine = false;
  let gone = false;

  function say(message = "", refused = false) {
    const chosen = model.get("selected").length;
    status.textContent = message || `${counted(total, "source")}${chosen ? `, ${spaced(chosen)} selected` : ""}`;
    status.classList.toggle("bb-refused", refused);
  }
  function choose(rows) {
    mine = true;
    model.set("selected", rows);
    model.save_changes();
    mine = false;
    say();
    model.send({ type: "selected" });
  }

  function fill(catalogue, buffers) {
    const rows = new Uint32Array(numbers(buffers[0]));
    const ra = new Float64Array(numbers(buffers[1]));
    const dec = new Float64Array(numbers(buffers[2]));
    catalogue.removeAll();
    catalogue.addSources(Array.from(rows, (row, at) => A.source(ra[at], dec[at], { row })));
    return { ra, dec };
  }
  const seen = (ra, dec) => {
    const at = map.world2pix(ra, dec);
    return at && at[0] >= 0 && at[1] >= 0 && at[0] <= place.clientWidth && at[1] <= place.clientHeight;
  };

  const forget = () => { if (image) URL.revokeObjectURL(image); };
  const told = {
    sources(_, buffers) { fill(catalogues.all, buffers); root.dataset.sources = catalogues.all.sources.length; },
    selected(_, buffers) {
      const { ra, dec } = fill(catalogues.chosen, buffers);
      root.dataset.chosen = ra.length;
      // What was selected elsewhere comes into view.
      if (ra.length && !seen(ra.at(-1), dec.at(-1))) map.gotoRaDec(ra.at(-1), dec.at(-1));
    },
    image(_, buffers) {
      forget();
      image = URL.createObjectURL(new Blob([buffers[0]], { type: "application/fits" }));
      const drawn = () => { root.dataset.image = "drawn"; };
      const failed = () => say("The image cannot be drawn on the map", true);
      // A layer of its own: displayFITS would put it in the place of the survey.
      map.setOverlayImageLayer(map.createImageFITS(image, { name: "image", stretch: "asinh", colormap: "grayscale" }, drawn, failed), "image");
    },
    python(message) { copied(message.code, code, say); },
    sent(message) { say(message.message); },
    refused(message) { say(message.message, true); },
  };
  const hear = (message, buffers) => { if (map || message?.type === "python" || message?.type === "refused") told[message?.type]?.(message, buffers); };
  const again = () => {
    say();
    if (!mine && map) model.send({ type: "selected" });
  };

  function wanted({ band, waves }) {
    const [shortest, longest] = model.get("waves");
    if (model.get("band")) return band === model.get("band");
    return longest === undefined || (waves[0] <= longest && waves[1] >= shortest);
  }
  // What a survey covers: its edge alone, so that the survey is seen. A coverage that was given stays.
  async function behind(survey) {
    root.dataset.survey = survey?.name ?? "";
    if (edge) map.removeOverlay(edge);
    edge = null;
    delete root.dataset.coverage;
    if (!survey || Object.keys(model.get("moc")).length) return;
    const file = below(`hips/${survey.name}/Moc.fits`);
    if (!await answers(file) || root.dataset.survey !== survey.name) return;
    const drawn = () => { root.dataset.coverage = "drawn"; };
    edge = A.MOCFromURL(file, { color: INK.cover, perimeter: true, lineWidth: 2, name: "coverage" }, drawn);
    map.addMOC(edge);
  }
  function offer(surveys, first) {
    const named = surveys.map(({ name, band }) => [name, band || UNNAMED]);
    choice(looks, "Band", first ? named : [["", "none"], ...named], first?.name ?? "", (name) => {
      const survey = surveys.find((one) => one.name === name);
      map.setBaseImageLayer(below(survey ? `hips/${survey.name}` : "blank"));
      model.set("band", survey?.band ?? "");
      model.save_changes();
      say();
      behind(survey);
    });
  }

  async function start() {
    await sized(place);
    const release = model.get("survey");
    const surveys = await surveysOf(release);
    const first = surveys.find(wanted);
    ({ default: A } = await import(below("aladin/aladin.js")));
    await A.init;
    if (gone) return;
    const chart = made("div", place, { class: "bb-chart" });
    const wide = model.get("width") * Math.max(1, (HIGH * place.clientWidth) / place.clientHeight);
    map = A.aladin(chart, {
      // Without these Aladin asks its makers for a survey, for a list of them, and tells them that it runs.
      survey: first ? below(`hips/${first.name}`) : below("blank"), hipsList: [], log: false,
      target: `${model.get("ra")} ${model.get("dec")}`, fov: Math.min(360, wide), cooFrame: "ICRS",
      projection: model.get("width") > 60 ? "AIT" : "TAN", mode: "dark", backgroundColor: "rgb(18, 20, 26)",
      showLayersControl: false, showSimbadPointerControl: false, showFullscreenControl: false, showContextMenu: false,
      showShareControl: false, showSettingsControl: false, showProjectionControl: false, showCooGridControl: true,
      gridColor: INK.grid, reticleColor: INK.grid,
    });
    if (Object.keys(model.get("moc")).length) {
      map.addMOC(A.MOCFromJSON(model.get("moc"), { color: INK.cover, fillColor: INK.cover, opacity: 0.25, fill: true, lineWidth: 1, name: "coverage" }));
    }
    await behind(first);
    if (surveys.length > (first ? 1 : 0)) offer(surveys, first);
    const outlines = A.graphicOverlay({ color: INK.outline, lineWidth: 2, name: "footprints" });
    map.addOverlay(outlines);
    for (const corners of model.get("outlines")) outlines.add(A.polygon(corners));
    const ring = { shape: "circle", onClick: null };
    catalogues.all = A.catalog({ ...ring, name: "sources", color: INK.source, selectionColor: INK.chosen, sourceSize: 10 });
    catalogues.chosen = A.catalog({ ...ring, name: "selected", color: INK.chosen, selectionColor: INK.chosen, sourceSize: 18 });
    map.addCatalog(catalogues.all);
    map.addCatalog(catalogues.chosen);
    map.on("objectClicked", (source) => { if (Number.isInteger(source?.data?.row)) choose([source.data.row]); });
    if (model.get("has_image")) model.send({ type: "image" });
    model.send({ type: "sources" });
    if (model.get("selected").length) model.send({ type: "selected" });
    if (!first && surveys.length) {
      say(`No survey of ${release} is of that band: it has ${surveys.map((one) => one.band || UNNAMED).join(", ")}`, true);
    } else if (release && !first && model.get("survey_asked")) {
      const why = await refusal(below(`hips/${release}/hipslist`));
      say(why || `There is no survey of ${release} for you: the sky behind the sources stays empty`, true);
    }
    root.dataset.ready = "true";
  }

  // Aladin waits for its cross before it lets a region be drawn, so the cross is there from the start.
  pick.addEventListener("click", () => map?.select("rect", (_, found) => {
    const rows = found.flat().map((source) => source?.data?.row).filter(Number.isInteger);
    choose([...new Set(rows)].sort((a, b) => a - b));
  }));
  send.addEventListener("click", () => model.send({ type: "samp" }));
  copy.addEventListener("click", () => model.send({ type: "python" }));

  function moved(east, north) {
    const [ra, dec] = map.getRaDec();
    const step = map.getFov()[0] * STEP;
    const up = Math.min(90, Math.max(-90, dec + north * step));
    map.gotoRaDec((ra + (east * step) / Math.max(Math.cos((up * Math.PI) / 180), 0.01) + 360) % 360, up);
    where();
  }
  // Whoever moves by key may not see where to.
  function where() {
    const [ra, dec] = map.getRaDec();
    say(`Right ascension ${ra.toFixed(4)}°, declination ${dec.toFixed(4)}°, ${Number(map.getFov()[0].toPrecision(3))}° wide`);
  }
  const stepped = (by) => {
    if (!total) return;
    const last = model.get("selected").at(-1);
    choose([last === undefined ? (by > 0 ? 0 : total - 1) : (last + by + total) % total]);
  };
  const zoomed = (by) => {
    map.setFoV(Math.min(360, Math.max(NARROWEST, map.getFov()[0] * by)));
    where();
  };
  const keys = {
    ArrowLeft: () => moved(1, 0), ArrowRight: () => moved(-1, 0), ArrowUp: () => moved(0, 1), ArrowDown: () => moved(0, -1),
    "+": () => zoomed(1 / ZOOM), "=": () => zoomed(1 / ZOOM), "-": () => zoomed(ZOOM),
    n: () => stepped(1), p: () => stepped(-1), Escape: () => choose([]),
  };
  place.addEventListener("keydown", (event) => {
    if (event.target !== place || !map || !(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });

  // Aladin takes each turn of the wheel for itself, also of whoever only scrolls past: it hears of those that are meant for it.
  place.addEventListener("wheel", (event) => { if (!event.ctrlKey && !place.matches(":focus-within")) event.stopPropagation(); }, true);
  // What Aladin does with a click would leave the focus where it was.
  place.addEventListener("pointerdown", () => { if (!place.matches(":focus-within")) place.focus({ preventScroll: true }); }, true);

  model.on("msg:custom", hear);
  model.on("change:selected", again);
  say();
  start().catch((error) => say(`The map cannot be shown: ${error.message ?? error}`, true));
  return () => {
    gone = true;
    forget();
    letGo(map, place);
    model.off("msg:custom", hear);
    model.off("change:selected", again);
  };
}

export default { render };
