# SPDX-License-Identifier: MIT
"""Evidence as OpenVEX, CSAF VEX and CycloneDX VEX, each document with a number of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from lppack import __version__
from lppack.errors import EnvironmentMissing
from lppack.stages.vex import Evidence, Statement, Status

_TOOL = f"lppack {__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The issuer of a document."""

    name: str
    namespace: str  # a URL of the author


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def openvex(found: Evidence, author: Author, now: datetime, number: UUID) -> str:
    """Return the evidence as OpenVEX 0.2.0."""
    product = {"@id": found.purl, "identifiers": {"purl": found.purl}}
    statements = [
        {
            "vulnerability": {"name": said.cve},
            "products": [product],
            "status": said.status.value,
            "status_notes": f"{found.subject}: {said.notes}",
            "timestamp": _stamp(now),  # as the document's; lib4vex needs it here too
            # Only the status `affected` requires an action.
            **({"action_statement": said.action} if said.status is Status.AFFECTED else {}),
        }
        for said in found.statements
    ]
    return _text(
        {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": f"urn:uuid:{number}",
            "author": author.name,
            "role": "Document Creator",  # optional, but lib4vex needs one
            "timestamp": _stamp(now),
            "version": 1,
            "tooling": _TOOL,
            "statements": statements,
        }
    )


_CSAF_STATUS = {
    Status.FIXED: "fixed",
    Status.AFFECTED: "known_affected",
    Status.UNDER_INVESTIGATION: "under_investigation",
}


def csaf(found: Evidence, author: Author, now: datetime, number: UUID) -> str:
    """Return the evidence as CSAF 2.0, profile 5: VEX."""
    stamp, product = _stamp(now), "kernel"
    revision = {"number": "1", "date": stamp, "summary": f"Written by {_TOOL}."}
    title = f"Live patches of {found.subject}"
    return _text(
        {
            "document": {
                "category": "csaf_vex",
                "csaf_version": "2.0",
                "lang": "en",
                "publisher": {
                    "category": "user",
                    "name": author.name,
                    "namespace": author.namespace,
                },
                "title": title,
                "tracking": {
                    "id": f"lppack-{number}",
                    "status": "final",
                    "version": "1",
                    "initial_release_date": stamp,
                    "current_release_date": stamp,
                    "revision_history": [revision],
                    "generator": {
                        "date": stamp,
                        "engine": {"name": "lppack", "version": __version__},
                    },
                },
            },
            "product_tree": {
                "branches": [
                    {
                        "category": "vendor",
                        "name": "Debian",
                        "branches": [
                            {
                                "category": "product_name",
                                "name": found.name,
                                "branches": [
                                    {
                                        "category": "product_version",
                                        "name": found.package,
                                        "product": {
                                            "name": f"{found.name} {found.package}",
                                            "product_id": product,
                                            "product_identification_helper": {"purl": found.purl},
                                        },
                                    }
                                ],
                            }
                        ],
                    }
                ]
            },
            "vulnerabilities": [_csaf_one(found, said, product) for said in found.statements],
        }
    )


def _csaf_one(found: Evidence, said: Statement, product: str) -> dict[str, Any]:
    one: dict[str, Any] = {
        "cve": said.cve,
        "notes": [
            {
                "category": "details",
                "title": "How it is known",
                "text": f"{found.subject}: {said.notes}",
            }
        ],
        "product_status": {_CSAF_STATUS[said.status]: [product]},
    }
    if said.status is Status.AFFECTED:
        one["remediations"] = [
            {"category": "vendor_fix", "details": said.action, "product_ids": [product]}
        ]
    return one


def cyclonedx(found: Evidence, author: Author, now: datetime, number: UUID) -> str:
    """Return the evidence as CycloneDX 1.6. Raise EnvironmentMissing without the extra `fleet`."""
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.model.contact import OrganizationalContact
        from cyclonedx.model.impact_analysis import (
            ImpactAnalysisResponse,
            ImpactAnalysisState,
        )
        from cyclonedx.model.vulnerability import (
            BomTarget,
            Vulnerability,
            VulnerabilityAnalysis,
        )
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ImportError as error:
        raise EnvironmentMissing(
            f"CycloneDX needs {error.name}, which is not installed",
            hint="pip install 'lppack[fleet]'",
        ) from None
    states = {
        Status.FIXED: ImpactAnalysisState.RESOLVED,
        Status.AFFECTED: ImpactAnalysisState.EXPLOITABLE,
        Status.UNDER_INVESTIGATION: ImpactAnalysisState.IN_TRIAGE,
    }
    kernel = Component(
        name=found.name,
        version=found.package,
        type=ComponentType.OPERATING_SYSTEM,
        purl=PackageURL.from_string(found.purl),
        bom_ref=found.purl,
    )
    made = Bom(
        serial_number=number,
        metadata=BomMetaData(
            timestamp=now, component=kernel, authors=[OrganizationalContact(name=author.name)]
        ),
        vulnerabilities=[
            Vulnerability(
                bom_ref=said.cve,
                id=said.cve,
                affects=[BomTarget(ref=found.purl)],
                recommendation=said.action or None,
                analysis=VulnerabilityAnalysis(
                    state=states[said.status],
                    detail=f"{found.subject}: {said.notes}",
                    responses=[ImpactAnalysisResponse.UPDATE] if said.action else [],
                ),
            )
            for said in found.statements
        ],
    )
    return JsonV1Dot6(made).output_as_string(indent=2) + "\n"


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Evidence, Author, datetime, UUID], str]] = {
    "openvex": openvex,
    "csaf": csaf,
    "cyclonedx": cyclonedx,
}
