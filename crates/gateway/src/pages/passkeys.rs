//! Passkeys of this door's own name. The name is that of the origin that the
//! browser sends: `localhost`, or the public name; on anything else passkeys are
//! not offered, as browsers refuse them on an address.

use surgewall_identity::passkey::{PasskeyError, Passkeys, StoredPasskey};
use surgewall_store::identity::Passkey;

use super::forms;
use super::visit::Visit;

/// What a passkey is for, in a device's own list.
pub(super) const SERVICE: &str = "Surgewall";

/// Passkeys for the origin of `visit`, which was held to be our own.
pub(super) fn of_origin(visit: &Visit<'_>) -> Result<Passkeys, PasskeyError> {
    let none = || PasskeyError::Setup("the request names no origin".to_owned());
    let origin = forms::origin(&visit.headers).ok_or_else(none)?;
    let policy = visit.door.policy();
    let host = origin.rsplit('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let public = policy.config.listen.public_name.as_deref();
    let known = host == "localhost" || public.is_some_and(|name| name.eq_ignore_ascii_case(host));
    if !known {
        return Err(PasskeyError::Setup(format!("`{host}` is no name of this door")));
    }
    Passkeys::new(SERVICE, &[origin])
}

/// A passkey as the identity crate knows it.
pub(super) fn read(passkey: &Passkey) -> Option<StoredPasskey> {
    serde_json::from_str(&passkey.body).ok()
}
