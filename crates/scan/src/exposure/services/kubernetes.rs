//! Kubernetes: the API server, and the kubelet of a node. Of the lists nothing
//! is kept but that they are there.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service, no_sign};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "kubernetes",
    name: "Kubernetes",
    holds: Holds::Control,
    advice: "Start it with --anonymous-auth=false, and remove the rights of system:anonymous and system:unauthenticated.",
};

const NAMESPACES: Probe = Probe { ask: Ask::Get("/api/v1/namespaces?limit=1"), judge };

/// Port 6443.
pub(super) const API: Service = Service {
    kind: &KIND,
    ports: &[6_443],
    tls: true,
    expected: NAMESPACES,
    recognised: NAMESPACES,
    is_sign: |heard| {
        is_page(heard, |page| {
            let body = page.json();
            let is_status = body["kind"] == "Status" && body["apiVersion"] == "v1";
            is_status
                || body["paths"].as_array().is_some_and(|paths| paths.contains(&"/api/v1".into()))
        })
    },
};

/// How the kubelet is configured: shorter than its list of pods, and guarded as well.
const SETTINGS: Probe = Probe { ask: Ask::Get("/configz"), judge };
const PODS: Probe = Probe { ask: Ask::Get("/pods"), judge };

/// Port 10250.
pub(super) const KUBELET: Service = Service {
    kind: &KIND,
    ports: &[10_250],
    tls: true,
    expected: SETTINGS,
    recognised: SETTINGS,
    is_sign: no_sign,
};

/// Port 10255: the kubelet's port for reading, without TLS.
pub(super) const KUBELET_PLAIN: Service =
    Service { ports: &[10_255], tls: false, expected: PODS, recognised: PODS, ..KUBELET };

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It tells what runs there, or how, without a login.")
}

fn is_answer(body: &Value) -> bool {
    let is_list = body["kind"] == "NamespaceList" || body["kind"] == "PodList";
    is_list || body["kubeletconfig"].is_object()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (page(200, "", r#"{"kind":"NamespaceList","apiVersion":"v1","items":[]}"#), "open"),
            (page(200, "", r#"{"kind":"PodList","apiVersion":"v1","items":null}"#), "open"),
            (
                page(
                    403,
                    "",
                    r#"{"kind":"Status","apiVersion":"v1","reason":"Forbidden","code":403}"#,
                ),
                "guarded",
            ),
            (page(401, "", r#"Unauthorized"#), "guarded"),
            (page(200, "", r#"{"gitVersion":"v1.30"}"#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
