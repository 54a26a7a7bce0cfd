//! Sign-in: who somebody is, proven by a passkey, a password, a code or another
//! identity provider. No HTTP server and no store: the door has both.
