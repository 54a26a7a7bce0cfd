//! `surgewall init`.

/// `init`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Looks for Ollama (11434), vLLM (8000), llama.cpp (8080) and LM Studio (1234) on 127.0.0.1, with at
most two requests each. Writes the file that --config names, else ./surgewall.toml.

Examples:
  surgewall init
  surgewall init --public-name ai.example.org    also prepares TLS and writes surgewall.service")]
pub(crate) struct Init {
    /// The name that strangers will use, for example ai.example.org: prepares TLS and a systemd unit
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub(crate) public_name: Option<String>,
    /// Overwrite files that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// Look at these ports instead, as KIND=PORT: for tests
    #[arg(long, value_name = "KIND=PORT", value_delimiter = ',', hide = true)]
    pub(crate) probe_ports: Option<Vec<String>>,
}

/// A name that may stand in a certificate: letters, digits, `-` and `.`.
fn host_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("write a host name like ai.example.org, without https:// and without a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::host_name;

    #[test]
    fn a_public_name_is_a_host_name() {
        for good in ["ai.example.org", "localhost", "AI.example.org"] {
            assert!(host_name(good).is_ok(), "{good}");
        }
        for bad in ["", "https://x", "x:443", "a..b", "-a", "a\"b", "a\nb"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }
}
