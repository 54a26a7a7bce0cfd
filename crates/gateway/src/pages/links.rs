//! Addresses of our own pages: in letters, on an operator's terminal, and what a
//! passkey may be for. They come from the configuration alone: what a
//! request calls us must not get into a letter.

use surgewall_core::config::schema::Listen;

use crate::listen::Purpose;
use crate::session::is_secure_under;

/// The public listener's origin; `None` where nobody told what it is called.
#[must_use]
pub fn public_origin(listen: &Listen) -> Option<String> {
    let port = listen.public.port();
    match (&listen.public_name, &listen.tls) {
        // A proxy, or the usual port: the name says it all.
        (Some(name), None) => Some(format!("https://{name}")),
        (Some(name), Some(_)) if port == 443 => Some(format!("https://{name}")),
        (Some(name), Some(_)) => Some(format!("https://{name}:{port}")),
        (None, tls) if listen.public.ip().is_loopback() && listen.behind_proxy.is_empty() => {
            let scheme = if tls.is_some() { "https" } else { "http" };
            Some(format!("{scheme}://localhost:{port}"))
        }
        (None, _) => None,
    }
}

/// The origins by which browsers reach the listener for `purpose`, which is at
/// `port`: those that a passkey may be used under. Another port of the same name
/// is somebody else's service.
#[must_use]
pub fn own_origins(listen: &Listen, purpose: Purpose, port: u16) -> Vec<String> {
    let address = if purpose == Purpose::Admin { listen.admin } else { listen.public };
    let secure = is_secure_under(listen, purpose);
    let mut origins = Vec::new();
    if let (true, Some(name)) = (secure, &listen.public_name) {
        // A proxy, or whatever else hands port 443 on, and the listener itself.
        origins.push(format!("https://{name}"));
        origins.push(format!("https://{name}:{port}"));
    }
    if address.ip().is_loopback() {
        let scheme = if secure { "https" } else { "http" };
        origins.push(format!("{scheme}://localhost:{port}"));
    }
    origins
}

/// Where a set-up link leads: the owner's to the admin listener, on the machine
/// itself or through a tunnel to it.
#[must_use]
pub fn set_up_link(listen: &Listen, owner: bool, token: &str) -> String {
    let local = |port| format!("http://localhost:{port}");
    let origin = if owner {
        local(listen.admin.port())
    } else {
        public_origin(listen).unwrap_or_else(|| local(listen.public.port()))
    };
    format!("{origin}/set-up?token={token}")
}

#[cfg(test)]
mod tests {
    use surgewall_core::config::parse;

    use super::*;

    #[test]
    fn browsers_reach_a_listener_by_its_own_name_and_port_only() {
        let check = |text: &str, purpose, port, expected: &[&str]| {
            let listen = parse("t.toml", &format!("[listen]\n{text}")).unwrap().listen;
            assert_eq!(own_origins(&listen, purpose, port), expected, "{text}");
        };
        let name = "public_name=\"ai.example.org\"\n";
        let tls = "tls={cert_file=\"c\",key_file=\"k\"}\n";
        let proxy = "behind_proxy=[\"192.0.2.0/24\"]\n";
        check("", Purpose::Public, 7070, &["http://localhost:7070"]);
        check("", Purpose::Admin, 7071, &["http://localhost:7071"]);
        check(name, Purpose::Public, 9, &["http://localhost:9"]);
        check(tls, Purpose::Public, 9, &["https://localhost:9"]);
        let named = ["https://ai.example.org", "https://ai.example.org:8443"];
        let outside = format!("{tls}{name}public=\"192.0.2.7:8443\"\n");
        check(&outside, Purpose::Public, 8443, &named);
        check(&outside, Purpose::Admin, 7071, &["http://localhost:7071"]);
        let proxied = [named[0], "https://ai.example.org:9", "https://localhost:9"];
        check(&format!("{proxy}{name}"), Purpose::Public, 9, &proxied);
    }

    #[test]
    fn our_own_address_is_the_configurations() {
        let tls = "tls={cert_file=\"c\",key_file=\"k\"}\n";
        let proxy = "behind_proxy=[\"192.0.2.0/24\"]\n";
        let name = "public_name=\"ai.example.org\"\n";
        let address = |port: u16| format!("public=\"192.0.2.7:{port}\"\n");
        for (text, expected) in [
            (String::new(), Some("http://localhost:7070")),
            (tls.to_owned(), Some("https://localhost:7070")),
            (proxy.to_owned(), None),
            (format!("{proxy}{name}"), Some("https://ai.example.org")),
            (format!("{tls}{name}{}", address(443)), Some("https://ai.example.org")),
            (format!("{tls}{name}{}", address(8443)), Some("https://ai.example.org:8443")),
            (format!("{tls}{}", address(443)), None),
        ] {
            let listen = parse("t.toml", &format!("[listen]\n{text}")).unwrap().listen;
            assert_eq!(public_origin(&listen).as_deref(), expected, "{text}");
        }
        let listen = Listen::default();
        assert_eq!(set_up_link(&listen, true, "t"), "http://localhost:7071/set-up?token=t");
        assert_eq!(set_up_link(&listen, false, "t"), "http://localhost:7070/set-up?token=t");
    }
}
