"""The addresses that the hub answers beside JupyterHub's own and those of a sign-on, or before them."""

from bowerbird_hub import connect, elsewhere, not_answering, spawn_form, who_looks

HANDLERS = [*elsewhere.HANDLERS, *connect.HANDLERS, *who_looks.HANDLERS, *not_answering.HANDLERS, *spawn_form.HANDLERS]
