//! The rule files that are shipped.

/// Each file's name and text.
pub(super) const FILES: &[(&str, &str)] = &[
    ("cloud.toml", include_str!("../../rules/cloud.toml")),
    ("services.toml", include_str!("../../rules/services.toml")),
    ("generic.toml", include_str!("../../rules/generic.toml")),
    ("personal.toml", include_str!("../../rules/personal.toml")),
];
