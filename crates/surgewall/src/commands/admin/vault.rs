//! `surgewall admin vault`: how the keys are, erasing, a new master key.

use surgewall_core::clock::Clock;
use surgewall_core::decision::{Changed, Record};
use surgewall_store::admin::{
    EndUser, ErasureView, Named, Reply, Request, RotationView, VaultErase, VaultView, Whose,
};
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::vault::Vault;

use super::show::{or_never, sheet};
use crate::cli::{Shape, admin as typed};
use crate::commands::office::{operate, unexpected};
use crate::fault::Fault;
use crate::place::{Place, lock, vault as vault_of};
use crate::show::{count, err, json};

/// Carries out an operation on the vault.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn vault(place: &Place, asked: typed::Vault) -> Result<(), Fault> {
    let (request, format) = match asked {
        typed::Vault::Status(asked) => (Request::VaultStatus, asked.format),
        typed::Vault::ReplaceLost => return replace_lost(place).await,
        typed::Vault::Rotate(asked) => (Request::VaultRotate, asked.format),
        typed::Vault::Erase(asked) => {
            let format = asked.format;
            (Request::VaultErase(VaultErase { whose: whose(asked) }), format)
        }
    };
    match (operate(place, request).await?, format) {
        (Reply::Vault(view), Shape::Json) => json(&view)?,
        (Reply::Vault(view), Shape::Text) => status(&view),
        (Reply::Erased(view), Shape::Json) => json(&view)?,
        (Reply::Erased(view), Shape::Text) => erased(&view),
        (Reply::Rotated(view), Shape::Json) => json(&view)?,
        (Reply::Rotated(view), Shape::Text) => rotated(&view),
        _ => return Err(unexpected()),
    }
    Ok(())
}

/// Closes an account, and shows the receipt of what was destroyed.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn close(place: &Place, asked: typed::Named) -> Result<(), Fault> {
    let request = Request::UserClose(Named { name: asked.name });
    match (operate(place, request).await?, asked.format) {
        (Reply::Erased(view), Shape::Json) => json(&view)?,
        (Reply::Erased(view), Shape::Text) => {
            sheet(&receipt(&view));
            err(
                "the account is closed: nobody signs in to it, its keys have ended, and what was\n\
                 written in it cannot be opened any more; the receipt is in the ledger\n\
                 a backup from before still has it: replace those backups too\n",
            );
        }
        _ => return Err(unexpected()),
    }
    Ok(())
}

/// Where the accounts file is missing no door starts, so there is none to ask.
async fn replace_lost(place: &Place) -> Result<(), Fault> {
    const ACTION: &str = "vault.replace_lost";
    let (data, config) = (place.data()?, place.load()?.config);
    let _lock = lock(&data, &format!("admin {ACTION}"))?;
    let options = LedgerOptions::new(&config.ledger, Clock::System);
    let (ledger, _) = Ledger::open(&data, &vault_of(&data, &config)?, options)?;
    let (at, action) = (Clock::System.now(), ACTION.to_owned());
    let begun = Changed { at, action, subject: None, detail: None };
    let recorded = ledger.append(Record::Changed(begun)).await;
    let replaced = recorded
        .map_err(Fault::from)
        .and_then(|_| Vault::replace_lost_accounts(&data, &config.vault).map_err(Fault::from));
    let closed = ledger.shutdown().await;
    replaced?;
    closed?;
    err(
        "a new accounts file is made; what was sealed under the keys of the lost one stays closed\n",
    );
    Ok(())
}

fn whose(asked: typed::Erase) -> Whose {
    let typed::Erase { account, key, user, hash, .. } = asked;
    let user = hash.map(EndUser::Hash).or(user.map(EndUser::Name));
    match (account, key, user) {
        (Some(account), ..) => Whose::Account(account),
        (None, Some(key), Some(user)) => Whose::User { key, user },
        (None, Some(key), None) => Whose::Key(key),
        (None, None, _) => Whose::Strangers,
    }
}

fn status(view: &VaultView) {
    let keys = format!(
        "{} of {}",
        count(view.keys as u64, "data key"),
        count(view.subjects as u64, "subject")
    );
    sheet(&[
        ("master key", view.key_file.clone()),
        ("keys in", view.accounts_file.clone()),
        ("keys", keys),
        ("erased", count(view.erased as u64, "subject")),
        ("rotated", or_never(view.rotated_at)),
        ("signs as", view.verifying_key.clone()),
    ]);
    if view.unreadable > 0 {
        err(&format!(
            "{} cannot be read: what they opened is closed, unless a backup of the file is put in its place\n",
            count(view.unreadable as u64, "slot")
        ));
    }
    if view.rotating {
        err(
            "a rotation was cut off: everything opens, and `surgewall admin vault rotate` goes on with it\n",
        );
    }
}

fn receipt(view: &ErasureView) -> [(&'static str, String); 6] {
    let receipt = &view.receipt;
    [
        ("subject", receipt.subject.clone()),
        ("keys", format!("{} destroyed", receipt.keys)),
        ("at", receipt.at.to_string()),
        ("store", view.store.clone()),
        ("signature", receipt.signature.clone()),
        ("signed by", view.verifying_key.clone()),
    ]
}

fn erased(view: &ErasureView) {
    sheet(&receipt(view));
    err(if view.receipt.keys == 0 {
        "nothing was left to destroy; the receipt is in the ledger\n"
    } else {
        "what was sealed under these keys cannot be opened any more; the receipt is in the ledger\n\
         the account itself, its API keys and the records of its requests are not deleted by this\n\
         a backup of the key files from before still opens it: replace those backups too\n"
    });
}

fn rotated(view: &RotationView) {
    sheet(&[
        ("master key", view.key_file.clone()),
        ("keys", format!("{} wrapped anew", view.keys)),
    ]);
    if view.lost > 0 {
        err(&format!(
            "{} could not be read before and went with the old master key\n",
            count(view.lost.into(), "slot")
        ));
    }
    err(if view.command {
        "everything is under the new master key: let the command print it alone from now on, then make a\n\
         new backup of the data directory and of the accounts file; a copy from before needs the old key\n"
    } else {
        "the old master key is destroyed: make a new backup of the data directory and of both key files,\n\
         a copy of the data directory from before needs the key files from before\n"
    });
}
