"""Another uid for a command that has to read a checkout wherever it lies."""

ANOTHER_UID = 65534
# Not root, yet able to pass folders that only root may enter, such as a temporary folder of root's.
AS_NOBODY = (
    "/usr/bin/setpriv",
    f"--reuid={ANOTHER_UID}",
    f"--regid={ANOTHER_UID}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)
