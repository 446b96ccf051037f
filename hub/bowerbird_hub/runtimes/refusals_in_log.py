"""A start that is refused is a sentence in the hub's log too; JupyterHub prints where in its code each was raised."""

import logging

from bowerbird_hub.runtimes.platform_spawner import StartRefused

# JupyterHub's own, and where Python tells of a start that nobody waited for; of that the hub has told already.
_HUB, _UNAWAITED = "JupyterHub", "asyncio"


def _as_a_sentence(record: logging.LogRecord) -> bool:
    refusal = record.exc_info[1] if record.exc_info else None
    if not isinstance(refusal, StartRefused):
        return True
    said, sentence = record.getMessage(), refusal.jupyterhub_message
    record.msg, record.args, record.exc_info = (said if sentence in said else f"{said}: {sentence}"), (), None
    return record.name != _UNAWAITED


def install() -> None:
    """Tell of refused starts so from now on; a second call changes nothing."""
    for name in (_HUB, _UNAWAITED):
        logging.getLogger(name).addFilter(_as_a_sentence)
