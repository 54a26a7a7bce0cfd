//! Rules about what depends on what.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::{hold, root};

/// Our crates, and which of ours each may use. Dependencies point down only.
const DIRECTION: &[(&str, &[&str])] = &[
    (
        "surgewall",
        &[
            "surgewall-gateway",
            "surgewall-scan",
            "surgewall-shield",
            "surgewall-guard",
            "surgewall-wire",
            "surgewall-store",
            "surgewall-core",
            // The drill needs a model server that is none.
            "surgewall-testkit",
        ],
    ),
    (
        "surgewall-gateway",
        &[
            "surgewall-identity",
            "surgewall-shield",
            "surgewall-guard",
            "surgewall-wire",
            "surgewall-store",
            "surgewall-core",
        ],
    ),
    ("surgewall-guard", &["surgewall-core"]),
    ("surgewall-identity", &["surgewall-core"]),
    // What `serve` runs of it is started by the binary: the door does not depend on it.
    (
        "surgewall-scan",
        &["surgewall-shield", "surgewall-guard", "surgewall-store", "surgewall-core"],
    ),
    ("surgewall-shield", &["surgewall-core"]),
    ("surgewall-wire", &["surgewall-core"]),
    ("surgewall-store", &["surgewall-core"]),
    ("surgewall-core", &[]),
    ("surgewall-testkit", &[]),
];

/// Crates that must not be in the tree, and why; deny.toml says the same.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls with aws-lc-rs; a second library is a second set of bugs"),
    ("openssl-sys", "it needs a system library to build"),
    ("native-tls", "TLS is rustls with aws-lc-rs"),
    ("ring", "aws-lc-rs is the one cryptographic library"),
];

/// The systems whose trees are judged.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn metadata() -> Metadata {
    let options = ["--locked", "--filter-platform", TARGETS[0]].map(str::to_owned);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(options)
        .exec()
        .expect("cargo metadata --locked works: is Cargo.lock up to date?")
}

#[test]
fn dependencies_point_down() {
    let direction: BTreeMap<&str, &[&str]> = DIRECTION.iter().copied().collect();
    let metadata = metadata();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(allowed) = direction.get(name) else {
            broken.push(format!("{name} is not in the table: give it a row in {}", file!()));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|one| one.path.is_some()) {
            let is_test = dependency.kind == DependencyKind::Development;
            let is_allowed = allowed.contains(&dependency.name.as_str())
                || (is_test && dependency.name == "surgewall-testkit")
                // What a ledger's tests wrote is judged by the verifier.
                || (is_test && dependency.name == "surgewall-scan")
                // A doctest or test of a crate may name the crate itself.
                || (is_test && dependency.name == name);
            if !is_allowed {
                broken.push(format!("{name} -> {}", dependency.name));
            }
        }
    }
    hold(
        "dependencies point down only: surgewall -> gateway, scan -> shield, wire, store -> core; testkit is for tests and the drill. \
         Move the shared noun to core, or turn the call around with a trait or an argument.",
        &broken,
    );
}

/// What is really built for `target`, one `NAME vVERSION` a line. The resolved
/// graph of `cargo metadata` also holds optional crates that no feature turns on.
fn tree(target: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix", "none", "--target", target])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn no_banned_crate() {
    let mut broken = BTreeSet::new();
    for target in TARGETS {
        for line in tree(target).lines() {
            for (_, why) in BANNED.iter().filter(|(name, _)| line.split(' ').next() == Some(name)) {
                broken.insert(format!("{line}: {why}"));
            }
        }
    }
    let broken: Vec<_> = broken.into_iter().collect();
    hold(
        "some crates stay out of the tree; `cargo tree -i NAME` says who brings it, a feature usually turns it off",
        &broken,
    );
}

#[test]
fn every_crate_is_ours_or_from_the_registry() {
    let metadata = metadata();
    let root = root();
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let is_ours = package.source.is_none()
            && package.manifest_path.starts_with(root.join("crates").to_string_lossy().as_ref());
        let is_public = package.source.as_ref().is_some_and(cargo_metadata::Source::is_crates_io);
        if !is_ours && !is_public {
            broken.push(format!("{} from {:?}", package.name, package.source));
        }
    }
    hold(
        "a crate is ours or from the public Rust registry: whoever has that can build; no forks, no git",
        &broken,
    );
}

#[test]
fn one_test_binary_per_crate() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        for target in
            package.targets.iter().filter(|target| target.is_test() && target.name != "it")
        {
            broken.push(format!("{}: {}", package.name, target.src_path));
        }
    }
    hold(
        "integration tests of a crate are one binary, tests/it/main.rs: each further one links everything again",
        &broken,
    );
}
