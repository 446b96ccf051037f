// Asks the hub to do what a button says; what it answers instead stands in the page's one place for trouble.
async function ask(button, path, options) {
  const trouble = document.getElementById("trouble");
  button.disabled = trouble.hidden = true;
  const answer = await fetch(hub.api + path, { headers: { "X-XSRFToken": hub.token, "Content-Type": "application/json" }, ...options }).catch(() => null);
  if (answer && answer.ok) return answer;
  const told = answer ? await answer.json().catch(() => ({})) : {};
  trouble.textContent = told.message || (answer ? "The hub did not do that." : "The hub does not answer. Try again in a moment.");
  trouble.hidden = button.disabled = false;
  return null;
}
for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    const body = "remove" in button.dataset ? { body: '{"remove": true}' } : {};
    if (await ask(button, button.dataset.end, { method: "DELETE", ...body })) location.reload();
  });
}
