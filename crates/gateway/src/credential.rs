//! Credentials that the configuration names: from a file or the environment,
//! never in clear, never empty.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use surgewall_core::config::env;
use surgewall_core::config::schema::Credential;
use surgewall_core::files;
use surgewall_core::limits::CREDENTIAL_BYTES_MAX;
use surgewall_core::secret::SecretString;

/// The shortest credential that the door accepts for itself, in characters.
const CREDENTIAL_CHARS_MIN: usize = 8;

/// A credential that the configuration names and that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Other users of the machine can read the file.
    #[error("{} can be read by other users: chmod 600 it", .0.display())]
    WorldReadable(PathBuf),
    /// There is nothing in it.
    #[error("the credential in {0} is empty")]
    Empty(String),
    /// It is so short that it can be guessed.
    #[error(
        "the credential in {0} is shorter than {CREDENTIAL_CHARS_MIN} characters: it could be guessed"
    )]
    Weak(String),
    /// It cannot stand in a header.
    #[error("the credential in {0} holds characters that no header can carry")]
    Form(String),
}

/// The credential itself.
///
/// # Errors
/// It is not there, others can read it, or it is empty, weak or malformed.
pub fn read(credential: &Credential) -> Result<SecretString, CredentialError> {
    let (place, secret) = match credential {
        Credential::Env(name) => {
            let secret = env::read_credential(name);
            (name.clone(), secret.ok_or_else(|| CredentialError::Unset(name.clone()))?)
        }
        Credential::File(path) => (path.display().to_string(), read_file(path)?),
    };
    let text = secret.expose();
    if text.is_empty() {
        return Err(CredentialError::Empty(place));
    }
    if text.len() < CREDENTIAL_CHARS_MIN {
        return Err(CredentialError::Weak(place));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialError::Form(place));
    }
    Ok(secret)
}

fn read_file(path: &PathBuf) -> Result<SecretString, CredentialError> {
    let read = |source| CredentialError::Read { path: path.clone(), source };
    let mode = std::fs::metadata(path).map_err(read)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(CredentialError::WorldReadable(path.clone()));
    }
    let text = files::read_text(path, CREDENTIAL_BYTES_MAX as u64).map_err(read)?;
    Ok(SecretString::new(text.lines().next().unwrap_or("").trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_credential_must_be_private_and_strong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let check = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&Credential::File(path.clone()))
                .map(|s| s.expose().clone())
                .map_err(|e| e.to_string())
        };
        assert_eq!(check("sk-12345678\nrest", 0o600).unwrap(), "sk-12345678");
        assert!(check("sk-12345678", 0o644).unwrap_err().contains("other users"));
        assert!(check("", 0o600).unwrap_err().contains("empty"));
        assert!(check("1234567", 0o600).unwrap_err().contains("guessed"));
        assert!(check("12345678", 0o600).is_ok());
        assert!(check("1234 5678", 0o600).unwrap_err().contains("header"));
    }
}
