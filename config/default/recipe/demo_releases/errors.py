"""What may go wrong in the recipe; the text of each is a sentence that says what and what to do.

BadInput: what was given is missing or not what it should be; exit 1. CannotBuild: this machine does not let us, as it has
no room or gives no right, or another build is at work, or we were stopped; exit 2.
"""


class RecipeError(Exception):
    """Anything that ends the recipe; `exit_code` is what the command returns."""

    exit_code = 2


class BadInput(RecipeError):
    """A download or a platform file is missing or not what it should be."""

    exit_code = 1


class CannotBuild(RecipeError):
    """The machine does not let us build."""
