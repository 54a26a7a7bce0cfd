//! Every environment variable that Surgewall reads.
//!
//! The reference page is generated from [`VARIABLES`]; an upstream's key may
//! also come from a variable that the configuration names.

use crate::secret::SecretString;

/// One variable and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub does: &'static str,
}

/// `SURGEWALL_LOG`: which log lines are written.
pub const LOG: Variable = Variable {
    name: "SURGEWALL_LOG",
    does: "Which log lines go to stderr, for example `info` or `surgewall_gateway=debug`; the default is `info`.",
};
/// `NO_COLOR`: no colour in the terminal.
pub const NO_COLOR: Variable =
    Variable { name: "NO_COLOR", does: "Set to anything: no colour in the terminal." };
/// `XDG_CONFIG_HOME`: where master keys live.
pub const XDG_CONFIG_HOME: Variable = Variable {
    name: "XDG_CONFIG_HOME",
    does: "Where master keys are kept unless `vault.key_file` says otherwise: `$XDG_CONFIG_HOME/surgewall/STORE_ID.key`.",
};
/// `HOME`: the base of `XDG_CONFIG_HOME`'s default.
pub const HOME: Variable =
    Variable { name: "HOME", does: "The base of XDG_CONFIG_HOME's default, `$HOME/.config`." };
/// `CREDENTIALS_DIRECTORY`: what systemd hands over.
pub const CREDENTIALS_DIRECTORY: Variable = Variable {
    name: "CREDENTIALS_DIRECTORY",
    does: "Set by systemd with `LoadCredential=`: where it holds `surgewall.key`, that is the master key unless `vault.key_file` names one.",
};
/// `LISTEN_FDS`: inherited listeners.
pub const LISTEN_FDS: Variable = Variable {
    name: "LISTEN_FDS",
    does: "Set by systemd socket activation: listeners are inherited from file descriptor 3 on.",
};
/// `LISTEN_PID`: for whom the inherited listeners are.
pub const LISTEN_PID: Variable = Variable {
    name: "LISTEN_PID",
    does: "Set by systemd with LISTEN_FDS: the process the listeners are meant for.",
};

/// All of them.
pub const VARIABLES: [Variable; 7] =
    [LOG, NO_COLOR, XDG_CONFIG_HOME, HOME, CREDENTIALS_DIRECTORY, LISTEN_FDS, LISTEN_PID];

/// The variable's value, if it is set to text.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn read(variable: Variable) -> Option<String> {
    std::env::var(variable.name).ok()
}

/// The value of a variable that the configuration names as a credential.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn read_credential(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().map(SecretString::new)
}
