//! Pages that a command prints: no script, nothing loaded from elsewhere,
//! readable in print and in the dark.

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1f2328;background:#fff}small{color:#59636e;overflow-wrap:anywhere}li{margin:.5rem 0}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}small{color:#9198a1}}";

/// `text` as it may stand in a page, also in an attribute. Control characters
/// are shown as what they are not.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    super::plain(text).chars().for_each(|c| push(c, &mut safe));
    safe
}

/// Adds one character to a page.
pub(crate) fn push(c: char, page: &mut String) {
    match c {
        '&' => page.push_str("&amp;"),
        '<' => page.push_str("&lt;"),
        '>' => page.push_str("&gt;"),
        '"' => page.push_str("&quot;"),
        '\'' => page.push_str("&#39;"),
        c => page.push(c),
    }
}

/// A whole page around `body`, which is HTML already.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_cannot_speak_in_a_page() {
        let hostile = "</title><script>alert('1')</script> & \"x\"\x1b[2J";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\x1b']), "{safe}");
        assert_eq!(page(hostile, "").matches("<script").count(), 0);
        assert_eq!(escape("ü & a"), "ü &amp; a");
    }
}
