//! Whose an answer is, and whose a request is: a session's account, or a visitor.
//! Keys do not count here.

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use surgewall_core::config::schema::Listen;
use surgewall_core::id::AccountId;
use surgewall_core::principal::AccountRecord;
use surgewall_core::random;
use surgewall_core::refusal::Refusal;

use crate::door::Door;
use crate::listen::Purpose;
use crate::session::signed_in;

/// The cookie of a visitor without a session.
const VISITOR: &str = "surgewall-visitor";
/// How long a browser keeps it, in seconds.
const VISITOR_S: u64 = 86_400;

/// A visitor: 128 random bits that only one browser has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Visitor(u128);

impl Visitor {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(u128::from_be_bytes(random::bytes()))
    }

    /// The one whose cookie `headers` carry.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let hex = cookie(headers, VISITOR)?;
        let is_hex = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(hex, 16).ok().map(Self))?
    }

    /// The cookie that keeps it.
    pub(super) fn cookie(self, listen: &Listen) -> Option<HeaderValue> {
        let secure = listen.tls.is_some() || !listen.behind_proxy.is_empty();
        let secure = if secure { "; Secure" } else { "" };
        let text = format!(
            "{VISITOR}={:032x}; Path=/app; Max-Age={VISITOR_S}; HttpOnly; SameSite=Strict{secure}",
            self.0
        );
        HeaderValue::from_str(&text).ok()
    }
}

/// The value of the cookie `name`.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// Whose an answer is. It stands in the key under which the answer is found:
/// somebody else's is not found.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// An account's.
    Account(AccountId),
    /// A visitor's.
    Visitor(Visitor),
}

/// Who asks.
#[derive(Clone, Default)]
pub(super) struct Asker {
    /// The account of the session.
    pub(super) account: Option<Arc<AccountRecord>>,
    /// The keyed hash of the session's token.
    pub(super) session: Option<[u8; 32]>,
    /// The visitor's cookie.
    pub(super) visitor: Option<Visitor>,
}

impl Asker {
    /// Reads the cookies of a request.
    pub(super) fn read(door: &Door, headers: &HeaderMap) -> Self {
        let signed_in = signed_in(door, Purpose::Public, headers);
        let session = signed_in.as_ref().map(|signed_in| signed_in.token_hash);
        let account = signed_in.map(|signed_in| signed_in.account);
        Self { account, session, visitor: Visitor::read(headers) }
    }

    /// The account.
    ///
    /// # Errors
    /// There is no session.
    pub(super) fn account(&self) -> Result<&Arc<AccountRecord>, Refusal> {
        self.account.as_ref().ok_or(Refusal::SignInNeeded)
    }

    /// Whom an answer may belong to that this request may see: somebody who
    /// signed in still has what was asked before.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner> {
        let account = self.account.as_ref().map(|account| Owner::Account(account.id));
        account.into_iter().chain(self.visitor.map(Owner::Visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_read_from_its_cookie_alone() {
        let check = |cookies: &[&str], expected: Option<u128>| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, cookie.parse().unwrap());
            }
            assert_eq!(Visitor::read(&headers).map(|visitor| visitor.0), expected, "{cookies:?}");
        };
        let seven = "surgewall-visitor=00000000000000000000000000000007";
        check(&[seven], Some(7));
        check(&["a=b; ", &format!("c=d;{seven} ; e=f")], Some(7));
        check(&["xsurgewall-visitor=00000000000000000000000000000007"], None);
        check(&["surgewall-visitor=7"], None);
        check(&["surgewall-visitor=+0000000000000000000000000000007"], None);
        check(&[&format!("{seven}0")], None);
        check(&[], None);
    }

    #[test]
    fn a_cookie_is_for_this_site_alone_and_for_no_script() {
        let plain = Visitor(7).cookie(&Listen::default()).unwrap();
        assert_eq!(
            plain,
            "surgewall-visitor=00000000000000000000000000000007; Path=/app; Max-Age=86400; HttpOnly; SameSite=Strict"
        );
        let behind_proxy = vec!["192.0.2.0/24".parse().unwrap()];
        let proxied = Listen { behind_proxy, ..Listen::default() };
        assert!(Visitor(7).cookie(&proxied).unwrap().to_str().unwrap().ends_with("; Secure"));
    }
}
