//! `surgewall admin import`: another system's users and keys. All of a file is
//! taken over or none of it, and every line that is left out is said.

mod foreign;
mod own;
mod rows;
mod rules;
mod source;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use surgewall_core::clock::Clock;
use surgewall_core::files::read_text;
use surgewall_store::admin::{KeyImport, NAME_CHARS_MAX, Reply, Request, UserImport};

use self::foreign::{Key, Owners, Taken};
use self::rows::{Mistake, Row};
use self::source::{Kind, recognise};
use crate::cli::admin::import::{self as typed, Source};
use crate::commands::office::{operate, unexpected};
use crate::fault::Fault;
use crate::place::Place;
use crate::show;

/// An import file, in bytes: it crosses the control socket as one message.
const IMPORT_BYTES_MAX: u64 = 8 << 20;
/// Bad lines that are named one by one.
const MISTAKES_SHOWN_MAX: usize = 20;

/// Carries out `admin import`.
///
/// # Errors
/// The file cannot be read or meant, or a line was not accepted: then none is.
pub(super) async fn import(place: &Place, asked: typed::Import) -> Result<(), Fault> {
    match asked {
        typed::Import::Users(asked) => users(place, asked).await,
        typed::Import::Keys(asked) => keys(place, asked).await,
        typed::Import::Rules(asked) => rules::rules(&asked.file),
    }
}

/// Carries out `admin key import`: keys of a file that was written for Surgewall.
///
/// # Errors
/// As [`import`].
pub(super) async fn own_keys(place: &Place, file: PathBuf) -> Result<(), Fault> {
    let what = typed::What { file, from: Some(Source::Surgewall), dry_run: false };
    keys(place, typed::Keys { what, users: None, operators: false }).await
}

async fn users(place: &Place, asked: typed::Users) -> Result<(), Fault> {
    let (rows, source) = opened(&asked.what, Kind::Users)?;
    let mut left = Left::default();
    let read = |row: Row| match source {
        Source::Surgewall => own::user(row).map(Taken::Row),
        _ => foreign::user(source, &row),
    };
    let mut users = taken(&asked.what.file, rows, read, &mut left)?;
    for (_, user) in &mut users {
        user.class = user.class.or(asked.class);
        user.group = user.group.take().or_else(|| asked.group.clone());
    }
    left.say();
    if users.is_empty() {
        return Err(Fault::new("there is nobody to take over"));
    }
    let users = users.into_iter().map(|(_, user)| user).collect();
    let dry_run = asked.what.dry_run;
    let request = Request::UserImport(UserImport { users, dry_run });
    match named(&asked.what.file, operate(place, request).await)? {
        Reply::UsersImported { made, known } => {
            let made = show::count(made as u64, "account");
            let known = match known {
                0 => String::new(),
                1 => "; 1 was there already".to_owned(),
                known => format!("; {known} were there already"),
            };
            show::err(&said(dry_run, &format!("{made} made{known}")));
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

async fn keys(place: &Place, asked: typed::Keys) -> Result<(), Fault> {
    let (rows, source) = opened(&asked.what, Kind::Keys)?;
    let owners =
        Owners { emails: emails(asked.users.as_deref(), source)?, operators: asked.operators };
    let (mut left, now) = (Left::default(), Clock::System.now());
    let read = |row: Row| match source {
        Source::Surgewall => own::key(row).map(Taken::Row),
        _ => foreign::key(source, &row, &owners, now),
    };
    let mut found = taken(&asked.what.file, rows, read, &mut left)?;
    if source != Source::Surgewall {
        tell_apart(&mut found);
    }
    left.say();
    let lines = found.iter().map(|(line, _)| *line).collect();
    let (keys, history): (Vec<_>, Vec<_>) = found.into_iter().map(|(_, key)| key).unzip();
    let (history, dry_run) = (history.into_iter().flatten().collect(), asked.what.dry_run);
    let request = Request::KeyImport(KeyImport { keys, history, lines, dry_run });
    match named(&asked.what.file, operate(place, request).await)? {
        Reply::Imported { keys } => {
            let keys = show::count(keys as u64, "key");
            show::err(&said(dry_run, &format!("{keys} accepted from now on")));
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

fn said(dry_run: bool, what: &str) -> String {
    if dry_run { format!("a dry run, nothing was changed: {what}\n") } else { format!("{what}\n") }
}

/// The rows of a file, and whose they are.
fn opened(what: &typed::What, kind: Kind) -> Result<(Vec<Row>, Source), Fault> {
    let rows = rows_of(&what.file)?;
    let source = what.from.or_else(|| recognise(kind, &rows)).ok_or_else(|| {
        let of = if kind == Kind::Users { "accounts" } else { "keys" };
        Fault::new(format!("{}: no fields by which {of} are recognised", what.file.display()))
            .hint("say where it comes from with --from, or see `surgewall admin import --help`")
    })?;
    Ok((rows, source))
}

fn rows_of(file: &Path) -> Result<Vec<Row>, Fault> {
    let text =
        read(file).map_err(|error| Fault::from(error).during(&file.display().to_string()))?;
    let is_csv = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    rows::read(&text, is_csv).map_err(|mistakes| bad(file, &mistakes))
}

/// The e-mails of the users' export that `--users` names, by the ids there.
fn emails(file: Option<&Path>, source: Source) -> Result<HashMap<String, String>, Fault> {
    let Some(file) = file else { return Ok(HashMap::new()) };
    Ok(foreign::emails(source, &rows_of(file)?))
}

/// What `read` makes of every row; all that cannot be meant is named.
fn taken<T>(
    file: &Path,
    rows: Vec<Row>,
    read: impl Fn(Row) -> Result<Taken<T>, String>,
    left: &mut Left,
) -> Result<Vec<(u64, T)>, Fault> {
    let (mut found, mut mistakes) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let line = row.line;
        match read(row) {
            Ok(Taken::Row(row)) => found.push((line, row)),
            Ok(Taken::Left(why)) => left.lines.entry(why).or_default().push(line),
            Err(what) => mistakes.push((line, what)),
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(bad(file, &mistakes)) }
}

/// Every bad line by its number; nothing is taken over.
fn bad(file: &Path, mistakes: &[Mistake]) -> Fault {
    let named = mistakes.iter().take(MISTAKES_SHOWN_MAX);
    let mut said: Vec<_> =
        named.map(|(line, what)| format!("{}:{line}: {what}", file.display())).collect();
    let more = mistakes.len().saturating_sub(MISTAKES_SHOWN_MAX);
    if more > 0 {
        said.push(format!("and {} more", show::count(more as u64, "bad line")));
    }
    Fault::new(said.join("\n")).hint("nothing was taken over: mend the file and try again")
}

/// Names the file in what the door said of it.
fn named(file: &Path, answered: Result<Reply, Fault>) -> Result<Reply, Fault> {
    answered.map_err(|fault| fault.during(&file.display().to_string()))
}

/// Lines that were left out, by why.
#[derive(Default)]
struct Left {
    lines: BTreeMap<&'static str, Vec<u64>>,
}

impl Left {
    fn say(&self) {
        for (why, lines) in &self.lines {
            let first: Vec<_> = lines.iter().take(10).map(ToString::to_string).collect();
            let more = if lines.len() > first.len() { ", ..." } else { "" };
            let what = show::count(lines.len() as u64, "line");
            show::err(&format!("left out, {why}: {what} ({}{more})\n", first.join(", ")));
        }
    }
}

/// Other systems let two keys of one owner have one name.
fn tell_apart(keys: &mut [(u64, Key)]) {
    let mut taken: HashSet<(Option<String>, String)> = HashSet::new();
    for (line, (key, _)) in keys {
        if !taken.insert((key.account.clone(), key.name.clone())) {
            let ending = format!(" ({line})");
            let room = NAME_CHARS_MAX.saturating_sub(ending.chars().count());
            key.name = key.name.chars().take(room).chain(ending.chars()).collect();
            taken.insert((key.account.clone(), key.name.clone()));
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file != Path::new("-") {
        return read_text(file, IMPORT_BYTES_MAX);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(IMPORT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > IMPORT_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use surgewall_store::admin::KeyCreate;

    use super::*;

    #[test]
    fn one_owner_has_each_name_once() {
        let key = |line, account: &str, name: &str| {
            let account = Some(account.to_owned());
            (line, (KeyCreate { name: name.into(), account, ..KeyCreate::default() }, None))
        };
        let long = "x".repeat(NAME_CHARS_MAX);
        let mut keys = vec![
            key(1, "a", "k"),
            key(2, "b", "k"),
            key(3, "a", "k"),
            key(4, "a", &long),
            key(5, "a", &long),
        ];
        tell_apart(&mut keys);
        let names: Vec<_> = keys.iter().map(|(_, (key, _))| key.name.as_str()).collect();
        assert_eq!(names[..4], ["k", "k", "k (3)", &long]);
        assert!(names[4].ends_with(" (5)") && names[4].chars().count() == NAME_CHARS_MAX);
    }

    #[test]
    fn twenty_bad_lines_are_named_and_the_rest_counted() {
        let mistakes: Vec<_> = (1..=22).map(|line| (line, "bad".to_owned())).collect();
        let said = bad(Path::new("f"), &mistakes).message().to_owned();
        assert!(said.contains("f:20: bad") && !said.contains("f:21:"), "{said}");
        assert!(
            said.ends_with("and 2 bad lines more")
                || said.ends_with("and 2 bad lines more\n")
                || said.contains("and 2 bad lines"),
            "{said}"
        );
    }
}
