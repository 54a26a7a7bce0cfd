//! The few letters: what each says. Plain text, short, with nothing in it that a
//! stranger chose: a letter of ours must not carry somebody else's link.

use surgewall_core::clock::Timestamp;
use surgewall_core::figures::minute;
use surgewall_core::principal::Network;
use surgewall_core::secret::SecretString;

use super::browser::browser;
use crate::codes::{self, CODE_LIFETIME, LINK_LIFETIME};

/// A letter to one person.
#[derive(Clone, Copy, Debug)]
pub enum Letter<'a> {
    /// The code that ends a sign-up.
    SignUpCode {
        /// The code.
        code: &'a SecretString,
    },
    /// Somebody tried to sign up with an address that has an account.
    AddressInUse {
        /// Where to sign in.
        sign_in: &'a str,
    },
    /// The code that ends a sign-in.
    SignInCode {
        /// The code.
        code: &'a SecretString,
    },
    /// The link that sets a new password.
    ResetLink {
        /// Its address, with the token.
        url: &'a SecretString,
    },
    /// The code that proves a new address.
    ChangeEmailCode {
        /// The code.
        code: &'a SecretString,
    },
    /// Somebody signed in from a place or with a browser that is new.
    NewSignIn {
        /// When.
        at: Timestamp,
        /// Which browser, as it calls itself.
        user_agent: &'a str,
        /// From where.
        network: Network,
    },
    /// Something that guards the account was changed.
    Changed {
        /// What.
        what: Changed,
        /// When.
        at: Timestamp,
    },
    /// A key of the account was found where others could read it.
    KeyFound {
        /// The last four characters of it, where they are known.
        last_four: Option<&'a str>,
        /// Whether it was revoked.
        revoked: bool,
        /// When.
        at: Timestamp,
    },
    /// Somebody's turn on the waiting list has come.
    YourTurn {
        /// Where they make their account, with the ticket.
        url: &'a SecretString,
        /// Until when.
        until: Timestamp,
    },
    /// Somebody wants this address to be told of what the status page tells.
    StatusConfirm {
        /// What the page calls the service.
        page: &'a str,
        /// Where to say yes, with the token.
        url: &'a SecretString,
        /// Where to say no, for ever.
        unsubscribe: &'a SecretString,
    },
    /// What the status page tells, to a subscriber.
    StatusUpdate {
        /// What, in a line.
        subject: &'a str,
        /// What, as the page tells it.
        text: &'a str,
        /// Where to end it, with the token.
        unsubscribe: &'a SecretString,
    },
    /// Something that an operator wants to hear of, in the door's own words.
    Notice {
        /// What, in a line.
        subject: &'a str,
        /// What, in a few lines.
        text: &'a str,
    },
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The password.
    Password,
    /// The address; this letter goes to the former one.
    Email,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A passkey was ended because it seems to be copied.
    PasskeyCloned,
    /// An authenticator app is asked for from now on.
    TotpOn,
    /// It is no longer.
    TotpOff,
    /// New recovery codes replaced the old ones.
    RecoveryCodesMade,
    /// A recovery code was used to sign in.
    RecoveryCodeUsed,
}

impl Letter<'_> {
    /// Whether anybody can have it sent to anybody, by typing an address.
    #[must_use]
    pub fn is_asked_by_strangers(&self) -> bool {
        match self {
            Self::SignUpCode { .. }
            | Self::AddressInUse { .. }
            | Self::SignInCode { .. }
            | Self::ResetLink { .. }
            | Self::StatusConfirm { .. } => true,
            Self::ChangeEmailCode { .. }
            | Self::NewSignIn { .. }
            | Self::Changed { .. }
            | Self::KeyFound { .. }
            | Self::YourTurn { .. }
            | Self::StatusUpdate { .. }
            | Self::Notice { .. } => false,
        }
    }

    /// Whether it waits behind all others: sign-ups and subscribers, of which there
    /// may be a flood.
    #[must_use]
    pub fn can_wait(&self) -> bool {
        match self {
            Self::SignUpCode { .. }
            | Self::AddressInUse { .. }
            | Self::YourTurn { .. }
            | Self::StatusConfirm { .. }
            | Self::StatusUpdate { .. } => true,
            Self::SignInCode { .. }
            | Self::ResetLink { .. }
            | Self::ChangeEmailCode { .. }
            | Self::NewSignIn { .. }
            | Self::Changed { .. }
            | Self::KeyFound { .. }
            | Self::Notice { .. } => false,
        }
    }

    /// Where its reader ends letters of this kind, by a link or in one click.
    #[must_use]
    pub const fn unsubscribe(&self) -> Option<&SecretString> {
        match self {
            Self::StatusConfirm { unsubscribe, .. } | Self::StatusUpdate { unsubscribe, .. } => {
                Some(unsubscribe)
            }
            _ => None,
        }
    }

    /// The subject and the text, as from `service`.
    #[must_use]
    pub fn written(&self, service: &str) -> (String, String) {
        let (subject, body, end) = self.words(service);
        let unsubscribe = self.unsubscribe();
        let link = unsubscribe.map(|url| format!("\n\n    {}", url.expose())).unwrap_or_default();
        (subject, format!("{body}\n\n{end}{link}\n\n-- \n{service}\n"))
    }

    fn words(&self, service: &str) -> (String, String, &'static str) {
        let not_you =
            "If you did not ask for this, you need not do anything.\nNobody gets in without it.";
        let act = "If this was not you, sign in, end all other sessions on your account page,\nand change your password.";
        match self {
            Self::SignUpCode { code } => (
                format!("Your code for {service}"),
                code_words(code, "To finish making your account, type this code:"),
                "If you did not ask for an account, you need not do anything.\nNone is made without the code.",
            ),
            Self::SignInCode { code } => (
                format!("Your code for {service}"),
                code_words(code, "To finish signing in, type this code:"),
                not_you,
            ),
            Self::ChangeEmailCode { code } => (
                format!("Your code for {service}"),
                code_words(code, "To use this address for your account, type this code:"),
                not_you,
            ),
            Self::AddressInUse { sign_in } => in_use(service, sign_in),
            Self::ResetLink { url } => (
                format!("Set a new password for {service}"),
                format!(
                    "Open this address to set a new password:\n\n    {}\n\n\
                     It works once, for {}. If your account asks for a second factor,\n\
                     you will be asked for it then too.",
                    url.expose(),
                    minutes(LINK_LIFETIME.as_secs()),
                ),
                "If you did not ask for this, you need not do anything.\nYour password stays as it is.",
            ),
            Self::NewSignIn { at, user_agent, network } => {
                let words = from_new_place(*at, user_agent, *network);
                (format!("A new sign-in to your account at {service}"), words, act)
            }
            Self::Changed { what, at } => {
                let (subject, words) = what.words();
                let end = match what {
                    Changed::Password => {
                        "If this was not you, set a new one at once (\"Forgotten password\" on the\n\
                         sign-in page), and end all other sessions on your account page."
                    }
                    Changed::Email => {
                        "If this was not you, ask whoever runs this service for help at once."
                    }
                    _ => act,
                };
                (format!("{subject} at {service}"), format!("{words}\n\n    {}", when(*at)), end)
            }
            Self::KeyFound { last_four, revoked, at } => {
                key_found(service, *last_four, *revoked, *at)
            }
            Self::YourTurn { url, until } => your_turn(service, url, *until),
            Self::StatusConfirm { page, url, .. } => to_confirm(page, url),
            Self::StatusUpdate { subject, text, .. } => (
                (*subject).to_owned(),
                (*text).to_owned(),
                "You get this because this address subscribed to the status page. To end it:",
            ),
            Self::Notice { subject, text } => (
                format!("{service}: {subject}"),
                (*text).to_owned(),
                "You get this because the door's configuration names you under [notify].",
            ),
        }
    }
}

/// An address has an account: the subject, the words, and what else there is to say.
fn in_use(service: &str, sign_in: &str) -> (String, String, &'static str) {
    (
        format!("You already have an account at {service}"),
        format!(
            "Somebody, perhaps you, wanted to make an account with this address.\n\
             It has one already. You can sign in, or set a new password, here:\n\n    {sign_in}"
        ),
        "If it was not you, you need not do anything. Whoever it was learned nothing.",
    )
}

/// Somebody's turn has come: the subject, the words, and what else there is to say.
fn your_turn(
    service: &str,
    url: &SecretString,
    until: Timestamp,
) -> (String, String, &'static str) {
    let (url, until) = (url.expose(), when(until));
    (
        format!("Your turn has come at {service}"),
        format!(
            "You were on the waiting list. Make your account here:\n\n    {url}\n\n\
             The link is good until {until}."
        ),
        "If you did not ask for this, you need not do anything.\nNo account is made without you.",
    )
}

/// A key was found: the subject, the words, and what to do now.
fn key_found(
    service: &str,
    last_four: Option<&str>,
    revoked: bool,
    at: Timestamp,
) -> (String, String, &'static str) {
    let which = last_four.map_or_else(String::new, |four| format!(" (…{four})"));
    let words = format!(
        "An API key of your account{which} was found where others can read it.\n\n    {}",
        when(at)
    );
    let (subject, end) = if revoked {
        (
            "A key of yours was revoked",
            "It no longer works. Make a new one on your account page, look where the old\n\
             one was kept, and put the new one where nobody else can read it.",
        )
    } else {
        (
            "A key of yours was found",
            "It still works. Revoke it on your account page, make a new one, and put it\n\
             where nobody else can read it.",
        )
    };
    (format!("{subject} at {service}"), words, end)
}

impl Changed {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Password => {
                ("Your password was changed", "The password of your account was changed.")
            }
            Self::Email => (
                "Your address was changed",
                "Your account has another e-mail address now.\nThis one is no longer used.",
            ),
            Self::PasskeyAdded => ("A passkey was added", "A passkey was added to your account."),
            Self::PasskeyRemoved => {
                ("A passkey was removed", "A passkey was removed from your account.")
            }
            Self::PasskeyCloned => (
                "A passkey was ended",
                "One of your passkeys seems to exist twice.\nIt was not accepted, and was ended.",
            ),
            Self::TotpOn => (
                "Your authenticator app is set up",
                "From now on your account asks for a code of your authenticator app.",
            ),
            Self::TotpOff => (
                "Your authenticator app was removed",
                "Your account no longer asks for a code of an authenticator app.",
            ),
            Self::RecoveryCodesMade => (
                "New recovery codes were made",
                "New recovery codes were made for your account.\nThe old ones no longer work.",
            ),
            Self::RecoveryCodeUsed => (
                "A recovery code was used",
                "Your account was signed in to with one of your recovery codes.",
            ),
        }
    }
}

fn from_new_place(at: Timestamp, user_agent: &str, network: Network) -> String {
    let (at, browser) = (when(at), browser(user_agent));
    format!(
        "Your account was signed in to from a new place:\n\n    {at}\n    {browser}\n    network {network}"
    )
}

/// Whether an address wants to be told of what the status page tells.
fn to_confirm(page: &str, url: &SecretString) -> (String, String, &'static str) {
    (
        format!("Confirm: status updates of {page}"),
        format!(
            "Somebody, perhaps you, wants this address to be told of incidents at {page}.\n\
             If it was you, open this address within a day and confirm:\n\n    {}",
            url.expose()
        ),
        "If it was not you, you need not do anything: nothing more is sent.\n\
         To take the address out at once, open this one:",
    )
}

fn code_words(code: &SecretString, what: &str) -> String {
    let lifetime = minutes(CODE_LIFETIME.as_secs());
    let code = codes::shown(code);
    format!(
        "{what}\n\n    {code}\n\nIt works once, for {lifetime}, where you asked for it.\n\
         Nobody of ours will ever ask you for it."
    )
}

fn minutes(seconds: u64) -> String {
    format!("{} minutes", seconds / 60)
}

/// To the minute, UTC.
fn when(at: Timestamp) -> String {
    format!("{} UTC", minute(at))
}
