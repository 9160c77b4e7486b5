"""Security Hub: filters, updates, custom actions, and the events that findings raise."""

import json
import time

from moto.events.models import events_backends
from moto.securityhub import urls
from moto.securityhub.models import SecurityHubBackend
from moto.securityhub.responses import SecurityHubResponse

from .support import patch

COMPARISONS = {
    "EQUALS": lambda value, wanted: value == wanted,
    "NOT_EQUALS": lambda value, wanted: value != wanted,
    "PREFIX": lambda value, wanted: str(value).startswith(wanted),
    "PREFIX_NOT_EQUALS": lambda value, wanted: not str(value).startswith(wanted),
    "CONTAINS": lambda value, wanted: wanted in str(value),
    "NOT_CONTAINS": lambda value, wanted: wanted not in str(value),
}
# Filters whose name is not the path of a field of the finding.
FIELDS = {
    "WorkflowStatus": lambda finding: [finding.get("Workflow", {}).get("Status", "NEW")],
    "SeverityLabel": lambda finding: [finding.get("Severity", {}).get("Label")],
    "ResourceId": lambda finding: [resource["Id"] for resource in finding.get("Resources", [])],
    "ResourceType": lambda finding: [resource["Type"] for resource in finding.get("Resources", [])],
}


def matches(finding, filters):
    """All filters must hold; the conditions of one filter are alternatives."""
    for name, conditions in (filters or {}).items():
        texts = [condition for condition in conditions if "Value" in condition]
        values = FIELDS[name](finding) if name in FIELDS else [finding.get(name)]
        if texts and not any(
            COMPARISONS[condition.get("Comparison", "EQUALS")](value, condition["Value"])
            for condition in texts
            for value in values
        ):
            return False
    return True


def raise_events(backend, findings):
    for finding in findings:
        event = {
            "Source": "aws.securityhub",
            "DetailType": "Security Hub Findings - Imported",
            "Resources": [f"{finding['ProductArn']}/{finding['Id']}"],
            "Detail": json.dumps({"findings": [finding]}),
        }
        events_backends[backend.account_id][backend.region_name].put_events([event])


def import_findings(original, self, findings):
    for finding in findings:
        finding.setdefault("Workflow", {"Status": "NEW"})
    answer = original(self, findings)
    raise_events(self, findings)
    return answer


def get_findings(_original, self):
    body = json.loads(self.body or "{}")
    found = [one.as_dict() for one in self.securityhub_backend.findings if matches(one.as_dict(), body.get("Filters"))]
    size, start = int(body.get("MaxResults") or 100), int(body.get("NextToken") or 0)
    answer = {"Findings": found[start : start + size]}
    if start + size < len(found):
        answer["NextToken"] = str(start + size)
    return json.dumps(answer)


def update_findings(_original, self):
    body = json.loads(self.body)
    changes = {name: value for name, value in body.items() if name not in ("FindingIdentifiers", "Note")}
    if "Note" in body:
        changes["Note"] = {**body["Note"], "UpdatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    processed, unprocessed = [], []
    for identifier in body["FindingIdentifiers"]:
        found = next((one for one in self.securityhub_backend.findings if one.id == identifier["Id"]), None)
        if found is None:
            reason = {"ErrorCode": "FindingNotFound", "ErrorMessage": "The finding does not exist."}
            unprocessed.append({"FindingIdentifier": identifier, **reason})
            continue
        found.data.update(changes)
        processed.append(identifier)
        raise_events(self.securityhub_backend, [found.data])
    return json.dumps({"ProcessedFindings": processed, "UnprocessedFindings": unprocessed})


def create_action_target(_original, self):
    action_id = json.loads(self.body)["Id"]
    return json.dumps(
        {"ActionTargetArn": f"arn:aws:securityhub:{self.region}:{self.current_account}:action/custom/{action_id}"}
    )


patch(SecurityHubBackend, batch_import_findings=import_findings)
patch(
    SecurityHubResponse,
    get_findings=get_findings,
    batch_update_findings=update_findings,
    create_action_target=create_action_target,
)
for path in ("findings/batchupdate", "actionTargets"):
    urls.url_paths["{0}/" + path + "$"] = SecurityHubResponse.dispatch
