//! The leaked data directory: with every file in hand and no master key,
//! nothing planted is found, in no encoding; nor is it in the log.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use surgewall_core::digest::hex;
use surgewall_core::files::read_bounded;

use super::acts::{Played, ask};
use super::stage::{Stage, UPSTREAM};
use crate::fault::Fault;

/// One file of the drill's data directory, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// What is said to the model, and comes back from nowhere else.
const PROMPT: &str = "planted-prompt-heron-7Qd0Yw3mXk1b";
const EMAIL: &str = "planted.person.osprey@example.org";
const KEY_NAME: &str = "planted-key-name-plover";
const GROUP: &str = "planted-group-dunlin";
const USER: &str = "planted-end-user-curlew";

/// Plants, kills the door, and searches everything that it left.
pub(super) async fn leak(stage: &mut Stage) -> Played {
    stage.surgewall(&["admin", "group", "create", "--name", GROUP]).await?;
    stage.surgewall(&["admin", "user", "create", "--email", EMAIL, "--group", GROUP]).await?;
    let key = stage.key(KEY_NAME, &["--account", EMAIL, "--delegates"]).await?;
    let client = stage.stranger().with_key(&key);
    let mut body = ask(&format!("{PROMPT} say 3"));
    body["user"] = USER.into();
    let answer = client.events("/v1/chat/completions", &body).await?;
    let said = answer.text();
    if answer.status != 200 || said.is_empty() {
        return Err(Fault::new(format!("the planted request got {}", answer.status)));
    }
    // Refused requests leave traces of their own.
    let wrong = key.replace("sw_live_", "sw_live_x");
    stage.stranger().with_key(&wrong).post("/v1/chat/completions", &body).await?;
    stage.kill().await?;
    let planted = [
        PROMPT,
        EMAIL,
        KEY_NAME,
        GROUP,
        USER,
        UPSTREAM,
        &key,
        &wrong,
        said.trim(),
        "127.0.0.0/24",
        "127.0.0.1",
    ];
    let files = files_below(&stage.data_dir())?;
    let mut bytes = 0;
    for path in &files {
        let found = read_bounded(path, FILE_BYTES_MAX)?;
        bytes += found.len();
        refuse(path, &found, &planted)?;
    }
    // The operator's log may name what was configured, and networks; never content or a credential.
    refuse(
        &stage.log_file(),
        &read_bounded(&stage.log_file(), FILE_BYTES_MAX)?,
        &[PROMPT, &key, &wrong, said.trim(), USER],
    )?;
    stage.start().await?;
    stage.stop().await?;
    Ok(format!(
        "{} planted things, {} files, {bytes} bytes: nothing found without the master key",
        planted.len(),
        files.len()
    ))
}

/// Fails on the first planted text that `bytes` hold in any of its encodings.
fn refuse(path: &Path, bytes: &[u8], planted: &[&str]) -> Result<(), Fault> {
    for text in planted {
        if encodings(text).iter().any(|needle| holds(bytes, needle)) {
            let kind = &text[..text.len().min(16)];
            return Err(Fault::new(format!("{} holds `{kind}...`", path.display())));
        }
    }
    Ok(())
}

/// The forms in which a text is looked for: as it is, hex, UTF-16, and base64
/// at each of its three alignments.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![
        text.as_bytes().to_vec(),
        hex(text.as_bytes()).into_bytes(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    for skip in 0..3 {
        let inner = text.as_bytes().get(skip..).unwrap_or_default();
        let whole = inner.len() - inner.len() % 3;
        forms.push(STANDARD_NO_PAD.encode(&inner[..whole]).into_bytes());
    }
    forms
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && memchr::memmem::find(bytes, needle).is_some()
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_text_is_found_in_every_encoding_and_alignment() {
        let needle = "planted-prompt-heron";
        for prefix in ["", "x", "xy"] {
            let coded = STANDARD_NO_PAD.encode(format!("{prefix}{needle}{prefix}zzz"));
            assert!(refuse(Path::new("f"), coded.as_bytes(), &[needle]).is_err(), "{prefix}");
        }
        for bytes in [needle.as_bytes().to_vec(), hex(needle.as_bytes()).into_bytes()] {
            assert!(refuse(Path::new("f"), &bytes, &[needle]).is_err());
        }
        assert!(refuse(Path::new("f"), b"nothing of the kind", &[needle]).is_ok());
    }
}
