//! The leaked data directory: with every file in hand and no master key,
//! nothing planted is found, in no encoding; nor is it in metrics and logs.

mod pages;
mod planted;
mod search;

use std::path::{Path, PathBuf};

use surgewall_core::files::read_bounded;
use surgewall_core::principal::Class;
use surgewall_gateway::control::{Answer, Question};
use surgewall_store::admin::{GroupCreate, KeyCreate, Reply, Request, UserCreate};

use super::acts::{Played, ask};
use super::stage::Stage;
use crate::fault::Fault;
use planted::{Planted, REQUESTS};
use search::Search;

/// One file of the drill's data directory, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Plants, kills the door, and searches everything that it left.
pub(super) async fn leak() -> Played {
    let planted = Planted::new();
    let mut stage = Stage::recording(&planted.upstreams).await?;
    let keys = people(&stage, &planted).await?;
    requests(&stage, &planted, &keys).await?;
    pages::visited(&stage, &planted).await?;
    let everywhere = Search::new(&planted.everything(), planted.binary())?;
    let logged = Search::new(&[planted.never_logged(), keys].concat(), Vec::new())?;
    logged.refuse("/metrics", stage.metrics().await?.as_bytes())?;
    stage.kill().await?;
    let (files, bytes) = search(&stage.data_dir(), &everywhere)?;
    logged.refuse("the log", &read_bounded(&stage.log_file(), FILE_BYTES_MAX)?)?;
    // A second life writes what the first one left unfinished.
    stage.start().await?;
    pages::again(&stage, &planted).await?;
    logged.refuse("/metrics", stage.metrics().await?.as_bytes())?;
    stage.stop().await?;
    search(&stage.data_dir(), &everywhere)?;
    logged.refuse("the log", &read_bounded(&stage.log_file(), FILE_BYTES_MAX)?)?;
    Ok(format!(
        "{} planted things, {files} files, {bytes} bytes: nothing found without the master key",
        planted.everything().len()
    ))
}

/// Accounts, groups and keys that carry planted names; the keys themselves.
async fn people(stage: &Stage, planted: &Planted) -> Result<Vec<String>, Fault> {
    for name in &planted.groups {
        admin(stage, Request::GroupCreate(GroupCreate { name: name.clone(), limits: Vec::new() }))
            .await?;
    }
    for email in planted.account_emails() {
        let class = Some(Class::Established);
        let account = UserCreate { email: email.clone(), class, ..UserCreate::default() };
        admin(stage, Request::UserCreate(account)).await?;
    }
    let mut keys = Vec::new();
    for (name, email) in planted.keys.iter().zip(planted.account_emails()) {
        let key = KeyCreate {
            name: name.clone(),
            account: Some(email.clone()),
            delegates: true,
            ..KeyCreate::default()
        };
        if let Reply::KeyCreated { key: Some(key), .. } =
            admin(stage, Request::KeyCreate(key)).await?
        {
            keys.push(key.0.expose().to_owned());
        }
    }
    Ok(keys)
}

async fn admin(stage: &Stage, request: Request) -> Result<Reply, Fault> {
    match stage.ask(&Question::Admin(Box::new(request))).await? {
        Answer::Admin(reply) => Ok(*reply),
        Answer::Error { message } => Err(Fault::new(message)),
        _ => Err(Fault::new("the drill's door answers something else")),
    }
}

/// Says everything planted to the model, from every planted network; and once
/// more with a key that is none, because refusals leave traces of their own.
async fn requests(stage: &Stage, planted: &Planted, keys: &[String]) -> Result<(), Fault> {
    for nth in 0..REQUESTS {
        let address = planted.addresses[nth].to_string();
        let from = stage.stranger().with_header("x-forwarded-for", &address);
        let mut body = ask(&planted.prompt(nth));
        body["user"] = planted.names[nth].as_str().into();
        body["stream"] = (nth % 2 == 0).into();
        let key = &keys[nth % keys.len()];
        let answer = from.clone().with_key(key).post("/v1/chat/completions", &body).await?;
        if answer.status != 200 {
            return Err(Fault::new(format!("a planted request got {}", answer.status)));
        }
        from.with_key(&planted.secrets[nth]).post("/v1/chat/completions", &body).await?;
    }
    Ok(())
}

/// Searches every file below `directory`; how many there are, and their bytes.
fn search(directory: &Path, planted: &Search) -> Result<(usize, usize), Fault> {
    let files = files_below(directory)?;
    let mut bytes = 0;
    for path in &files {
        let found = read_bounded(path, FILE_BYTES_MAX)?;
        bytes += found.len();
        planted.refuse(&path.display().to_string(), &found)?;
    }
    Ok((files.len(), bytes))
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
