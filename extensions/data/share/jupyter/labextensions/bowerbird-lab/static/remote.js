// Bowerbird in JupyterLab, written by hand as the container that module federation asks for (`init` and `get`): it needs
// nothing of JupyterLab but the application that it is given, and so no build.
(() => {
  "use strict";

  // Without this header the server takes the question for one of another page, and sends it to the sign-in again and again.
  const asked = () => ({ "X-XSRFToken": (document.cookie.match(/\b_xsrf=([^;]*)/) || ["", ""])[1] });

  const PAUSE_MS = 3000;
  const PATIENCE_MS = 20000;

  const plugin = {
    id: "bowerbird-lab:plugin",
    description: "The page for researchers in the Help menu; a word when /data is missing, a space fills up or memory ran out.",
    autoStart: true,
    activate: (app) => {
      const base = app.serviceManager.serverSettings.baseUrl + "bowerbird/";
      app.commands.addCommand("bowerbird:help", {
        label: "Bowerbird for Researchers",
        caption: "Your data, cutouts and spaces, on one page",
        execute: () => {
          window.open(base + "researchers", "_blank", "noopener");
        },
      });
      const say = (message, type) => app.commands.execute("apputils:notify", { message, type, options: { autoClose: false } });
      const ask = () =>
        fetch(base + "status", { credentials: "same-origin", headers: asked(), signal: AbortSignal.timeout(PATIENCE_MS) }).then((answer) => (answer.ok ? answer.json() : {}));
      let told = sessionStorage.getItem("bowerbird:told");
      // Each level that a space reaches is told once; one that it falls below may be told again.
      let full = {};
      const warn = (spaces = {}) => {
        for (const level of Object.keys(spaces)) {
          if (!(level in full)) say(spaces[level], level.endsWith(" 100") ? "error" : "warning");
        }
        full = spaces;
      };
      const tell = ({ news, spaces }) => {
        warn(spaces);
        if (news && news.words && news.at !== told) {
          sessionStorage.setItem("bowerbird:told", (told = news.at));
          return say(news.words, "error");
        }
      };
      // One question after the other: an answer that comes late would take back what a newer one told, and have it told twice.
      // A page that nobody looks at asks nothing; what it missed is told when it is looked at again.
      const again = () =>
        setTimeout(() => Promise.resolve(document.hidden || ask().then(tell)).catch(() => {}).then(again), PAUSE_MS);
      Promise.all([app.restored, ask()])
        .then(([, answer]) => (answer.sentence ? say(answer.sentence, "warning") : tell(answer)))
        .catch((error) => console.warn("Bowerbird could not ask whether your data are there:", error))
        .then(again);
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["bowerbird-lab"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
