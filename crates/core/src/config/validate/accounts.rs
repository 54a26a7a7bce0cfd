//! `[accounts]`: what cannot be meant.

use super::{Fault, fault};
use crate::config::accounts::Accounts;

pub(super) fn accounts(accounts: &Accounts) -> Result<(), Fault> {
    let pairs = [
        ("session_idle_h", accounts.session_idle_h, accounts.session_h_max),
        ("admin_session_idle_h", accounts.admin_session_idle_h, accounts.admin_session_h_max),
    ];
    for (key, idle, whole) in pairs {
        if idle == 0 || idle > whole {
            return Err(fault(
                ["accounts".into(), key.into()],
                "at least 1, and not more than a session lasts in any case",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn a_session_ends_by_itself() {
        for (text, fine) in [
            ("session_idle_h=1\nsession_h_max=1", true),
            ("session_idle_h=0", false),
            ("session_idle_h=2161", false),
            ("admin_session_idle_h=12", true),
            ("admin_session_idle_h=13", false),
        ] {
            assert_eq!(parse("t.toml", &format!("[accounts]\n{text}")).is_ok(), fine, "{text}");
        }
    }
}
