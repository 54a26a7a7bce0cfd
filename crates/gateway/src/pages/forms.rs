//! What pages send: only from our own pages, bounded, and as forms or JSON.
//!
//! A browser says from where a request comes (W3C Fetch Metadata), and no page
//! can make it say something else; older ones say the origin. A request that
//! says neither is no page's. So there are no tokens in forms.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;

use crate::door::Door;
use crate::listen::Purpose;
use crate::session::is_secure;

/// A form or a page's JSON about an account, in bytes.
pub const FORM_BYTES_MAX: usize = 64 << 10;
/// Fields of a form.
pub const FORM_FIELDS_MAX: usize = 64;

/// Holds a request that changes something to coming from our own page on the
/// same listener: pages and `/app/*`. JSON also needs its content type, which a
/// form of another site cannot send.
///
/// # Errors
/// It comes from elsewhere, or does not say from where.
pub fn same_origin(door: &Door, purpose: Purpose, headers: &HeaderMap) -> Result<(), Refusal> {
    let public_name = door.policy().config.listen.public_name.clone();
    let scheme = if is_secure(door, purpose) { "https" } else { "http" };
    if is_same_origin(headers, scheme, public_name.as_deref()) {
        Ok(())
    } else {
        Err(Refusal::CrossSite)
    }
}

fn is_same_origin(headers: &HeaderMap, scheme: &str, public_name: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let Some(origin) = text(ORIGIN).and_then(|origin| origin.parse::<Uri>().ok()) else {
        return false;
    };
    let authority = origin.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let own = [text(HOST), public_name].into_iter().flatten();
    origin.scheme_str() == Some(scheme)
        && !authority.is_empty()
        && own.into_iter().any(|own| own.eq_ignore_ascii_case(authority))
}

/// Our own origin as the browser that sent `headers` calls it, for example
/// `http://localhost:7070`. Only after [`same_origin`].
#[must_use]
pub fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(ORIGIN)?.to_str().ok()
}

/// The value of the cookie `name`, if the browser sent one.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// A form that was sent.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, Field)>);

/// A field's text; a form may hold a password.
type Field = SecretString;

impl Form {
    /// The field `name`; empty where it was not sent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, field)| field.expose().as_str()).unwrap_or_default()
    }

    /// The field `name`, unprintable.
    #[must_use]
    pub fn secret(&self, name: &str) -> SecretString {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or_else(|| SecretString::new(String::new()), |(_, field)| field.clone())
    }

    /// All fields `name`, as check boxes send them.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let own = self.0.iter().filter(move |(key, _)| key == name);
        own.map(|(_, field)| field.expose().as_str())
    }
}

/// Reads a form.
///
/// # Errors
/// It is no form, too large, too slow, or broke off.
pub async fn read_form(door: &Door, headers: &HeaderMap, body: Body) -> Result<Form, Refusal> {
    has_type(headers, "application/x-www-form-urlencoded")?;
    parse(&read(door, body).await?)
}

/// Reads a page's JSON.
///
/// # Errors
/// It is not what is expected, too large, too slow, or broke off.
pub async fn read_json<T: DeserializeOwned>(
    door: &Door,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Refusal> {
    has_type(headers, "application/json")?;
    serde_json::from_slice(&read(door, body).await?).map_err(|_| invalid("not what was expected"))
}

fn invalid(reason: &str) -> Refusal {
    Refusal::InvalidRequest { reason: reason.to_owned(), param: None }
}

fn has_type(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = sent.and_then(|sent| sent.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) {
        Ok(())
    } else {
        Err(invalid(&format!("the content type must be {expected}")))
    }
}

async fn read(door: &Door, body: Body) -> Result<Bytes, Refusal> {
    let seconds = door.policy().config.limits.body_read_s;
    let bytes_max = u64::try_from(FORM_BYTES_MAX).unwrap_or(u64::MAX);
    #[expect(clippy::disallowed_methods, reason = "limited to FORM_BYTES_MAX")]
    let collected = Limited::new(body, FORM_BYTES_MAX).collect();
    match tokio::time::timeout(Duration::from_secs(seconds), collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::BodyTooLarge { bytes_max })
        }
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyTimeout { seconds }),
    }
}

/// `name=value&...` with `+` for a space and `%XX` for bytes (WHATWG URL, 5.1).
pub(crate) fn parse(body: &[u8]) -> Result<Form, Refusal> {
    let mut fields = Vec::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if fields.len() >= FORM_FIELDS_MAX {
            return Err(invalid("too many fields"));
        }
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
        let not_text = || invalid("a field is not text");
        let name = decode(name).ok_or_else(not_text)?;
        fields.push((name, SecretString::new(decode(value).ok_or_else(not_text)?)));
    }
    Ok(Form(fields))
}

/// Decodes one name or value; also that of an address's query.
pub(crate) fn decode(encoded: &[u8]) -> Option<String> {
    let hex =
        |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(byte) = encoded.get(at) {
        let escaped = hex(encoded.get(at + 1)).zip(hex(encoded.get(at + 2)));
        match (byte, escaped) {
            (b'%', Some((high, low))) => {
                decoded.push(high << 4 | low);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let check = |pairs: &[(&'static str, &str)], scheme, expected| {
            let own = is_same_origin(&heads(pairs), scheme, Some("ai.example.org"));
            assert_eq!(own, expected, "{pairs:?}");
        };
        check(&[("sec-fetch-site", "same-origin")], "http", true);
        for site in ["cross-site", "same-site", "none", "", "same-originx"] {
            // What the origin says counts for nothing then.
            let origin = ("origin", "http://localhost:7070");
            let heads = [("sec-fetch-site", site), origin, ("host", "localhost:7070")];
            check(&heads, "http", false);
        }
        let host = ("host", "localhost:7070");
        check(&[host, ("origin", "http://localhost:7070")], "http", true);
        check(&[host, ("origin", "https://ai.example.org")], "https", true);
        check(&[host, ("origin", "http://ai.example.org")], "https", false);
        check(&[host, ("origin", "http://localhost:7071")], "http", false);
        check(&[host, ("origin", "https://localhost:7070")], "http", false);
        check(&[host, ("origin", "null")], "http", false);
        check(&[host, ("origin", "http://localhost:7070.evil.example")], "http", false);
        check(&[host], "http", false);
        check(&[], "http", false);
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = parse("a=1+2&b=%C3%A9%26&c&a=3&=x&d=%zz%2".as_bytes()).unwrap();
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1 2", "3"]);
        assert_eq!((form.text("b"), form.text("c"), form.text("none")), ("é&", "", ""));
        assert_eq!((form.text(""), form.text("d")), ("x", "%zz%2"));
        assert_eq!(form.secret("a").expose(), "1 2");
        assert!(parse(b"a=%ff").is_err());
    }

    #[test]
    fn a_form_has_at_most_its_fields() {
        let fields = |count: usize| vec!["a=1"; count].join("&");
        assert!(parse(fields(FORM_FIELDS_MAX).as_bytes()).is_ok());
        assert!(parse(fields(FORM_FIELDS_MAX + 1).as_bytes()).is_err());
    }
}
