//! `admin vault`: how it is, erasing what one person wrote, a new master key.

use surgewall_core::decision::{Changed, Erased, Record};
use surgewall_core::digest::hex;
use surgewall_core::subject::Subject;

use super::error::{AdminError, ErrorKind};
use super::find;
use super::office::{Audit, Office, Step};
use super::reply::{ErasureView, Reply, RotationView, VaultView};
use super::request::{EndUser, VaultErase, Whose};
use super::words;
use crate::people::People;
use crate::people::sealed::delegated_user;
use crate::vault::{Vault, VaultError, VaultStatus};

/// What a receipt says of callers without a credential.
const STRANGERS: &str = "strangers";

pub(super) async fn status<P: People>(office: &Office<'_, P>) -> Result<Step, AdminError> {
    let status = blocking(office.vault, |vault| vault.status()).await?;
    Ok(Step::answer(Reply::Vault(VaultView {
        key_file: status.key_file.display().to_string(),
        accounts_file: status.accounts_file.display().to_string(),
        keys: status.keys,
        subjects: status.subjects,
        erased: status.erased,
        unreadable: status.unreadable,
        rotated_at: status.rotated_at,
        rotating: status.is_rotating,
        verifying_key: hex(&office.vault.verifying_key()),
    })))
}

/// Destroys the keys and leaves a receipt. Where nothing is left to destroy it
/// leaves one too: who lost a receipt to a full disk asks again.
pub(super) async fn erase<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    asked: &VaultErase,
) -> Result<Reply, AdminError> {
    let (subject, shown) = subject(office, &asked.whose).await?;
    note(office, audit, "vault.erase", Some(&shown), None).await?;
    let erased = match blocking(office.vault, move |vault| vault.erase(subject)).await {
        Ok(erased) => erased,
        Err(error) => {
            note_end(office, audit, "vault.erase.failed", Some(&shown), None).await;
            return Err(error.hint("run the same command again when this is repaired"));
        }
    };
    let store = office.vault.store_id().to_string();
    let mut receipt =
        Erased { at: office.now(), subject: shown, keys: erased.keys, signature: String::new() };
    let text = receipt.signed_text(&store);
    receipt.signature = hex(&office.vault.sign(Erased::PURPOSE, text.as_bytes()));
    audit.record(Record::Erased(receipt.clone())).await.map_err(|error| {
        let keys = receipt.keys;
        AdminError::failed(format!(
            "{keys} keys were destroyed, but the ledger cannot record the receipt: {error}"
        ))
        .hint("run the same command again when this is repaired: it writes a receipt")
    })?;
    let verifying_key = hex(&office.vault.verifying_key());
    Ok(Reply::Erased(ErasureView { store, receipt, verifying_key }))
}

pub(super) async fn rotate<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
) -> Result<Reply, AdminError> {
    note(office, audit, "vault.rotate", None, None).await?;
    let now = office.now();
    let view = blocking(office.vault, move |vault| {
        let rotated = vault.rotate(now)?;
        let VaultStatus { key_file, is_command: command, .. } = vault.status()?;
        let key_file = key_file.display().to_string();
        Ok(RotationView { key_file, keys: rotated.keys, lost: rotated.lost, command })
    });
    match view.await {
        Ok(view) => {
            let detail = format!("keys={} lost={}", view.keys, view.lost);
            note_end(office, audit, "vault.rotate.done", None, Some(detail)).await;
            Ok(Reply::Rotated(view))
        }
        Err(error) => {
            note_end(office, audit, "vault.rotate.failed", None, None).await;
            if error.kind != ErrorKind::Failed {
                return Err(error);
            }
            Err(error.hint("everything still opens; run the same command again: it goes on where this one stopped"))
        }
    }
}

/// Whose keys are meant, and how that is written down.
pub(crate) async fn subject<P: People>(
    office: &Office<'_, P>,
    whose: &Whose,
) -> Result<(Subject, String), AdminError> {
    match whose {
        Whose::Account(name) => {
            let row = find::account(office, name).await?;
            Ok((Subject::Account(row.id), row.public_id.to_string()))
        }
        Whose::Key(name) => {
            let row = find::key(office, name).await?;
            match row.account {
                None => Ok((Subject::Key(row.id), row.public_id.to_string())),
                Some(_) => Err(AdminError::invalid(format!(
                    "the key `{}` belongs to an account, and what it writes is the account's",
                    name.trim()
                ))
                .hint("name the account instead; `surgewall admin key show` says whose it is")),
            }
        }
        Whose::User { key, user } => {
            let row = find::key(office, key).await?;
            let user = match user {
                EndUser::Name(name) => {
                    delegated_user(office.vault, row.id, words::delegated_name(name)?)
                }
                EndUser::Hash(hash) => words::delegated_hash(hash)?,
            };
            Ok((Subject::Delegated(user), user.to_string()))
        }
        Whose::Strangers => Ok((Subject::Strangers, STRANGERS.to_owned())),
    }
}

/// Records how a step ended. Its beginning is recorded: the operator gets the answer.
async fn note_end<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    action: &str,
    subject: Option<&str>,
    detail: Option<String>,
) {
    if let Err(error) = note(office, audit, action, subject, detail).await {
        tracing::error!(%error, action, "the end of a change could not be recorded");
    }
}

/// Records a step.
pub(super) async fn note<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    action: &str,
    subject: Option<&str>,
    detail: Option<String>,
) -> Result<(), AdminError> {
    let changed = Changed {
        at: office.now(),
        action: action.to_owned(),
        subject: subject.map(ToOwned::to_owned),
        detail,
    };
    audit.record(Record::Changed(changed)).await.map_err(AdminError::not_recorded)
}

/// Works on the vault's files where waiting for the disk keeps nobody else.
async fn blocking<T: Send + 'static>(
    vault: &Vault,
    work: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, AdminError> {
    let vault = vault.clone();
    let done = tokio::task::spawn_blocking(move || work(&vault)).await;
    Ok(done.map_err(|error| AdminError::failed(error.to_string()))??)
}
