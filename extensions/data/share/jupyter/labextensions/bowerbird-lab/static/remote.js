// Bowerbird in JupyterLab, written by hand as the container that module federation asks for (`init` and `get`): it needs
// nothing of JupyterLab but the application that it is given, and so no build.
(() => {
  "use strict";

  // Without this header the server takes the question for one of another page, and sends it to the sign-in again and again.
  const asked = () => ({ "X-XSRFToken": (document.cookie.match(/\b_xsrf=([^;]*)/) || ["", ""])[1] });

  const plugin = {
    id: "bowerbird-lab:plugin",
    description: "The page for researchers in the Help menu; a word when /data is missing.",
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
      Promise.all([app.restored, fetch(base + "status", { credentials: "same-origin", headers: asked() })])
        .then(([, answer]) => (answer.ok ? answer.json() : { sentence: "" }))
        .then(({ sentence }) => {
          if (sentence) {
            const message = { message: sentence, type: "warning", options: { autoClose: false } };
            return app.commands.execute("apputils:notify", message);
          }
        })
        .catch((error) => console.warn("Bowerbird could not ask whether your data are there:", error));
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["bowerbird-lab"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
