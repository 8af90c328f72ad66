"""The one importer of `fhir.resources`: all that its R4B models say about each element, as a table to be stored.

Cardinality, choices and formats are the models' own. Beyond them the tables hold what the models keep as mere metadata
(required codes, reference targets), and the elements they forget. Imported only where a table is missing: the models of
a service's resources take 14 MB and half a second, and building one of each element ten times a walk beside its table.
"""

from typing import Any, get_args

from fhir.resources.R4B import fhirtypes, get_fhir_model_class
from fhir_core.types import FhirBase, UuidType

from shared.edge.fhir.shape import ANY_TEXT, Choice, Demand, Element, Table

Metadata = dict[str, Any]
"""What a model says about a field beside its type: FHIR's own words, of many types."""
_ABSTRACT = frozenset({"Resource", "DomainResource"})

# Lists that the models cut short; R4 4.0.1 has them whole.
_OBSERVATION_STATUS = "registered preliminary final amended corrected cancelled entered-in-error unknown"
_ENCOUNTER_STATUS = "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
_WHOLE = {
    ("Observation", "status"): _OBSERVATION_STATUS,
    ("DetectedIssue", "status"): _OBSERVATION_STATUS,
    ("RiskAssessment", "status"): _OBSERVATION_STATUS,
    ("DiagnosticReport", "status"): (
        "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
    ),
    ("Encounter", "status"): _ENCOUNTER_STATUS,
    ("EncounterStatusHistory", "status"): _ENCOUNTER_STATUS,
    ("Task", "status"): (
        "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed"
        " entered-in-error"
    ),
    ("DeviceUseStatement", "status"): "active completed entered-in-error intended stopped on-hold",
    ("DeviceUdiCarrier", "entryType"): "barcode rfid manual card self-reported unknown",
    ("SupplyRequest", "status"): "draft active suspended cancelled completed entered-in-error unknown",
    ("QuestionnaireItem", "type"): (
        "group display boolean decimal integer date dateTime time string text url choice open-choice attachment"
        " reference quantity"
    ),
    ("Quantity", "comparator"): "< <= >= >",
}
_WITHOUT_EXTENSIONS = frozenset({"id", "url", "div"})
_OPEN_ENDED = frozenset({"+", "etc.", "mime"})

_PRIMITIVES = frozenset(
    [
        "base64Binary",
        "boolean",
        "canonical",
        "code",
        "date",
        "dateTime",
        "decimal",
        "id",
        "instant",
        "integer",
        "markdown",
        "oid",
        "positiveInt",
        "string",
        "time",
        "unsignedInt",
        "uri",
        "url",
        "uuid",
    ]
)


def type_names() -> list[str]:
    """Every type that has a model, resource or element; without the primitives, which have no model to ask."""
    named = {name: getattr(fhirtypes, name) for name in fhirtypes.__all__}
    models = [name for name, each in named.items() if isinstance(each, type) and issubclass(each, FhirBase)]
    return sorted(name.removesuffix("Type") for name in models)


def table(name: str) -> Table:
    """The table of an element or resource type, from its model's metadata."""
    model = get_fhir_model_class(name)
    found = {info.alias or key: info for key, info in model.model_fields.items() if key != "fhir_comments"}
    extras: dict[str, Any] = {key: info.json_schema_extra or {} for key, info in found.items()}
    elements = {
        key: _element(name, key, info.annotation, extras[key], _label(key, extras[key] or extras.get(key[1:], {})))
        for key, info in found.items()
    }
    for key, each in list(elements.items()):  # the models forget some, such as Extension._valueInstant
        if not each.element and key not in _WITHOUT_EXTENSIONS:
            elements.setdefault(f"_{key}", Element(each.label, each.many, "FHIRPrimitiveExtension"))
    is_resource = name not in _ABSTRACT and bool(model.has_resource_base())
    return Table(is_resource, elements, _demands(model), _choices(model))


def _demands(model: Any) -> tuple[Demand, ...]:
    """Required elements, then required primitives: of these the models tell in a method of each instance."""
    named = model.get_alias_mapping()
    elements = [Demand(info.alias, info.alias) for info in model.model_fields.values() if info.is_required()]
    primitives = [
        Demand(name, name, f"_{name}" if extension else "")
        for name, extension in model.model_construct().get_required_fields()
        if not model.model_fields[named[name]].is_required()
    ]
    return (*elements, *primitives)


def _choices(model: Any) -> tuple[Choice, ...]:
    choices: dict[str, list[str]] = model.model_construct().get_one_of_many_fields()
    extra = {label: model.model_fields[names[0]].json_schema_extra for label, names in choices.items()}
    return tuple(
        Choice(label, frozenset(names), extra[label]["one_of_many_required"] is True)
        for label, names in choices.items()
    )


def _element(owner: str, name: str, annotation: object, extra: Metadata, label: str) -> Element:
    inner, many = _unwrapped(annotation)
    if isinstance(inner, type) and issubclass(inner, FhirBase):
        element = inner.__name__.removesuffix("Type")
        listed = frozenset(extra.get("enum_reference_types", ()))
        targets = None if element != "Reference" or not listed or listed & _ABSTRACT else listed
        return Element(label, many, element, targets=targets)
    return Element(label, many, kind=_kind(inner), codes=_codes(owner, name, extra))


def _unwrapped(annotation: object) -> tuple[object, bool]:
    """The type inside Optional and List, and whether it repeats."""
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if getattr(annotation, "__origin__", None) is list:
        return _unwrapped(arguments[0])[0], True
    if arguments and type(None) in get_args(annotation):
        return _unwrapped(arguments[0])
    return annotation, False


def _kind(inner: object) -> str:
    if inner is bool:
        return "boolean"
    if inner == UuidType:
        return "uuid"
    names = [getattr(one, "__visit_name__", "") for one in getattr(inner, "__metadata__", ())]
    return next((name for name in names if name), ANY_TEXT)


def _codes(owner: str, name: str, extra: Metadata) -> frozenset[str] | None:
    if whole := _WHOLE.get((owner, name)):
        return frozenset(whole.split())
    listed = frozenset(extra.get("enum_values", ()))
    return listed if listed and not listed & _OPEN_ENDED else None


def _label(name: str, extra: Metadata) -> str:
    """`valueQuantity` is `value.ofType(Quantity)` in FHIRPath, `_birthDate` is `birthDate`."""
    element = name.removeprefix("_")
    choice = extra.get("one_of_many")
    if not choice:
        return element
    chosen = element.removeprefix(choice)
    primitive = chosen[:1].lower() + chosen[1:]
    return f"{choice}.ofType({primitive if primitive in _PRIMITIVES else chosen})"
