//! The files of web/dist, built into the program, and how they are served.
//!
//! A file whose name ends with the hash of what it holds never changes: browsers
//! keep it for good. The others are asked for again each time, by their ETag.
//! Compressed forms were made when the pages were built; none is made here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, StatusCode};
use rust_embed::Embed;

use super::{headers, missing};

/// Where the files are, as a browser asks for them.
pub const FOLDER: &str = "/app/static/";

/// Characters of the hash in a file's name, as web/vite.config.ts has it.
const HASH_CHARS: usize = 8;
/// Bytes of SHA-256 in an ETag.
const ETAG_BYTES: usize = 16;

const UNCHANGING: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(Embed)]
#[folder = "../../web/dist"]
struct Dist;

/// One file in all its forms.
struct Asset {
    plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
    etag: HeaderValue,
    kind: HeaderValue,
    unchanging: bool,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let names = Dist::iter().filter(|name| !is_compressed(name));
    names.filter_map(|name| Some((name.to_string(), load(&name)?))).collect()
});

/// Paths by the name without its hash.
static PATHS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let plain_name = |name: &String| {
        let (stem, end) = name.rsplit_once('.').unwrap_or((name, ""));
        match hash_of(name) {
            Some(_) => format!("{}.{end}", &stem[..stem.len() - HASH_CHARS - 1]),
            None => name.clone(),
        }
    };
    ASSETS.keys().map(|name| (plain_name(name), format!("{FOLDER}{name}"))).collect()
});

/// The path of the file that was built from `name`, for example
/// `/app/static/pages-3f9a61c2.css` for `pages.css`. Of a name that there is
/// not, a path that is 404.
#[must_use]
pub fn path(name: &str) -> &'static str {
    PATHS.get(name).map_or("/app/static/missing", String::as_str)
}

fn is_compressed(name: &str) -> bool {
    name.ends_with(".gz") || name.ends_with(".br")
}

fn load(name: &str) -> Option<Asset> {
    let file = Dist::get(name)?;
    let bytes = |data: Cow<'static, [u8]>| match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    };
    let form = |end: &str| Dist::get(&format!("{name}.{end}")).map(|file| bytes(file.data));
    let digest = file.metadata.sha256_hash();
    let hex: String = digest.iter().take(ETAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Some(Asset {
        plain: bytes(file.data),
        gzip: form("gz"),
        brotli: form("br"),
        etag: HeaderValue::from_str(&format!("\"{hex}\"")).ok()?,
        kind: HeaderValue::from_static(kind(name)?),
        unchanging: hash_of(name).is_some(),
    })
}

/// The content type by the name's end; a file of an unknown kind is not served.
fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

/// The hash in a name such as `chat-3f9a61c2.js`.
fn hash_of(name: &str) -> Option<&str> {
    let stem = name.rsplit_once('.')?.0;
    let hash = stem.get(stem.len().checked_sub(HASH_CHARS)?..)?;
    let is_hash = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && stem[..stem.len() - HASH_CHARS].ends_with('-')).then_some(hash)
}

/// The file `name` in the best form that the asker takes.
pub(super) fn serve(name: &str, asked: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.get(name) else { return missing() };
    let mut response = Response::new(Body::empty());
    let head = response.headers_mut();
    headers::file(head);
    head.insert(ETAG, asset.etag.clone());
    head.insert(VARY, HeaderValue::from_static("accept-encoding"));
    head.insert(CACHE_CONTROL, if asset.unchanging { UNCHANGING } else { ASK_AGAIN });
    if asked.get_all(IF_NONE_MATCH).iter().any(|tags| has_tag(tags, &asset.etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    head.insert(CONTENT_TYPE, asset.kind.clone());
    let (body, encoding) = asset.form(asked);
    if let Some(encoding) = encoding {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    *response.body_mut() = Body::from(body);
    response
}

impl Asset {
    fn form(&self, asked: &HeaderMap) -> (Bytes, Option<&'static str>) {
        for (form, encoding) in [(&self.brotli, "br"), (&self.gzip, "gzip")] {
            if let Some(body) = form.as_ref().filter(|_| takes(asked, encoding)) {
                return (body.clone(), Some(encoding));
            }
        }
        (self.plain.clone(), None)
    }
}

/// Whether the asker names `encoding`, and not with a quality of zero.
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, "q=1"));
        let refused = quality.trim().trim_start_matches("q=").parse() == Ok(0.0_f32);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

/// Whether `If-None-Match` names this tag; a proxy may have made it weak.
fn has_tag(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(etag)) = (tags.to_str(), etag.to_str()) else { return false };
    tags.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(http::HeaderName, &'static str)| {
            (name.clone(), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn hashed() -> &'static str {
        path("chat.js").strip_prefix(FOLDER).unwrap()
    }

    #[test]
    fn every_file_is_served_and_every_entry_is_there() {
        for name in Dist::iter().filter(|name| !is_compressed(name)) {
            assert!(kind(&name).is_some(), "{name}: of which kind?");
            assert_eq!(serve(&name, &HeaderMap::new()).status(), StatusCode::OK, "{name}");
        }
        for name in ["index.html", "chat.js", "chat.css", "pages.css", "manifest.webmanifest"] {
            assert!(PATHS.contains_key(name), "{name}");
        }
        assert_eq!(path("nothing.js"), "/app/static/missing");
        for name in ["", "../Cargo.toml", "/index.html", "missing", "index.html.gz"] {
            assert_eq!(serve(name, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn a_name_with_a_hash_is_kept_for_good() {
        let of = |name: &str| serve(name, &HeaderMap::new()).headers()[CACHE_CONTROL].clone();
        assert_eq!(of(hashed()), UNCHANGING);
        assert_eq!(of("index.html"), ASK_AGAIN);
        for (name, hash) in [
            ("chat-3f9a61c2.js", Some("3f9a61c2")),
            ("sign-in-3f9a61c2.js", Some("3f9a61c2")),
            ("chat.js", None),
            ("icon-maskable.svg", None),
            ("icon-192.png", None),
            ("-.js", None),
        ] {
            assert_eq!(hash_of(name), hash, "{name}");
        }
    }

    #[test]
    fn the_form_is_the_best_that_is_taken() {
        let form = |encodings: &'static str| {
            let response = serve(hashed(), &asked(&[(ACCEPT_ENCODING, encodings)]));
            let encoding = response.headers().get(CONTENT_ENCODING).cloned();
            encoding.map(|encoding| encoding.to_str().unwrap().to_owned())
        };
        for (encodings, expected) in [
            ("gzip, deflate, br", Some("br")),
            ("GZIP", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("identity", None),
            ("brx", None),
            ("", None),
        ] {
            assert_eq!(form(encodings).as_deref(), expected, "{encodings}");
        }
    }

    #[test]
    fn who_has_it_is_told_so() {
        let etag = serve("index.html", &HeaderMap::new()).headers()[ETAG].clone();
        let ask = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&value).unwrap());
            serve("index.html", &headers).status()
        };
        let etag = etag.to_str().unwrap();
        assert_eq!(ask(etag.to_owned()), StatusCode::NOT_MODIFIED);
        assert_eq!(ask(format!("\"x\", W/{etag}")), StatusCode::NOT_MODIFIED);
        assert_eq!(ask("\"x\"".to_owned()), StatusCode::OK);
    }

    #[test]
    fn the_page_loads_nothing_inline_and_nothing_from_elsewhere() {
        let page = String::from_utf8(ASSETS["index.html"].plain.to_vec()).unwrap();
        for tag in page.split('<').filter(|tag| tag.starts_with("script")) {
            assert!(tag.contains("src=\"/app/static/"), "<{tag}");
            assert!(tag.ends_with('>') || tag.trim_end().ends_with('>'), "inline: <{tag}");
        }
        for hole in ["<style", "style=", "onload=", "http://", "https://"] {
            assert!(!page.contains(hole), "{hole}");
        }
    }
}
