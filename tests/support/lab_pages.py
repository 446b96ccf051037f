"""What a person does in a browser, from the sign-in page to a notebook in a lab that runs, and out again."""

import re
from typing import Any, Protocol

from playwright.sync_api import Page, expect

from tests.support.browser import Visit

SERVER_MS = 90_000
# What the person's own server answers to its page, asked as a map does: with the page's proof in the address, or without it.
_ASKED = """async ([path, proved]) => {
    const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
    const proof = `with/${encodeURIComponent(document.cookie.match(/_xsrf=([^;]*)/)[1])}/`;
    try {
        const answer = await fetch(`${base}bowerbird/${proved ? proof : ''}${path}`);
        return [answer.status, await answer.text()];
    } catch { return [0, '']; }
}"""


class Running(Protocol):
    """A platform that people can sign in to, by accounts of its demo CAS server."""

    @property
    def url(self) -> str:
        """The address of the sign-in page."""

    def password(self, account: str) -> str:
        """Return a demo account's password."""


def sign_in(seen: Visit, platform: Running, account: str) -> None:
    """Sign in on the platform's own page."""
    page = seen.page
    page.goto(platform.url)
    seen.picture(f"{account}-1-sign-in")
    page.fill("input[name=username]", account)
    page.fill("input[name=password]", platform.password(account))
    page.click("button[type=submit], input[type=submit]")
    page.wait_for_url("**/hub/**")


def start(seen: Visit, profile: str) -> None:
    """Choose a profile, and return in the lab that it brings."""
    page = seen.page
    page.goto(re.sub(r"/hub/.*", "/hub/spawn", page.url))
    seen.picture(f"{profile}-2-profiles")
    page.check(f"input[name=profile][value={profile}]")
    page.click("form [type=submit]")
    page.wait_for_url("**/lab**", timeout=SERVER_MS)


def stop(seen: Visit, platform: Running) -> None:
    """Stop the server on the page of servers, and return when it does not run."""
    page = seen.page
    page.goto(platform.url.rstrip("/") + "/hub/home")
    page.click("button[data-end]:text-is('Stop')")
    state = page.locator("table.facts")
    expect(state).not_to_contain_text("runs", timeout=SERVER_MS)
    while "is stopping" in state.inner_text():
        page.reload()
    expect(state).to_contain_text("does not run")


def await_picture(page: Page) -> None:
    """Return when the page shows the picture that it has from the file, before anything ran."""
    expect(page.locator(".jp-OutputArea-output img").first).to_be_visible(timeout=SERVER_MS)


def run_all(page: Page) -> None:
    """Run a notebook from its beginning; returns when each cell on the screen has run."""
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=SERVER_MS)
    # A kernel that is still starting may lose what a restart asks of it.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=SERVER_MS)
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-itemLabel:text-is('Restart Kernel and Run All Cells…')")
    page.click(".jp-Dialog-button.jp-mod-accept")
    # A folded cell shows no prompt; every other one gets a number when it has run.
    page.wait_for_function(
        """() => {
            const shown = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim()).filter(t => t);
            return shown.length > 3 && shown.every(text => /^\\[\\d+\\]:$/.test(text));
        }""",
        timeout=SERVER_MS,
    )


def write_notebook(page: Page, name: str, *cells: str) -> None:
    """Write a notebook of code cells into the person's home, by the lab's own API, and open it."""
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in cells
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content: dict[str, Any] = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    base, home = _home(page)
    place = f"{home}/{name}.ipynb"
    written = page.evaluate(
        """async ([url, content]) => {
            const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]*)/)[1]};
            const body = JSON.stringify({type: 'notebook', format: 'json', content});
            return (await fetch(url, {method: 'PUT', headers, body})).status;
        }""",
        [f"{base}/api/contents/{place}", content],
    )
    assert written == 201
    page.goto(f"{base}/lab/tree/{place}?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=SERVER_MS)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=SERVER_MS)


def _home(page: Page) -> tuple[str, str]:
    """Return the address of the person's server, and where their home is below it: the lab opens there, or at a notebook in it."""
    found = re.fullmatch(r"(.*/user/([^/]+))/lab(?:/tree/(.*))?", page.url.partition("?")[0])
    assert found is not None, page.url
    base, user, path = found.groups()
    return base, re.sub(r"/(notebooks/)?[^/]*\.ipynb$", "", path) if path else f"home/{user}"


def outputs(page: Page) -> str:
    """Save the notebook and return what it holds: the page itself draws only the cells in sight."""
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    notebook = page.evaluate(
        """async () => {
            const [base, path] = location.pathname.split('/lab/tree/');
            const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]*)/)[1]};
            return (await fetch(`${base}/api/contents/${path}?content=1`, {headers})).json();
        }"""
    )
    found = [output for cell in notebook["content"]["cells"] for output in cell.get("outputs", [])]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain") or str(output) for output in found)


def sign_out(seen: Visit, platform: Running) -> None:
    """Sign out, and see that one is."""
    page = seen.page
    page.goto(platform.url.rstrip("/") + "/hub/logout")
    page.goto(platform.url.rstrip("/") + "/hub/home")
    assert "/hub/home" not in page.url


def asked(page: Page, path: str, *, proved: bool = True) -> tuple[int, str]:
    """Return the status and the text of what the server answers to its page; 0 where the browser does not ask."""
    status, text = page.evaluate(_ASKED, [path, proved])
    return status, text
