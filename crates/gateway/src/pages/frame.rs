//! What every page of the door has around its own words.

use super::assets;
use super::visit::Visit;
use crate::listen::Purpose;
use crate::session::is_secure;

/// The frame of a page.
pub(crate) struct Frame {
    /// What the page is.
    pub(crate) title: &'static str,
    /// The stylesheet.
    pub(crate) css: &'static str,
    /// The script of the sign-in pages.
    pub(crate) script: &'static str,
    /// Which part of the account it is; empty on pages without a session.
    pub(crate) here: &'static str,
    /// Whether the page belongs to somebody who is signed in.
    pub(crate) signed_in: bool,
    /// Whether it is on the admin listener.
    pub(crate) admin: bool,
    /// Whether something can be reported on this listener.
    pub(crate) reports: bool,
    /// Whether it came without TLS.
    pub(crate) plain_http: bool,
}

impl Frame {
    /// For a page of which nothing is known but its title.
    pub(crate) fn bare(title: &'static str) -> Self {
        Self {
            title,
            css: assets::path("pages.css"),
            script: assets::path("sign-in.js"),
            here: "",
            signed_in: false,
            admin: false,
            reports: false,
            plain_http: false,
        }
    }

    /// For a page before signing in.
    pub(crate) fn outside(visit: &Visit<'_>, title: &'static str) -> Self {
        Self {
            admin: visit.purpose() == Purpose::Admin,
            reports: visit.purpose() == Purpose::Public,
            plain_http: !is_secure(visit.door, visit.purpose()),
            ..Self::bare(title)
        }
    }

    /// For a page of the own account: the part `here` of it.
    pub(crate) fn inside(visit: &Visit<'_>, title: &'static str, here: &'static str) -> Self {
        Self { signed_in: true, here, ..Self::outside(visit, title) }
    }
}
