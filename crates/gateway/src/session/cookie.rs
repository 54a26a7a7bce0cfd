//! The session's cookie: its name, its attributes, and how it is read.
//!
//! `__Host-` binds it to this host, to `Path=/` and to TLS; on plain-HTTP
//! loopback browsers refuse that prefix, so the name has none there.

use http::header::{COOKIE, HeaderValue};
use http::{HeaderMap, HeaderName};
use surgewall_core::config::schema::Listen;

use crate::door::Door;
use crate::listen::Purpose;

/// Cookies of our name that are looked at: a browser sends one.
const COOKIES_READ_MAX: usize = 4;
/// Characters of a token at most; ours have 22.
const TOKEN_CHARS_MAX: usize = 64;
/// How long a browser keeps the cookie: the server's own limit is shorter.
const COOKIE_DAYS: u64 = 400;

/// Whether browsers reach this listener by TLS, its own or a proxy's.
#[must_use]
pub fn is_secure(door: &Door, purpose: Purpose) -> bool {
    is_secure_under(&door.policy().config.listen, purpose)
}

/// The same under `listen`.
#[must_use]
pub fn is_secure_under(listen: &Listen, purpose: Purpose) -> bool {
    match purpose {
        Purpose::Public => listen.tls.is_some() || !listen.behind_proxy.is_empty(),
        // It has no TLS of its own: beyond loopback a proxy ends it.
        Purpose::Admin => !listen.admin.ip().is_loopback(),
        Purpose::Status => false,
    }
}

const fn name(purpose: Purpose, secure: bool) -> &'static str {
    match (purpose, secure) {
        (Purpose::Admin, true) => "__Host-surgewall-admin",
        (Purpose::Admin, false) => "surgewall-admin",
        (_, true) => "__Host-surgewall",
        (_, false) => "surgewall",
    }
}

/// The cookie that carries `token`.
pub(super) fn setting(door: &Door, purpose: Purpose, token: &str) -> Option<HeaderValue> {
    written(purpose, is_secure(door, purpose), token, COOKIE_DAYS * 86_400)
}

/// The cookie that takes the session's away.
#[must_use]
pub fn clearing(door: &Door, purpose: Purpose) -> Option<HeaderValue> {
    written(purpose, is_secure(door, purpose), "", 0)
}

fn written(purpose: Purpose, secure: bool, token: &str, age_s: u64) -> Option<HeaderValue> {
    let name = name(purpose, secure);
    let site = if purpose == Purpose::Admin { "Strict" } else { "Lax" };
    let tls = if secure { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; Max-Age={age_s}; HttpOnly; SameSite={site}{tls}");
    HeaderValue::try_from(text).ok()
}

/// The tokens that a request carries for this listener, in order.
pub(super) fn tokens<'h>(
    door: &Door,
    purpose: Purpose,
    headers: &'h HeaderMap,
) -> impl Iterator<Item = &'h str> {
    values(headers, name(purpose, is_secure(door, purpose)))
}

fn values<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    const HEADER: HeaderName = COOKIE;
    let lines = headers.get_all(HEADER).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(move |(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    own.filter(|value| !value.is_empty() && value.len() <= TOKEN_CHARS_MAX).take(COOKIES_READ_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_this_one() {
        let written = |purpose, secure| {
            written(purpose, secure, "t", 9).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(
            written(Purpose::Public, true),
            "__Host-surgewall=t; Path=/; Max-Age=9; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            written(Purpose::Public, false),
            "surgewall=t; Path=/; Max-Age=9; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            written(Purpose::Admin, false),
            "surgewall-admin=t; Path=/; Max-Age=9; HttpOnly; SameSite=Strict"
        );
    }

    #[test]
    fn only_cookies_of_the_name_are_read() {
        let mut headers = HeaderMap::new();
        let longest = "x".repeat(TOKEN_CHARS_MAX);
        let lines = [
            "a=1; surgewall=t1; surgewall-admin=no; xsurgewall=no".to_owned(),
            format!("surgewall=; surgewall={longest}; surgewall={longest}x; surgewall=t2"),
            "surgewall=t3; surgewall=t4".to_owned(),
        ];
        for line in &lines {
            headers.append(COOKIE, HeaderValue::try_from(line).unwrap());
        }
        let found: Vec<_> = values(&headers, "surgewall").collect();
        assert_eq!(found, ["t1", &longest, "t2", "t3"]);
    }
}
