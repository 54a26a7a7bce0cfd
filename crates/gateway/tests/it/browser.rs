//! A browser for tests: it keeps cookies, says from where it asks, and reads
//! forms' hidden fields.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use surgewall_testkit::client::{Answer, Client};

/// A browser with its cookies for one listener.
pub(crate) struct Browser {
    url: String,
    cookies: BTreeMap<String, String>,
    site: Option<&'static str>,
}

impl Browser {
    /// One that was never here.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), cookies: BTreeMap::new(), site: Some("same-origin") }
    }

    /// The same browser, on a page of another site.
    pub(crate) fn on_site(mut self, site: Option<&'static str>) -> Self {
        self.site = site;
        self
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets a cookie by hand.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The cookie with this name.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// A plain client with this browser's cookies.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::new(&self.url);
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !pairs.is_empty() {
            client = client.with_header("cookie", &pairs.join("; "));
        }
        match self.site {
            Some(site) => client.with_header("sec-fetch-site", site),
            None => client,
        }
    }

    /// Opens a page.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let answer = self.client().get(path).await.unwrap();
        self.keep(&answer);
        answer
    }

    /// Sends a form.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let client = self.client().with_header("content-type", "application/x-www-form-urlencoded");
        let answer = client.whole(Method::POST, path, Bytes::from(body.join("&"))).await.unwrap();
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.set(name, value);
            }
        }
    }
}

/// `text` as it stands in a form or an address.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Where an answer sends the browser.
pub(crate) fn location(answer: &Answer) -> &str {
    answer
        .header("location")
        .unwrap_or_else(|| panic!("no redirect: {} {}", answer.status, answer.text()))
}

/// The value of the hidden field `name` on a page.
pub(crate) fn hidden(answer: &Answer, name: &str) -> String {
    let text = answer.text();
    let start = format!("name=\"{name}\" value=\"");
    let at = text.find(&start).unwrap_or_else(|| panic!("no field {name}: {text}")) + start.len();
    text[at..].split('"').next().unwrap().to_owned()
}

/// What stands on a page between `before` and `after`.
pub(crate) fn between(answer: &Answer, before: &str, after: &str) -> String {
    let text = answer.text();
    let at = text.find(before).unwrap_or_else(|| panic!("no {before}: {text}")) + before.len();
    text[at..].split(after).next().unwrap().to_owned()
}
