//! What only shows from outside: whole ceremonies, against doubles of the other side.

#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod passkeys;
