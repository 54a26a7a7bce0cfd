//! The header `traceparent` (W3C Trace Context, section 3.2): how one process
//! tells the next which trace a request belongs to.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::trace::v1::SpanFlags;
use opentelemetry_proto::tonic::trace::v1::span::Link;

/// The header.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// What the upstream is told: the trace, the span that calls it, and whether they are recorded.
pub(super) fn header(trace: u128, span: u64, is_sampled: bool) -> Option<HeaderValue> {
    let flags = if is_sampled { SAMPLED } else { 0 };
    HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-{flags:02x}")).ok()
}

/// The trace that a client says its request belongs to, as a link: 25 bytes of
/// it, and nothing where it is malformed or there are two.
pub(super) fn link(headers: &HeaderMap) -> Option<Link> {
    let mut values = headers.get_all(TRACEPARENT).into_iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (trace, span, flags) = parse(value.to_str().ok()?)?;
    let remote = SpanFlags::ContextHasIsRemoteMask as i32 | SpanFlags::ContextIsRemoteMask as i32;
    Some(Link {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: span.to_be_bytes().to_vec(),
        flags: u32::from(flags) | remote.unsigned_abs(),
        ..Link::default()
    })
}

/// `version-trace-span-flags` in lower-case hexadecimal digits. A later version
/// may have more after that; ids of zeros are none.
fn parse(text: &str) -> Option<(u128, u64, u8)> {
    let (version, rest) = field(text, 2)?;
    let (trace, rest) = field(rest.strip_prefix('-')?, 32)?;
    let (span, rest) = field(rest.strip_prefix('-')?, 16)?;
    let (flags, rest) = field(rest.strip_prefix('-')?, 2)?;
    let is_whole = rest.is_empty() || (version != 0 && rest.starts_with('-'));
    if version == 0xff || trace == 0 || span == 0 || !is_whole {
        return None;
    }
    Some((trace, u64::try_from(span).ok()?, u8::try_from(flags).ok()?))
}

fn field(text: &str, digits: usize) -> Option<(u128, &str)> {
    let (field, rest) = text.split_at_checked(digits)?;
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !field.bytes().all(is_hex) {
        return None;
    }
    Some((u128::from_str_radix(field, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_says() {
        let known = Some((0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331, 1));
        let later = GOOD.replacen("00-", "cc-", 1);
        for (text, expected) in [
            (GOOD.to_owned(), known),
            (later.clone(), known),
            (format!("{later}-more"), known),
            (format!("{later}more"), None),
            (format!("{GOOD}-more"), None),
            (GOOD.replacen("00-", "ff-", 1), None),
            (GOOD.to_uppercase(), None),
            (GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), None),
            (GOOD.replace("b7ad6b7169203331", &"0".repeat(16)), None),
            (GOOD.replace('-', "_"), None),
            (GOOD[..54].to_owned(), None),
            (format!("+{}", &GOOD[1..]), None),
            ("ä".repeat(28), None),
            (String::new(), None),
        ] {
            assert_eq!(parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(link(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(link(&headers), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in 1_u128.., span in 1_u64.., is_sampled in any::<bool>()) {
            let header = header(trace, span, is_sampled).unwrap();
            assert_eq!(parse(header.to_str().unwrap()), Some((trace, span, u8::from(is_sampled))));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
