"""Why a call of kubelet's is not carried out; each text is one sentence that an event of the pod shows."""


class CallError(Exception):
    """A call cannot be carried out."""


class Malformed(CallError):
    """The call asks for what no kubelet asks for."""


class Denied(CallError):
    """The pod may not have what it asks for; asking again changes nothing."""


class Away(CallError):
    """Whoever has to be asked does not answer now; kubelet is to ask again."""


class Busy(CallError):
    """An earlier call about the same volume is not finished."""
