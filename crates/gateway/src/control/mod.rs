//! The control socket: how the command line speaks to a running door.
//!
//! One question a connection: a line of JSON, answered by a line of JSON. Only
//! the door's own user can open the socket (0600, in a 0700 directory).

mod status;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use surgewall_core::limits::CONTROL_BYTES_MAX;
use surgewall_store::admin::{Reply, Request, Signed};
use surgewall_store::findings::{InboxReply, InboxRequest};
use surgewall_store::gate::{GateReply, GateRequest};
use surgewall_store::rules::{RuleReply, RuleRequest};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

pub use status::{ClassStatus, GateStatus, Judgement, Servers, Status, UpstreamStatus};

use crate::door::Door;
use crate::status::{Asked, Told};

/// The longest wait for a question.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// What the command line asks of a running door.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// An operation on people and keys.
    Admin(Box<Request>),
    /// An operation on the inbox of findings.
    Finding(InboxRequest),
    /// An operation on the gate.
    Gate(GateRequest),
    /// An operation on rules.
    Rule(RuleRequest),
    /// How the door does.
    Status,
    /// What the status page tells.
    Page(Asked),
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The operation was carried out.
    Admin(Box<Reply>),
    /// The operation on the inbox was carried out.
    Finding(InboxReply),
    /// The operation on the gate was carried out.
    Gate(GateReply),
    /// The operation on rules was carried out.
    Rule(RuleReply),
    /// How the door does.
    Status(Box<Status>),
    /// What the status page tells now.
    Page {
        /// What was asked for.
        told: Told,
        /// Whether it is on disk too.
        kept: bool,
    },
    /// It was not carried out.
    Error {
        /// Why, in an operator's words.
        message: String,
    },
}

/// The control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the control socket {path} cannot be opened: {source}")]
pub struct ControlError {
    path: String,
    source: std::io::Error,
}

/// Opens the socket at `path`. One left behind by a dead door is replaced: the
/// caller holds the data directory's lock, so no living door owns it.
///
/// # Errors
/// The path cannot be bound.
pub fn open(path: &Path) -> Result<UnixListener, ControlError> {
    let fault = |source| ControlError { path: path.display().to_string(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
    Ok(listener)
}

/// How `door` does now.
pub(crate) fn now(door: &Door) -> Status {
    status::of(door)
}

/// Answers questions until the door closes.
pub async fn listen(door: Arc<Door>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let asked = door.clone();
                door.tasks.background(async move {
                    if let Err(error) = converse(&asked, stream).await {
                        tracing::debug!(%error, "a conversation on the control socket broke off");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket failed to accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse(door: &Door, stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut limited = BufReader::new(read).take(CONTROL_BYTES_MAX as u64);
    tokio::time::timeout(QUESTION_TIMEOUT, limited.read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice::<Question>(&line) {
        Ok(question) => answer(door, question).await,
        Err(error) => {
            Answer::Error { message: format!("not a question that this door understands: {error}") }
        }
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    write.shutdown().await
}

async fn answer(door: &Door, question: Question) -> Answer {
    match question {
        Question::Status => Answer::Status(Box::new(status::of(door))),
        Question::Finding(request) => {
            let (signed, now) = (Some(Signed::machine(&door.ledger)), door.clock.now());
            match door.findings.ask(signed, &door.rules, request, now).await {
                Ok(reply) => Answer::Finding(reply),
                Err(error) => Answer::Error { message: error.to_string() },
            }
        }
        Question::Gate(request) => match crate::gate::ask(door, request).await {
            Ok(reply) => Answer::Gate(reply),
            Err(error) => Answer::Error { message: error.to_string() },
        },
        Question::Rule(request) => {
            let signed = Signed::machine(&door.ledger);
            match crate::operate::rule(door, signed, request).await {
                Ok(reply) => Answer::Rule(reply),
                Err(error) => Answer::Error { message: error.to_string() },
            }
        }
        Question::Page(asked) => tell(door, asked).await,
        Question::Admin(request) => match crate::operate::operate(door, *request).await {
            Ok(reply) => Answer::Admin(Box::new(reply)),
            Err(error) => Answer::Error { message: error.to_string() },
        },
    }
}

/// People's words on the status page: in the ledger before they are shown.
async fn tell(door: &Door, asked: Asked) -> Answer {
    let failed = |message: String| Answer::Error { message };
    if let Some(action) = asked.action()
        && let Err(error) = door.record_change(action, asked.subject()).await
    {
        return failed(format!("it cannot be recorded: {error}"));
    }
    match door.status.ask(asked, &door.policy().config, door.clock.now()) {
        Ok((told, kept)) => Answer::Page { told, kept },
        Err(error) => failed(error.to_string()),
    }
}

/// Asks the door behind the socket at `path`; `None` if no door listens there.
///
/// # Errors
/// A door listens and the conversation broke off.
pub async fn ask(path: &Path, question: &Question) -> std::io::Result<Option<Answer>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = serde_json::to_vec(question)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    let mut reply = Vec::new();
    stream.take(CONTROL_BYTES_MAX as u64).read_to_end(&mut reply).await?;
    Ok(Some(serde_json::from_slice(&reply)?))
}
