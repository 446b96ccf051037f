// The browser's side of QueryProgress. While a cell runs, its kernel hears nothing but an interrupt: that is what Cancel is.
function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "bb-widget bb-progress";
  const words = document.createElement("span");
  words.setAttribute("role", "status");
  const bar = document.createElement("progress");
  bar.max = 1;
  const stop = document.createElement("button");
  stop.type = "button";
  stop.textContent = "Cancel";
  root.append(words, bar, stop);
  el.append(root);
  const kernel = model.widget_manager?.kernel;
  stop.hidden = !kernel?.interrupt;
  stop.addEventListener("click", () => {
    stop.disabled = true;
    words.textContent = "The query is being stopped";
    kernel.interrupt();
  });
  const draw = () => {
    if (!stop.disabled) words.textContent = model.get("words");
    const share = model.get("share");
    if (share < 0) bar.removeAttribute("value");
    else bar.value = share;
    bar.setAttribute("aria-label", model.get("words"));
  };
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
