//! The Docker Engine's API (and Podman's) over TCP: whoever is answered there
//! has the machine.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, on_page};

static KIND: Kind = Kind {
    id: "docker",
    name: "the Docker API",
    holds: Holds::Control,
    advice: "Remove the tcp:// host of dockerd, or ask for client certificates (--tlsverify): whoever reaches it is root on that machine.",
};

/// Port 2375.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[2_375],
    tls: false,
    expected: Probe { ask: Ask::Get("/_ping"), judge: ping },
    recognised: VERSION,
    is_sign: |heard| {
        is_page(heard, |page| {
            page.header_text("server").starts_with("Docker/")
                || page.header("api-version").is_some()
        })
    },
};

const VERSION: Probe = Probe { ask: Ask::Get("/version"), judge: version };

/// `/_ping` says only that it is there.
fn ping(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        if page.refuses() {
            return Judged::Guarded(None, "It refuses to answer.");
        }
        if page.wants_tls() {
            return Judged::Unclear(None, "It speaks TLS there.");
        }
        let is_docker = page.is_ok() && page.text() == "OK";
        if is_docker || page.header("api-version").is_some() {
            Judged::Then(Some(&KIND), VERSION)
        } else {
            Judged::Other
        }
    })
}

fn version(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        let body = page.json();
        if page.refuses() {
            return Judged::Guarded(Some(&KIND), "It refuses to answer.");
        }
        let is_docker = body["ApiVersion"].is_string()
            && (body["MinAPIVersion"].is_string() || body["Components"].is_array());
        if page.is_ok() && is_docker {
            return Judged::Open(&KIND, "It answered an API call without a certificate.");
        }
        Judged::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn a_ping_and_then_the_version() {
        check(ping, page(200, "Api-Version: 1.43\r\n", "OK").as_bytes(), "then");
        check(ping, page(200, "", "OK").as_bytes(), "then");
        check(ping, page(200, "", "pong").as_bytes(), "other");
        check(ping, page(403, "", "").as_bytes(), "guarded");
        let tls = "Client sent an HTTP request to an HTTPS server.\n";
        check(ping, page(400, "", tls).as_bytes(), "unclear");
        let whole = r#"{"Version":"24.0","ApiVersion":"1.43","MinAPIVersion":"1.12"}"#;
        check(version, page(200, "", whole).as_bytes(), "open");
        check(version, page(200, "", r#"{"gitVersion":"v1.30"}"#).as_bytes(), "other");
        check(version, page(403, "", whole).as_bytes(), "guarded");
        check(version, page(500, "", whole).as_bytes(), "other");
    }
}
