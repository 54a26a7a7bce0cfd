//! Signed checkpoints, as others wrote the rules: <https://c2sp.org/signed-note>
//! and <https://c2sp.org/tlog-checkpoint>.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::{Hash, sha256};

/// A note, in bytes.
pub(super) const NOTE_BYTES_MAX: u64 = 64 << 10;
/// What a signature line begins with: an em dash and a space.
const SIGNATURE_START: &str = "\u{2014} ";
/// Ed25519, among the types of signatures.
const ED25519_TYPE: u8 = 1;

/// Somebody's key for signed notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    /// Whose it is; `None` where only the key itself was given.
    name: Option<String>,
    key: [u8; 32],
}

/// A text is no key for signed notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: give NAME+ID+BASE64 as `check ledger` prints it, or 32 bytes in base64")]
pub struct NotAKey;

impl NoteKey {
    /// The key of the log that calls itself `name`.
    #[must_use]
    pub fn new(name: &str, key: [u8; 32]) -> Self {
        Self { name: Some(name.to_owned()), key }
    }

    /// The same key, for a name if it has none.
    pub(super) fn named(&self, name: &str) -> Self {
        let name = self.name.clone().unwrap_or_else(|| name.to_owned());
        Self { name: Some(name), key: self.key }
    }

    /// Whether the store with this key, which calls itself `name`, signed `message`
    /// for `purpose`: the text is the purpose, a newline and the message.
    pub(crate) fn has_signed(
        &self,
        name: &str,
        purpose: &str,
        message: &str,
        bytes: &[u8],
    ) -> bool {
        let is_its = self.name.as_deref().is_none_or(|own| own == name);
        let text = format!("{purpose}\n{message}");
        is_its && UnparsedPublicKey::new(&ED25519, self.key).verify(text.as_bytes(), bytes).is_ok()
    }

    /// The first four bytes of SHA-256(name | newline | type | key).
    fn id(&self) -> [u8; 4] {
        let name = self.name.as_deref().unwrap_or_default();
        let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519_TYPE], &self.key]);
        [a, b, c, d]
    }
}

impl fmt::Display for NoteKey {
    /// As tools for signed notes take it: NAME+ID+BASE64(type | key).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = STANDARD.encode([&[ED25519_TYPE], self.key.as_slice()].concat());
        match &self.name {
            Some(name) => write!(f, "{name}+{:08x}+{typed}", u32::from_be_bytes(self.id())),
            None => f.write_str(&STANDARD.encode(self.key)),
        }
    }
}

impl FromStr for NoteKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut parts = text.trim().splitn(3, '+');
        // Base64 has plus signs too: a name comes first only where an id follows.
        let (name, id, typed) = (parts.next(), parts.next(), parts.next());
        if let (Some(name), Some(id), Some(typed)) = (name, id, typed)
            && let Ok(bytes) = STANDARD.decode(typed)
            && let Some(key) = bytes.strip_prefix(&[ED25519_TYPE])
        {
            let key = Self::new(name, key.try_into().map_err(|_| NotAKey)?);
            let fits = is_name(name) && format!("{:08x}", u32::from_be_bytes(key.id())) == id;
            return if fits { Ok(key) } else { Err(NotAKey) };
        }
        let bytes = STANDARD.decode(text.trim()).map_err(|_| NotAKey)?;
        Ok(Self { name: None, key: bytes.try_into().map_err(|_| NotAKey)? })
    }
}

/// A checkpoint whose form holds; who signed it is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Whose tree it is.
    pub(super) origin: String,
    /// How many leaves it has.
    pub(super) size: u64,
    /// Its root.
    pub(super) root: Hash,
    /// What is signed.
    text: String,
    /// Who signed: names, ids and signatures.
    signatures: Vec<(String, Vec<u8>)>,
}

impl Checkpoint {
    /// The checkpoint that `note` is; the error says what is wrong.
    pub(super) fn parse(note: &str) -> Result<Self, &'static str> {
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err("it holds control characters");
        }
        let (text, rest) = note.rsplit_once("\n\n").ok_or("it has no signatures")?;
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, ..] = lines.as_slice() else {
            return Err("it lacks origin, size or root");
        };
        if lines.iter().any(|line| line.is_empty()) {
            return Err("it has empty lines");
        }
        let number = size.parse().ok().filter(|number: &u64| number.to_string() == **size);
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let signatures: Option<Vec<_>> =
            rest.strip_suffix('\n').and_then(|rest| rest.split('\n').map(signature).collect());
        Ok(Self {
            origin: (*origin).to_owned(),
            size: number.ok_or("its size is no number")?,
            root: root.ok_or("its root is no hash")?,
            text: format!("{text}\n"),
            signatures: signatures.ok_or("a signature line is malformed")?,
        })
    }

    /// Whether the log that it names signed it, and `key` is that log's.
    pub(super) fn is_signed_by(&self, key: &NoteKey) -> bool {
        let key = key.named(&self.origin);
        key.name.as_deref() == Some(&self.origin) && self.has_signature_of(&key)
    }

    /// What is signed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What follows the key's id in the signature lines of `name`.
    pub(super) fn signatures_of(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        let its = self.signatures.iter().filter(move |(named, _)| named == name);
        its.filter_map(move |(_, bytes)| bytes.strip_prefix(&id))
    }

    /// Whether one of its signatures is by `key`.
    fn has_signature_of(&self, key: &NoteKey) -> bool {
        let id = key.id();
        let verifies = |bytes: &[u8]| {
            UnparsedPublicKey::new(&ED25519, key.key).verify(self.text.as_bytes(), bytes).is_ok()
        };
        self.signatures.iter().any(|(name, bytes)| {
            key.name.as_ref() == Some(name) && bytes.strip_prefix(&id).is_some_and(verifies)
        })
    }
}

/// Name, and id with signature, of one signature line.
fn signature(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE_START)?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    (is_name(name) && bytes.len() > 4).then(|| (name.to_owned(), bytes))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum database of Go, as its own tools sign and verify it.
    const GO_KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    const GO_NOTES: [(u64, &str); 3] = [
        (
            52_544_510,
            "go.sum database tree\n52544510\n+TGlZfnTizQCJgyZR56QixD8+X4dd8Wefy8U1w6k0Ig=\n\n\u{2014} sum.golang.org Az3grn6d1PSjcypDf9bfcFVU5fvJB7VkLc0MAbz8jqeQVnSbAj9pKcsB5dJt5VdswPDUtiFar5LPRBu+uEQAT1CDfAc=\n",
        ),
        (
            65_209_736,
            "go.sum database tree\n65209736\n5+uGFjx6xBZG8ip1+wi77v+grwbhhukIrxEUS8PXvRo=\n\n\u{2014} sum.golang.org Az3grnbssgK7ubgFX36gVETtNv0U23qxyAhAMai2QUfeGa3nB/akvkMdlUErfcZz7l/R3cVtYspg3dxXABkGZZKdsQ8=\n",
        ),
        (
            3_784_599,
            "go.sum database tree\n3784599\n7uvxIZ67TZygcq/AehTD8iHYt81Ih+Zl2Y7vXZbfszQ=\n\n\u{2014} sum.golang.org Az3grn972wXskjQrsZhVGc93fTU2uOsmSTiId1Wn1lxDCup5z4ggl1/4gaUqOkMa6cMbYvjB7hn7yemNr7Zqanol/go=\n",
        ),
    ];

    #[test]
    fn notes_that_others_signed_verify() {
        let key: NoteKey = GO_KEY.parse().unwrap();
        assert_eq!(key.to_string(), GO_KEY);
        for (size, note) in GO_NOTES {
            let checkpoint = Checkpoint::parse(note).unwrap();
            assert_eq!(
                (checkpoint.origin.as_str(), checkpoint.size),
                ("go.sum database tree", size)
            );
            assert!(checkpoint.has_signature_of(&key));
            assert!(!checkpoint.is_signed_by(&key), "its name is not its origin, as ours is");
            let other = note.replacen(&size.to_string(), &(size + 1).to_string(), 1);
            assert!(!Checkpoint::parse(&other).unwrap().has_signature_of(&key));
            // Among signatures of others, which count for nothing.
            let more = format!("{note}\u{2014} witness.example {}\n", STANDARD.encode([7; 72]));
            assert!(Checkpoint::parse(&more).unwrap().has_signature_of(&key));
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let good = GO_NOTES[0].1;
        let bad = [
            String::new(),
            "\n\n".to_owned(),
            good.replace("\n\n", "\n"),
            good.replace("52544510", "052544510"),
            good.replace("52544510", "-1"),
            good.replace("52544510", "99999999999999999999"),
            good.replace("+TGl", "TGl"),
            good.replace("0Ig=", "0Ih="),
            good.replace("database", "data\tbase"),
            good.replace("\u{2014}", "-"),
            good.replace("CDfAc=", "CDfAc"),
            good.trim_end().to_owned(),
            format!("\n{good}"),
            format!("{good}\n"),
        ];
        for note in bad {
            assert!(Checkpoint::parse(&note).is_err(), "{note:?}");
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = NoteKey::new("surgewall/x", [9; 32]);
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let bare: NoteKey = STANDARD.encode([9; 32]).parse().unwrap();
        assert_eq!(bare.to_string(), STANDARD.encode([9; 32]));
        assert_eq!(bare.named("surgewall/x"), key);
        for bad in [
            "",
            "x",
            "surgewall/x",
            &key.to_string()[..40],
            &GO_KEY.replace("033d", "133d"),
            &STANDARD.encode([9; 31]),
        ] {
            assert_eq!(bad.parse::<NoteKey>(), Err(NotAKey), "{bad}");
        }
    }
}
