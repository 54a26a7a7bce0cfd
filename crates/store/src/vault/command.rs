//! The master key from a command, for example one that asks a key management
//! service: it runs once when a vault opens, and once for each rotation.
//!
//! What it prints is held in memory that is overwritten afterwards, and is never
//! part of an error. What it says on stderr is told with its failure, to whoever
//! started it, and nowhere else.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use surgewall_core::clock::Clock;
use zeroize::Zeroizing;

use super::VaultError;

/// Bytes that the command may print.
const OUTPUT_BYTES_MAX: usize = 1 << 10;
/// Bytes of what it says on stderr that are told.
const TOLD_BYTES_MAX: usize = 1 << 10;
/// For all of it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks whether it has ended, once its output has.
const LOOK: Duration = Duration::from_millis(2);

/// Bytes that are overwritten when they are let go.
type Bytes = Zeroizing<Vec<u8>>;

/// Runs the command; what it printed.
///
/// # Errors
/// [`VaultError::KeyCommand`].
pub(super) fn run(words: &[String]) -> Result<Bytes, VaultError> {
    run_within(words, TIMEOUT)
}

/// How an error names the command: its program alone, since further words may be
/// secret.
pub(super) fn program(words: &[String]) -> PathBuf {
    words.first().map(PathBuf::from).unwrap_or_default()
}

/// Why a command gives no key, in words that go on after its name.
pub(super) fn fault(words: &[String], why: impl Into<String>) -> VaultError {
    VaultError::KeyCommand { program: program(words), why: why.into() }
}

fn run_within(words: &[String], limit: Duration) -> Result<Bytes, VaultError> {
    let until = Clock::System.monotonic() + limit;
    let Some((program, rest)) = words.split_first() else {
        return Err(fault(words, "names no program"));
    };
    let mut child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With all that it starts, it can be ended at once.
        .process_group(0)
        .spawn()
        .map_err(|error| fault(words, format!("cannot be started: {error}")))?;
    let printed = child.stdout.take().map(|pipe| beginning(pipe, OUTPUT_BYTES_MAX));
    let told = child.stderr.take().map(|pipe| beginning(pipe, TOLD_BYTES_MAX));
    let ended = ended(&mut child, printed, until);
    if !matches!(ended, Ok((_, Some(_)))) {
        end(&mut child);
    }
    let (printed, status) =
        ended.map_err(|error| fault(words, format!("cannot be read: {error}")))?;
    match status {
        // Whose output is not read to its end may fail for that.
        _ if printed.len() > OUTPUT_BYTES_MAX => {
            Err(fault(words, format!("printed more than {OUTPUT_BYTES_MAX} bytes")))
        }
        None => Err(fault(words, format!("did not end within {} s", limit.as_secs()))),
        Some(status) if !status.success() => {
            Err(fault(words, format!("failed ({status}){}", said(told))))
        }
        Some(_) => Ok(printed),
    }
}

/// What it printed, and how it ended; no end where the time was over first, or it
/// printed too much.
fn ended(
    child: &mut Child,
    printed: Option<Receiver<std::io::Result<Bytes>>>,
    until: Instant,
) -> std::io::Result<(Bytes, Option<ExitStatus>)> {
    let left = || until.saturating_duration_since(Clock::System.monotonic());
    let printed = printed.map(|printed| printed.recv_timeout(left()));
    let printed = match printed {
        Some(Ok(printed)) => printed?,
        Some(Err(RecvTimeoutError::Timeout)) => return Ok((Bytes::default(), None)),
        None | Some(Err(RecvTimeoutError::Disconnected)) => Bytes::default(),
    };
    loop {
        let status = child.try_wait()?;
        if status.is_some() || left().is_zero() {
            return Ok((printed, status));
        }
        thread::sleep(LOOK);
    }
}

/// Ends it and all that it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// Reads the first bytes of `pipe`, and one more where there are more, in a thread
/// of its own: a pipe may stay open for ever.
fn beginning(
    mut pipe: impl Read + Send + 'static,
    bytes_max: usize,
) -> Receiver<std::io::Result<Bytes>> {
    let (give, take) = channel();
    thread::spawn(move || {
        let mut bytes = Bytes::new(vec![0; bytes_max + 1]);
        let mut filled = 0;
        let read = loop {
            match pipe.read(&mut bytes[filled..]) {
                Ok(0) => break Ok(()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        bytes.truncate(filled);
        // Who does not wait any more does not need it.
        let _ = give.send(read.map(|()| bytes));
    });
    take
}

/// What it said on stderr, in one line, where it ended with that.
fn said(told: Option<Receiver<std::io::Result<Bytes>>>) -> String {
    let told = told.and_then(|told| told.recv_timeout(Duration::from_millis(100)).ok()?.ok());
    let bytes = told.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.is_empty() { String::new() } else { format!("; it said: {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    fn shown(script: &str) -> String {
        match run_within(&shell(script), Duration::from_secs(20)) {
            Ok(printed) => String::from_utf8_lossy(&printed).into_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_it_prints_is_read_and_why_it_fails_is_told() {
        let most = "x".repeat(OUTPUT_BYTES_MAX);
        for (script, expected) in [
            ("echo key", "key\n".to_owned()),
            ("echo a word on stderr >&2; echo key", "key\n".to_owned()),
            (&format!("printf {most}"), most.clone()),
            (
                &format!("printf {most}x"),
                format!("vault.key_command: /bin/sh printed more than {OUTPUT_BYTES_MAX} bytes"),
            ),
            (
                "printf 'access\\n\\033[31mdenied' >&2; echo secret; exit 3",
                "vault.key_command: /bin/sh failed (exit status: 3); it said: access [31mdenied"
                    .to_owned(),
            ),
            ("kill -9 $$", "vault.key_command: /bin/sh failed (signal: 9 (SIGKILL))".to_owned()),
            ("cat", String::new()),
            (
                "yes",
                format!("vault.key_command: /bin/sh printed more than {OUTPUT_BYTES_MAX} bytes"),
            ),
        ] {
            assert_eq!(shown(script), expected, "{script}");
        }
    }

    #[test]
    fn what_cannot_be_started_and_what_is_no_command_say_so() {
        let missing = run(&["/nowhere/kms".to_owned(), "secret word".to_owned()]).unwrap_err();
        let told = missing.to_string();
        assert!(told.starts_with("vault.key_command: /nowhere/kms cannot be started"), "{told}");
        assert!(!told.contains("secret"), "{told}");
        assert!(run(&[]).is_err());
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_all_that_it_started() {
        for script in ["sleep 600", "sleep 600 & wait", "exec >&- ; sleep 600"] {
            let error = run_within(&shell(script), Duration::from_millis(200)).unwrap_err();
            assert!(error.to_string().contains("did not end within"), "{script}: {error}");
        }
    }
}
