//! Elasticsearch and OpenSearch: `GET /` tells the cluster's name and version
//! only to whoever is let in.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, on_page};

static KIND: Kind = Kind {
    id: "elasticsearch",
    name: "Elasticsearch or OpenSearch",
    holds: Holds::Data,
    advice: "Set xpack.security.enabled (or the security plugin) and network.host to loopback.",
};

const ROOT: Probe = Probe { ask: Ask::Get("/"), judge: root };

/// Port 9200.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[9_200],
    tls: false,
    expected: ROOT,
    recognised: ROOT,
    is_sign: |heard| {
        matches!(root(heard), Judged::Open(..))
            || is_page(heard, |page| page.text().contains("security_exception"))
    },
};

const TAGLINES: [&str; 2] =
    ["You Know, for Search", "The OpenSearch Project: https://opensearch.org/"];

fn root(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        let body = page.json();
        let tagline = body["tagline"].as_str().unwrap_or("");
        if page.is_ok() && TAGLINES.contains(&tagline) && body["version"].is_object() {
            return Judged::Open(&KIND, "It tells its cluster's name and version without a login.");
        }
        if page.refuses() {
            let kind = page.text().contains("security_exception").then_some(&KIND);
            return Judged::Guarded(kind, "It asks for a login.");
        }
        Judged::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_the_root_is_answered() {
        let open = r#"{"name":"n","cluster_name":"c","version":{"number":"8.1"},"tagline":"You Know, for Search"}"#;
        for (answer, expected) in [
            (page(200, "", open), "open"),
            (page(200, "", &open.replace("You Know, for Search", TAGLINES[1])), "open"),
            (page(200, "", &open.replace("You Know, for Search", "Hello")), "other"),
            (page(200, "", "You Know, for Search"), "other"),
            (page(401, "", r#"{"error":{"type":"security_exception"},"status":401}"#), "guarded"),
            (page(403, "", ""), "guarded"),
            (page(404, "", open), "other"),
        ] {
            check(root, answer.as_bytes(), expected);
        }
    }
}
