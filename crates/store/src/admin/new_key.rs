//! Making one key: our own, or another system's by its hash.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use surgewall_core::apikey;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{KeyId, PublicId};
use surgewall_core::principal::Scopes;
use surgewall_core::quota::LimitSpec;

use super::error::AdminError;
use super::office::Office;
use super::reply::NewKey;
use super::request::{Foreign, KeyCreate};
use super::{detail, words};
use crate::directory::{BCRYPT_CANDIDATES_MAX, BCRYPT_PREFIX_LENGTHS_MAX};
use crate::people::sealed::{column, hide, purpose, seal, seal_json};
use crate::people::{AccountRow, BcryptParts, CredentialKind, GroupRow, KeyRow, StoreError};

/// Whose key it is to be.
pub(super) enum Owner {
    Operator,
    Account(AccountRow),
    Group(GroupRow),
}

/// A key that is not written yet.
pub(super) struct Made {
    pub(super) row: KeyRow,
    /// The key itself, for one of ours.
    pub(super) key: Option<NewKey>,
    /// What the ledger says about it.
    pub(super) words: Vec<String>,
}

/// What a key is recognised by.
struct Recognised {
    kind: CredentialKind,
    hash: [u8; 32],
    bcrypt: Option<BcryptParts>,
    last_four: Option<Vec<u8>>,
    key: Option<NewKey>,
}

/// The key that is asked for.
pub(super) fn make<P>(
    office: &Office<'_, P>,
    asked: &KeyCreate,
    owner: &Owner,
) -> Result<Made, AdminError> {
    let name = words::name("key", &asked.name)?;
    let limits = words::limits(office.config, &asked.limits)?;
    words::scopes(&asked.scopes)?;
    let now = office.now();
    let id = KeyId::new(now);
    let expires_at = expiry(asked, now)?;
    let name_hash = office.vault.keyed_hash(purpose::KEY_NAME, name.as_bytes());
    let recognised = match &asked.foreign {
        None => own(office, id),
        Some(foreign) => by_hash(office, id, foreign)?,
    };
    let mut words = vec![format!("kind={}", recognised.kind.as_str())];
    let (account, group) = match owner {
        Owner::Operator => (None, None),
        Owner::Account(account) => {
            words.push(format!("account={}", account.public_id));
            (Some(account.id), None)
        }
        Owner::Group(group) => {
            words.push(detail::group(Some(group)));
            (None, Some(group.id))
        }
    };
    words.extend(asked.delegates.then(|| "delegates=true".to_owned()));
    words.extend(detail::limits(&limits));
    let row = KeyRow {
        id,
        public_id: PublicId::random("key"),
        name: hide(office.vault, column::KEY_NAME, id.as_u128(), &name, name_hash),
        kind: recognised.kind,
        credential_hash: recognised.hash,
        bcrypt: recognised.bcrypt,
        last_four: recognised.last_four,
        account,
        group,
        scopes: seal_scopes(office, id, &asked.scopes)?,
        delegates: asked.delegates,
        limits: seal_limits(office, id, &limits)?,
        user_limits: None,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    Ok(Made { row, key: recognised.key, words })
}

fn expiry(asked: &KeyCreate, now: Timestamp) -> Result<Option<Timestamp>, AdminError> {
    let seconds = asked.expires_in.as_deref().map(words::expires_in).transpose()?;
    Ok(seconds.map(|seconds| now.plus(Duration::from_secs(seconds))))
}

fn own<P>(office: &Office<'_, P>, id: KeyId) -> Recognised {
    let key = apikey::generate();
    let last_four = apikey::last_four(key.expose());
    Recognised {
        kind: CredentialKind::Own,
        hash: office.vault.keyed_hash(purpose::CREDENTIAL_OWN, key.expose().as_bytes()),
        bcrypt: None,
        last_four: Some(seal(office.vault, column::LAST_FOUR, id.as_u128(), last_four.as_bytes())),
        key: Some(NewKey(key)),
    }
}

fn by_hash<P>(
    office: &Office<'_, P>,
    id: KeyId,
    foreign: &Foreign,
) -> Result<Recognised, AdminError> {
    let vault = office.vault;
    let (kind, hash, bcrypt) = match foreign {
        Foreign::Sha256(hex) => {
            let hash = vault.keyed_hash(purpose::CREDENTIAL_SHA256, &words::sha256(hex)?);
            (CredentialKind::Sha256, hash, None)
        }
        Foreign::Bcrypt { hash: text, prefix } => {
            let text = text.trim();
            words::bcrypt(text, prefix)?;
            let parts = BcryptParts {
                sealed: seal(vault, column::BCRYPT, id.as_u128(), text.as_bytes()),
                prefix_hash: vault.keyed_hash(purpose::PREFIX, prefix.as_bytes()),
                prefix_len: u8::try_from(prefix.len()).unwrap_or(u8::MAX),
            };
            let hash = vault.keyed_hash(purpose::CREDENTIAL_BCRYPT, text.as_bytes());
            (CredentialKind::Bcrypt, hash, Some(parts))
        }
    };
    Ok(Recognised { kind, hash, bcrypt, last_four: None, key: None })
}

/// bcrypt keys of one request, which the directory does not know yet.
#[derive(Default)]
pub(super) struct Pending {
    prefixes: HashMap<[u8; 32], usize>,
    lengths: BTreeSet<u8>,
}

impl Pending {
    /// Adds a key, unless its prefix would select too many hashes.
    pub(super) fn add<P>(
        &mut self,
        office: &Office<'_, P>,
        parts: &BcryptParts,
    ) -> Result<(), AdminError> {
        let pending = self.prefixes.entry(parts.prefix_hash).or_default();
        *pending += 1;
        if office.directory.bcrypt_candidates_of(&parts.prefix_hash) + *pending
            > BCRYPT_CANDIDATES_MAX
        {
            return Err(AdminError::full(format!(
                "{BCRYPT_CANDIDATES_MAX} bcrypt keys begin with this prefix already"
            ))
            .hint("every wrong credential that begins so is compared with all of them: give longer prefixes"));
        }
        self.lengths.insert(parts.prefix_len);
        let mut lengths = office.directory.bcrypt_prefix_lengths();
        lengths.extend(&self.lengths);
        if lengths.len() > BCRYPT_PREFIX_LENGTHS_MAX {
            return Err(AdminError::full(format!(
                "prefixes of {BCRYPT_PREFIX_LENGTHS_MAX} different lengths are in use already"
            ))
            .hint("give prefixes of one length"));
        }
        Ok(())
    }
}

/// Scopes as they are stored.
pub(super) fn seal_scopes<P>(
    office: &Office<'_, P>,
    id: KeyId,
    scopes: &Scopes,
) -> Result<Option<Vec<u8>>, StoreError> {
    let seal = || seal_json(office.vault, column::SCOPES, id.as_u128(), scopes);
    (*scopes != Scopes::default()).then(seal).transpose()
}

/// Limits as they are stored.
pub(super) fn seal_limits<P>(
    office: &Office<'_, P>,
    id: KeyId,
    limits: &[LimitSpec],
) -> Result<Option<Vec<u8>>, StoreError> {
    let seal = || seal_json(office.vault, column::KEY_LIMITS, id.as_u128(), &limits);
    (!limits.is_empty()).then(seal).transpose()
}
