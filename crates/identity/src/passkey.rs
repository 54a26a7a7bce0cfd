//! Passkeys (WebAuthn): made, and used to sign in without typing a name.
//!
//! They are always discoverable (the device knows whose they are: no list of
//! accounts leaks, and the browser can offer them in the name field) and always
//! verify the person (a PIN, a finger, a face): a passkey is two factors. No
//! attestation is asked for: which maker's device it is, is nobody's business here.
//!
//! What has to be kept between the two halves of a ceremony is a value that the
//! caller keeps on the server, for one use: a challenge in a cookie could be
//! replayed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use webauthn_rs::prelude::{
    AuthenticationResult, CreationChallengeResponse, CredentialID, DiscoverableAuthentication,
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};

/// How long a ceremony may take.
pub const CEREMONY_MAX: Duration = Duration::from_secs(5 * 60);
/// Passkeys of one account.
pub const PASSKEYS_MAX: usize = 20;
/// The longest response of a browser, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 32 * 1_024;

/// What did not work. The text is for the person; [`PasskeyError::why`] for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The origins and names make no relying party.
    #[error("Passkeys are not set up here.")]
    Setup(String),
    /// What came is no response of a browser.
    #[error("Your browser's answer could not be read.")]
    Form(String),
    /// It took too long.
    #[error("This took too long. Please try again.")]
    Expired,
    /// The account has as many as it may.
    #[error("This account has {max} passkeys, and no more are possible. Remove one first.")]
    TooMany {
        /// How many it may have.
        max: usize,
    },
    /// The device did not ask for a PIN, finger or face.
    #[error("Your device did not check that it is you. Please use its PIN, finger or face.")]
    Unverified,
    /// Its counter went backwards: two devices may hold the same key. End the
    /// passkey and tell its owner.
    #[error("This passkey may have been copied and was not accepted. Please sign in another way.")]
    Cloned,
    /// It is not that passkey, not for this site, or not for this challenge.
    #[error("This passkey was not accepted.")]
    Refused(String),
}

impl PasskeyError {
    /// What happened, for a log. Nothing in it is secret.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Setup(why) | Self::Form(why) | Self::Refused(why) => why,
            Self::Expired => "the ceremony expired",
            Self::TooMany { .. } => "as many passkeys as one account may have",
            Self::Unverified => "no user verification",
            Self::Cloned => "the signature counter went backwards",
        }
    }
}

impl From<WebauthnError> for PasskeyError {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::UserNotVerified => Self::Unverified,
            WebauthnError::CredentialPossibleCompromise => Self::Cloned,
            other => Self::Refused(other.to_string()),
        }
    }
}

/// What a passkey says of its owner: random, one for each account, never its inner id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserHandle(Uuid);

impl UserHandle {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::from_bytes(random::bytes()))
    }

    /// As stored.
    #[must_use]
    pub fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// To be stored.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

/// Whose passkey is made. The texts are shown by the person's own device.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyUser<'a> {
    /// The account's handle.
    pub handle: UserHandle,
    /// What tells its accounts apart: the e-mail address.
    pub name: &'a str,
    /// What the person is called.
    pub display_name: &'a str,
}

/// A passkey as the server keeps it: public, but it tells whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredPasskey {
    user: UserHandle,
    passkey: Passkey,
}

impl StoredPasskey {
    /// Its credential id: unique among all accounts, at most 1,023 bytes.
    #[must_use]
    pub fn credential(&self) -> &[u8] {
        self.passkey.cred_id().as_slice()
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> UserHandle {
        self.user
    }
}

/// A passkey is being made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registration {
    user: UserHandle,
    state: PasskeyRegistration,
    expires_at: Timestamp,
}

/// Somebody signs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignIn {
    state: DiscoverableAuthentication,
    expires_at: Timestamp,
}

/// A known account proves again that it is itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Again {
    state: PasskeyAuthentication,
    expires_at: Timestamp,
}

/// Which passkey a browser presents: to look it up, nothing is proven yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The credential id.
    pub credential: Vec<u8>,
    /// Whose it says it is; [`Passkeys::finish_sign_in`] holds it against the stored one.
    pub user: UserHandle,
}

/// A passkey was used, rightly.
#[must_use]
#[derive(Clone, Debug)]
pub struct PasskeyUse {
    /// Its credential id.
    pub credential: Vec<u8>,
    /// The passkey as it is to be stored now, where its counter or backup changed.
    pub updated: Option<StoredPasskey>,
}

/// One relying party: a host that passkeys are for.
#[derive(Clone, Debug)]
pub struct Passkeys(Webauthn);

impl Passkeys {
    /// The relying party of `origins` (`https://chat.example.org`): its id is the
    /// host of the first; the others have that host, or one below it. Listeners
    /// with different hosts need one each.
    ///
    /// # Errors
    /// An origin without a host name, or with another one.
    pub fn new(service: &str, origins: &[&str]) -> Result<Self, PasskeyError> {
        let parse = |origin: &&str| {
            Url::parse(origin).map_err(|error| PasskeyError::Setup(format!("{origin}: {error}")))
        };
        let origins: Vec<Url> = origins.iter().map(parse).collect::<Result<_, _>>()?;
        let host = origins.first().and_then(Url::domain).map(str::to_owned);
        let id = host.ok_or_else(|| PasskeyError::Setup("an origin without a host name".into()))?;
        let setup = |error: WebauthnError| PasskeyError::Setup(error.to_string());
        let Some((first, others)) = origins.split_first() else {
            return Err(PasskeyError::Setup("no origin".into()));
        };
        let mut builder = WebauthnBuilder::new(&id, first).map_err(setup)?;
        builder = builder.rp_name(service).timeout(CEREMONY_MAX);
        for origin in others {
            // The builder judges only the first one.
            WebauthnBuilder::new(&id, origin).map_err(setup)?;
            builder = builder.append_allowed_origin(origin);
        }
        Ok(Self(builder.build().map_err(setup)?))
    }

    /// Begins to make a passkey beside the account's `present` ones: what the page
    /// gives to `navigator.credentials.create`, and what the server keeps.
    ///
    /// # Errors
    /// The account has as many as it may.
    pub fn begin_registration(
        &self,
        user: &PasskeyUser<'_>,
        present: &[StoredPasskey],
        now: Timestamp,
    ) -> Result<(Value, Registration), PasskeyError> {
        if present.len() >= PASSKEYS_MAX {
            return Err(PasskeyError::TooMany { max: PASSKEYS_MAX });
        }
        let known: Vec<CredentialID> =
            present.iter().map(|one| one.passkey.cred_id().clone()).collect();
        let (options, state) = self.0.start_passkey_registration(
            user.handle.0,
            user.name,
            user.display_name,
            Some(known),
        )?;
        let expires_at = now.plus(CEREMONY_MAX);
        Ok((discoverable(&options)?, Registration { user: user.handle, state, expires_at }))
    }

    /// The passkey that was made, to be stored. Refuse it if any account has its credential id.
    ///
    /// # Errors
    /// What does not hold.
    pub fn finish_registration(
        &self,
        begun: &Registration,
        response: &[u8],
        now: Timestamp,
    ) -> Result<StoredPasskey, PasskeyError> {
        in_time(begun.expires_at, now)?;
        let response: RegisterPublicKeyCredential = parse(response)?;
        let passkey = self.0.finish_passkey_registration(&response, &begun.state)?;
        Ok(StoredPasskey { user: begun.user, passkey })
    }

    /// Begins a sign-in by whichever passkey the person chooses: for a button, and
    /// (with `mediation: "conditional"`, which the page adds) for the name field.
    ///
    /// # Errors
    /// The machine's, none of the caller's.
    pub fn begin_sign_in(&self, now: Timestamp) -> Result<(Value, SignIn), PasskeyError> {
        let (mut options, state) = self.0.start_discoverable_authentication()?;
        options.mediation = None;
        Ok((value(&options)?, SignIn { state, expires_at: now.plus(CEREMONY_MAX) }))
    }

    /// Which passkey is presented.
    ///
    /// # Errors
    /// The response is none, or tells no owner.
    pub fn presented(&self, response: &[u8]) -> Result<Presented, PasskeyError> {
        let response: PublicKeyCredential = parse(response)?;
        let (user, credential) = self.0.identify_discoverable_authentication(&response)?;
        Ok(Presented { credential: credential.to_vec(), user: UserHandle(user) })
    }

    /// Judges the presented passkey against the stored one of its credential id.
    ///
    /// # Errors
    /// What does not hold; [`PasskeyError::Cloned`] asks for more than an answer.
    pub fn finish_sign_in(
        &self,
        begun: SignIn,
        response: &[u8],
        passkey: &StoredPasskey,
        now: Timestamp,
    ) -> Result<PasskeyUse, PasskeyError> {
        in_time(begun.expires_at, now)?;
        if self.presented(response)?.user != passkey.user {
            return Err(PasskeyError::Refused("the passkey is another account's".into()));
        }
        let response: PublicKeyCredential = parse(response)?;
        let key = &passkey.passkey;
        let result = self.0.finish_discoverable_authentication_v2(&response, begun.state, key)?;
        Ok(used(passkey, &result))
    }

    /// Begins to ask a known account, with `present` passkeys, once more.
    ///
    /// # Errors
    /// It has none.
    pub fn begin_again(
        &self,
        present: &[StoredPasskey],
        now: Timestamp,
    ) -> Result<(Value, Again), PasskeyError> {
        if present.is_empty() {
            return Err(PasskeyError::Refused("the account has no passkey".into()));
        }
        let passkeys: Vec<Passkey> = present.iter().map(|one| one.passkey.clone()).collect();
        let (options, state) = self.0.start_passkey_authentication(&passkeys)?;
        Ok((value(&options)?, Again { state, expires_at: now.plus(CEREMONY_MAX) }))
    }

    /// Judges the presented passkey, which must be one of the account's `present` ones.
    ///
    /// # Errors
    /// What does not hold; [`PasskeyError::Cloned`] asks for more than an answer.
    pub fn finish_again(
        &self,
        begun: &Again,
        response: &[u8],
        present: &[StoredPasskey],
        now: Timestamp,
    ) -> Result<PasskeyUse, PasskeyError> {
        in_time(begun.expires_at, now)?;
        let response: PublicKeyCredential = parse(response)?;
        let result = self.0.finish_passkey_authentication(&response, &begun.state)?;
        let is_it = |one: &&StoredPasskey| one.passkey.cred_id() == result.cred_id();
        let passkey = present.iter().find(is_it);
        let gone = || PasskeyError::Refused("the passkey was removed in the meantime".into());
        Ok(used(passkey.ok_or_else(gone)?, &result))
    }
}

fn in_time(expires_at: Timestamp, now: Timestamp) -> Result<(), PasskeyError> {
    if now < expires_at { Ok(()) } else { Err(PasskeyError::Expired) }
}

fn parse<'a, T: Deserialize<'a>>(response: &'a [u8]) -> Result<T, PasskeyError> {
    if response.len() > RESPONSE_BYTES_MAX {
        return Err(PasskeyError::Form("too long".into()));
    }
    serde_json::from_slice(response).map_err(|error| PasskeyError::Form(error.to_string()))
}

fn value(options: &impl Serialize) -> Result<Value, PasskeyError> {
    serde_json::to_value(options).map_err(|error| PasskeyError::Form(error.to_string()))
}

/// `options`, which ask for any passkey, asking for a discoverable one.
fn discoverable(options: &CreationChallengeResponse) -> Result<Value, PasskeyError> {
    let mut options = value(options)?;
    let selection = &mut options["publicKey"]["authenticatorSelection"];
    selection["residentKey"] = "required".into();
    selection["requireResidentKey"] = true.into();
    Ok(options)
}

fn used(passkey: &StoredPasskey, result: &AuthenticationResult) -> PasskeyUse {
    let mut updated = passkey.clone();
    let has_changed = updated.passkey.update_credential(result) == Some(true);
    PasskeyUse {
        credential: passkey.credential().to_vec(),
        updated: has_changed.then_some(updated),
    }
}
