"""What kubelet says and hears: csi.v1 and pluginregistration, as far as ephemeral inline volumes need them.

Field numbers are those of the Container Storage Interface 1.x and of kubelet's `pluginregistration/v1` (whose package is
`pluginregistration`); what is left out is passed over when it comes. Descriptors are made here, so nothing is generated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

CSI, REGISTRATION = "csi.v1", "pluginregistration"
_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {"string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL, "int64": _Field.TYPE_INT64}
# A field is (number, kind): a word above, `repeated string`, `map` of strings, or the name of another message.
_Fields = Mapping[str, tuple[int, str]]
_MESSAGES: dict[str, dict[str, _Fields]] = {
    CSI: {
        "GetPluginInfoRequest": {},
        "GetPluginInfoResponse": {"name": (1, "string"), "vendor_version": (2, "string")},
        "GetPluginCapabilitiesRequest": {},
        "GetPluginCapabilitiesResponse": {},
        "ProbeRequest": {},
        # google.protobuf.BoolValue, which on the wire is this.
        "BoolValue": {"value": (1, "bool")},
        "ProbeResponse": {"ready": (1, "BoolValue")},
        "NodeGetCapabilitiesRequest": {},
        "NodeGetCapabilitiesResponse": {},
        "NodeGetInfoRequest": {},
        "NodeGetInfoResponse": {"node_id": (1, "string"), "max_volumes_per_node": (2, "int64")},
        "NodePublishVolumeRequest": {
            "volume_id": (1, "string"),
            "target_path": (4, "string"),
            "readonly": (6, "bool"),
            "volume_context": (8, "map"),
        },
        "NodePublishVolumeResponse": {},
        "NodeUnpublishVolumeRequest": {"volume_id": (1, "string"), "target_path": (2, "string")},
        "NodeUnpublishVolumeResponse": {},
    },
    REGISTRATION: {
        "InfoRequest": {},
        "PluginInfo": {
            "type": (1, "string"),
            "name": (2, "string"),
            "endpoint": (3, "string"),
            "supported_versions": (4, "repeated string"),
        },
        "RegistrationStatus": {"plugin_registered": (1, "bool"), "error": (2, "string")},
        "RegistrationStatusResponse": {},
    },
}


@dataclass(frozen=True, slots=True)
class Method:
    """One call: what comes and what goes back."""

    request: Any
    reply: Any


def _add_field(message: Any, package: str, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind == "map":
        entry = message.nested_type.add(name="".join(word.title() for word in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for at, part in enumerate(("key", "value"), 1):
            _add_field(entry, package, part, at, "string")
        field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry.name}"
        return
    if kind.startswith("repeated "):
        field.label, kind = _Field.LABEL_REPEATED, kind.removeprefix("repeated ")
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"


def _made() -> dict[str, Any]:
    # A pool of our own: the same names may be known to another library of the process.
    pool = descriptor_pool.DescriptorPool()
    for package, messages in _MESSAGES.items():
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        for name, fields in messages.items():
            message = file.message_type.add(name=name)
            for field, (number, kind) in fields.items():
                _add_field(message, package, field, number, kind)
        pool.Add(file)
    names = [f"{package}.{name}" for package, messages in _MESSAGES.items() for name in messages]
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names}


_classes = _made()


def _method(package: str, request: str, reply: str) -> Method:
    return Method(_classes[f"{package}.{request}"], _classes[f"{package}.{reply}"])


def _csi(name: str) -> Method:
    return _method(CSI, f"{name}Request", f"{name}Response")


# By service and method, as they are called.
SERVICES: dict[str, dict[str, Method]] = {
    f"{CSI}.Identity": {name: _csi(name) for name in ("GetPluginInfo", "GetPluginCapabilities", "Probe")},
    f"{CSI}.Node": {name: _csi(name) for name in ("NodePublishVolume", "NodeUnpublishVolume", "NodeGetCapabilities", "NodeGetInfo")},
    f"{REGISTRATION}.Registration": {
        "GetInfo": _method(REGISTRATION, "InfoRequest", "PluginInfo"),
        "NotifyRegistrationStatus": _method(REGISTRATION, "RegistrationStatus", "RegistrationStatusResponse"),
    },
}
