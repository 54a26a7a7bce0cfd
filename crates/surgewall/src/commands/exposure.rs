//! What of this machine's own a stranger may be answered by: for `check
//! exposure` and for a door that looks now and then.

use surgewall_core::config::Config;
use surgewall_core::config::schema::{Dialect, Upstream};
use surgewall_scan::exposure::limits::Patience;
use surgewall_scan::exposure::{self, Report};
use surgewall_wire::request::{models_path, upstream_url};

/// Looks at this machine's listeners, but for those of the door itself on
/// `ports`, and at the upstreams that are called without a credential.
pub(super) async fn own(config: &Config, ports: &[u16]) -> Report {
    let upstreams: Vec<_> = config.upstream.iter().flat_map(without_credential).collect();
    let own = config.exposure.listeners.then_some(ports);
    exposure::own(own, &upstreams, Patience::default()).await
}

/// The servers of an upstream that is called without a credential. One with a
/// credential is not asked: that its list is public says nothing about the rest.
fn without_credential(upstream: &Upstream) -> Vec<exposure::Upstream> {
    if upstream.api_key.is_some() {
        return Vec::new();
    }
    let urls = upstream.url.iter().chain(upstream.servers.iter().map(|server| &server.url));
    let of = |url: &String| exposure::Upstream {
        name: upstream.name.clone(),
        list_url: upstream_url(url, upstream.dialect, models_path(upstream.dialect)),
        is_ollama: upstream.dialect == Dialect::Ollama,
    };
    urls.map(of).collect()
}

#[cfg(test)]
mod tests {
    use surgewall_core::config;

    use super::*;

    #[test]
    fn only_upstreams_without_a_credential_are_asked() {
        let text = "[[upstream]]\nname = \"a\"\nservers = [{ url = \"http://h:1/v1\" }, { url = \"http://h:2/v1/\" }]\n\
             [[upstream]]\nname = \"b\"\nurl = \"http://h:3/v1\"\ndialect = \"ollama\"\n\
             [[upstream]]\nname = \"c\"\nurl = \"https://h/v1\"\napi_key = { env = \"KEY\" }\n";
        let config = config::parse("t.toml", text).unwrap();
        let asked: Vec<_> = config.upstream.iter().flat_map(without_credential).collect();
        let shown: Vec<_> =
            asked.iter().map(|one| (one.list_url.as_str(), one.is_ollama)).collect();
        assert_eq!(
            shown,
            [
                ("http://h:1/v1/models", false),
                ("http://h:2/v1/models", false),
                ("http://h:3/api/tags", true)
            ]
        );
    }
}
