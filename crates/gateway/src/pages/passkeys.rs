//! Passkeys of this door's own name: `localhost`, or the public name; on anything
//! else they are not offered, as browsers refuse them on an address. The origin
//! that a browser sends is held against those that the configuration gives this
//! listener: a passkey's answer to another service on the same name is none.

use serde::{Deserialize, Serialize};
use surgewall_identity::passkey::{PasskeyError, Passkeys, StoredPasskey};
use surgewall_store::identity::Passkey;

use super::forms;
use super::links::own_origins;
use super::visit::Visit;
use crate::listen::Purpose;

/// What a passkey is for, in a device's own list.
pub(super) const SERVICE: &str = "Surgewall";

/// Where a ceremony was begun: it ends there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Here {
    origin: String,
    admin: bool,
}

impl Here {
    /// The listener of `visit`, and the origin by which the browser reaches it.
    ///
    /// # Errors
    /// The request names no origin, or none of this listener.
    pub(super) fn of(visit: &Visit<'_>) -> Result<Self, PasskeyError> {
        let none = || PasskeyError::Setup("the request names no origin".to_owned());
        let origin = forms::origin(&visit.headers).ok_or_else(none)?;
        let purpose = visit.purpose();
        let admin = purpose == Purpose::Admin;
        let unbound = || PasskeyError::Setup("the listeners are not bound".to_owned());
        let (public_port, admin_port) = *visit.door.ports.get().ok_or_else(unbound)?;
        let port = if admin { admin_port } else { public_port };
        let own = own_origins(&visit.door.policy().config.listen, purpose, port);
        if !own.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
            return Err(PasskeyError::Setup(format!("`{origin}` is no name of this door")));
        }
        Ok(Self { origin: origin.to_owned(), admin })
    }

    /// Passkeys for this origin.
    ///
    /// # Errors
    /// It has no host name.
    pub(super) fn passkeys(&self) -> Result<Passkeys, PasskeyError> {
        Passkeys::new(SERVICE, &[&self.origin])
    }

    /// The same, for a ceremony that was begun here and goes on with `visit`.
    ///
    /// # Errors
    /// It goes on elsewhere.
    pub(super) fn again(&self, visit: &Visit<'_>) -> Result<Passkeys, PasskeyError> {
        if Self::of(visit)? != *self {
            return Err(PasskeyError::Refused("it was begun elsewhere".to_owned()));
        }
        self.passkeys()
    }
}

/// A passkey as the identity crate knows it.
pub(super) fn read(passkey: &Passkey) -> Option<StoredPasskey> {
    serde_json::from_str(&passkey.body).ok()
}
