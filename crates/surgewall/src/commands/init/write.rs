//! The text of `surgewall.toml`, commented.

use std::fmt::Write as _;

use super::probe::Found;

/// The name that strangers use, and what there is for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Public<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// Whether its certificate and key are there already.
    pub(super) has_certificate: bool,
}

/// Where the certificate and the key of `name` are looked for.
pub(super) fn tls_files(name: &str) -> [String; 2] {
    ["crt", "key"].map(|ending| format!("/etc/surgewall/{name}.{ending}"))
}

/// A configuration for what was `found`, and for strangers if they have a name
/// for it.
pub(super) fn config(found: &[Found], public: Option<Public<'_>>) -> String {
    let mut text = String::from(HEAD);
    text.push_str(&listen(public));
    for server in found {
        text.push_str(&upstream(server));
    }
    if found.is_empty() {
        text.push_str(NO_UPSTREAM);
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# Surgewall's configuration. Every key has a default: a line that is commented out shows it, or an example.
# After a change: surgewall check config, then kill -HUP the door. Every key is described in docs/configuration.md.

";

fn listen(public: Option<Public<'_>>) -> String {
    let Some(Public { name, has_certificate }) = public else { return LISTEN.to_owned() };
    let [cert_file, key_file] = tls_files(name);
    let tls = format!("tls = {{ cert_file = \"{cert_file}\", key_file = \"{key_file}\" }}");
    let public = if has_certificate {
        format!("public = \"0.0.0.0:443\"\n{tls}\n")
    } else {
        format!(
            "\
# Strangers reach the door once its certificate is there. Then take the comment from the next two lines, and put
# one before the third. The key file has mode 0600.
# public = \"0.0.0.0:443\"
# {tls}
public = \"127.0.0.1:7070\"
"
        )
    };
    format!(
        "\
[listen]
public_name = \"{name}\"
{public}# Where a proxy before the door ends TLS, name its networks instead:
# behind_proxy = [\"127.0.0.1/32\"]
# admin = \"127.0.0.1:7071\"     # /metrics
# status = \"127.0.0.1:7072\"    # whether the service takes requests
"
    )
}

const LISTEN: &str = "\
[listen]
public = \"127.0.0.1:7070\"      # the API; an address beyond loopback needs tls or behind_proxy
# admin = \"127.0.0.1:7071\"     # /metrics
# status = \"127.0.0.1:7072\"    # whether the service takes requests
# public_name = \"ai.example.org\"
";

fn upstream(server: &Found) -> String {
    let mut text = String::new();
    let comment = if server.guarded { "" } else { "# " };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "
# {}, found on this machine.
[[upstream]]
name = \"{}\"
url = \"{}\"
models = [\"*\"]                 # what it serves; \"*\" asks its list of models
{comment}api_key = {{ env = \"{}_KEY\" }}   # or {{ file = \"...\" }}; never in clear
",
        server.kind.name(),
        server.kind.word(),
        server.url(),
        server.kind.word().to_uppercase().replace('-', "_"),
    );
    text
}

const NO_UPSTREAM: &str = "
# No model server was found on this machine. Until one is connected, the door serves its built-in handbook.
# [[upstream]]
# name = \"local\"
# url = \"http://127.0.0.1:9000/v1\"
# dialect = \"openai\"            # openai | anthropic | ollama
# models = [\"*\"]                # what it serves; \"*\" asks its list of models
# api_key = { env = \"UPSTREAM_KEY\" }   # or { file = \"...\" }; never in clear
";

const TAIL: &str = "
[accounts]
anonymous = false              # may people without a key use the models above?

# [[limits.quota]]             # what each key may use; also per class, group, account, user and network
# per = \"key\"
# limit = \"total_tokens=1000000/1d\"

[ledger]
durability = \"process\"         # process: survives kill -9; power: on the disk before the model server is asked

[vault]
record = \"off\"                 # no prompt and no answer is stored
# key_file = \"...\"             # the master key, outside the data directory; back it up, apart from the data
";

#[cfg(test)]
mod tests {
    use surgewall_core::config::parse;

    use super::super::probe::KINDS;
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let server = |kind, guarded| Found { kind, port: 9, models: Vec::new(), guarded };
        let all: Vec<_> = KINDS.into_iter().map(|kind| server(kind, false)).collect();
        for (found, name) in [
            (Vec::new(), None),
            (all.clone(), None),
            (all.clone(), Some(("ai.example.org", false))),
            (all, Some(("ai.example.org", true))),
            (vec![server(KINDS[2], true)], None),
        ] {
            let public = name.map(|(name, has_certificate)| Public { name, has_certificate });
            let text = config(&found, public);
            let config = parse("surgewall.toml", &text).unwrap();
            assert_eq!(config.upstream.len(), found.len());
            assert_eq!(config.listen.public_name.as_deref(), name.map(|(name, _)| name));
            let reachable = name.is_some_and(|(_, has_certificate)| has_certificate);
            assert_eq!(!config.listen.public.ip().is_loopback(), reachable);
        }
        let text = config(&[server(KINDS[2], true)], None);
        assert!(text.contains("\napi_key = { env = \"LLAMA_CPP_KEY\" }"));
    }

    #[test]
    fn every_commented_line_can_be_taken_in() {
        let text = config(&[], None).replace("ai.example.org", "localhost");
        let keys = text.lines().filter_map(|line| line.strip_prefix("# "));
        let is_key = |line: &&str| {
            line.starts_with("[[")
                || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        };
        assert!(keys.filter(is_key).count() > 10);
        let taken: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(key) if is_key(&key) && !key.starts_with("key_file") => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        parse("surgewall.toml", &taken).unwrap();
    }
}
