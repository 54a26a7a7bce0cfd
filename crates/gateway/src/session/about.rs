//! A browser in a few words, so that its owner knows it again. What a browser
//! says of itself is a stranger's text: only known words are taken from it.

use http::HeaderMap;
use http::header::USER_AGENT;

/// What is looked for, the more special first, and what it is called.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// For example `Firefox on Linux`.
pub(super) fn browser(headers: &HeaderMap) -> String {
    let said = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = |words: &[(&str, &'static str)]| {
        words.iter().find(|(sign, _)| said.contains(sign)).map(|(_, word)| *word)
    };
    let browser = known(&BROWSERS).unwrap_or("An unknown program");
    match known(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, said.parse().unwrap());
        assert_eq!(browser(&headers), expected, "{said}");
    }

    #[test]
    fn browsers_are_told_apart() {
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
            "Firefox on Linux",
        );
        check(
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0",
            "Edge on Windows",
        );
        check(
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36",
            "Chrome on Android",
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605 Version/20 Safari/604",
            "Safari on iPhone",
        );
        check("<script>", "An unknown program");
        assert_eq!(browser(&HeaderMap::new()), "An unknown program");
    }
}
