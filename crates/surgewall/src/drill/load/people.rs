//! Accounts and keys for a crowd, made by the running door.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surgewall_core::principal;
use surgewall_gateway::control::{Answer, Question};
use surgewall_store::admin::{KeyCreate, Reply, Request, UserCreate};
use surgewall_testkit::load::Keys;
use surgewall_testkit::traffic::{Class, Population};

use crate::drill::stage::Stage;
use crate::fault::Fault;

/// Accounts that are made at once.
const AT_ONCE: usize = 8;

/// An account with a key for everybody who has one, at most `accounts_max` to a population.
///
/// # Errors
/// The door does not make one.
pub(in crate::drill) async fn keys(
    stage: &Stage,
    populations: &[Population],
    accounts_max: u32,
) -> Result<Keys, Fault> {
    let mut keys = BTreeMap::new();
    for one in populations.iter().filter(|one| one.class != Class::Anonymous) {
        let accounts = stream::iter(0..one.principals.min(accounts_max));
        let made = accounts.map(|index| key(stage, one, index)).buffered(AT_ONCE);
        keys.insert(one.name.to_owned(), made.try_collect().await?);
    }
    Ok(keys)
}

async fn key(stage: &Stage, one: &Population, index: u32) -> Result<String, Fault> {
    let email = format!("{}-{index}@drill.example", one.name);
    let user =
        UserCreate { email: email.clone(), class: Some(class(one.class)), ..UserCreate::default() };
    operate(stage, Request::UserCreate(user)).await?;
    let name = format!("{}-{index}", one.name);
    let key = KeyCreate { name, account: Some(email), ..KeyCreate::default() };
    match operate(stage, Request::KeyCreate(key)).await? {
        Reply::KeyCreated { key: Some(key), .. } => Ok(key.0.expose().to_owned()),
        _ => Err(Fault::new("the door made no key")),
    }
}

async fn operate(stage: &Stage, request: Request) -> Result<Reply, Fault> {
    match stage.ask(&Question::Admin(Box::new(request))).await? {
        Answer::Admin(reply) => Ok(*reply),
        Answer::Error { message } => Err(Fault::new(message)),
        _ => Err(Fault::new("the door answers another question")),
    }
}

fn class(class: Class) -> principal::Class {
    match class {
        Class::Established => principal::Class::Established,
        Class::Verified => principal::Class::Verified,
        Class::New => principal::Class::New,
        Class::Anonymous => principal::Class::Anonymous,
    }
}
