//! The pages of the handbook, as they were when the binary was built.

/// One page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Its path from the repository's root.
    pub(super) file: &'static str,
    /// Its Markdown.
    pub(super) text: &'static str,
}

/// A page of docs/ by its name.
macro_rules! page {
    ($name:literal) => {
        Page {
            file: concat!("docs/", $name),
            text: include_str!(concat!("../../../../docs/", $name)),
        }
    };
}

/// All pages, in the order in which docs/index.md lists them. A test holds
/// this list against the directory.
pub(super) const PAGES: &[Page] = &[
    page!("index.md"),
    page!("quickstart.md"),
    page!("configuration.md"),
    page!("upstreams.md"),
    page!("dialects.md"),
    page!("keys.md"),
    page!("accounts.md"),
    page!("admin-page.md"),
    page!("chat.md"),
    page!("quotas.md"),
    page!("admission.md"),
    page!("gate.md"),
    page!("incidents.md"),
    page!("status-page.md"),
    page!("listeners.md"),
    page!("pages.md"),
    page!("operations.md"),
    page!("traces.md"),
    page!("ledger.md"),
    page!("findings.md"),
    page!("disclosure.md"),
    page!("data-flow.md"),
    page!("vault.md"),
    page!("exposure.md"),
    page!("providers.md"),
    page!("records.md"),
    page!("receipts.md"),
    page!("export.md"),
    page!("redaction.md"),
    page!("errors.md"),
    page!("limits.md"),
    page!("life-of-a-request.md"),
    page!("threat-model.md"),
    page!("adding-a-dialect.md"),
    page!("drill.md"),
];
