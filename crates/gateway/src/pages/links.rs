//! Addresses of our own pages for use outside of a browser's visit: in letters,
//! and on an operator's terminal. They come from the configuration alone: what a
//! request calls us must not get into a letter.

use surgewall_core::config::schema::Listen;

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
