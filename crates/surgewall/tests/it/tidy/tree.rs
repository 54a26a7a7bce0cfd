//! The files of the repository, and rules that hold for all of them.

use std::fs;
use std::path::Path;

use super::{hold, root};

/// Bytes of a file at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One text file: its path from the root, with `/`, and what it holds.
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

impl Text {
    /// `path:line` of every line for which `is_broken` holds.
    pub(super) fn places(&self, is_broken: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| is_broken(line));
        lines.map(|(at, line)| format!("{}:{}: {}", self.path, at + 1, line.trim())).collect()
    }
}

/// Every file that belongs to the repository: all but `.git` and what
/// `.gitignore` names. Works in a source archive too, where there is no git.
pub(super) fn files() -> Vec<String> {
    let ignored = fs::read_to_string(root().join(".gitignore")).expect("the root has a .gitignore");
    let ignored: Vec<&str> =
        ignored.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let mut found = Vec::new();
    walk(&root(), "", &ignored, &mut found);
    found.sort();
    found
}

fn walk(folder: &Path, prefix: &str, ignored: &[&str], found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("a folder of the repository can be read");
    for entry in entries.map(|entry| entry.expect("an entry of a folder can be read")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        // A pattern with a leading slash is a path from the root, one without is a name anywhere.
        let is_ignored = name == ".git"
            || ignored.iter().any(|pattern| match pattern.strip_prefix('/') {
                Some(rooted) => rooted == path,
                None => pattern.trim_end_matches('/') == name,
            });
        if is_ignored {
            continue;
        }
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, found);
        } else {
            found.push(path);
        }
    }
}

/// The text files whose path ends with one of `ends`; with none given, all that are UTF-8.
pub(super) fn texts(ends: &[&str]) -> Vec<Text> {
    let wanted = |path: &String| ends.is_empty() || ends.iter().any(|end| path.ends_with(end));
    let read = |path: String| {
        let text = String::from_utf8(fs::read(root().join(&path)).ok()?).ok()?;
        Some(Text { path, text })
    };
    files().into_iter().filter(wanted).filter_map(read).collect()
}

#[test]
fn no_file_is_large() {
    let size = |path: &String| fs::metadata(root().join(path)).map_or(0, |data| data.len());
    let large = files().into_iter().filter(|path| size(path) > FILE_BYTES_MAX);
    hold(
        "a file in the repository has at most 1 MiB: every clone pays for it for ever. Make it by a script.",
        &large.collect::<Vec<_>>(),
    );
}

#[test]
fn no_path_or_host_of_one_machine() {
    // Written in halves, so that this file does not break its own rule.
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut broken = Vec::new();
    for text in texts(&[]) {
        broken.extend(text.places(|line| {
            paths.iter().any(|path| {
                line.match_indices(path).any(|(at, _)| {
                    // After a letter it is a part of a longer path.
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.*}]".contains(c))
                })
            })
        }));
    }
    hold(
        "no absolute path of one machine: take it from the environment or from the script's own place",
        &broken,
    );
}

#[test]
fn lockfiles_name_no_registry_of_one_machine() {
    let mut broken = Vec::new();
    for text in
        texts(&["Cargo.lock", "package-lock.json", "requirements.txt", ".npmrc", "pip.conf"])
    {
        broken.extend(text.places(|line| {
            let line = line.trim();
            // Which registry a crate may come from is held where dependencies are.
            let foreign_crate = line.starts_with("source = ") && !line.contains("registry+");
            foreign_crate
                || line.starts_with("\"resolved\"")
                || line.starts_with("--index-url")
                || line.starts_with("--extra-index-url")
                || line.starts_with("--find-links")
                || line.starts_with("registry=")
        }));
    }
    hold(
        "a lockfile pins names, versions and hashes, not where one machine loads them from (npm: omit-lockfile-registry-resolved)",
        &broken,
    );
}

#[test]
fn scripts_are_strict_and_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut broken = Vec::new();
    for text in texts(&[]) {
        let is_shell = text.text.starts_with("#!")
            && text.text.lines().next().is_some_and(|line| line.ends_with("bash"));
        if is_shell && !text.text.contains("\nset -euo pipefail\n") {
            broken.push(format!("{}: lacks `set -euo pipefail`", text.path));
        }
        let mode =
            fs::metadata(root().join(&text.path)).map_or(0, |data| data.permissions().mode());
        let is_sourced = text.path.ends_with(".rs") || !text.text.starts_with("#!");
        if !is_sourced && mode & 0o100 == 0 {
            broken.push(format!(
                "{}: begins with #! and cannot be executed (git update-index --chmod=+x)",
                text.path
            ));
        }
    }
    hold("a script stops at its first error and can be started as it is", &broken);
}
