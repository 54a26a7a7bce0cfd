//! The heads of every page: what it may load, run, send and be framed by.
//!
//! There is no inline script or style in any page, nothing comes from another
//! origin, and script makes markup only through one Trusted Types policy, which
//! belongs to the sanitizer of what models say.

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Where browsers report what the policy stopped.
pub const REPORT_PATH: &str = "/app/csp-report";

/// The policy of pages with script.
pub const CSP_SCRIPTED: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types surgewall-md; report-to csp";

/// The policy of pages without script: forms, shared conversations, status.
pub const CSP_PLAIN: &str = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; \
base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; report-to csp";

const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What no page here needs is switched off, for the page and whatever might get into it.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

/// The heads of a page with script.
pub fn scripted(headers: &mut HeaderMap) {
    page(headers, CSP_SCRIPTED);
}

/// The heads of a page without script.
pub fn plain(headers: &mut HeaderMap) {
    page(headers, CSP_PLAIN);
}

fn page(headers: &mut HeaderMap, policy: &'static str) {
    file(headers);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(REPORTING_ENDPOINTS, HeaderValue::from_static("csp=\"/app/csp-report\""));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The heads of whatever else the pages load: files, and what /app/ answers.
pub fn file(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_this_one() {
        let mut headers = HeaderMap::new();
        scripted(&mut headers);
        assert_eq!(
            headers[CONTENT_SECURITY_POLICY],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types surgewall-md; report-to csp"
        );
        plain(&mut headers);
        assert_eq!(
            headers[CONTENT_SECURITY_POLICY],
            "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; report-to csp"
        );
    }

    #[test]
    fn no_policy_has_a_hole() {
        for policy in [CSP_SCRIPTED, CSP_PLAIN] {
            for hole in ["*", "http:", "https:", "unsafe-", "data:", "strict-dynamic"] {
                assert!(!policy.contains(hole), "{hole} in {policy}");
            }
        }
    }

    #[test]
    fn a_page_is_not_kept_unless_it_says_so() {
        let mut headers = HeaderMap::new();
        scripted(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        scripted(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert_eq!(headers[REPORTING_ENDPOINTS], format!("csp=\"{REPORT_PATH}\""));
    }
}
